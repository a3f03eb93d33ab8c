"""Batch normalisation with TensorFlow's fused kernel."""
import functools
from typing import Any

import keras

ONEDNN_CHANNELS = 16
"""oneDNN uses slow code if the number of channels is not a multiple of this: 14 ms for 128x32x32x36 in bfloat16, while
48 channels took 0.3. Padding with zero channels is cheaper: a step of MobileNetV2 at width 1/4 took 0.69 times as long.
In float32 it costs more than it saves."""


@keras.saving.register_keras_serializable(package="keras_fixhead")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, faster in training on the TensorFlow backend.

    It has the same arguments, weights and results (up to rounding). In training on TensorFlow, with images in float32,
    bfloat16 or float16, it uses one kernel forward and one backward, while the stock layer reads and writes each
    activation several times. Everything else, including inference, is left to the stock layer.

    Example:
        >>> layer = FusedBatchNormalization(momentum=0.9, epsilon=1e-5)
        >>> layer(keras.ops.ones((2, 4, 4, 3)), training=True).shape
        TensorShape([2, 4, 4, 3])
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if training and self.trainable and mask is None and self._is_shared():
            return self._synchronized(inputs)
        if not (training and self.trainable and self._is_fusible(inputs, mask)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf  # only on the TensorFlow backend; others run without it

        channels = inputs.shape[-1]
        scale = tf.convert_to_tensor(self.gamma) if self.scale else tf.ones([channels])
        offset = tf.convert_to_tensor(self.beta) if self.center else tf.zeros([channels])
        missing = -channels % ONEDNN_CHANNELS if inputs.dtype == tf.bfloat16 and on_cpu() else 0
        if missing:
            inputs = tf.pad(inputs, [[0, 0], [0, 0], [0, 0], [0, missing]])
            scale, offset = (tf.pad(each, [[0, missing]]) for each in (scale, offset))
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset,
            mean=tf.zeros([0]), variance=tf.zeros([0]),  # empty: the kernel returns this batch's statistics
            epsilon=self.epsilon, exponential_avg_factor=1.0, data_format="NHWC", is_training=True,
        )
        if missing:
            outputs, mean, variance = outputs[..., :channels], mean[:channels], variance[:channels]
        # The kernel divides the variance by n - 1; the stock layer's moving average uses n.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:-1]), "float32")
        variance *= (count - 1.0) / count
        self._move(mean, variance)
        return outputs

    def _synchronized(self, inputs: Any) -> Any:
        """Normalises by the statistics of the whole batch, of which each device has a part.

        The variance is the mean of squared distances from the mean. The stock layer uses the mean of squares minus the
        squared mean, which loses three digits if the mean is large: gradients of ResNet18 then differ by a few per cent
        from those on one device.
        """
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        axes = [axis for axis in range(len(inputs.shape)) if axis != self.axis % len(inputs.shape)]
        shape = [-1 if axis not in axes else 1 for axis in range(len(inputs.shape))]
        values = tf.cast(inputs, "float32")
        count = tf.cast(tf.reduce_prod(tf.gather(tf.shape(values), axes)), "float32")
        count, total = context.all_reduce("sum", [count, tf.reduce_sum(values, axes)])
        mean = total / count
        centred = values - tf.reshape(mean, shape)
        variance = context.all_reduce("sum", tf.reduce_sum(tf.square(centred), axes)) / count
        self._move(mean, variance)
        factor = tf.math.rsqrt(variance + self.epsilon)
        factor = factor * tf.convert_to_tensor(self.gamma) if self.scale else factor
        outputs = centred * tf.reshape(factor, shape)
        if self.center:
            outputs += tf.reshape(tf.convert_to_tensor(self.beta), shape)
        return tf.cast(outputs, inputs.dtype)

    def _move(self, mean: Any, variance: Any) -> None:
        """Updates the moving averages, used in inference, with the statistics of a batch."""
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1.0 - self.momentum))

    def _is_shared(self) -> bool:
        """Whether several devices each have a part of the batch and need its common statistics."""
        if not self.synchronized or keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        return context is not None and context.num_replicas_in_sync > 1

    def _is_fusible(self, inputs: Any, mask: Any) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and mask is None
            and not self.synchronized
            and not getattr(self, "renorm", False)
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
        )


@functools.cache
def on_cpu() -> bool:
    """Returns whether TensorFlow computes on a CPU because it sees no GPU."""
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")
