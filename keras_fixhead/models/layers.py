"""The layers of the networks, with torch's conventions, which published results used."""
from collections.abc import Callable
from typing import Any

import keras

from keras_fixhead.head import full_precision
from keras_fixhead.models.activations import FusedGelu
from keras_fixhead.models.initializers import HashedUniform, IdentityUniform
from keras_fixhead.models.normalization import FusedBatchNormalization
from keras_fixhead.models.whitening import WhiteningConvolution
from keras_fixhead.vectors.hashing import INITIALIZER_STREAM, stream_key

Tensor = Any

ONEDNN_BLOCK = 16
"""With fewer input channels than this, oneDNN's gradient of a strided 1x1 convolution writes out of bounds
(uxlfoundation/oneDNN, issue 6035)."""


class Layers:
    """Creates the layers of one network, with initial weights that depend on a seed and the layer's name.

    Convolutions have no bias, torch's padding, an L2 penalty of `weight_decay` / 2 on their kernels and torch's default
    initialisation (uniform with variance 1 / (3 fan_in)), which the paper's released code uses; it is drawn from our
    hash, the same on every backend. The fan_in of a depthwise kernel is height times width, as in torch; Keras also
    counts the channels, which would make initial weights far too small. Batch normalisation starts with gamma 1 and
    beta 0, with torch's momentum 0.1 (0.9 in Keras) and epsilon 1e-5.

    Args:
        seed: seed of the initial weights.
        weight_decay: torch's c.
        normalization: class of the batch normalisation layers.
        decay_norms: whether to apply the L2 penalty to gamma and beta too, as torch's optimizer does to every weight.
    """

    def __init__(self, seed: int, weight_decay: float,
                 normalization: Callable[..., keras.layers.Layer] = FusedBatchNormalization,
                 decay_norms: bool = False) -> None:
        self.seed = seed
        self._weight_decay = weight_decay
        self._normalization = normalization
        self._decay_norms = decay_norms

    def conv(self, x: Tensor, channels: int, kernel_size: int, strides: int = 1, *, identity: bool = False,
             name: str) -> Tensor:
        """Returns the convolution of (N, H, W, C) with torch's padding of (kernel_size - 1) / 2 on every side.

        With `identity`, its first filters pass on one input channel each; the others start as usual.
        """
        x, padding = _padded(x, kernel_size, strides, name)
        if strides > 1 and kernel_size == 1 and x.shape[-1] < ONEDNN_BLOCK:
            # the same function: every other pixel first, then a convolution without strides
            x = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x)
            strides = 1
        return keras.layers.Conv2D(
            channels, kernel_size, strides, padding, use_bias=False, name=name,
            kernel_initializer=self.kernel_initializer(name, identity=identity),
            kernel_regularizer=self.penalty(),
        )(x)

    def depthwise_conv(self, x: Tensor, kernel_size: int, strides: int = 1, *, name: str) -> Tensor:
        """Returns the convolution of each channel with its own kernel, with torch's padding."""
        limit = 1 / kernel_size  # of a uniform distribution with variance 1 / (3 kernel_size^2)
        x = keras.layers.DepthwiseConv2D(
            kernel_size, padding="same", use_bias=False, name=name,
            depthwise_initializer=HashedUniform(limit, seed=name_seed(self.seed, name)),
            depthwise_regularizer=self.penalty(),
        )(x)
        if strides > 1:
            # the same function: every other result of a convolution without strides. oneDNN's gradients of a strided
            # convolution took ten times as long (20 ms instead of 2 for 128x32x32x36 in bfloat16)
            x = keras.layers.AveragePooling2D(1, strides, name=f"{name}_subsample")(x)
        return x

    def dense(self, x: Tensor, dim: int, *, name: str) -> Tensor:
        """Returns (N, d) times a matrix: (N, dim), without a bias, in the precision of the network."""
        return keras.layers.Dense(dim, use_bias=False, name=name, kernel_initializer=self.kernel_initializer(name),
                                  kernel_regularizer=self.penalty())(x)

    def project(self, x: Tensor, dim: int, *, name: str) -> Tensor:
        """Returns (N, d) times a matrix: (N, dim), in full precision, without a bias."""
        return keras.layers.Dense(
            dim, use_bias=False, dtype=full_precision(), name=name,
            kernel_initializer=self.kernel_initializer(name),
            kernel_regularizer=self.penalty(),
        )(x)

    def normalize(self, x: Tensor, *, name: str, momentum: float = 0.9, epsilon: float = 1e-5,
                  scale: bool = True) -> Tensor:
        """Returns the batch normalisation of (N, H, W, C) or (N, C); without `scale`, it has no gamma."""
        penalty = self.penalty() if self._decay_norms else None
        return self._normalization(momentum=momentum, epsilon=epsilon, scale=scale, gamma_regularizer=penalty,
                                   beta_regularizer=penalty, name=name)(x)

    def whiten(self, x: Tensor, *, name: str) -> Tensor:
        """Returns the whitened 2x2 patches of (N, H, W, C): (N, H - 1, W - 1, 8 C)."""
        return WhiteningConvolution(name=name)(x)

    def gelu(self, x: Tensor, *, name: str) -> Tensor:
        """Returns x times the normal distribution function of x."""
        return FusedGelu(name=name)(x)

    def max_pool(self, x: Tensor, *, name: str) -> Tensor:
        """Returns the maxima of 2x2 positions, without a last odd row or column; a side of 1 stays as it is."""
        size = tuple(1 if side == 1 else 2 for side in x.shape[1:3])
        return keras.layers.MaxPooling2D(size, name=name)(x)

    def kernel_initializer(self, name: str, *, identity: bool = False) -> keras.initializers.Initializer:
        """Returns the kernel initializer of the convolution with this name."""
        return (IdentityUniform if identity else HashedUniform)(seed=name_seed(self.seed, name))

    def penalty(self) -> keras.regularizers.Regularizer | None:
        """Returns the L2 penalty of the kernels; None without weight decay."""
        return keras.regularizers.L2(self._weight_decay / 2) if self._weight_decay else None


def _padded(x: Tensor, kernel_size: int, strides: int, name: str) -> tuple[Tensor, str]:
    """The padded images, and the padding that remains for the convolution."""
    if strides > 1 and kernel_size > 1:  # Keras' 'same' pads by 0 and 1 here, torch by 1 and 1
        return keras.layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x), "valid"
    return x, "same"


def name_seed(seed: int, name: str) -> int:
    """Returns the seed of a layer, in [0, 2^31), from the run's seed and the layer's name."""
    return stream_key(seed, INITIALIZER_STREAM, *name.encode()) & 0x7FFFFFFF


def relu(x: Tensor, *, name: str) -> Tensor:
    """Returns max(x, 0)."""
    return keras.layers.ReLU(name=name)(x)
