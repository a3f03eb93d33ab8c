"""Valid labels in every form, and invalid ones, on TensorFlow and JAX, eager and compiled."""
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import (
    ArcFace,
    CosFace,
    NormFace,
    accuracy,
    arcface,
    check_labels,
    cosface,
    cross_entropy,
    loss_of,
    mixed,
)

CLASSES, DIM = 5, 8
SCALE = 10.0
COSINES = np.random.default_rng(0).uniform(-0.9, 0.9, (6, CLASSES)).astype("float32")
LABELS = np.array([0, 1, 2, 3, 4, 0])
LOGITS = SCALE * COSINES
FUNCTIONS = {
    "cross_entropy": cross_entropy,
    "smoothed": lambda labels, logits: cross_entropy(labels, logits, 0.1),
    "accuracy": accuracy,
    "cosface": lambda labels, logits: cosface(labels, logits, SCALE),
    "arcface": lambda labels, logits: arcface(labels, logits, SCALE),
    "CosFace": CosFace(scale=SCALE, reduction="none"),
    "ArcFace": ArcFace(scale=SCALE, reduction="none"),
    "NormFace": NormFace(reduction="none"),
}
FORMS = {
    **{dtype: LABELS.astype(dtype) for dtype in (
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")},
    "list": LABELS.tolist(),
    "column": LABELS[:, None],
    "column of floats": LABELS[:, None].astype("float32"),
    "one-hot": np.eye(CLASSES, dtype="int64")[LABELS],
    "one-hot floats": np.eye(CLASSES, dtype="float32")[LABELS],
    "one-hot booleans": np.eye(CLASSES, dtype=bool)[LABELS],
}
BAD = {
    "-1": (np.array([0, 1, -1, 3, 4, 0]), r"in \[0, 5\), got -1 to 4 for 5 classes\. Leave out examples whose"),
    "m": (np.array([0, 1, 2, 3, 4, 5]), r"in \[0, 5\), got 0 to 5 for 5 classes\. Number the classes from 0"),
    "1..m": (np.array([1, 2, 3, 4, 5, 1]), r"got 1 to 5 for 5 classes\. Classes are counted from 0: subtract 1"),
    "int8": (np.array([0, 1, 2, 3, 4, 127], "int8"), "got 0 to 127 for 5 classes"),
    "beyond int32": (np.array([0, 1, 2, 3, 4, 2**32 + 1]), "got 0 to 4.29497e.09 for 5 classes"),
    "a column": (np.array([[0], [1], [-1], [3], [4], [0]]), "got -1 to 4 for 5 classes"),
    "floats": (np.array([0, 1, 2.0, 3, 4, -1], "float32"), "got -1 to 4 for 5 classes"),
    "halves": (np.array([0, 1, 2.5, 3, 4, 0], "float32"), "must be whole numbers"),
    "nan": (np.array([0, 1, np.nan, 3, 4, 0], "float32"), "got nan to nan"),
    "soft targets": (np.full((6, CLASSES), 0.2, "float32"),
                     "Each row of one-hot labels must be a single 1 among zeros"),
    "two ones": (np.eye(CLASSES)[LABELS] + np.eye(CLASSES)[(LABELS + 1) % CLASSES], "single 1 among zeros; row 0"),
    "no one": (np.eye(CLASSES)[LABELS] * (LABELS != 2)[:, None], "single 1 among zeros; row 2"),
}
SHAPES = [np.zeros((6, 2)), np.zeros((6, 1, 1)), np.zeros((2, 3)), np.array(3), np.zeros(4), np.zeros((4, 1)),
          np.zeros((7, CLASSES))]

every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_labels_gives_bit_identical_losses(name, form):
    expected = keras.ops.convert_to_numpy(FUNCTIONS[name](LABELS.astype("int32"), LOGITS))

    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(FUNCTIONS[name](FORMS[form], LOGITS), expected)
    if form != "list":
        np.testing.assert_array_equal(FUNCTIONS[name](keras.ops.convert_to_tensor(FORMS[form]), LOGITS), expected)


@every_function
@pytest.mark.parametrize("case", BAD)
def test_labels_out_of_range_give_a_one_line_error_with_smallest_and_largest(name, case):
    labels, message = BAD[case]
    with pytest.raises(ArgumentError, match=message) as refusal:
        FUNCTIONS[name](labels, LOGITS)

    assert "\n" not in str(refusal.value)


@every_function
@pytest.mark.parametrize("labels", SHAPES, ids=lambda labels: str(labels.shape))
def test_labels_of_the_wrong_shape_give_a_one_line_error(name, labels):
    with pytest.raises((ArgumentError, ValueError), match=r"labels must have shape|the same number of rows") as refusal:
        FUNCTIONS[name](labels, LOGITS)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("labels", [None, "cat", ["cat", "dog"], [[1], [2, 3]], [object()]])
def test_labels_that_are_not_numbers_give_a_one_line_error(labels):
    for function in (cross_entropy, accuracy, FUNCTIONS["arcface"], FUNCTIONS["cosface"]):
        with pytest.raises(ArgumentError, match="labels must be an array of numbers"):
            function(labels, LOGITS)


def test_logits_of_the_wrong_shape_give_a_one_line_error():
    for function in (cross_entropy, FUNCTIONS["arcface"]):
        with pytest.raises(ArgumentError, match=r"logits must have shape \(N, num_classes\), got"):
            function(LABELS, np.zeros((2, 3, CLASSES), "float32"))


def test_labels_of_mixed_images_must_be_two_labels_and_a_share():
    with pytest.raises(ArgumentError, match=r"Labels of mixed images must have shape \(N, 3\), got \(6,\)"):
        mixed(cross_entropy)(LABELS, LOGITS)
    with pytest.raises(ArgumentError, match="got 1 to 5 for 5 classes"):
        mixed(cross_entropy)(np.stack([LABELS, LABELS + 1, np.full(6, 0.5)], axis=1), LOGITS)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_the_number_of_classes_may_exceed_the_range_of_the_label_type(dtype):
    logits = np.random.default_rng(0).normal(size=(3, 1000)).astype("float32")
    labels = np.array([0, 5, 127])

    np.testing.assert_array_equal(cross_entropy(labels.astype(dtype), logits), cross_entropy(labels, logits))


def test_labels_can_be_checked_without_logits():
    check_labels(LABELS, CLASSES)
    check_labels([], CLASSES)
    with pytest.raises(ArgumentError, match=r"Labels must be whole numbers in \[0, 4\), got 0 to 4 for 4 classes"):
        check_labels(LABELS, 4)


@pytest.mark.parametrize("labels, message", [
    (None, "labels must be an array of numbers, got None"), ("abc", "labels must be an array of numbers, got 'abc'"),
    (["a"], "labels must be an array of numbers, got <U1"), ([[1], [1, 2]], "got rows of different lengths"),
    ([float("nan")], "Labels must be whole numbers"),
])
def test_labels_of_other_types_are_refused_in_one_line(labels, message):
    with pytest.raises(ArgumentError, match=rf"^[^\n]*{message}[^\n]*$"):
        check_labels(labels, 4)


@pytest.mark.parametrize("num_classes", ["4", None, 0, True, 2.5])
def test_a_wrong_number_of_classes_is_refused(num_classes):
    with pytest.raises(ArgumentError, match="num_classes must be"):
        check_labels([0], num_classes)


COMPILED = """
import json, sys
import keras, numpy as np
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace, cross_entropy

draw = np.random.default_rng(0)
features = draw.normal(size=(6, 8)).astype("float32")
good = np.array([0, 1, 2, 3, 4, 0])
labels = {
    "good": good, "one-hot": np.eye(5)[good], "column": good[:, None], "int8": good.astype("int8"),
    "-1": np.array([0, 1, -1, 3, 4, 0]), "m": good + 5 * (good == 4), "1..m": good + 1,
    "1..m column": good[:, None] + 1, "1..m int8": (good + 1).astype("int8"),
    "halves": good + 0.5, "soft": np.full((6, 5), 0.2), "nan": np.where(good == 2, np.nan, good),
}
found = {}
on_jax = keras.backend.backend() == "jax"
losses = {"ArcFace": ArcFace(scale=10), "CosFace": CosFace(scale=10), "NormFace": NormFace(),
          "cross_entropy": cross_entropy}
inputs = keras.Input((8,))
heads = {name: HypersphereHead(5, scale=10.0, bias="none", name=name)(inputs) for name in losses}
for jit in (True,) if on_jax else (False, True):  # without jit, JAX runs eagerly
    for rank in (1, 2):
        model = keras.Model(inputs, heads)  # all losses in one step: compiling takes the time
        model.compile(keras.optimizers.SGD(0.1), losses, jit_compile=jit)
        for case, each in labels.items():
            if each.ndim == rank:
                values = model.evaluate(features, dict.fromkeys(losses, each), verbose=0, return_dict=True)
                for name in losses:
                    found[f"{name}, {'jit' if jit else 'graph'}, {case}"] = values[f"{name}_loss"]
inputs = keras.Input((8,))
model = keras.Model(inputs, HypersphereHead(5, scale=10.0)(keras.layers.Dense(8)(inputs)))
model.compile(keras.optimizers.SGD(0.1), ArcFace(scale=10), jit_compile=True)
found["fit, graph, -1"] = model.fit(features, labels["-1"], verbose=0).history["loss"][0]
model.compile(keras.optimizers.SGD(0.1), ArcFace(scale=10), run_eagerly=True)
try:
    model.fit(features, labels["-1"], verbose=0)
except ValueError as error:
    print(error, file=sys.stderr)
    found["eager"] = "got -1 to 4 for 5 classes" in str(error)
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_compiled_step_returns_nan_for_labels_out_of_range(backend):
    import json

    done = subprocess.run([sys.executable, "-c", COMPILED], text=True, capture_output=True,
                          env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert found.pop("eager", True), done.stderr
    assert len(found) == 4 * (1 if backend == "jax" else 2) * 12 + 1
    for case, value in found.items():
        is_valid = case.rpartition(", ")[2] in ("good", "one-hot", "column", "int8")
        assert np.isfinite(value) == is_valid, (case, value)
        if is_valid:
            assert value == pytest.approx(found[case.rpartition(", ")[0] + ", good"], rel=1e-6)


def test_the_loss_of_features_and_head_checks_labels_the_same_way():
    head = HypersphereHead(CLASSES, scale=SCALE)
    features = np.random.default_rng(0).normal(size=(6, DIM)).astype("float32")
    expected = keras.ops.convert_to_numpy(loss_of(LABELS, features, head, margin="arcface"))

    np.testing.assert_array_equal(loss_of(FORMS["one-hot"], features, head, margin="arcface"), expected)
    for labels, message in BAD.values():
        with pytest.raises(ArgumentError, match=message):
            loss_of(labels, features, head)
