"""Between uint8 images and float32 planes, and what several corruptions do to planes."""
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.draws import Draws

Images = NDArray[np.uint8]
Planes = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in grey, as in ITU-R BT.601."""


def planes(images: Images) -> Planes:
    """Returns the channels as planes, float32, (3, N, H, W), in [0, 255]."""
    return np.ascontiguousarray(images.transpose(3, 0, 1, 2), np.float32)


def images_from(made: Planes) -> Images:
    """Returns planes as images: clipped to [0, 255] and truncated to uint8, (N, H, W, 3). Changes `made`."""
    return np.ascontiguousarray(truncated(made).transpose(1, 2, 3, 0))


def truncated(values: NDArray[np.floating[Any]]) -> Images:
    """Returns values clipped to [0, 255] and truncated to uint8. Changes `values`."""
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def normal_layer(images: Images, draws: Draws, mean: float, sd: float) -> Planes:
    """Returns a plane of normal noise per image, float32, (N, H, W): what flakes and drops are made from."""
    count, height, width, _ = images.shape
    layer: Planes = draws.normals(height * width).reshape(count, height, width)
    layer *= np.float32(sd)
    layer += np.float32(mean)
    return layer


def along_sides(rows: Planes, columns: Planes, values: Planes) -> Planes:
    """Returns `rows @ each @ columns.T` for each (H, W) plane of values (..., H, W)."""
    width = values.shape[-1]
    across = values.reshape(-1, width) @ columns.T
    return np.matmul(rows, across.reshape(*values.shape[:-1], len(columns)))


def blurred(values: Planes, sigma: float, *, truncate: float = 4.0, border: str = "nearest") -> Planes:
    """Returns planes (..., H, W) blurred by a Gaussian of `int(truncate * sigma + 0.5)` taps to each side.

    Args:
        values: float32.
        sigma: standard deviation in pixels; below 0.125 nothing changes.
        truncate: where the Gaussian is cut, in standard deviations.
        border: 'nearest' repeats the edge pixel, 'reflect' mirrors at the edge of the last pixel.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return values
    height, width = values.shape[-2:]
    return along_sides(_gaussian_matrix(height, sigma, radius, border), _gaussian_matrix(width, sigma, radius, border),
                       values)


@functools.lru_cache(32)
def _gaussian_matrix(size: int, sigma: float, radius: int, border: str) -> Planes:
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return banded(size, taps / taps.sum(), BORDERS[border])


def banded(size: int, taps: NDArray[np.float64], border: Callable[[Any, int], Any]) -> Planes:
    """Returns the matrix of a correlation with an odd number of taps along a side of `size` pixels, float32."""
    radius = len(taps) // 2
    matrix = np.zeros((size, size))
    for offset, weight in zip(range(-radius, radius + 1), taps, strict=True):
        np.add.at(matrix, (np.arange(size), border(np.arange(size) + offset, size)), weight)
    return matrix.astype(np.float32)


def nearest(positions: Any, size: int) -> Any:
    """Returns positions moved to the nearest pixel of a side."""
    return np.clip(positions, 0, size - 1)


def reflected(positions: Any, size: int) -> Any:
    """Returns positions mirrored at the outer edge of the last pixel: ... 1 0 | 0 1 2."""
    folded = positions % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def mirrored(positions: Any, size: int) -> Any:
    """Returns positions mirrored at the middle of the last pixel: ... 2 1 | 0 1 2."""
    if size == 1:
        return positions * 0
    folded = positions % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


BORDERS: dict[str, Callable[[Any, int], Any]] = {"nearest": nearest, "reflect": reflected, "mirror": mirrored}


@functools.lru_cache(128)
def zoom_matrix(size: int, factor: float) -> Planes:
    """Returns the matrix that enlarges the middle of a side by a factor, bilinearly, and keeps its length.

    The middle `ceil(size / factor)` pixels are stretched over `round(that * factor)`, end on end, and the surplus is
    trimmed on both sides.
    """
    kept = max(2, int(np.ceil(size / factor)))
    stretched = max(2, round(kept * factor))
    positions = np.arange(stretched) * ((kept - 1) / (stretched - 1))
    left = np.minimum(positions.astype(int), kept - 2)
    share = positions - left
    matrix = np.zeros((stretched, size))
    first = (size - kept) // 2
    matrix[np.arange(stretched), first + left] = 1 - share
    matrix[np.arange(stretched), first + left + 1] += share
    trim = (stretched - size) // 2
    return matrix[trim : trim + size].astype(np.float32)


def bilinear(values: Planes, rows: Planes, columns: Planes, border: str) -> Planes:
    """Returns planes read at fractional positions.

    Args:
        values: float32, (C, N, H, W).
        rows, columns: positions, float32, (N, H', W').
        border: a name in `BORDERS`.
    """
    channels, count, height, width = values.shape
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left
    fold = BORDERS[border]
    first, second = (fold(top.astype(np.int32) + step, height) * width for step in (0, 1))
    near, far = (fold(left.astype(np.int32) + step, width) for step in (0, 1))
    starts = (np.arange(count, dtype=np.int32) * (height * width))[:, None, None]
    corners = [(starts + row + column).astype(np.intp) for row in (first, second) for column in (near, far)]
    made = np.empty((channels, *rows.shape), np.float32)
    for plane, out in zip(values, made, strict=True):
        a, b, c, d = (plane.ravel().take(corner) for corner in corners)
        b -= a
        b *= right
        a += b  # the row above
        d -= c
        d *= right
        c += d  # the row below
        c -= a
        c *= down
        np.add(a, c, out=out)
    return made
