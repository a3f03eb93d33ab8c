"""Margins and their losses against NumPy in float64, where the angle is an arccos and gradients are differences."""
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_fixhead
from keras_fixhead.errors import ArgumentError
from keras_fixhead.losses import ArcFace, CosFace, NormFace, arcface, cosface, cross_entropy

CLASSES = 6
LARGEST_SLOPE = 710  # of an arccos that sees cosines up to 1 - 1e-6: 1 / sqrt(2e-6) = 707, and the cosine's own 1
MARGINS = {CosFace: [0.0, 0.1, 0.35, 1.5], ArcFace: [0.0, 0.1, 0.5, 1.5]}
TRANSFORMS = {CosFace: cosface, ArcFace: arcface}

every_loss = pytest.mark.parametrize("loss_class", [CosFace, ArcFace])
every_scale = pytest.mark.parametrize("scale", [1.0, 30.0, 64.0])
every_smoothing = pytest.mark.parametrize("smoothing", [0.0, 0.1])
loss_and_margin = pytest.mark.parametrize("loss_class, margin", [(loss, margin) for loss, margins in MARGINS.items()
                                                                for margin in margins])


def with_margin(loss_class, cosine, margin):
    """psi(cosine), in float64: the angle itself is computed and added to."""
    if loss_class is CosFace:
        return cosine - margin
    angle = np.arccos(cosine) + margin
    return np.where(angle < np.pi, np.cos(angle), cosine - margin * np.sin(margin))


def reference_logits(loss_class, labels, logits, scale, margin):
    changed = logits.astype(np.float64)
    rows = np.arange(len(labels))
    changed[rows, labels] = scale * with_margin(loss_class, changed[rows, labels] / scale, margin)
    return changed


def reference_loss(loss_class, labels, logits, scale, margin, smoothing=0.0):
    """Cross-entropy with the smoothed target, -sum target x log softmax, of the logits with a margin."""
    logits = reference_logits(loss_class, labels, logits, scale, margin)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    targets = (1 - smoothing) * np.eye(logits.shape[1])[labels] + smoothing / logits.shape[1]
    return -(targets * log_softmax).sum(axis=1)


def differences(function, point, step=1e-6):
    """The gradient of the sum of a float64 function's values, by central differences: exact to some 1e-9."""
    gradient = np.zeros_like(point)
    for index in np.ndindex(point.shape):
        there, back = point.copy(), point.copy()
        there[index] += step
        back[index] -= step
        gradient[index] = (function(there).sum() - function(back).sum()) / (2 * step)
    return gradient


def value_and_gradient(function, variable):
    import tensorflow as tf

    variable = tf.convert_to_tensor(variable)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = function(variable)
    return value.numpy(), tape.gradient(value, variable).numpy()


def some_cosines(largest=0.99, rows=40, seed=0):
    """Random labels and cosines. Up to 0.99 an arccos has a slope of at most 7: roundings stay roundings."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, CLASSES, rows).astype("int32")
    return labels, draw.uniform(-largest, largest, (rows, CLASSES)).astype("float32")


def some_logits(scale=30.0, rows=40):
    labels, cosines = some_cosines(rows=rows)
    return labels, np.float32(scale) * cosines


@every_smoothing
@every_scale
@loss_and_margin
def test_values_and_gradients_equal_those_of_float64(loss_class, margin, scale, smoothing):
    """A cosine is off by 6e-8, a logit by 7 S times that: 3e-5 at S = 64, as is then the gradient."""
    labels, logits = some_logits(scale)
    loss = loss_class(margin=margin, scale=scale, label_smoothing=smoothing, reduction="none")
    found, gradient = value_and_gradient(lambda z: loss(labels, z), logits)

    def in_float64(z):
        return reference_loss(loss_class, labels, z, scale, margin, smoothing)

    assert found.shape == (40,) and found.dtype == np.float32
    np.testing.assert_allclose(found, in_float64(logits), rtol=1e-5, atol=3e-5)
    np.testing.assert_allclose(gradient, differences(in_float64, logits.astype(np.float64)), rtol=1e-4, atol=3e-5)


@loss_and_margin
def test_only_the_true_classs_logit_is_changed(loss_class, margin):
    labels, logits = some_logits()
    found = keras.ops.convert_to_numpy(TRANSFORMS[loss_class](labels, logits, 30.0, margin))
    others = np.arange(CLASSES) != labels[:, None]

    np.testing.assert_array_equal(found[others], logits[others])
    np.testing.assert_allclose(found, reference_logits(loss_class, labels, logits, 30.0, margin), rtol=1e-5, atol=2e-5)


@every_smoothing
@every_loss
def test_a_margin_of_zero_is_the_cross_entropy_at_every_cosine(loss_class, smoothing):
    cosines = np.array([[1.0, 0.2], [-1.0, 0.2], [1.0 + 1e-6, -1.0], [0.0, 0.0], [0.3, 0.9]], "float32")
    labels = np.zeros(5, "int32")
    loss = loss_class(margin=0.0, scale=30.0, label_smoothing=smoothing, reduction="none")
    found, gradient = value_and_gradient(lambda z: loss(labels, z), 30 * cosines)
    plain, plain_gradient = value_and_gradient(lambda z: cross_entropy(labels, z, smoothing), 30 * cosines)

    np.testing.assert_allclose(found, plain, rtol=1e-5)  # 30 is rounded to a step of 2e-6, e^-30 to 2e-6 of itself
    np.testing.assert_allclose(gradient, plain_gradient, rtol=1e-5)


def test_normface_is_the_cross_entropy_itself():
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
    """Equation 6 of AM-Softmax (arXiv:1801.05599), written out: -ln e^(s (c_y - m)) / (that + sum e^(s c_j))."""
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
def test_arcface_rises_with_the_cosine(cosines, margin, scale):
    """Also across the change of formula at pi - margin, and at the ends; equal to 4 roundings of S (1 + margin)."""
    ends = [-1.0, -np.cos(margin) - 1e-6, -np.cos(margin) + 1e-6, 1.0, 1.0 + 1e-6]
    cosines = np.sort(np.array([*cosines, *ends], "float32"))
    logits = scale * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found = keras.ops.convert_to_numpy(arcface(np.zeros(len(cosines)), logits, scale, margin))[:, 0]

    assert np.all(np.diff(found) >= -4 * 6e-8 * scale * (1 + margin))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=CLASSES, max_size=CLASSES),
       st.lists(st.floats(0, np.pi / 2), min_size=2, max_size=2), st.sampled_from([CosFace, ArcFace]),
       st.sampled_from([1.0, 30.0, 64.0]))
def test_a_larger_margin_is_never_a_smaller_loss(cosines, margins, loss_class, scale):
    logits = scale * np.array([cosines], "float32")
    small, large = (float(loss_class(margin=margin, scale=scale)([2], logits)) for margin in sorted(margins))

    assert large >= small * (1 - 3e-5) - 1e-6  # a logit is rounded to 3e-5 at S = 64


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5])
@every_scale
def test_beyond_pi_minus_the_margin_arcface_goes_on_in_a_straight_line(margin, scale):
    """The value is S (c - m sin m), and the slope against the logit 1."""
    cosines = np.linspace(-1, -np.cos(margin) - 1e-5, 9).astype("float32")
    logits = np.float32(scale) * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found, gradient = value_and_gradient(lambda z: arcface(np.zeros(9), z, scale, margin)[:, 0], logits)

    np.testing.assert_allclose(found, scale * (cosines.astype(np.float64) - margin * np.sin(margin)), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[1.0, 0.0]] * 9, rtol=1e-6)


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.5])
def test_at_its_ends_a_cosine_gives_finite_slopes_and_the_value_of_the_limit(margin):
    """Rounding gives cosines beyond 1. The sine is at most sqrt(2e-6) off, of the cosine of a sum that is 1.5e-3."""
    cosines = np.array([1 - 2e-6, 1.0, 1 + 1e-6, -1 + 2e-6, -1.0, -1 - 1e-6], "float32")
    logits = 30 * np.stack([cosines, np.zeros_like(cosines)], axis=1)
    found, gradient = value_and_gradient(lambda z: arcface(np.zeros(6), z, 30.0, margin)[:, 0], logits)

    exact = 30 * with_margin(ArcFace, np.clip(cosines.astype(np.float64), -1, 1), margin)
    np.testing.assert_allclose(found[:3], exact[:3], rtol=0, atol=30 * 1.5e-3)
    np.testing.assert_allclose(found[3:], exact[3:], rtol=0, atol=30 * 2e-6)  # where there is no root
    assert np.all(np.isfinite(gradient)) and np.all(gradient[:, 0] > 0) and np.all(gradient <= LARGEST_SLOPE)


@every_loss
@pytest.mark.parametrize("collapsed", ["onto the class vector", "onto its negative", "onto zero"])
def test_collapsed_features_have_finite_losses_and_gradients(loss_class, collapsed):
    """Through plain NumPy cosines, and through a real head to the features; float64 gives the loss.

    The clip changes a cosine by at most 1.5e-3 sin(0.5): a logit by 0.022, and a small loss by as much of itself.
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
    assert collapsed != "onto zero" or np.all(np.abs(gradient).max(axis=1) > 1e3)  # divided by 1e-6: they do move


@every_loss
def test_a_scale_may_be_a_function_and_gets_its_gradient(loss_class):
    """The logits are S cosines of the same S, which a learned scale changes on both ways."""
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

    variable.assign(4.0)  # it is asked again each time
    assert float(loss(labels, 6 * cosines)) == pytest.approx(in_float64(4.0).mean(), rel=1e-5)


@every_loss
def test_fit_steps_a_learned_scale_by_its_gradient(loss_class):
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


EVERY_FORM = [CosFace(margin=0.2, scale=12.0, label_smoothing=0.1), ArcFace(margin=0.3, scale=12.0, name="mine"),
              ArcFace(margin=0.3, scale=np.float32(12.0), reduction="sum"), NormFace(label_smoothing=0.2)]


@pytest.mark.parametrize("loss", EVERY_FORM, ids=lambda loss: loss.name)
def test_serialized_it_comes_back_as_it_was(loss):
    labels, logits = some_logits(12.0)
    config = keras.losses.serialize(loss)
    loaded = keras.losses.deserialize(json.loads(json.dumps(config)))

    assert type(loaded) is type(loss)
    assert loaded.get_config() == loss.get_config()
    assert float(loaded(labels, logits)) == float(loss(labels, logits))


def cosine_model(loss, scale=12.0):
    from keras_fixhead.head import HypersphereHead

    keras.utils.set_random_seed(0)
    head = HypersphereHead(num_classes=CLASSES, logits="cos", scale=scale)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16), head])
    model.compile("sgd", loss)
    return model


def some_features(rows=40):
    draw = np.random.default_rng(0)
    return draw.normal(size=(rows, 4)).astype("float32"), draw.integers(0, CLASSES, rows)


@pytest.mark.parametrize("loss", EVERY_FORM, ids=lambda loss: loss.name)
def test_a_saved_model_evaluates_to_the_same_loss(loss, tmp_path):
    model = cosine_model(loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    features, labels = some_features()
    assert type(loaded.loss) is type(loss)
    assert loaded.evaluate(features, labels, verbose=0) == model.evaluate(features, labels, verbose=0)


@every_loss
def test_a_function_is_not_saved_and_the_error_says_what_to_do(loss_class, tmp_path):
    def made(scale):
        return loss_class(scale=scale)

    loaded = keras.losses.deserialize(keras.losses.serialize(made(lambda: 12.0)))
    assert loaded.get_config()["scale"] is None
    expected = rf"{loss_class.__name__} was loaded without the function .* Compile .* scale=head\.current_scale\."
    with pytest.raises(ArgumentError, match=expected):
        loaded(*some_logits())

    features, labels = some_features()
    model = cosine_model(made(lambda: 12.0))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(ArgumentError, match=expected):  # out of the traced function, too, where TensorFlow rewraps
        loaded.evaluate(features, labels, verbose=0)
    loaded.compile("sgd", made(loaded.layers[-1].current_scale))
    assert loaded.evaluate(features, labels, verbose=0) == pytest.approx(model.evaluate(features, labels, verbose=0))


@every_loss
@pytest.mark.parametrize("kind", ["int32", "int64", "uint8", "float32", "column"])
def test_labels_may_be_a_column_and_of_any_type(loss_class, kind):
    labels, logits = some_logits()
    loss = loss_class(reduction="none")
    given_labels = labels[:, None] if kind == "column" else labels.astype(kind)

    np.testing.assert_array_equal(loss(given_labels, logits), loss(labels, logits))
    np.testing.assert_array_equal(TRANSFORMS[loss_class](given_labels, logits, 30.0),
                                  TRANSFORMS[loss_class](labels, logits, 30.0))


@every_loss
def test_reductions_and_sample_weights_are_those_of_keras(loss_class):
    labels, logits = some_logits()
    weights = np.random.default_rng(1).uniform(0, 2, 40).astype("float32")
    each = reference_loss(loss_class, labels, logits, 30.0, loss_class().margin)

    np.testing.assert_allclose(loss_class(reduction="none")(labels, logits, weights), weights * each, rtol=1e-5,
                               atol=2e-5)
    assert float(loss_class(reduction="sum")(labels, logits)) == pytest.approx(each.sum(), rel=1e-5)
    assert float(loss_class()(labels, logits)) == pytest.approx(each.mean(), rel=1e-5)
    assert float(loss_class()(labels, logits, weights)) == pytest.approx((weights * each).mean(), rel=1e-5)


@every_loss
def test_fit_and_evaluate_take_sample_weights(loss_class):
    """One step on examples, half of them with weight 0, is the step on the others at half the rate."""
    features, labels = some_features()
    weights = np.repeat([1.0, 0.0], 20).astype("float32")
    loss = loss_class(scale=12.0)
    weighted, half = cosine_model(loss), cosine_model(loss)
    each = reference_loss(loss_class, labels, weighted.predict(features, verbose=0), 12.0, loss.margin)

    assert weighted.evaluate(features, labels, sample_weight=weights, batch_size=40, verbose=0) == pytest.approx(
        (weights * each).mean(), rel=1e-5)
    half.optimizer.learning_rate = 0.005  # of sgd's 0.01
    before = keras.ops.convert_to_numpy(half.trainable_weights[0])
    weighted.fit(features, labels, sample_weight=weights, batch_size=40, verbose=0)
    half.fit(features[:20], labels[:20], batch_size=20, verbose=0)
    moved = [keras.ops.convert_to_numpy(model.trainable_weights[0]) - before for model in (weighted, half)]
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-6)  # a weight's rounding, twice
    assert np.abs(moved[0]).max() > 1e-3


@every_loss
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_logits_of_16_bits_are_compared_in_float32(loss_class, dtype):
    labels, logits = some_logits()
    coarse = keras.ops.cast(logits, dtype)
    loss = loss_class(reduction="none")
    found = loss(labels, coarse)
    changed = TRANSFORMS[loss_class](labels, coarse, 30.0)

    assert {keras.backend.standardize_dtype(result.dtype) for result in (found, changed)} == {"float32"}
    np.testing.assert_array_equal(found, loss(labels, keras.ops.cast(coarse, "float32")))
    np.testing.assert_array_equal(changed, TRANSFORMS[loss_class](labels, keras.ops.cast(coarse, "float32"), 30.0))


@pytest.fixture
def mixed_float16():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float16")
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)


@pytest.mark.parametrize("loss_class", [CosFace, ArcFace, NormFace])
def test_under_a_mixed_policy_a_loss_stays_in_float32(mixed_float16, loss_class):
    labels, logits = some_logits()
    coarse = logits.astype("float16")
    loss = loss_class(reduction="none")
    found = loss(labels, keras.ops.convert_to_tensor(coarse))
    transform, margin = (CosFace, 0.0) if loss_class is NormFace else (loss_class, loss.margin)

    assert loss.dtype == "float32" and keras.backend.standardize_dtype(found.dtype) == "float32"
    expected = reference_loss(transform, labels, coarse, 30.0, margin)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)  # float16 would be off by 1e-2


BAD_ARGUMENTS = [
    *[(loss, {"margin": margin}, r"margin must be in \[0, .*\), got")
      for loss in (CosFace, ArcFace) for margin in (-0.1, float("nan"), float("inf"))],
    (ArcFace, {"margin": np.pi}, r"margin must be in \[0, 3\.14159\), got 3\.14159"),
    *[(loss, {"scale": scale}, r"scale must be a positive number .* scale=head\.current_scale if it changes")
      for loss in (CosFace, ArcFace)
      for scale in (0, -30.0, float("nan"), float("inf"),  # then what head.scale is where S changes
                    "learned", keras.optimizers.schedules.ExponentialDecay(10.0, 5, 0.5))],
    *[(loss, {"label_smoothing": smoothing}, r"label_smoothing must be in \[0, 1\), got")
      for loss in (CosFace, ArcFace, NormFace) for smoothing in (1, -0.1, float("nan"))],
]


@pytest.mark.parametrize("loss_class, arguments, message", BAD_ARGUMENTS)
def test_arguments_out_of_range_are_refused(loss_class, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        loss_class(**arguments)


def test_a_variable_in_the_place_of_a_scale_is_refused():
    """It would be saved as the number that it is today, and not follow the head's any more."""
    with pytest.raises(ArgumentError, match=r"scale must be a positive number or a function"):
        ArcFace(scale=keras.Variable(30.0))


@pytest.mark.parametrize("loss", [ArcFace(margin=0.3, scale=10.0), CosFace(margin=0.2, scale=10.0), NormFace()],
                         ids=lambda loss: loss.name)
def test_compiled_it_trains_a_small_head_from_integer_labels(loss):
    from keras_fixhead.head import HypersphereHead

    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 3
    features = (3 * np.eye(4)[labels] + 0.3 * draw.normal(size=(120, 4))).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), HypersphereHead(num_classes=3, scale=10.0)])
    model.compile(keras.optimizers.Adam(0.05), loss, metrics=["accuracy"])
    before, _ = model.evaluate(features, labels, batch_size=120, verbose=0)
    model.fit(features, labels, batch_size=40, epochs=10, verbose=0)
    after, accuracy = model.evaluate(features, labels, batch_size=120, verbose=0)

    assert after < 0.5 * before and accuracy == 1.0


def test_compiled_by_xla_values_and_gradients_are_the_same():
    import tensorflow as tf

    labels, logits = some_logits()
    logits[0] = 30.0  # a cosine of 1 and one of -1, where the root is clipped
    logits[1] = -30.0
    losses = [ArcFace(reduction="none"), CosFace(reduction="none", label_smoothing=0.1), NormFace(reduction="none")]

    def everything(z):
        found = []
        for loss in losses:
            with tf.GradientTape() as tape:
                tape.watch(z)
                value = loss(labels, z)
            found += [value, tape.gradient(value, z)]
        return found

    eager = everything(tf.constant(logits))
    for compiled, expected in zip(tf.function(everything, jit_compile=True)(tf.constant(logits)), eager, strict=True):
        np.testing.assert_allclose(compiled, expected, rtol=2e-5, atol=2e-5)


JAX_SCRIPT = """
import json, sys
import jax, keras, numpy as np
from keras_fixhead.losses import arcface, cosface, cross_entropy
assert keras.backend.backend() == "jax"
labels, logits = (np.array(values) for values in json.load(sys.stdin))
found = {}
for transform in (arcface, cosface):
    def losses(z):
        return cross_entropy(labels, transform(labels, z, 30.0), 0.1)
    logits32 = logits.astype("float32")
    gradient = jax.grad(lambda z: losses(z).sum())(logits32)
    found[transform.__name__] = [np.asarray(losses(logits32)).tolist(), np.asarray(gradient).tolist()]
print(json.dumps(found))
"""


def test_jax_gives_the_same_values_and_gradients():
    labels, logits = some_logits(rows=8)
    logits[0] = 30.0  # the ends, where the root is clipped
    logits[1] = -30.0
    done = subprocess.run(
        [sys.executable, "-c", JAX_SCRIPT], input=json.dumps([labels.tolist(), logits.tolist()]), text=True,
        capture_output=True, env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=Path(keras_fixhead.__file__).parents[1])
    assert done.returncode == 0, done.stderr

    for name, (value, gradient) in json.loads(done.stdout).items():
        transform = {"arcface": arcface, "cosface": cosface}[name]
        expected, expected_gradient = value_and_gradient(
            lambda z, transform=transform: cross_entropy(labels, transform(labels, z, 30.0), 0.1), logits)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-5)
