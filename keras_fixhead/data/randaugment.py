"""RandAugment on uint8 batches: fourteen operations, each applied to all images that have drawn it at once."""
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Strengths = NDArray[np.float64]

MAX_ROTATION = 30.0
MAX_SHEAR = 0.3
MAX_TRANSLATION = 10 / 32
MAX_ENHANCEMENT = 0.9
_LUMA = np.array([19595, 38470, 7471], np.uint32)  # ITU-R 601-2 in 65536ths


def rand_augment(images: Images, draws: NDArray[np.uint32], *, operations: int, magnitude: float) -> Images:
    """Returns images after a number of random operations each.

    What an image becomes depends on itself, its draws, and the two numbers alone, not on the batch it is in.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: random 32-bit words, shape (N, 2 operations): for each place one that chooses the operation, and one
            whose highest bit is the sign of its strength.
        operations: number of operations on each image.
        magnitude: their strength, in [0, 10].

    Returns:
        uint8 array of the same shape.

    Reference: Cubuk et al. (2020), RandAugment, arXiv:1909.13719.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> rand_augment(images, np.zeros((2, 4), np.uint32), operations=2, magnitude=9.0).shape
        (2, 8, 8, 3)
    """
    images = images.copy()
    names = list(OPERATIONS)
    for place in range(operations):
        chosen = draws[:, 2 * place].astype(np.uint64) * np.uint64(len(names)) >> np.uint64(32)
        signs = np.where(draws[:, 2 * place + 1] >> np.uint32(31) == 1, -1.0, 1.0)
        for number, name in enumerate(names):
            mine = np.flatnonzero(chosen == number)
            if len(mine) and name != "identity":
                images[mine] = OPERATIONS[name](images[mine], signs[mine] * magnitude / 10)
    return images


def rotate(images: Images, degrees: NDArray[np.float64]) -> Images:
    """Returns images turned about their middles, counter-clockwise: nearest neighbour, black outside.

    Args:
        images: uint8, shape (N, H, W, 3).
        degrees: shape (N,).
    """
    angles = np.deg2rad(degrees)
    zeros = np.zeros_like(angles)
    return _affine(images, np.stack([np.cos(angles), -np.sin(angles), zeros], axis=1),
                   np.stack([np.sin(angles), np.cos(angles), zeros], axis=1))


def _identity(images: Images, strengths: Strengths) -> Images:
    return images


def _autocontrast(images: Images, strengths: Strengths) -> Images:
    """Each channel's darkest level becomes 0, its lightest 255."""
    low = images.min(axis=(1, 2)).astype(np.float64)  # (N, 3)
    high = images.max(axis=(1, 2)).astype(np.float64)
    scale = np.where(high > low, 255.0 / np.maximum(high - low, 1), 1.0)
    offset = np.where(high > low, -low * scale, 0.0)
    levels = np.clip(np.arange(256) * scale[..., None] + offset[..., None], 0, 255).astype(np.uint8)  # (N, 3, 256)
    return _mapped(images, levels)


def _equalize(images: Images, strengths: Strengths) -> Images:
    """Each channel's levels are spread so that all are about equally frequent."""
    size, height, width, _ = images.shape
    index = (np.arange(size)[:, None, None, None] * 3 + np.arange(3)) * 256 + images
    counts = np.bincount(index.ravel(), minlength=size * 3 * 256).reshape(size, 3, 256)
    highest = np.take_along_axis(counts, images.max(axis=(1, 2)).astype(np.intp)[..., None], axis=2)[..., 0]
    step = (height * width - highest) // 255  # (N, 3)
    before = np.cumsum(counts, axis=2) - counts + (step // 2)[..., None]
    levels = np.where(step[..., None] > 0, np.minimum(before // np.maximum(step, 1)[..., None], 255), np.arange(256))
    return _mapped(images, levels.astype(np.uint8))


def _mapped(images: Images, levels: NDArray[np.uint8]) -> Images:
    """Images whose levels are looked up in a table for each image and channel, (N, 3, 256)."""
    return levels[np.arange(len(images))[:, None, None, None], np.arange(3), images]


def _solarize(images: Images, strengths: Strengths) -> Images:
    thresholds = np.rint(256 * (1 - np.abs(strengths)))[:, None, None, None]
    return np.where(images >= thresholds, 255 - images, images)


def _posterize(images: Images, strengths: Strengths) -> Images:
    dropped = np.rint(4 * np.abs(strengths)).astype(np.uint8)
    return images & (np.uint8(255) << dropped)[:, None, None, None]


def _color(images: Images, strengths: Strengths) -> Images:
    return _blend(np.repeat(_grey(images)[..., None], 3, axis=3), images, strengths)


def _contrast(images: Images, strengths: Strengths) -> Images:
    means = np.floor(_grey(images).mean(axis=(1, 2)) + 0.5)
    return _blend(np.broadcast_to(means[:, None, None, None], images.shape), images, strengths)


def _brightness(images: Images, strengths: Strengths) -> Images:
    return _blend(np.zeros_like(images), images, strengths)


def _sharpness(images: Images, strengths: Strengths) -> Images:
    smooth = images.astype(np.float32)
    inner = 4 * smooth[:, 1:-1, 1:-1]
    for row in range(3):
        for column in range(3):
            inner = inner + images[:, row : row + images.shape[1] - 2, column : column + images.shape[2] - 2]
    smooth[:, 1:-1, 1:-1] = np.floor(inner / 13 + 0.5)  # 5 in the middle, 1 around it; the border stays
    return _blend(smooth, images, strengths)


def _shear_x(images: Images, strengths: Strengths) -> Images:
    return _affine(images, _row(1.0, MAX_SHEAR * strengths, 0.0), _row(0.0, 1.0, 0.0 * strengths))


def _shear_y(images: Images, strengths: Strengths) -> Images:
    return _affine(images, _row(1.0, 0.0 * strengths, 0.0), _row(MAX_SHEAR * strengths, 1.0, 0.0))


def _translate_x(images: Images, strengths: Strengths) -> Images:
    shift = np.rint(MAX_TRANSLATION * images.shape[2] * strengths)
    return _affine(images, _row(1.0, 0.0, shift), _row(0.0, 1.0, 0.0 * shift))


def _translate_y(images: Images, strengths: Strengths) -> Images:
    shift = np.rint(MAX_TRANSLATION * images.shape[1] * strengths)
    return _affine(images, _row(1.0, 0.0, 0.0 * shift), _row(0.0, 1.0, shift))


def _rotate(images: Images, strengths: Strengths) -> Images:
    return rotate(images, MAX_ROTATION * strengths)


OPERATIONS: dict[str, Callable[[Images, Strengths], Images]] = {
    "identity": _identity,
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "rotate": _rotate,
    "solarize": _solarize,
    "color": _color,
    "posterize": _posterize,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
"""Name -> function of (images, strengths in [-1, 1]); those without a direction take the strength's size."""


def _grey(images: Images) -> NDArray[np.uint8]:
    return ((images.astype(np.uint32) @ _LUMA + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint8)


def _blend(ground: NDArray[Any], images: Images, strengths: Strengths) -> Images:
    """ground + factor (image - ground), factor 1 + 0.9 strength: 1 leaves the image as it is."""
    factors = (1 + MAX_ENHANCEMENT * strengths).astype(np.float32)[:, None, None, None]
    ground = ground.astype(np.float32)
    return np.clip(np.rint(ground + factors * (images - ground)), 0, 255).astype(np.uint8)


def _row(*entries: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Three entries, numbers or one number an image, as (N, 3)."""
    return np.stack(np.broadcast_arrays(*map(np.asarray, entries)), axis=1).astype(np.float64)


def _affine(images: Images, x_row: NDArray[np.float64], y_row: NDArray[np.float64]) -> Images:
    """Images whose pixel (x, y), counted from the middle, is that at (x_row . (x, y, 1), y_row . (x, y, 1)).

    Nearest neighbour; black where that is outside.
    """
    size, height, width, _ = images.shape
    x = (np.arange(width) - (width - 1) / 2).astype(np.float32)
    y = (np.arange(height) - (height - 1) / 2).astype(np.float32)
    across, down = (row.astype(np.float32)[:, :, None, None] for row in (x_row, y_row))
    # a hair off the middle between two pixels, so that rounding errors decide nothing
    middles = (np.float32((side - 1) / 2 + 1e-3) for side in (width, height))
    columns, rows = (np.rint(row[:, 0] * x + (row[:, 1] * y[:, None] + (row[:, 2] + middle))).astype(np.int32)
                     for row, middle in zip((across, down), middles, strict=True))
    # as unsigned numbers, what is negative is too large as well: one comparison for both ends
    outside = (columns.view(np.uint32) >= width) | (rows.view(np.uint32) >= height)
    place = rows * width + columns + (np.arange(size, dtype=np.int32) * height * width)[:, None, None]
    place[outside] = size * height * width
    pixels = np.zeros((size * height * width + 1, 4), np.uint8)  # four bytes a pixel are gathered as one number
    pixels[:-1, :3] = images.reshape(-1, 3)
    return pixels.view(np.uint32)[:, 0].take(place)[..., None].view(np.uint8)[..., :3]
