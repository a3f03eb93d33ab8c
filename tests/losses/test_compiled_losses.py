"""The losses passed to `compile`: configurations, saved models, labels, weights, precision, backends."""
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from margin_reference import (
    CLASSES,
    TRANSFORMS,
    every_loss,
    reference_loss,
    some_logits,
    value_and_gradient,
)

import keras_fixhead
from keras_fixhead.errors import ArgumentError
from keras_fixhead.losses import ArcFace, CosFace, NormFace, arcface, cosface, cross_entropy
from keras_fixhead.streaming import StreamingLoss

EVERY_FORM = [CosFace(margin=0.2, scale=12.0, label_smoothing=0.1), ArcFace(margin=0.3, scale=12.0, name="mine"),
              ArcFace(margin=0.3, scale=np.float32(12.0), reduction="sum"), NormFace(label_smoothing=0.2)]


@pytest.mark.parametrize("loss", EVERY_FORM, ids=lambda loss: loss.name)
def test_serialization_restores_the_loss(loss):
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
def test_a_saved_model_has_the_same_loss(loss, tmp_path):
    model = cosine_model(loss)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    features, labels = some_features()
    assert type(loaded.loss) is type(loss)
    assert loaded.evaluate(features, labels, verbose=0) == model.evaluate(features, labels, verbose=0)


@every_loss
def test_saving_a_scale_function_fails_with_advice(loss_class, tmp_path):
    def made(scale):
        return loss_class(scale=scale)

    loaded = keras.losses.deserialize(keras.losses.serialize(made(lambda: 12.0)))
    assert loaded.get_config()["scale"] is None
    expected = rf"{loss_class.__name__} has scale=None and cannot tell .* scale=head\.current_scale if it changes\."
    with pytest.raises(ArgumentError, match=expected):
        loaded(*some_logits())

    features, labels = some_features()
    model = cosine_model(made(lambda: 12.0))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(features, labels, verbose=0) == pytest.approx(model.evaluate(features, labels, verbose=0))
    changed = keras.Sequential([*loaded.layers, keras.layers.Rescaling(2.0)])  # no longer the head's logits
    changed.compile("sgd", loaded.loss)
    with pytest.raises(ArgumentError, match=expected):  # also where TensorFlow rewraps the error
        changed.evaluate(features, labels, verbose=0)
    loaded.compile("sgd", made(loaded.layers[-1].current_scale))
    assert loaded.evaluate(features, labels, verbose=0) == pytest.approx(model.evaluate(features, labels, verbose=0))


@every_loss
@pytest.mark.parametrize("kind", ["int32", "int64", "uint8", "float32", "column"])
def test_labels_may_be_a_column_and_have_any_type(loss_class, kind):
    labels, logits = some_logits()
    loss = loss_class(reduction="none")
    given_labels = labels[:, None] if kind == "column" else labels.astype(kind)

    np.testing.assert_array_equal(loss(given_labels, logits), loss(labels, logits))
    np.testing.assert_array_equal(TRANSFORMS[loss_class](given_labels, logits, 30.0),
                                  TRANSFORMS[loss_class](labels, logits, 30.0))


@every_loss
def test_reductions_and_sample_weights_match_keras(loss_class):
    labels, logits = some_logits()
    weights = np.random.default_rng(1).uniform(0, 2, 40).astype("float32")
    each = reference_loss(loss_class, labels, logits, 30.0, loss_class().margin)

    np.testing.assert_allclose(loss_class(reduction="none")(labels, logits, weights), weights * each, rtol=1e-5,
                               atol=2e-5)
    assert float(loss_class(reduction="sum")(labels, logits)) == pytest.approx(each.sum(), rel=1e-5)
    assert float(loss_class()(labels, logits)) == pytest.approx(each.mean(), rel=1e-5)
    assert float(loss_class()(labels, logits, weights)) == pytest.approx((weights * each).mean(), rel=1e-5)


@every_loss
def test_fit_and_evaluate_accept_sample_weights(loss_class):
    """A step on examples of which half have weight 0 equals a step on the other half at half the learning rate."""
    features, labels = some_features()
    weights = np.repeat([1.0, 0.0], 20).astype("float32")
    loss = loss_class(scale=12.0)
    weighted, half = cosine_model(loss), cosine_model(loss)
    each = reference_loss(loss_class, labels, weighted.predict(features, verbose=0), 12.0, loss.margin)

    assert weighted.evaluate(features, labels, sample_weight=weights, batch_size=40, verbose=0) == pytest.approx(
        (weights * each).mean(), rel=1e-5)
    half.optimizer.learning_rate = 0.005  # of SGD's default 0.01
    before = keras.ops.convert_to_numpy(half.trainable_weights[0])
    weighted.fit(features, labels, sample_weight=weights, batch_size=40, verbose=0)
    half.fit(features[:20], labels[:20], batch_size=20, verbose=0)
    moved = [keras.ops.convert_to_numpy(model.trainable_weights[0]) - before for model in (weighted, half)]
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-6)  # two roundings of a weight
    assert np.abs(moved[0]).max() > 1e-3


@every_loss
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_logits_of_16_bits_are_computed_in_float32(loss_class, dtype):
    labels, logits = some_logits()
    coarse = keras.ops.cast(logits, dtype)
    loss = loss_class(reduction="none")
    found = loss(labels, coarse)
    changed = TRANSFORMS[loss_class](labels, coarse, 30.0)

    assert {keras.backend.standardize_dtype(result.dtype) for result in (found, changed)} == {"float32"}
    np.testing.assert_array_equal(found, loss(labels, keras.ops.cast(coarse, "float32")))
    np.testing.assert_array_equal(changed, TRANSFORMS[loss_class](labels, keras.ops.cast(coarse, "float32"), 30.0))


@pytest.mark.parametrize("loss_class", [CosFace, ArcFace, NormFace, StreamingLoss])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32", "mixed_int8", 3])
def test_a_loss_does_not_compute_in_a_type_that_rounds_labels(loss_class, dtype):
    """In float16, label 2049 would be rounded to class 2048."""
    with pytest.raises(ArgumentError, match=rf"{loss_class.__name__} computes in float32 or float64, got dtype"):
        loss_class(dtype=dtype)
    assert loss_class(dtype="mixed_float16").dtype == "float32" and loss_class(dtype="float64").dtype == "float64"


@pytest.fixture
def mixed_float16():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_floatx("float16")
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_floatx(floatx)


@pytest.mark.parametrize("loss_class", [CosFace, ArcFace, NormFace])
def test_a_loss_stays_in_float32_under_a_mixed_policy(mixed_float16, loss_class):
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
      for scale in (0, -30.0, float("nan"), float("inf"),  # the value of head.scale when S changes
                    "learned", keras.optimizers.schedules.ExponentialDecay(10.0, 5, 0.5))],
    *[(loss, {"label_smoothing": smoothing}, r"label_smoothing must be in \[0, 1\), got")
      for loss in (CosFace, ArcFace, NormFace) for smoothing in (1, -0.1, float("nan"))],
]


@pytest.mark.parametrize("loss_class, arguments, message", BAD_ARGUMENTS)
def test_arguments_out_of_range_are_refused(loss_class, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        loss_class(**arguments)


def test_a_variable_as_scale_is_refused():
    """It would be saved as its current value and stop following the head's scale."""
    with pytest.raises(ArgumentError, match=r"scale must be a positive number or a function"):
        ArcFace(scale=keras.Variable(30.0))


@pytest.mark.parametrize("loss", [ArcFace(margin=0.3, scale=10.0), CosFace(margin=0.2, scale=10.0), NormFace()],
                         ids=lambda loss: loss.name)
def test_a_compiled_loss_trains_a_small_head_from_integer_labels(loss):
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


def test_xla_gives_the_same_values_and_gradients():
    import tensorflow as tf

    labels, logits = some_logits()
    logits[0] = 30.0  # cosines of 1 and -1, where the root is clipped
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
    logits[0] = 30.0  # cosines of 1 and -1, where the root is clipped
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
