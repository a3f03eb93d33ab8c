"""A first layer that whitens small patches of the image, with kernels from training images."""
import math
from typing import Any, cast

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError

PATCH = 2
IMAGES = 5_000
"""How many images the kernels are computed from, at most."""

_EPSILON = 5e-4  # added to each eigenvalue, in units of normalised pixels squared
_PATCHES_AT_ONCE = 1 << 18


@keras.saving.register_keras_serializable(package="keras_fixhead")
class WhiteningConvolution(keras.layers.Layer):
    """A 2x2 convolution without padding whose kernels are not trained; its bias is.

    It has 8 C filters for images of C channels: 4 C, and the same with the opposite sign, so that an activation after
    it loses nothing. Before `initialize_from_images` the filters pick out single pixels.

    Args:
        kwargs: arguments of `keras.layers.Layer`.

    Example:
        >>> WhiteningConvolution()(keras.ops.ones((2, 32, 32, 3))).shape
        TensorShape([2, 31, 31, 24])
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        size = PATCH * PATCH * channels
        self.kernel = self.add_weight(name="kernel", shape=(PATCH, PATCH, channels, 2 * size), trainable=False,
                                      initializer=lambda shape, dtype=None: both_signs(np.eye(size), channels))
        self.bias = self.add_weight(name="bias", shape=(2 * size,), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return keras.ops.conv(inputs, self.kernel, padding="valid", data_format="channels_last") + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sides, channels = input_shape
        return (batch, *(None if side is None else side - PATCH + 1 for side in sides),
                2 * PATCH * PATCH * int(channels or 0))


def initialize_from_images(model: keras.Model, images: Any) -> None:
    """Sets those initial weights of a model that depend on the training images; call it once, before training.

    Only 'fast_cnn' has some: the kernels of its first layer, from which `training` starts a run. With your own loop or
    `model.fit`, call it before the first step. Other models are left as they are.

    The kernels whiten 2x2 patches: they are the eigenvectors of the second moment of the patches of the first 5,000
    images after the model's normalisation, each divided by the root of its eigenvalue + 0.0005. For images in uint8
    the sums are exact, so that the same images give the same kernels whatever the order of summation.

    Args:
        model: a model from `build_model`.
        images: training images, (N, H, W, C), with pixels in [0, 255].

    Raises:
        ArgumentError: (a ValueError) if `images` is not an array of images with the model's number of channels.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> model = build_model("fast_cnn", input_shape=(32, 32, 3), num_classes=10, width=0.25)
        >>> images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
        >>> initialize_from_images(model, images)

    Reference: Jordan (2024), arXiv:2404.00498, section 3.2.
    """
    for layer in model.layers:
        if isinstance(layer, WhiteningConvolution):
            channels = layer.kernel.shape[2]
            normalize = model.get_layer("normalize")
            moment = second_moment(_checked(images, channels), np.asarray(normalize.scale, np.float64),
                                   np.asarray(normalize.offset, np.float64))
            layer.kernel.assign(whitening_kernel(moment))


def second_moment(images: NDArray[Any], scale: Any, offset: Any) -> NDArray[np.float64]:
    """Returns the mean of x x^T over the patches x of images whose pixels become scale * pixel + offset.

    Args:
        images: pixels, (N, H, W, C); the first 5,000 are used.
        scale, offset: one number, or one per channel.

    Returns:
        float64 array of shape (4 C, 4 C); a patch is ordered by row, column, channel.

    Example:
        >>> second_moment(np.full((1, 2, 2, 1), 3, np.uint8), 1.0, -1.0).tolist()[0]
        [4.0, 4.0, 4.0, 4.0]
    """
    size = PATCH * PATCH * images.shape[-1]
    total, squares, count = np.zeros(size), np.zeros((size, size)), 0
    for part in _parts(images):
        patches = _patches(part)
        total += patches.sum(axis=0)
        squares += patches.T @ patches
        count += len(patches)
    factor, shift = (np.tile(np.broadcast_to(each, images.shape[-1:]), PATCH * PATCH) for each in (scale, offset))
    mean = factor * total / count
    return factor[:, None] * (squares / count) * factor + np.outer(mean, shift) + np.outer(shift, mean + shift)


def whitening_kernel(moment: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the kernels that whiten patches with a second moment, the largest eigenvalue first.

    Args:
        moment: array of shape (4 C, 4 C).

    Returns:
        float32 array of shape (2, 2, C, 8 C). In each of the first 4 C filters the largest entry is positive; the
        others are the same with the opposite sign.

    Example:
        >>> whitening_kernel(np.diag([4.0, 1.0, 1.0, 1.0]))[0, 0, 0, 0].round(4)
        np.float32(0.5)
    """
    values, vectors = np.linalg.eigh(moment)
    rows = vectors.T[::-1]
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    rows = rows * np.sign(largest)[:, None] / np.sqrt(np.maximum(values[::-1], 0.0) + _EPSILON)[:, None]
    return both_signs(rows, len(rows) // (PATCH * PATCH))


def both_signs(rows: NDArray[np.float64], channels: int) -> NDArray[np.float32]:
    """Returns the kernels of filters given as rows, (4 C, 4 C), and of their opposites."""
    filters = np.concatenate([rows, -rows]).astype(np.float32)
    return filters.reshape(-1, PATCH, PATCH, channels).transpose(1, 2, 3, 0)


def _parts(images: NDArray[Any]) -> Any:
    """The first images in parts of few patches, which share the pixels at their border."""
    count, (height, width) = min(len(images), IMAGES), images.shape[1:3]
    rows = max(1, min(height, _PATCHES_AT_ONCE // width))
    step = max(1, _PATCHES_AT_ONCE // (rows * width))
    for first in range(0, count, step):
        for top in range(0, height - PATCH + 1, rows):
            yield images[first : min(first + step, count), top : top + rows + PATCH - 1]


def _patches(images: NDArray[Any]) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(images, (PATCH, PATCH), axis=(1, 2))  # (N, H, W, C, 2, 2)
    patches = windows.transpose(0, 1, 2, 4, 5, 3).astype(np.float64)
    return patches.reshape(-1, math.prod(patches.shape[3:]))


def _checked(images: Any, channels: int) -> NDArray[Any]:
    array = images if hasattr(images, "ndim") else np.asarray(images)  # may be on disk, and larger than memory
    if array.ndim != 4 or not len(array) or min(array.shape[1:3]) < PATCH or array.shape[3] != channels:
        raise ArgumentError(f"images must be an array of shape (N, H, W, {channels}) with at least one image of 2x2 "
                            f"pixels, got shape {array.shape}.")
    if array.dtype.kind == "f" and not np.isfinite(array[:IMAGES]).all():
        raise ArgumentError("images must be finite numbers, got NaN or infinity.")
    return cast(NDArray[Any], array)
