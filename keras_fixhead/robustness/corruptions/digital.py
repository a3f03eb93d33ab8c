"""Corruptions of colour, contrast, resolution and encoding."""
import functools
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_fixhead.robustness.corruptions.pixels import Images, truncated


def brightness(images: Images, *, value_offset: float) -> Images:
    """Returns images with a larger value V in HSV: every pixel is scaled by V' / V; black becomes grey.

    Args:
        images: uint8, shape (N, H, W, 3).
        value_offset: added to V, which is in [0, 1]; the sum is clipped.

    Returns:
        uint8 array of the same shape.
    """
    value = images.max(axis=3, keepdims=True).astype(np.uint16) << np.uint16(8)
    return _brighter(value_offset).take(value | images)


@functools.lru_cache(8)
def _brighter(offset: float) -> NDArray[np.uint8]:
    """The new channel value for each V and each old channel value up to V, in float64."""
    value = np.arange(256)[:, None] / 255
    raised = np.clip(value + offset, 0, 1)
    old = np.arange(256)[None, :] / 255
    table = np.where(value > 0, old * raised / np.where(value > 0, value, 1), raised)
    # 1e-9: a product like 51 / 255 x 255 must not fall below its whole number by rounding
    return truncated(table * 255 + 1e-9).ravel()


def saturate(images: Images, *, saturation_factor: float, saturation_offset: float) -> Images:
    """Returns images with another saturation S in HSV: each channel's distance from V is scaled by S' / S.

    Grey has no hue; as in the published scripts its hue is red, so an offset tints grey pixels red.

    Args:
        images: uint8, shape (N, H, W, 3).
        saturation_factor, saturation_offset: S' = S * factor + offset, clipped to [0, 1].

    Returns:
        uint8 array of the same shape.
    """
    largest, smallest = images.max(axis=3), images.min(axis=3)
    pair = (largest.astype(np.uint16) << np.uint16(8)) | smallest
    ratio = _saturation_ratio(saturation_factor, saturation_offset).take(pair)[..., None]
    value = largest[..., None].astype(np.float32)
    made = value - (value - images) * ratio
    grey = largest == smallest
    if saturation_offset and grey.any():
        tint = largest[grey] * np.float32(1 - min(saturation_offset, 1))
        made[grey, 1], made[grey, 2] = tint, tint
    made += np.float32(1e-4)  # float32 may end just below a whole number
    return truncated(made)


@functools.lru_cache(8)
def _saturation_ratio(factor: float, offset: float) -> NDArray[np.float32]:
    """S' / S for each largest and smallest channel; 0 for grey."""
    largest, smallest = np.arange(256)[:, None], np.arange(256)[None, :]
    saturation = (largest - smallest) / np.maximum(largest, 1)
    coloured = saturation > 0
    ratio = np.clip(saturation * factor + offset, 0, 1) / np.where(coloured, saturation, 1)
    return np.where(coloured, ratio, 0).astype(np.float32).ravel()


def contrast(images: Images, *, contrast_factor: float) -> Images:
    """Returns images closer to their mean colour.

    Args:
        images: uint8, shape (N, H, W, 3).
        contrast_factor: what remains of a value's distance from its channel's mean in the image.

    Returns:
        uint8 array of the same shape.
    """
    count, height, width, _ = images.shape
    means = images.reshape(count, height * width, 3).sum(axis=1, dtype=np.uint32) / (height * width)
    kept = ((1 - contrast_factor) * means + 1e-5).astype(np.float32)  # float32 may end just below a whole number
    # a row of pixels at a time: NumPy is slow over an axis of 3
    made = images.reshape(count, height, width * 3) * np.float32(contrast_factor)
    made += np.tile(kept, width)[:, None, :]
    return truncated(made).reshape(images.shape)


def pixelate(images: Images, *, scale: float) -> Images:
    """Returns images shrunk and enlarged again by boxes.

    Args:
        images: uint8, shape (N, H, W, 3).
        scale: the shrunk side is `int(side * scale)`.

    Returns:
        uint8 array of the same shape.
    """
    height, width = images.shape[1:3]
    columns, rows = max(1, int(width * scale)), max(1, int(height * scale))
    small = np.empty((len(images), rows, columns, 3), np.uint8)
    for image, out in zip(images, small, strict=True):
        out[...] = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX))
    # columns first, while there are few rows: copying whole rows is fast
    return small.take(_enlarged(columns, width), axis=2).take(_enlarged(rows, height), axis=1)


@functools.lru_cache(8)
def _enlarged(side: int, larger: int) -> NDArray[np.intp]:
    """The pixel that each pixel of a row shows when Pillow enlarges it by boxes, which takes one for each."""
    numbers = Image.fromarray(np.arange(side, dtype=np.float32)[None])
    return np.asarray(numbers.resize((larger, 1), Image.Resampling.BOX))[0].astype(np.intp)


def jpeg_compression(images: Images, *, quality: int) -> Images:
    """Returns images encoded and decoded as JPEG: 4:2:0 chroma, standard tables.

    Args:
        images: uint8, shape (N, H, W, 3).
        quality: 1 to 95.

    Returns:
        uint8 array of the same shape. Other builds of libjpeg may differ by a level.

    Example:
        >>> jpeg_compression(np.full((1, 8, 8, 3), 100, np.uint8), quality=10).shape
        (1, 8, 8, 3)
    """
    made = np.empty_like(images)
    for image, out in zip(images, made, strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        out[...] = Image.open(file, formats=("JPEG",))
    return made
