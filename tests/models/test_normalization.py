"""`FusedBatchNormalization` compared with the stock layer."""
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_fixhead.models import FusedBatchNormalization
from keras_fixhead.models.normalization import keras as keras_in_use

SETTINGS = [
    {},
    {"momentum": 0.9, "epsilon": 1e-5},
    {"scale": False, "momentum": 0.7},
    {"center": False, "momentum": 0.7},
    {"scale": False, "center": False},
    {"axis": 3, "momentum": 0.5},
]
SHAPES = [(4, 6, 5, 3), (16, 1, 1, 8), (1, 4, 4, 2), (2, 9, 9, 1)]


def pair(shape, dtype="float32", **settings):
    layers = [kind(dtype=dtype, **settings) for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)]
    draw = np.random.default_rng(0)
    for layer in layers:
        layer.build(shape)
    start = [draw.uniform(0.5, 2, weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(start)
    return layers


def inputs(shape, dtype="float32", offset=0.5):
    return tf.cast(np.random.default_rng(1).normal(offset, 2, shape), dtype)


def step(layer, x, upstream):
    """Returns outputs, gradients and moving statistics of a training step."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(tf.cast(y, "float32") * upstream)
    gradients = tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])
    return [np.asarray(tf.cast(each, "float32")) for each in (y, *gradients, *layer.non_trainable_weights)]


def uses_the_kernel(layer, x, training=True):
    function = tf.function(lambda x: layer(x, training=training))
    return "FusedBatchNormV3" in {node.op for node in function.get_concrete_function(x).graph.as_graph_def().node}


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_float32_training_step_matches_the_stock_layer(settings, shape):
    """Equal to 5e-6 of the largest value: only the order of summation differs."""
    x, upstream = inputs(shape), np.random.default_rng(2).normal(size=shape).astype("float32")
    fused, stock = pair(shape, **settings)

    assert uses_the_kernel(fused, x)
    for found, expected in zip(step(fused, x, upstream), step(stock, x, upstream), strict=True):
        np.testing.assert_allclose(found, expected, atol=5e-6 * max(1.0, np.abs(expected).max()))


def test_a_bfloat16_training_step_matches_the_stock_layer_to_rounding():
    shape = (8, 6, 6, 4)
    x, upstream = inputs(shape, "bfloat16"), np.random.default_rng(2).normal(size=shape).astype("float32")
    fused, stock = pair(shape, dtype="mixed_bfloat16", momentum=0.9)
    found, expected = step(fused, x, upstream), step(stock, x, upstream)

    assert fused(x, training=True).dtype == tf.bfloat16
    # one bfloat16 rounding is 2^-8; both compute statistics in float32
    tolerances = [2**-7, 2**-7, 1e-3, 1e-3, 1e-5, 1e-5]
    for name, tolerance, a, b in zip(("y", "dx", "dgamma", "dbeta", "mean", "variance"), tolerances, found, expected,
                                     strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * max(1.0, np.abs(b).max()), err_msg=name)


def test_the_moving_variance_divides_by_n():
    fused, _ = pair((2, 2, 2, 1), momentum=0.0)
    x = inputs((2, 2, 2, 1))
    fused(x, training=True)

    np.testing.assert_allclose(fused.moving_mean, [np.mean(x)], rtol=1e-5)
    np.testing.assert_allclose(fused.moving_variance, [np.var(x)], rtol=1e-5)


def test_a_single_value_has_variance_zero():
    x = inputs((1, 1, 1, 3))
    fused, stock = pair((1, 1, 1, 3), momentum=0.9)
    for layer in (fused, stock):
        y = keras.ops.convert_to_numpy(layer(x, training=True))
        np.testing.assert_allclose(y, keras.ops.broadcast_to(layer.beta, y.shape), atol=1e-4)  # rounding / sqrt(1e-3)

    np.testing.assert_allclose(fused.moving_variance, stock.moving_variance, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [False, None])
def test_inference_is_bit_identical_to_the_stock_layer(dtype, training):
    x = inputs((4, 5, 5, 3), "bfloat16" if dtype == "mixed_bfloat16" else "float32")
    fused, stock = pair((4, 5, 5, 3), dtype)

    assert not uses_the_kernel(fused, x, training)
    np.testing.assert_array_equal(tf.cast(fused(x, training=training), "float32"),
                                  tf.cast(stock(x, training=training), "float32"))


def test_a_frozen_layer_runs_in_inference_mode_and_keeps_its_statistics():
    x = inputs((4, 5, 5, 3))
    fused, stock = pair((4, 5, 5, 3))
    before = [keras.ops.convert_to_numpy(weight) for weight in fused.weights]
    fused.trainable = stock.trainable = False

    np.testing.assert_array_equal(fused(x, training=True), stock(x, training=False))
    for old, weight in zip(before, fused.weights, strict=True):
        np.testing.assert_array_equal(old, weight)


@pytest.mark.parametrize("case", ["rank 2", "rank 3", "axis 1", "float64", "mask", "synchronized"])
def test_unsupported_inputs_fall_back_to_the_stock_layer(case):
    shape = {"rank 2": (6, 3), "rank 3": (6, 4, 3)}.get(case, (6, 3, 4, 3))
    settings = {"axis 1": {"axis": 1}, "float64": {"dtype": "float64"},
                "synchronized": {"synchronized": True}}.get(case, {})
    call = {"mask": np.arange(6 * 12).reshape(6, 3, 4) % 3 > 0} if case == "mask" else {}
    x = inputs(shape, settings.get("dtype", "float32"))
    fused, stock = pair(shape, **settings)

    np.testing.assert_array_equal(fused(x, training=True, **call), stock(x, training=True, **call))
    np.testing.assert_array_equal(fused.moving_mean, stock.moving_mean)
    if case != "mask":
        assert not uses_the_kernel(fused, x)


def test_other_backends_use_the_stock_layer(monkeypatch):
    fused, _ = pair((4, 5, 5, 3))
    monkeypatch.setattr(keras_in_use.backend, "backend", lambda: "jax")

    assert not uses_the_kernel(fused, inputs((4, 5, 5, 3)))


def test_configuration_and_weights_match_the_stock_layer(tmp_path):
    fused, stock = pair((2, 4, 4, 3), momentum=0.9, epsilon=1e-5, name="norm")

    assert {key: value for key, value in fused.get_config().items() if key != "dtype"} == {
        key: value for key, value in stock.get_config().items() if key != "dtype"}
    assert FusedBatchNormalization.from_config(fused.get_config()).get_config() == fused.get_config()
    model = keras.Sequential([keras.Input((4, 4, 3)), fused])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded.layers[0]) is FusedBatchNormalization
    np.testing.assert_array_equal(loaded(inputs((2, 4, 4, 3))), stock(inputs((2, 4, 4, 3))))
