"""`HypersphereHead` compared with float64 NumPy, and its contract as a Keras layer."""
import json

import keras
import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead, unit_length
from keras_fixhead.models import precision_policy
from keras_fixhead.vectors import KINDS, class_vectors, vectors_digest

CLASSES, DIM = 5, 16
EPSILON = 1e-6
NORMS = [0.0, 1e-8, 1e-4, 1.0, 1e3]

every_head = pytest.mark.parametrize("logits, fixed", [(logits, fixed) for logits in ("cos", "dot")
                                                       for fixed in (True, False)])


def features_of_norm(norm, rows=4):
    drawn = np.random.default_rng(0).normal(size=(rows, DIM))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * norm).astype("float32")


def reference_logits(features, vectors, *, logits, scale, normalize_vectors):
    features, vectors = features.astype(np.float64), vectors.astype(np.float64)
    if logits == "cos":
        features = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), EPSILON)
        if normalize_vectors:
            vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scale * features @ vectors.T


def reference_gradient_of_length(vectors, upstream, floor):
    """d(upstream . v / max(|v|, floor)) / dv: (g - u (u . g)) / |v|, or g / floor for short vectors."""
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = vectors / np.maximum(norm, floor)
    projected = upstream - unit * (unit * upstream).sum(axis=-1, keepdims=True)
    return np.where(norm > floor, projected, upstream) / np.maximum(norm, floor)


def built(**arguments):
    head = HypersphereHead(CLASSES, **arguments)
    head.build((None, DIM))
    return head


@every_head
@pytest.mark.parametrize("norm", NORMS)
def test_values_and_gradients_match_float64(logits, fixed, norm):
    """The tolerance is 1e-5 of the largest value, a few dozen float32 roundings."""
    import tensorflow as tf

    scale = 3.0
    head = built(logits=logits, fixed=fixed, scale=scale, seed=2)
    if not fixed:  # learned vectors do not keep length 1
        head.class_vectors.assign(class_vectors("uniform", CLASSES, DIM, 2) * np.linspace(0.5, 4, CLASSES)[:, None])
    vectors = keras.ops.convert_to_numpy(head.class_vectors)
    features = features_of_norm(norm)
    upstream = np.random.default_rng(1).normal(size=(len(features), CLASSES)).astype("float32")
    inputs = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = head(inputs)
        loss = tf.reduce_sum(outputs * upstream)
    by_features, by_vectors = tape.gradient(loss, [inputs, head.class_vectors.value])

    expected = reference_logits(features, vectors, logits=logits, scale=scale, normalize_vectors=not fixed)
    np.testing.assert_allclose(outputs, expected, atol=1e-5 * max(np.abs(expected).max(), 1e-30))
    f, w, g = features.astype(np.float64), vectors.astype(np.float64), scale * upstream.astype(np.float64)
    if logits == "cos":
        used = w / np.linalg.norm(w, axis=1, keepdims=True) if not fixed else w
        expected_by_features = reference_gradient_of_length(f, g @ used, EPSILON)
        unit = f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), EPSILON)
        expected_by_vectors = reference_gradient_of_length(w, g.T @ unit, EPSILON)
    else:
        expected_by_features, expected_by_vectors = g @ w, g.T @ f
    np.testing.assert_allclose(by_features, expected_by_features, atol=1e-5 * np.abs(expected_by_features).max())
    if not fixed:
        np.testing.assert_allclose(by_vectors, expected_by_vectors,
                                   atol=1e-5 * max(np.abs(expected_by_vectors).max(), 1e-30))


def test_zero_features_have_cosine_zero_and_a_finite_gradient():
    import tensorflow as tf

    inputs = tf.zeros((2, DIM))
    head = built()
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(head(inputs)[:, 0])
    gradient = tape.gradient(loss, inputs).numpy()

    np.testing.assert_array_equal(head(inputs), np.zeros((2, CLASSES)))
    np.testing.assert_allclose(gradient, [class_vectors("uniform", CLASSES, DIM)[0] / EPSILON] * 2, rtol=1e-6)


def test_cosines_are_the_logits_of_a_cosine_head_without_its_scale():
    head = built(scale=30.0)
    features = features_of_norm(7.0)

    np.testing.assert_allclose(head(features), 30 * head.cosines(features), rtol=1e-6)
    assert np.abs(head.cosines(features)).max() <= 1 + 1e-6


def test_a_dot_head_also_has_cosines():
    head, cosine_head = built(logits="dot", scale=2.0), built()
    features = features_of_norm(7.0)

    np.testing.assert_allclose(head.cosines(features), cosine_head(features), rtol=1e-6)


def test_features_equal_to_a_class_vector_have_cosine_1_with_it():
    vectors = class_vectors("uniform", CLASSES, DIM, 0)

    np.testing.assert_allclose(np.diag(built()(5 * vectors)), 1, atol=1e-6)


def test_permuting_the_classes_permutes_the_logits():
    head = built(fixed=False)
    features = features_of_norm(1.0)
    before = keras.ops.convert_to_numpy(head(features))
    order = [3, 1, 4, 0, 2]
    head.class_vectors.assign(keras.ops.convert_to_numpy(head.class_vectors)[order])

    np.testing.assert_allclose(head(features), before[:, order], atol=1e-6)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_class_vectors_start_as_drawn_whether_fixed_or_learned(kind, fixed):
    head = built(class_vectors=kind, seed=2**40 + 7, fixed=fixed)
    drawn = class_vectors(kind, CLASSES, DIM, 2**40 + 7)

    np.testing.assert_array_equal(head.class_vectors, drawn)
    assert head.vectors_digest == vectors_digest(drawn)
    assert len(head.trainable_weights) == (0 if fixed else 1)
    assert len(head.weights) == 1


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_it_computes_in_float32_under_a_mixed_policy(policy):
    features = keras.ops.cast(features_of_norm(300.0), policy)  # squared norms exceed float16's 65504
    with precision_policy(policy):
        head = HypersphereHead(CLASSES)
        symbolic = head(keras.Input((DIM,), dtype=policy))
    outputs = head(features)

    assert symbolic.dtype == "float32"
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    assert head.class_vectors.dtype == "float32"
    expected = reference_logits(keras.ops.convert_to_numpy(keras.ops.cast(features, "float32")),
                                class_vectors("uniform", CLASSES, DIM), logits="cos", scale=1.0,
                                normalize_vectors=False)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_pure_16_bit_policy_is_refused(dtype):
    with pytest.raises(ArgumentError, match=f"computes in float32 or float64, got dtype '{dtype}'"):
        HypersphereHead(CLASSES, dtype=dtype)


@pytest.mark.parametrize("arguments, message", [
    ({"num_classes": 1}, "num_classes must be an integer of at least 2, got 1"),
    ({"num_classes": 2.0}, "num_classes must be an integer"),
    ({"num_classes": "ten"}, "num_classes must be an integer of at least 2, got 'ten'"),
    ({"num_classes": 2, "logits": "cosine"}, "logits must be one of dot, cos, got 'cosine'"),
    ({"num_classes": 2, "scale": 0}, "scale must be a positive number, .* got 0"),
    ({"num_classes": 2, "scale": -1.0}, "scale must be a positive number"),
    ({"num_classes": 2, "scale": float("nan")}, "scale must be a positive number, .* got nan"),
    ({"num_classes": 2, "scale": float("inf")}, "scale must be a positive number, .* got inf"),
    ({"num_classes": 2, "scale": "1"}, "scale must be a positive number, .* got '1'"),
    ({"num_classes": 2, "class_vectors": "unifrom"}, "Did you mean 'uniform'"),
    ({"num_classes": 2, "seed": -1}, r"seed must be in \[0, "),
    ({"num_classes": 2, "seed": 1.5}, "seed must be an integer, got 1.5"),
])
def test_a_wrong_argument_is_refused_on_creation(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        HypersphereHead(**arguments)


def test_the_number_of_features_must_be_known():
    with pytest.raises(ArgumentError, match="fixed number of features"):
        HypersphereHead(CLASSES).build((None, None))


def test_features_of_the_wrong_length_or_without_a_batch_axis_are_refused():
    head = built()
    for shape in ((2, DIM + 1), (DIM,)):
        with pytest.raises(ValueError, match="incompatible with the layer"):
            head(np.zeros(shape, "float32"))


@pytest.mark.parametrize("shape", [(2, DIM), (2, 3, DIM), (2, 3, 4, DIM)])
def test_leading_axes_are_kept(shape):
    head = HypersphereHead(CLASSES)
    outputs = head(np.ones(shape, "float32"))

    assert outputs.shape == head.compute_output_shape(shape) == (*shape[:-1], CLASSES)


def test_symbolic_inputs_of_rank_3_give_logits_of_rank_3():
    head = HypersphereHead(CLASSES)
    outputs = head(keras.Input((None, DIM)))

    assert outputs.shape == (None, None, CLASSES)
    assert head.compute_output_shape((None, None, DIM)) == (None, None, CLASSES)


@every_head
def test_from_config_makes_an_equal_layer(logits, fixed):
    head = HypersphereHead(CLASSES, logits=logits, scale=2.5, fixed=fixed, class_vectors="cube", seed=2**63, name="h")
    for config in (head.get_config(), built(logits=logits, fixed=fixed, class_vectors="cube").get_config()):
        again = HypersphereHead.from_config(json.loads(json.dumps(config)))
        assert again.get_config() == config
    head.build((None, DIM))
    again = HypersphereHead.from_config(head.get_config())

    np.testing.assert_array_equal(again(features_of_norm(1.0)), head(features_of_norm(1.0)))


def test_numpy_numbers_give_a_configuration_that_json_can_store():
    head = HypersphereHead(np.int64(CLASSES), scale=np.float32(2), seed=np.uint32(3))

    assert HypersphereHead.from_config(json.loads(json.dumps(head.get_config()))).seed == 3


@pytest.mark.parametrize("norm", NORMS)
def test_unit_length_divides_by_the_length_or_the_floor(norm):
    vectors = features_of_norm(norm)
    exact = vectors.astype(np.float64)
    expected = exact / np.maximum(np.linalg.norm(exact, axis=1, keepdims=True), EPSILON)

    np.testing.assert_allclose(unit_length(vectors), expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("shape", [None, 5, (), "ab", {1: 2}])
def test_a_head_cannot_be_built_for_what_is_not_a_shape(shape):
    with pytest.raises(ArgumentError, match=r"^HypersphereHead needs the shape of its features, got [^\n]*$"):
        HypersphereHead(CLASSES).build(shape)
