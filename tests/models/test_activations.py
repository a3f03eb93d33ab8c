"""`FusedGelu` compared with the closed form and the stock activation."""
import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from keras_fixhead.models import FusedGelu
from keras_fixhead.models.whitening import WhiteningConvolution

VALUES = np.concatenate([np.linspace(-12, 12, 4801), [-60.0, -1e-20, 0.0, 1e-20, 60.0]])


def step(layer, values, upstream, training=True):
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = layer(values, training=training)
    return outputs, tape.gradient(outputs, values, upstream)


@pytest.mark.parametrize("dtype, rounding", [("float32", 6e-7), ("bfloat16", 2**-8), ("float16", 2**-11)])
def test_values_and_gradients_match_the_closed_form(dtype, rounding):
    """GELU is x times the normal distribution function, its slope that function plus x times the density, in float64.

    Up to rounding of the result, and 1 + erf up to a float32's last place.
    """
    values = tf.cast(VALUES, dtype)
    upstream = tf.cast(np.random.default_rng(0).normal(size=values.shape), dtype)
    x, g = (np.asarray(tf.cast(each, "float64")) for each in (values, upstream))
    outputs, gradient = step(FusedGelu(dtype=dtype), values, upstream)

    assert outputs.dtype == gradient.dtype == dtype
    for found, expected, size in ((outputs, x * norm.cdf(x), np.abs(x)),
                                  (gradient, g * (norm.cdf(x) + x * norm.pdf(x)), np.abs(g))):
        assert (np.abs(np.asarray(tf.cast(found, "float64")) - expected)
                <= rounding * np.abs(expected) + 6e-7 * size + 1e-7).all()


def test_it_is_compiled_in_training_only_and_is_otherwise_the_stock_activation():
    layer, values = FusedGelu(), tf.constant(VALUES, "float32")
    names = {}
    for training in (True, False):
        function = tf.function(lambda x, training=training: layer(x, training=training))
        graph = function.get_concrete_function(tf.TensorSpec((None, 3), "float32")).graph.as_graph_def()
        names[training] = {node.op for node in graph.node}

    assert "PartitionedCall" in names[True] and "Erfc" not in names[True]
    assert "PartitionedCall" not in names[False]
    np.testing.assert_array_equal(layer(values), keras.activations.gelu(values, approximate=False))
    np.testing.assert_array_equal(layer(values, training=False), keras.activations.gelu(values, approximate=False))


def test_it_takes_batches_of_any_size():
    layer = FusedGelu()
    function = tf.function(lambda x: layer(x, training=True)).get_concrete_function(tf.TensorSpec((None, 3)))

    for size in (1, 5):
        values = tf.constant(np.random.default_rng(size).normal(size=(size, 3)), tf.float32)
        np.testing.assert_allclose(function(values), layer(values), atol=1e-6)


def test_the_gradient_of_the_whitening_bias_is_summed_in_float32():
    """The sum of ones over 16 x 127 x 127 positions, which is far beyond what bfloat16 can count to."""
    layer, images = WhiteningConvolution(dtype="mixed_bfloat16"), tf.ones((16, 128, 128, 1))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.cast(layer(images), "float32"))
    gradient = tape.gradient(total, layer.bias.value)

    np.testing.assert_allclose(gradient, 16 * 127 * 127, rtol=2**-8)
