"""Margins and their losses compared with float64 NumPy, which uses arccos and finite differences."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from margin_reference import (
    CLASSES,
    LARGEST_SLOPE,
    TRANSFORMS,
    differences,
    every_loss,
    every_scale,
    every_smoothing,
    loss_and_margin,
    reference_logits,
    reference_loss,
    some_cosines,
    some_logits,
    value_and_gradient,
    with_margin,
)

from keras_fixhead.errors import ArgumentError
from keras_fixhead.losses import ArcFace, CosFace, NormFace, arcface, cross_entropy


@every_smoothing
@every_scale
@loss_and_margin
def test_values_and_gradients_match_float64(loss_class, margin, scale, smoothing):
    """A cosine is off by 6e-8, and a logit by 7 S times that: 3e-5 at S = 64; so is the gradient."""
    labels, logits = some_logits(scale)
    loss = loss_class(margin=margin, scale=scale, label_smoothing=smoothing, reduction="none")
    found, gradient = value_and_gradient(lambda z: loss(labels, z), logits)

    def in_float64(z):
        return reference_loss(loss_class, labels, z, scale, margin, smoothing)

    assert found.shape == (40,) and found.dtype == np.float32
    np.testing.assert_allclose(found, in_float64(logits), rtol=1e-5, atol=3e-5)
    np.testing.assert_allclose(gradient, differences(in_float64, logits.astype(np.float64)), rtol=1e-4, atol=3e-5)


@loss_and_margin
def test_only_the_logit_of_the_true_class_is_changed(loss_class, margin):
    labels, logits = some_logits()
    found = keras.ops.convert_to_numpy(TRANSFORMS[loss_class](labels, logits, 30.0, margin))
    others = np.arange(CLASSES) != labels[:, None]

    np.testing.assert_array_equal(found[others], logits[others])
    np.testing.assert_allclose(found, reference_logits(loss_class, labels, logits, 30.0, margin), rtol=1e-5, atol=2e-5)


@every_smoothing
@every_loss
def test_a_margin_of_zero_is_the_cross_entropy(loss_class, smoothing):
    cosines = np.array([[1.0, 0.2], [-1.0, 0.2], [1.0 + 1e-6, -1.0], [0.0, 0.0], [0.3, 0.9]], "float32")
    labels = np.zeros(5, "int32")
    loss = loss_class(margin=0.0, scale=30.0, label_smoothing=smoothing, reduction="none")
    found, gradient = value_and_gradient(lambda z: loss(labels, z), 30 * cosines)
    plain, plain_gradient = value_and_gradient(lambda z: cross_entropy(labels, z, smoothing), 30 * cosines)

    np.testing.assert_allclose(found, plain, rtol=1e-5)  # 30 is rounded to a step of 2e-6, e^-30 to 2e-6 of itself
    np.testing.assert_allclose(gradient, plain_gradient, rtol=1e-5)


def test_normface_is_the_cross_entropy():
    labels, logits = some_logits()
    for smoothing in (0.0, 0.1):
        loss = NormFace(label_smoothing=smoothing, reduction="none")
        found, gradient = value_and_gradient(lambda z, loss=loss: loss(labels, z), logits)
        plain, plain_gradient = value_and_gradient(lambda z, e=smoothing: cross_entropy(labels, z, e), logits)

        np.testing.assert_array_equal(found, plain)
        np.testing.assert_array_equal(gradient, plain_gradient)
        np.testing.assert_allclose(found, reference_loss(CosFace, labels, logits, 30.0, 0.0, smoothing), rtol=1e-5,
                                   atol=1e-5)


def test_am_softmax_is_cosface():
    """Equation 6 of AM-Softmax (arXiv:1801.05599): -ln(a / (a + sum e^(s c_j))) with a = e^(s (c_y - m))."""
    labels, cosines = some_cosines()
    cosines64 = cosines.astype(np.float64)
    expected = []
    for label, row in zip(labels, cosines64, strict=True):
        true = np.exp(30 * (row[label] - 0.35))
        expected.append(-np.log(true / (true + sum(np.exp(30 * row[j]) for j in range(CLASSES) if j != label))))

    found = CosFace(margin=0.35, scale=30.0, reduction="none")(labels, 30 * cosines)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=8), st.floats(0, np.pi / 2), st.floats(1, 64))
def test_the_arcface_logit_increases_with_the_cosine(cosines, margin, scale):
    """Also across the change of formula at pi - margin and at both ends, to within 4 roundings of S (1 + margin)."""
    ends = [-1.0, -np.cos(margin) - 1e-6, -np.cos(margin) + 1e-6, 1.0, 1.0 + 1e-6]
    cosines = np.sort(np.array([*cosines, *ends], "float32"))
    logits = scale * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found = keras.ops.convert_to_numpy(arcface(np.zeros(len(cosines)), logits, scale, margin))[:, 0]

    assert np.all(np.diff(found) >= -4 * 6e-8 * scale * (1 + margin))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=CLASSES, max_size=CLASSES),
       st.lists(st.floats(0, np.pi / 2), min_size=2, max_size=2), st.sampled_from([CosFace, ArcFace]),
       st.sampled_from([1.0, 30.0, 64.0]))
def test_a_larger_margin_never_lowers_the_loss(cosines, margins, loss_class, scale):
    logits = scale * np.array([cosines], "float32")
    small, large = (float(loss_class(margin=margin, scale=scale)([2], logits)) for margin in sorted(margins))

    assert large >= small * (1 - 3e-5) - 1e-6  # a logit is rounded to 3e-5 at S = 64


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5])
@every_scale
def test_arcface_is_linear_beyond_pi_minus_the_margin(margin, scale):
    """The value is S (c - m sin m), with a slope of 1 in the logit."""
    cosines = np.linspace(-1, -np.cos(margin) - 1e-5, 9).astype("float32")
    logits = np.float32(scale) * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found, gradient = value_and_gradient(lambda z: arcface(np.zeros(9), z, scale, margin)[:, 0], logits)

    np.testing.assert_allclose(found, scale * (cosines.astype(np.float64) - margin * np.sin(margin)), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[1.0, 0.0]] * 9, rtol=1e-6)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5])
def test_cosines_near_1_and_minus_1_have_finite_slopes_and_the_limit_value(margin):
    """Rounding gives cosines beyond 1. The sine is off by at most sqrt(2e-6), so psi is off by at most 1.5e-3."""
    cosines = np.array([1 - 2e-6, 1.0, 1 + 1e-6, -1 + 2e-6, -1.0, -1 - 1e-6], "float32")
    logits = 30 * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found, gradient = value_and_gradient(lambda z: arcface(np.zeros(6), z, 30.0, margin)[:, 0], logits)

    exact = 30 * with_margin(ArcFace, np.clip(cosines.astype(np.float64), -1, 1), margin)
    np.testing.assert_allclose(found[:3], exact[:3], rtol=0, atol=30 * 1.5e-3)
    np.testing.assert_allclose(found[3:], exact[3:], rtol=0, atol=30 * 2e-6)  # the branch without a root
    assert np.all(np.isfinite(gradient)) and np.all(gradient[:, 0] > 0) and np.all(gradient <= LARGEST_SLOPE)


@every_loss
@pytest.mark.parametrize("collapsed", ["onto the class vector", "onto its negative", "onto zero"])
def test_collapsed_features_have_finite_losses_and_gradients(loss_class, collapsed):
    """The gradient is taken with respect to NumPy logits, and through a real head with respect to the features.

    Clipping changes a cosine by at most 1.5e-3 sin(0.5), so a logit by 0.022 and a small loss by 2.2 % of itself.
    """
    from keras_fixhead.head import HypersphereHead

    head = HypersphereHead(num_classes=CLASSES, logits="cos", scale=30.0, seed=3)
    head.build((None, 16))
    vectors = keras.ops.convert_to_numpy(head.class_vectors)
    labels = np.arange(CLASSES)
    features = {"onto the class vector": 1, "onto its negative": -1, "onto zero": 0}[collapsed] * vectors
    cosines = features @ vectors.T
    exact = np.clip(features.astype(np.float64) @ vectors.T.astype(np.float64), -1, 1)
    loss = loss_class(scale=30.0, reduction="none")
    expected = reference_loss(loss_class, labels, 30 * exact, 30.0, loss.margin)

    found, gradient = value_and_gradient(lambda z: loss(labels, z), 30 * cosines)
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=1e-4)
    assert np.all(np.abs(gradient) <= LARGEST_SLOPE)

    found, gradient = value_and_gradient(lambda f: loss(labels, head(f)), features)
    np.testing.assert_allclose(found, expected, rtol=0.03, atol=1e-4)
    assert np.all(np.isfinite(gradient))
    assert collapsed != "onto zero" or np.all(np.abs(gradient).max(axis=1) > 1e3)  # divided by 1e-6: not stuck


@every_loss
def test_a_scale_may_be_a_function_and_receives_a_gradient(loss_class):
    """The logits are cosines times the same S, so a learned scale receives a gradient from both."""
    labels, cosines = some_cosines()
    variable = keras.Variable(20.0)
    loss = loss_class(scale=lambda: variable * 1.5)

    import tensorflow as tf
    with tf.GradientTape() as tape:
        value = loss(labels, keras.ops.convert_to_tensor(variable) * 1.5 * cosines)

    def in_float64(number):
        return reference_loss(loss_class, labels, 1.5 * number * cosines.astype(np.float64), 1.5 * number, loss.margin)

    assert float(value) == pytest.approx(in_float64(20.0).mean(), rel=1e-5)
    expected = differences(lambda numbers: in_float64(numbers[0]), np.array([20.0]))[0] / len(labels)
    assert float(tape.gradient(value, variable.value)) == pytest.approx(expected, rel=1e-4)

    variable.assign(4.0)  # the function is called each time
    assert float(loss(labels, 6 * cosines)) == pytest.approx(in_float64(4.0).mean(), rel=1e-5)


@every_loss
def test_fit_updates_a_learned_scale_by_its_gradient(loss_class):
    """d loss / d ln S = S d loss / dS; one step of SGD at rate 1e-2."""
    from keras_fixhead.head import HypersphereHead

    head = HypersphereHead(num_classes=CLASSES, scale="learned", seed=3)
    model = keras.Sequential([keras.Input((16,)), head])
    model.compile(keras.optimizers.SGD(1e-2), loss_class(scale=head.current_scale))
    features = np.random.default_rng(0).normal(size=(20, 16)).astype("float32")
    labels = np.arange(20) % CLASSES
    vectors = keras.ops.convert_to_numpy(head.class_vectors).astype(np.float64)
    cosines = features @ vectors.T / np.linalg.norm(features, axis=1, keepdims=True)
    before = float(head.log_scale.value)
    model.fit(features, labels, batch_size=20, epochs=1, verbose=0)

    def in_float64(log_scale):
        scale = np.exp(log_scale[0])
        return reference_loss(loss_class, labels, scale * cosines, scale, model.loss.margin)

    expected = differences(in_float64, np.array([before]))[0] / 20
    assert (before - float(head.log_scale.value)) / 1e-2 == pytest.approx(expected, rel=1e-3)  # of a step of 1e-2


@every_loss
@pytest.mark.parametrize("scale, message", [
    (0.0, "got 0"), (-1.0, "got -1"), (float("nan"), "got nan"), ([1.0, 2.0], r"got one of shape \(2,\)")])
def test_a_tensor_that_is_not_a_positive_scalar_is_refused_as_a_scale(loss_class, scale, message):
    with pytest.raises(ArgumentError, match=f"scale must be a positive number or a scalar tensor, {message}"):
        loss_class(scale=lambda: keras.ops.convert_to_tensor(scale))([0], np.array([[0.5, 0.1]], "float32"))


@every_loss
def test_a_compiled_step_with_a_scale_that_is_not_positive_gives_nan(loss_class):
    import tensorflow as tf

    labels, logits = np.array([0]), np.array([[0.5, 0.1]], "float32")
    step = tf.function(lambda scale: loss_class(scale=lambda: scale)(labels, logits))

    assert np.isnan(step(tf.constant(-1.0))) and np.isnan(step(tf.constant(0.0)))
    assert float(step(tf.constant(9.0))) == pytest.approx(float(loss_class(scale=9.0)(labels, logits)), rel=1e-6)


@every_loss
@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_a_scale_beyond_float32_is_refused(loss_class, scale):
    with pytest.raises(ArgumentError, match=r"scale must be in \[1e-30, 1e\+30\], got 1e"):
        loss_class(scale=scale)
