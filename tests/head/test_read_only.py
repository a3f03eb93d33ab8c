"""What is decided when a head, loss or metric is created cannot be set later; what can be set keeps working."""
import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError, ReadOnlyError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses import ArcFace, CosFace, NormFace
from keras_fixhead.streaming import StreamingAccuracy, StreamingHead, StreamingLoss

CLASSES, DIM = 5, 8
OWN = np.eye(CLASSES, DIM, dtype="float32")


def head_with(kind=HypersphereHead, built=True, **options):
    head = kind(CLASSES, name="head", **options)
    if built:
        head.build((None, DIM))
    return head


OPTIONS = {"num_classes": 7, "logits": "dot", "scale": 30, "fixed": False, "seed": 7, "rotate": False,
           "bias_kind": "learned", "vector_lr": 0.5, "vector_weight_decay": 0.1, "store_vectors": False,
           "vectors_digest": "0" * 64, "vectors_shape": (CLASSES, DIM), "kind": "cube", "dim": 4}
STREAMING_OPTIONS = {"in_memory": False, "product_dtype": "bfloat16", "chunk": 2, "memory_bytes": 1 << 21}


def refusal_of(owner, name, value):
    with pytest.raises(ReadOnlyError) as refusal:
        setattr(owner, name, value)
    assert isinstance(refusal.value, AttributeError) and isinstance(refusal.value, ArgumentError)
    message = str(refusal.value)
    assert message.startswith(f"{name} of {type(owner).__name__} {owner.name!r} is decided when")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("built", [True, False], ids=["built", "not built"])
@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_of_a_head_cannot_be_set(name, built):
    head = head_with(built=built)
    config = head.get_config()

    assert "Create another one: HypersphereHead(..., " in refusal_of(head, name, OPTIONS[name])
    assert head.get_config() == config


@pytest.mark.parametrize("name", [*OPTIONS, *STREAMING_OPTIONS])
def test_an_option_of_a_streaming_head_cannot_be_set(name):
    refusal_of(head_with(StreamingHead), name, {**OPTIONS, **STREAMING_OPTIONS}[name])


def test_every_argument_of_the_heads_is_read_only():
    arguments = {"class_vectors", "bias"}  # weights
    assert set(head_with(StreamingHead).get_config()) - set(keras.layers.Layer().get_config()) - arguments <= {
        *OPTIONS, *STREAMING_OPTIONS}


@pytest.mark.parametrize("options, name, value, hint", [
    ({}, "class_vectors", OWN, r"Change its values: head\.class_vectors\.assign\(VALUES\)"),
    ({"bias": "learned"}, "bias", np.zeros(CLASSES), r"Change its values: head\.bias\.assign\(VALUES\)"),
    ({"scale": "learned"}, "log_scale", 1.0, r"Change its values: head\.log_scale\.assign\(VALUES\)"),
    ({}, "bias", "learned", r"HypersphereHead\(\.\.\., bias='learned'\)"),
    ({}, "log_scale", 1.0, r"HypersphereHead\(\.\.\., scale=\.\.\.\)"),
    ({"built": False}, "class_vectors", OWN, r"HypersphereHead\(\.\.\., class_vectors=\.\.\.\)"),
])
def test_a_weight_is_changed_by_assigning_to_it(options, name, value, hint):
    head = head_with(**options)
    with pytest.raises(ReadOnlyError, match=hint):
        setattr(head, name, value)


def test_a_new_scale_can_follow_the_hint():
    """The refusal says to create another head, which takes over the class vectors."""
    head = head_with(scale=1.0)
    other = HypersphereHead.from_config({**head.get_config(), "scale": 30})
    other.build((None, DIM))

    np.testing.assert_allclose(other(OWN), 30 * np.array(head(OWN)), rtol=1e-6)


def test_what_can_be_set_keeps_working():
    head = head_with(fixed=False, scale=9.0)
    head.trainable = False
    assert not head.trainable_weights
    head.trainable = True
    head.class_vectors.assign(2 * OWN)
    np.testing.assert_allclose(head.cosines(OWN), np.eye(CLASSES), atol=1e-6)


def test_a_16_bit_policy_set_later_leaves_the_head_in_float32():
    head = head_with()
    head.dtype_policy = "mixed_bfloat16"
    assert head.compute_dtype == "float32"


@pytest.mark.parametrize("kind", [HypersphereHead, StreamingHead])
def test_fixed_class_vectors_refuse_to_be_made_trainable(kind):
    head = head_with(kind)
    with pytest.raises(ReadOnlyError, match=r"class vectors of layer 'head' are fixed: trainable .* fixed=False"):
        head.class_vectors.trainable = True
    head.class_vectors.trainable = False

    assert not head.trainable_weights


def test_learned_class_vectors_can_be_frozen_and_trained_again():
    head = head_with(fixed=False)
    head.class_vectors.trainable = False
    assert not head.trainable_weights
    head.class_vectors.trainable = True
    assert len(head.trainable_weights) == 1


@pytest.mark.parametrize("owner, name, value", [
    (CosFace(scale=9.0), "margin", 0.7), (ArcFace(), "scale", True), (NormFace(), "label_smoothing", 2),
    (StreamingLoss(margin="cosface"), "margin_size", -1), (StreamingLoss(), "margin", "cosface"),
    (StreamingAccuracy(), "k", 0),
], ids=lambda each: each if isinstance(each, str) else "")
def test_an_option_of_a_loss_or_metric_cannot_be_set(owner, name, value):
    assert f"Create another one: {type(owner).__name__}(..., {name}=" in refusal_of(owner, name, value)
