"""The layers that the networks are written in: torch's conventions, which published results were trained with."""
from collections.abc import Callable
from typing import Any

import keras

from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.vectors.hashing import INITIALIZER_STREAM, stream_key

Tensor = Any

ONEDNN_BLOCK = 16
"""On fewer input channels than this, oneDNN's gradient of a 1x1 convolution with strides writes past its memory
(uxlfoundation/oneDNN, issue 6035)."""


class Layers:
    """Makes layers of one network, with initial weights that are a function of a seed and the layer's name.

    Convolutions have no bias, torch's padding, an L2 penalty of `weight_decay` / 2 on their kernels and torch's default
    initialisation (uniform with variance 1 / (3 fan_in)), which the paper's released code uses. Batch normalisation has
    torch's momentum 0.1 (Keras calls it 0.9) and epsilon 1e-5.

    Args:
        seed: seed of the initial weights.
        weight_decay: torch's c.
        normalization: class of batch normalisation layers.
    """

    def __init__(self, seed: int, weight_decay: float,
                 normalization: Callable[..., keras.layers.Layer] = FusedBatchNormalization) -> None:
        self._seed = seed
        self._weight_decay = weight_decay
        self._normalization = normalization

    def conv(self, x: Tensor, channels: int, kernel_size: int, strides: int = 1, *, name: str) -> Tensor:
        """Returns the convolution of (N, H, W, C) with torch's padding of (kernel_size - 1) / 2 on every side."""
        padding = "same"
        if strides > 1 and kernel_size > 1:  # Keras' 'same' pads 0 and 1 here, torch 1 and 1: other pixels
            x = keras.layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x)
            padding = "valid"
        if strides > 1 and kernel_size == 1 and x.shape[-1] < ONEDNN_BLOCK:
            # the same function: every other pixel first, then a convolution without strides
            x = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x)
            strides = 1
        return keras.layers.Conv2D(
            channels, kernel_size, strides, padding, use_bias=False, name=name,
            kernel_initializer=keras.initializers.VarianceScaling(
                1 / 3, "fan_in", "uniform", seed=name_seed(self._seed, name)),
            kernel_regularizer=keras.regularizers.L2(self._weight_decay / 2) if self._weight_decay else None,
        )(x)

    def normalize(self, x: Tensor, *, name: str) -> Tensor:
        """Returns the batch normalisation of (N, H, W, C)."""
        return self._normalization(momentum=0.9, epsilon=1e-5, name=name)(x)


def name_seed(seed: int, name: str) -> int:
    """Returns a seed for one layer: a function of the run's seed and the layer's name, in [0, 2^31)."""
    return stream_key(seed, INITIALIZER_STREAM, *name.encode()) & 0x7FFFFFFF


def relu(x: Tensor, *, name: str) -> Tensor:
    """Returns max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)
