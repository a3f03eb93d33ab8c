"""The layers that the networks are written in: torch's conventions, which published results were trained with."""
from collections.abc import Callable
from typing import Any

import keras

from keras_fixhead.models.initializers import HashedUniform
from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.vectors.hashing import INITIALIZER_STREAM, stream_key

Tensor = Any

ONEDNN_BLOCK = 16
"""On fewer input channels than this, oneDNN's gradient of a 1x1 convolution with strides writes past its memory
(uxlfoundation/oneDNN, issue 6035)."""


class Layers:
    """Makes layers of one network, with initial weights that are a function of a seed and the layer's name.

    Convolutions have no bias, torch's padding, an L2 penalty of `weight_decay` / 2 on their kernels and torch's default
    initialisation (uniform with variance 1 / (3 fan_in)), which the paper's released code uses, drawn by our hash: the
    same on every backend. The fan_in of a depthwise kernel is its height times width, as torch counts it; Keras counts
    the channels too, which would start it far too small. Batch normalisation starts as gamma 1 and beta 0, with torch's
    momentum 0.1 (Keras calls it 0.9) and epsilon 1e-5.

    Args:
        seed: seed of the initial weights.
        weight_decay: torch's c.
        normalization: class of batch normalisation layers.
        decay_norms: whether gamma and beta have the L2 penalty too, as torch's optimizer applies it to every weight.
    """

    def __init__(self, seed: int, weight_decay: float,
                 normalization: Callable[..., keras.layers.Layer] = FusedBatchNormalization,
                 decay_norms: bool = False) -> None:
        self._seed = seed
        self._weight_decay = weight_decay
        self._normalization = normalization
        self._decay_norms = decay_norms

    def conv(self, x: Tensor, channels: int, kernel_size: int, strides: int = 1, *, name: str) -> Tensor:
        """Returns the convolution of (N, H, W, C) with torch's padding of (kernel_size - 1) / 2 on every side."""
        x, padding = _padded(x, kernel_size, strides, name)
        if strides > 1 and kernel_size == 1 and x.shape[-1] < ONEDNN_BLOCK:
            # the same function: every other pixel first, then a convolution without strides
            x = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x)
            strides = 1
        return keras.layers.Conv2D(
            channels, kernel_size, strides, padding, use_bias=False, name=name,
            kernel_initializer=self.kernel_initializer(name), kernel_regularizer=self.penalty(),
        )(x)

    def depthwise_conv(self, x: Tensor, kernel_size: int, strides: int = 1, *, name: str) -> Tensor:
        """Returns the convolution of each channel by its own kernel, with torch's padding."""
        limit = 1 / kernel_size  # of a uniform distribution with variance 1 / (3 kernel_size^2)
        x = keras.layers.DepthwiseConv2D(
            kernel_size, padding="same", use_bias=False, name=name,
            depthwise_initializer=HashedUniform(limit, seed=name_seed(self._seed, name)),
            depthwise_regularizer=self.penalty(),
        )(x)
        if strides > 1:
            # the same function: every other result of a convolution without strides. oneDNN's gradients of a strided
            # one took ten times as long (20 ms against 2 for 128x32x32x36 in bfloat16)
            x = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x)
        return x

    def normalize(self, x: Tensor, *, name: str) -> Tensor:
        """Returns the batch normalisation of (N, H, W, C)."""
        penalty = self.penalty() if self._decay_norms else None
        return self._normalization(momentum=0.9, epsilon=1e-5, gamma_regularizer=penalty, beta_regularizer=penalty,
                                   name=name)(x)

    def kernel_initializer(self, name: str) -> keras.initializers.Initializer:
        """Returns what draws the kernel of the convolution of this name."""
        return HashedUniform(seed=name_seed(self._seed, name))

    def penalty(self) -> keras.regularizers.Regularizer | None:
        """Returns the L2 penalty of the kernels, if there is one."""
        return keras.regularizers.L2(self._weight_decay / 2) if self._weight_decay else None


def _padded(x: Tensor, kernel_size: int, strides: int, name: str) -> tuple[Tensor, str]:
    """Images and the padding that is left for a convolution to do."""
    if strides > 1 and kernel_size > 1:  # Keras' 'same' pads 0 and 1 here, torch 1 and 1: other pixels
        return keras.layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x), "valid"
    return x, "same"


def name_seed(seed: int, name: str) -> int:
    """Returns a seed for one layer: a function of the run's seed and the layer's name, in [0, 2^31)."""
    return stream_key(seed, INITIALIZER_STREAM, *name.encode()) & 0x7FFFFFFF


def relu(x: Tensor, *, name: str) -> Tensor:
    """Returns max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)
