"""Integer arithmetic on uint8 images: bit-identical with NumPy on the host and keras.ops on a device.

Each function takes the namespace of its operations, `xp`: `numpy` or `keras.ops`. Fractions are integers in units of
2^-16 (matrices) or 2^-22 (shares), rounded once on the host: compilers may fuse and reorder rounded operations, but
not exact ones. All values fit in int32 for images of up to 4096 pixels per side; `transform` refuses batches of 2^31
pixels or more, including a border of one pixel.

The code for NumPy and keras.ops differs only where one of them would do needless work: NumPy copies rows of pixels
where a device computes the origin of every pixel.
"""
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import hashing

Images = Any  # uint8, (N, H, W, 3): NumPy's, or the device's
Whole = NDArray[np.int32]

_MATRIX_BITS = 16
_SHARE_BITS = 22
_HAIR = round(1e-3 * 2 ** (_MATRIX_BITS + 1))


def shares(values: NDArray[np.float64]) -> Whole:
    """Returns shares in [-1, 1] in the form that `blend` takes, shape (N,)."""
    return np.rint(values * 2**_SHARE_BITS).astype(np.int32)


def matrices(xx: Any = 1.0, xy: Any = 0.0, dx: Any = 0.0, yx: Any = 0.0, yy: Any = 1.0, dy: Any = 0.0) -> Whole:
    """Returns matrices for `transform`, (N, 6), from numbers or arrays (N,); the identity by default."""
    entries = np.stack(np.broadcast_arrays(*map(np.atleast_1d, (xx, xy, dx, yx, yy, dy))), axis=1)
    return np.rint(entries * 2**_MATRIX_BITS).astype(np.int32)


def rotations(degrees: NDArray[np.float64]) -> Whole:
    """Returns the matrices that rotate images counter-clockwise, (N, 6)."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return matrices(xx=cos, xy=-sin, yx=sin, yy=cos)


def whole(images: Any, xp: Any) -> Any:
    """Returns images as int32."""
    return xp.array(images, dtype="int32")


def column(values: Any, xp: Any) -> Any:
    """Returns one number per image, (N,), in a shape that broadcasts over images: (N, 1, 1, 1)."""
    return xp.reshape(values, (-1, 1, 1, 1))


def move(images: Images, offsets: Any, mirrored: Any, xp: Any = np, *, border: str = "black") -> Images:
    """Returns images cropped at an offset, then mirrored left and right where requested.

    Args:
        images: (N, H, W, 3).
        offsets: rows and columns between crop and image, (N, 2).
        mirrored: whether to mirror each image, bool, (N,).
        xp: `numpy` or `keras.ops`.
        border: what is outside the image: 'black', or the image reflected at its outermost pixels ('reflect').
    """
    if xp is not np and border == "reflect":
        return _move_reflected(images, offsets, mirrored, xp)
    if xp is not np:
        down, right = offsets[:, 0] * 2**_MATRIX_BITS, offsets[:, 1] * 2**_MATRIX_BITS
        none, ahead = xp.zeros_like(down), xp.full_like(down, 2**_MATRIX_BITS)
        across = xp.where(mirrored, -ahead, ahead)
        return transform(images, xp.stack([across, none, right, none, ahead, down], axis=1), xp)
    _, height, width, _ = images.shape
    if padding := int(np.abs(offsets).max()):
        padded = _framed(images, padding, border)
        images = np.empty_like(images)
        for image, (top, left) in enumerate((offsets + padding).tolist()):
            images[image] = padded[image, top : top + height, left : left + width]
    if mirrored.any():
        images = images if padding else images.copy()
        images[mirrored] = images[mirrored].take(np.arange(width)[::-1], axis=2)  # whole pixels: 9 times as fast
    return images


def _framed(images: NDArray[np.uint8], padding: int, border: str) -> NDArray[np.uint8]:
    """Returns images with a border of this many pixels."""
    if border == "reflect":
        return np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0)), "reflect")
    size, height, width, channels = images.shape
    framed = np.zeros((size, height + 2 * padding, width + 2 * padding, channels), np.uint8)
    framed[:, padding : padding + height, padding : padding + width] = images
    return framed


def _move_reflected(images: Images, offsets: Any, mirrored: Any, xp: Any) -> Images:
    """Returns images cropped with a reflected border, then mirrored: the origin of every pixel, then one look-up."""
    size, height, width, channels = images.shape
    x = xp.arange(width, dtype="int32")[None, :]
    x = xp.where(mirrored[:, None], width - 1 - x, x)
    rows = _reflected(xp.arange(height, dtype="int32")[None, :] + offsets[:, :1], height, xp)  # (N, H)
    columns = _reflected(x + offsets[:, 1:], width, xp)  # (N, W)
    flat = xp.arange(size, dtype="int32")[:, None, None] * (height * width) + rows[:, :, None] * width
    return xp.take(xp.reshape(images, (-1, channels)), flat + columns[:, None, :], axis=0)


def _reflected(places: Any, side: int, xp: Any) -> Any:
    """Returns places in [0, side) from places outside of it, reflected at the outermost pixels as often as needed."""
    period = max(1, 2 * (side - 1))
    places = xp.mod(places, period)  # in [0, period), also for negative places
    return xp.minimum(places, period - places) if side > 1 else xp.zeros_like(places)


def transform(images: Images, how: Any, xp: Any = np) -> Images:
    """Returns images whose pixel (x, y) is that at (xx x + xy y + dx, yx x + yy y + dy), counted from the middle.

    Nearest neighbour; black outside.

    Args:
        images: (N, H, W, 3).
        how: from `matrices`, (N, 6).
        xp: `numpy` or `keras.ops`.

    Raises:
        ArgumentError: (a ValueError) if the batch has too many pixels to count in int32.
    """
    size, height, width, channels = images.shape
    if size * (height + 2) * (width + 2) >= 2**31:
        raise ArgumentError(f"{size} images of {width}x{height} pixels are too many to transform at once.",
                            hint="Use a smaller --batch-size.")
    x = 2 * xp.arange(width, dtype="int32") - (width - 1)  # in half pixels: the middle may be between two
    y = 2 * xp.arange(height, dtype="int32")[:, None] - (height - 1)
    xx, xy, dx, yx, yy, dy = (how[:, entry, None, None] for entry in range(6))
    # slightly off the midpoint between two pixels, so that the rounding of cosines never matters
    columns, rows = (
        xp.clip(xp.right_shift(by_x * x + (by_y * y + (2 * shift + ((side << _MATRIX_BITS) + _HAIR))),
                               _MATRIX_BITS + 1), -1, side)
        for by_x, by_y, shift, side in ((xx, xy, dx, width), (yx, yy, dy, height)))
    framed = xp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows *= width + 2
    rows += columns
    rows += xp.arange(size, dtype="int32")[:, None, None] * ((height + 2) * (width + 2)) + (width + 3)
    return xp.take(xp.reshape(framed, (-1, channels)), rows, axis=0)


def blend(images: Images, others: Any, by: Any, xp: Any = np) -> Images:
    """Returns images moved by a share towards others, or away from them, rounded and clipped.

    Args:
        images: (N, H, W, 3).
        others: integers in [0, 255], of the same shape or one that broadcasts to it.
        by: from `shares`, (N,).
        xp: `numpy` or `keras.ops`.
    """
    by = column(by, xp)
    blended = xp.multiply(images, 2**_SHARE_BITS - by)
    blended += xp.multiply(others, by)
    blended += 2 ** (_SHARE_BITS - 1)
    return xp.array(xp.clip(xp.right_shift(blended, _SHARE_BITS), 0, 255), dtype="uint8")


def paste(images: Images, others: Images, boxes: Any, xp: Any = np) -> Images:
    """Returns images with a rectangle of others in each.

    Args:
        images, others: (N, H, W, 3).
        boxes: top, bottom, left, right of each, (N, 4); zeros for none.
        xp: `numpy` or `keras.ops`.
    """
    if xp is not np:
        top, bottom, left, right = (boxes[:, edge, None, None, None] for edge in range(4))
        y = xp.arange(images.shape[1], dtype="int32")[:, None, None]
        x = xp.arange(images.shape[2], dtype="int32")[:, None]
        return xp.where((y >= top) & (y < bottom) & (x >= left) & (x < right), others, images)
    images = images.copy()
    for place in _rectangles(boxes):
        images[place] = others[place]
    return images


def erase(images: Images, boxes: Any, keys: Any, xp: Any = np) -> Images:
    """Returns images with a rectangle of noise in each: three bytes of a word that depends on key and position.

    Args:
        images: (N, H, W, 3).
        boxes: top, bottom, left, right of each, (N, 4); zeros for none.
        keys: uint32, (N,).
        xp: `numpy` or `keras.ops`.
    """
    _, height, width, channels = images.shape
    places = hashing.mix(np.arange(height * width, dtype=np.uint32)).reshape(height, width, 1)
    if xp is not np:
        return paste(images, _noise(column(keys, xp), places, channels, xp), boxes, xp)
    images = images.copy()
    for image, rows, columns in _rectangles(boxes):
        images[image, rows, columns] = _noise(keys[image], places[rows, columns], channels, np)
    return images


def _noise(keys: Any, places: Any, channels: int, xp: Any) -> Any:
    words = hashing.mix(xp.bitwise_xor(places, keys), xp)
    shifts = np.array([0, 8, 16], np.uint32)[:channels]
    return xp.array(xp.bitwise_and(xp.right_shift(words, shifts), np.uint32(255)), "uint8")


def _rectangles(boxes: NDArray[np.integer[Any]]) -> Iterator[tuple[int, slice, slice]]:
    """Yields the indices of the pixels of each rectangle that is not empty."""
    for image, (top, bottom, left, right) in enumerate(boxes.tolist()):
        if bottom > top and right > left:
            yield image, slice(top, bottom), slice(left, right)
