"""Every hint of a head about its arguments: produced in its situation, and followed."""
import re

import keras
import numpy as np
import pytest
from hints import leads_out, refused

from keras_fixhead.head import HypersphereHead
from keras_fixhead.head_config import HeadConfig
from keras_fixhead.losses import CosFace
from keras_fixhead.models.precision import precision_policy
from keras_fixhead.streaming import StreamingAccuracy, StreamingHead

W = np.eye(3, 4, dtype="float32")
FEATURES = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def built(kind=HypersphereHead, **arguments):
    head = kind(3, **arguments)
    head.build((None, 4))
    return head


HINTS = {
    "Call it or build it first.": [
        (lambda: HypersphereHead(3).cosines(FEATURES), lambda: built().cosines(FEATURES)),
        (lambda: HypersphereHead(3, scale="learned").current_scale(), lambda: built(scale="learned").current_scale()),
        (lambda: StreamingHead(3).rows(), lambda: built(StreamingHead).rows())],
    "Build it with (None, NUMBER_OF_FEATURES), or call it.": [
        (lambda: HypersphereHead(3).build(None), lambda: HypersphereHead(3).build((None, 4))),
        (lambda: HypersphereHead(3).build(()), lambda: HypersphereHead(3)(FEATURES))],
    "Use a head with fixed=True.": [
        (lambda: built(fixed=False).with_classes(4), lambda: built(fixed=True).with_classes(4))],
    "Build a head with class_vectors=W, with rows for the new classes as well.": [
        (lambda: built(class_vectors=W).with_classes(4),
         lambda: HypersphereHead(4, class_vectors=np.eye(4))(FEATURES))],
    "Leave out dtype: under a 16-bit or mixed policy the input is cast to float32.": [
        (lambda: HypersphereHead(3, dtype="bfloat16"), lambda: HypersphereHead(3)),
        (lambda: CosFace(dtype="float16"), lambda: CosFace())],
    "Leave vectors_shape out.": [
        (lambda: HypersphereHead(3, vectors_shape=(3, 4)), lambda: HypersphereHead(3)(FEATURES))],
    "Pass the array itself: class_vectors=W of shape (num_classes, dim).": [
        (lambda: HypersphereHead(3, class_vectors="array"), lambda: HypersphereHead(3, class_vectors=W)(FEATURES))],
    "Make them equal, for example with a Dense layer before the head.": [
        (lambda: HypersphereHead(3, class_vectors=W)(FEATURES[:, :2]),
         lambda: HypersphereHead(3, class_vectors=W)(keras.layers.Dense(4)(FEATURES[:, :2])))],
    "Leave store_vectors out.": [
        (lambda: HypersphereHead(3, class_vectors=W, store_vectors=False), lambda: HypersphereHead(3, class_vectors=W)),
        (lambda: HeadConfig(class_vectors="simplex", store_vectors=False), lambda: HeadConfig(class_vectors="simplex")),
        (lambda: HeadConfig(fixed=False, store_vectors=False), lambda: HeadConfig(fixed=False))],
}


@leads_out(*HINTS)
@pytest.mark.parametrize("hint, wrong, right", [(hint, *case) for hint, cases in HINTS.items() for case in cases])
def test_what_a_hint_of_a_head_says_works(hint, wrong, right):
    with refused(hint):
        wrong()
    right()


@leads_out("Leave out dtype: under a 16-bit or mixed policy the input is cast to float32.")
def test_without_a_dtype_a_head_computes_in_float32_under_a_mixed_policy():
    with precision_policy("bfloat16"):
        assert keras.backend.standardize_dtype(HypersphereHead(3)(keras.ops.cast(FEATURES, "bfloat16")).dtype) == (
            "float32")


@leads_out("Kinds that extend: uniform, cube and rademacher; orthogonal, hadamard and orthoplex up to their limits.")
def test_every_kind_that_is_said_to_extend_does():
    with refused("Kinds that extend: ") as caught:
        built(class_vectors="simplex").with_classes(4)
    kinds = re.findall(r"uniform|\w+(?=[ ,;])", caught.value.hint.partition(": ")[2].replace(" and", ",").partition(
        " up to")[0] + " ")

    assert kinds == ["uniform", "cube", "rademacher", "orthogonal", "hadamard", "orthoplex"]
    for kind in kinds:
        assert built(class_vectors=kind).with_classes(4).num_classes == 4


# what is decided when an object is created


@leads_out("Create another one: ...(..., ...=...).")
@pytest.mark.parametrize("kind, arguments, name, value", [
    (HypersphereHead, (3,), "fixed", False), (HypersphereHead, (3,), "scale", "learned"),
    (HypersphereHead, (3,), "seed", 7), (HypersphereHead, (3,), "bias_kind", "learned"),
    (HypersphereHead, (3,), "class_vectors", W), (StreamingHead, (3,), "chunk", 2), (CosFace, (), "margin", 0.2),
    (StreamingAccuracy, (), "k", 2)])
def test_an_object_that_is_created_as_the_hint_says_has_the_value(kind, arguments, name, value):
    owner = kind(*arguments)
    with refused(f"Create another one: {type(owner).__name__}(") as caught:
        setattr(owner, name, value)
    call = caught.value.hint.removeprefix("Create another one: ").rstrip(".")
    call = call.replace("(..., ", "(3, " if isinstance(owner, HypersphereHead) else "(").replace("=...", "=value")
    made = eval(call, {**globals(), "value": value})
    if value is W:
        made.build((None, 4))

    np.testing.assert_array_equal(getattr(made, name), value)


@leads_out("Change its values: head.....assign(VALUES).")
@pytest.mark.parametrize("name, arguments, values", [
    ("class_vectors", {}, W), ("bias", {"bias": "fixed"}, np.ones(3)), ("log_scale", {"scale": "learned"}, 0.5)])
def test_the_values_of_a_weight_are_changed_as_the_hint_says(name, arguments, values):
    head = built(**arguments)
    with refused(f"Change its values: head.{name}.assign(VALUES).") as caught:
        setattr(head, name, values)
    eval(re.search(r"head\S+\)", caught.value.hint)[0], {"head": head, "VALUES": values})

    np.testing.assert_array_equal(getattr(head, name), values)


@pytest.mark.parametrize("name, arguments", [("class_vectors", {}), ("bias", {"bias": "fixed"})])
def test_a_fixed_weight_is_learned_by_the_head_that_the_hint_names(name, arguments):
    head = built(**arguments)
    with refused("create another head: HypersphereHead(..., ") as caught:
        getattr(head, name).trainable = True
    made = eval(re.search(r"HypersphereHead\(.*\)", caught.value.hint)[0].replace("...", "3"),
                {**globals(), "W": np.array(head.class_vectors)})
    made.build((None, 4))

    assert name in {weight.name for weight in made.trainable_weights}
