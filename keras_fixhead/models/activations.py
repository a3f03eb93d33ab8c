"""GELU in one pass over the values in training on TensorFlow on a CPU."""
import functools
import math
from collections.abc import Callable
from typing import Any

import keras

from keras_fixhead.models.normalization import on_cpu

_ROOT = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)


@keras.saving.register_keras_serializable(package="keras_fixhead")
class FusedGelu(keras.layers.Layer):
    """GELU, x times the normal distribution function of x; faster in training on the TensorFlow backend on a CPU.

    The stock activation reads and writes each value in some twelve operations forward and backward, together 18 % of
    a training step of 'fast_cnn' in bfloat16. Here XLA compiles one loop forward and one backward, in float32, that
    take a fifth of the time. Everything else, including inference, is left to the stock activation.

    Args:
        kwargs: arguments of `keras.layers.Layer`.

    Example:
        >>> keras.ops.convert_to_numpy(FusedGelu()(keras.ops.convert_to_tensor([-1.0, 0.0, 1.0]))).round(3).tolist()
        [-0.1589999943971634, 0.0, 0.8410000205039978]

    Reference: Hendrycks & Gimpel (2016), arXiv:1606.08415.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        if training and keras.backend.backend() == "tensorflow" and on_cpu():
            return _fused()(inputs)
        return keras.activations.gelu(inputs, approximate=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@functools.cache
def _fused() -> Callable[[Any], Any]:
    """GELU with its gradient, each compiled by XLA."""
    import tensorflow as tf  # only on the TensorFlow backend; others run without it

    def distribution(values: Any) -> Any:
        return 0.5 + 0.5 * tf.math.erf(values * _ROOT)

    def forward(inputs: Any) -> Any:
        values = tf.cast(inputs, "float32")
        return tf.cast(values * distribution(values), inputs.dtype)

    def backward(inputs: Any, upstream: Any) -> Any:
        values = tf.cast(inputs, "float32")
        slope = distribution(values) + values * _DENSITY * tf.exp(-0.5 * values * values)
        return tf.cast(slope * tf.cast(upstream, "float32"), inputs.dtype)

    compiled_forward, compiled_backward = (tf.function(each, jit_compile=True) for each in (forward, backward))

    def gelu(inputs: Any) -> Any:
        return compiled_forward(inputs), functools.partial(compiled_backward, inputs)

    compiled: Callable[[Any], Any] = tf.custom_gradient(gelu)
    return compiled
