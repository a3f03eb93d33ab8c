import keras
import numpy as np
import pytest

from keras_fixhead.losses import cross_entropy

DRAW = np.random.default_rng(0)
LOGITS = DRAW.normal(size=(50, 7)).astype("float32") * 5
LABELS = DRAW.integers(0, 7, 50).astype("int32")

every_smoothing = pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.999])


def reference(labels, logits, smoothing):
    """-sum over classes of target x log softmax, in float64."""
    logits = logits.astype(np.float64)
    targets = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    log_softmax = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)) \
        - logits.max(1, keepdims=True)
    return -(targets * log_softmax).sum(axis=1)


@every_smoothing
def test_it_is_the_cross_entropy_of_the_smoothed_target(smoothing):
    found = keras.ops.convert_to_numpy(cross_entropy(LABELS, LOGITS, label_smoothing=smoothing))

    assert found.shape == (50,) and found.dtype == np.float32
    np.testing.assert_allclose(found, reference(LABELS, LOGITS, smoothing), rtol=1e-5, atol=1e-5)  # logits up to 15


@every_smoothing
def test_it_equals_keras_own(smoothing):
    stock = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    expected = stock(np.eye(7, dtype="float32")[LABELS], LOGITS)

    np.testing.assert_allclose(cross_entropy(LABELS, LOGITS, label_smoothing=smoothing), expected, rtol=1e-5, atol=1e-5)


@every_smoothing
def test_its_gradient_is_softmax_minus_the_target(smoothing):
    import tensorflow as tf

    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = keras.ops.sum(cross_entropy(LABELS, logits, label_smoothing=smoothing))
    targets = (1 - smoothing) * np.eye(7)[LABELS] + smoothing / 7
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(tape.gradient(loss, logits), softmax - targets, atol=1e-6)


def test_labels_may_be_a_column_and_of_any_integer_type():
    expected = keras.ops.convert_to_numpy(cross_entropy(LABELS, LOGITS))
    for labels in (LABELS[:, None], LABELS.astype("int64"), LABELS.astype("uint8"), LABELS.astype("float32")):
        np.testing.assert_array_equal(cross_entropy(labels, LOGITS), expected)


def test_large_logits_stay_finite():
    found = keras.ops.convert_to_numpy(cross_entropy([0, 1], [[1e4, 0.0], [1e4, 0.0]], label_smoothing=0.1))

    np.testing.assert_allclose(found, [0.05 * 1e4, 0.95 * 1e4], rtol=1e-6)


def test_equal_logits_give_the_logarithm_of_the_number_of_classes():
    assert float(cross_entropy([3], [[0.7] * 10])[0]) == pytest.approx(np.log(10), rel=1e-6)


def test_logits_of_16_bits_are_compared_in_float32():
    logits = keras.ops.cast(LOGITS, "bfloat16")
    found = cross_entropy(LABELS, logits)

    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(found, cross_entropy(LABELS, keras.ops.cast(logits, "float32")))


def test_fit_takes_it_as_a_loss():
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(7, kernel_initializer="identity")])
    model.compile(optimizer="sgd", loss=cross_entropy)

    assert model.evaluate(LOGITS, LABELS, verbose=0) == pytest.approx(reference(LABELS, LOGITS, 0).mean(), rel=1e-5)
