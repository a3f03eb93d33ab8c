"""`cross_entropy` compared with float64 NumPy, above all for tiny losses."""
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.losses import cross_entropy

DRAW = np.random.default_rng(0)
LOGITS = DRAW.normal(size=(50, 7)).astype("float32") * 5
LABELS = DRAW.integers(0, 7, 50).astype("int32")

# Losses e^-gap; -ln 1e-30 is 69. Whole numbers are exact in float32, so that only the loss itself is rounded
GAPS = [5.0, 17.0, 30.0, 50.0, 69.0]

every_smoothing = pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.999])


def reference(labels, logits, smoothing):
    """Returns -sum over classes of target x log softmax, in float64."""
    logits = logits.astype(np.float64)
    targets = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    log_softmax = logits - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True)) \
        - logits.max(1, keepdims=True)
    return -(targets * log_softmax).sum(axis=1)


def value_and_gradient(labels, logits, **arguments):
    import tensorflow as tf

    logits = tf.constant(logits, "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(labels, logits, **arguments)
    return loss.numpy(), tape.gradient(loss, logits).numpy()


@every_smoothing
def test_it_equals_the_cross_entropy_with_the_smoothed_target(smoothing):
    found = keras.ops.convert_to_numpy(cross_entropy(LABELS, LOGITS, label_smoothing=smoothing))

    assert found.shape == (50,) and found.dtype == np.float32
    np.testing.assert_allclose(found, reference(LABELS, LOGITS, smoothing), rtol=1e-5, atol=1e-5)  # logits up to 15


@every_smoothing
def test_it_equals_the_keras_loss(smoothing):
    stock = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing, reduction="none")
    expected = stock(np.eye(7, dtype="float32")[LABELS], LOGITS)

    np.testing.assert_allclose(cross_entropy(LABELS, LOGITS, label_smoothing=smoothing), expected, rtol=1e-5, atol=1e-5)


@every_smoothing
def test_the_gradient_is_softmax_minus_target(smoothing):
    _, gradient = value_and_gradient(LABELS, LOGITS, label_smoothing=smoothing)
    targets = (1 - smoothing) * np.eye(7)[LABELS] + smoothing / 7
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)

    np.testing.assert_allclose(gradient, softmax - targets, atol=1e-6)


def test_labels_may_be_a_column_and_have_any_integer_type():
    expected = keras.ops.convert_to_numpy(cross_entropy(LABELS, LOGITS))
    for labels in (LABELS[:, None], LABELS.astype("int64"), LABELS.astype("uint8"), LABELS.astype("float32")):
        np.testing.assert_array_equal(cross_entropy(labels, LOGITS), expected)


def test_large_logits_stay_finite():
    found = keras.ops.convert_to_numpy(cross_entropy([0, 1], [[1e4, 0.0], [1e4, 0.0]], label_smoothing=0.1))

    np.testing.assert_allclose(found, [0.05 * 1e4, 0.95 * 1e4], rtol=1e-6)


def test_equal_logits_give_the_log_of_the_number_of_classes():
    assert float(cross_entropy([3], [[0.7] * 10])[0]) == pytest.approx(np.log(10), rel=1e-6)


def test_logits_of_16_bits_are_computed_in_float32():
    logits = keras.ops.cast(LOGITS, "bfloat16")
    found = cross_entropy(LABELS, logits)

    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_array_equal(found, cross_entropy(LABELS, keras.ops.cast(logits, "float32")))


def test_fit_accepts_it_as_a_loss():
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(7, kernel_initializer="identity")])
    model.compile(optimizer="sgd", loss=cross_entropy)

    assert model.evaluate(LOGITS, LABELS, verbose=0) == pytest.approx(reference(LABELS, LOGITS, 0).mean(), rel=1e-5)


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("offset", [0.0, 100.0, -100.0])
@pytest.mark.parametrize("others", [1, 4])
def test_tiny_losses_and_their_gradients_are_not_rounded_to_zero(gap, offset, others):
    """For n other classes at distance gap, the loss is log1p(n e^-gap) and each has p = e^-gap / (1 + n e^-gap).

    The relative tolerance is 2e-5: ln n is added to numbers up to 170, where float32 values are 1.5e-5 apart.
    """
    loss, gradient = value_and_gradient([0], [[gap + offset] + [offset] * others])

    probability = np.exp(-gap) / (1 + others * np.exp(-gap))
    np.testing.assert_allclose(loss, [np.log1p(others * np.exp(-gap))], rtol=2e-5)
    np.testing.assert_allclose(gradient, [[-others * probability] + [probability] * others], rtol=2e-5)


def test_xla_keeps_tiny_losses():
    import tensorflow as tf

    logits = np.stack([GAPS, np.zeros(len(GAPS))], axis=1)
    labels = np.zeros(len(GAPS), "int32")
    loss, gradient = tf.function(lambda z: _traced(labels, z), jit_compile=True)(tf.constant(logits, "float32"))

    tiny = np.exp(-np.array(GAPS))
    np.testing.assert_allclose(loss, np.log1p(tiny), rtol=2e-5)
    np.testing.assert_allclose(gradient, np.stack([-tiny, tiny], axis=1) / (1 + tiny[:, None]), rtol=2e-5)


def _traced(labels, logits):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(labels, logits)
    return loss, tape.gradient(loss, logits)


def test_two_classes_give_the_logistic_loss():
    """There is one other class: the placeholder for the target in the sum must not contribute."""
    gaps = np.array([-1e4, -80.0, -3.0, 0.0, 3.0, 80.0])
    logits = np.stack([gaps, np.zeros(len(gaps))], axis=1)
    loss, gradient = value_and_gradient(np.zeros(len(gaps), "int32"), logits)

    rising = 1 / (1 + np.exp(np.minimum(gaps, 700.0)))  # e^710 exceeds float64
    np.testing.assert_allclose(loss, np.logaddexp(0, -gaps), rtol=1e-6)
    np.testing.assert_allclose(gradient, np.stack([-rising, rising], axis=1), rtol=1e-6)


@pytest.mark.parametrize("target", [0.0, 12.0, 40.0])
def test_small_losses_are_kept_with_100000_classes(target):
    """log1p((m - 1) e^-target) to 1e-4 relative: a float32 sum of 1e5 terms, and 11.5 - 40 is rounded."""
    classes = 100_000
    loss, gradient = value_and_gradient([7], [[target if j == 7 else 0.0 for j in range(classes)]])

    np.testing.assert_allclose(loss, [np.log1p((classes - 1) * np.exp(-target))], rtol=1e-4)
    np.testing.assert_allclose(gradient[0, 8], np.exp(-target) / (1 + (classes - 1) * np.exp(-target)), rtol=1e-4)


@every_smoothing
def test_the_gradient_is_softmax_minus_target_even_at_logits_of_10000(smoothing):
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]])
    _, gradient = value_and_gradient([0, 0, 0, 0], logits, label_smoothing=smoothing)

    softmax = np.array([[1, 0, 0], [0, 1, 0], [1 / 3] * 3, [1 / 3] * 3])
    targets = (1 - smoothing) * np.eye(3)[0] + smoothing / 3
    np.testing.assert_allclose(gradient, softmax - targets, atol=2e-3)  # 1e4 + ln 2 is rounded to a step of 1e-3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-60, 60, width=32), min_size=4, max_size=4), min_size=1, max_size=4),
       st.integers(0, 3), st.sampled_from([0.0, 0.1, 0.9]))
def test_values_and_gradients_hold_for_any_logits(logits, label, smoothing):
    """Adding a number to all logits changes no probability, so the gradient sums to 0."""
    logits = np.array(logits, "float32")
    labels = np.full(len(logits), label)
    loss, gradient = value_and_gradient(labels, logits, label_smoothing=smoothing)

    np.testing.assert_allclose(loss, reference(labels, logits, smoothing), rtol=1e-5, atol=2e-5)  # logits up to 60
    assert np.all(np.abs(gradient.sum(axis=1)) <= 1e-5 * np.abs(gradient).sum(axis=1))
    if smoothing == 0:
        assert np.all(loss >= 0) and np.all(gradient[:, label] <= 0)
