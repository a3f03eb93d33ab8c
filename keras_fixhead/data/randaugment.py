"""RandAugment on uint8 batches: fourteen operations, on the host or, bit-identically, on a device.

On the host, `choose` turns random words into functions and their integer parameters; `rand_augment` applies them with
NumPy or keras.ops.
"""
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.pictures import LUMA
from keras_fixhead.data.pixels import Images, Whole, blend, column, matrices, rotations, shares, transform, whole

Strengths = NDArray[np.float64]

MAX_ROTATION = 30.0
MAX_SHEAR = 0.3
MAX_TRANSLATION = 10 / 32
MAX_ENHANCEMENT = 0.9


@dataclass(frozen=True)
class Operation:
    """One operation, called with images and strengths in [-1, 1], (N,).

    Attributes:
        change: function of images, its parameters (int32, (N, 6)) and the namespace `xp` (`numpy` or `keras.ops`).
        parameters: function of strengths and the images' shape; an operation without a direction takes their absolute
            values.
    """

    change: Callable[[Images, Any, Any], Images]
    parameters: Callable[[Strengths, tuple[int, ...]], Whole]

    def __call__(self, images: NDArray[np.uint8], strengths: Strengths) -> Any:
        return self.change(images, self.parameters(strengths, images.shape[1:]), np)


def choose(draws: NDArray[np.uint32], image_shape: tuple[int, ...], *, magnitude: float) -> tuple[Whole, Whole]:
    """Returns which functions are applied to each image, and with which parameters.

    Args:
        draws: random 32-bit words, shape (N, 2 K) for K operations per image: for each operation, one word that
            chooses it and one whose highest bit is the sign of its strength.
        image_shape: (H, W, 3).
        magnitude: the strength, in [0, 10].

    Returns:
        int32 arrays of shapes (N, K) and (N, K, 6).

    Reference: Cubuk et al. (2020), RandAugment, arXiv:1909.13719.
    """
    chosen = (draws[:, ::2].astype(np.uint64) * np.uint64(len(OPERATIONS)) >> np.uint64(32)).astype(np.intp)
    return _FUNCTION_OF[chosen], _parameters(magnitude, image_shape)[chosen, draws[:, 1::2] >> np.uint32(31)]


@functools.lru_cache(maxsize=16)
def _parameters(magnitude: float, image_shape: tuple[int, ...]) -> Whole:
    """Returns the parameters of each operation with both signs, (14, 2, 6)."""
    strengths = np.array([magnitude, -magnitude]) / 10
    return np.stack([each.parameters(strengths, image_shape) for each in OPERATIONS.values()])


def rand_augment(images: Images, functions: Any, parameters: Any, xp: Any = np) -> Images:
    """Returns images with K operations applied to each.

    Args:
        images: uint8, shape (N, H, W, C); grey levels are changed as three equal channels would be.
        functions, parameters: from `choose`.
        xp: `numpy` or `keras.ops`.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> rand_augment(images, *choose(np.zeros((2, 4), np.uint32), (8, 8, 3), magnitude=9.0)).shape
        (2, 8, 8, 3)
    """
    if images.shape[3] == 1:
        return rand_augment(xp.repeat(images, 3, axis=3), functions, parameters, xp)[..., :1]
    for place in range(functions.shape[1]):
        images = _apply(images, functions[:, place], parameters[:, place], xp)
    return images


def _apply(images: Images, functions: Any, parameters: Any, xp: Any) -> Images:
    """Applies each image's function: NumPy runs a function on its images only; a device runs all and selects."""
    changed = images.copy() if xp is np else images
    for number, function in enumerate(_FUNCTIONS[1:], start=1):  # the first one changes nothing
        if xp is not np:
            changed = xp.where(column(functions, xp) == number, function(images, parameters, xp), changed)
        elif len(mine := np.flatnonzero(functions == number)):
            changed[mine] = function(images[mine], parameters[mine], np)
    return changed


def _same(images: Images, parameters: Any, xp: Any) -> Images:
    return images


def _autocontrast(images: Images, parameters: Any, xp: Any) -> Images:
    """Maps each channel's darkest level to 0 and its lightest to 255."""
    low, high = (whole(end(images, axis=(1, 2)), xp)[..., None] for end in (xp.min, xp.max))  # (N, 3, 1)
    levels = xp.arange(256, dtype="int32")
    spread = xp.clip((levels - low) * 255 // xp.maximum(high - low, 1), 0, 255)
    return _mapped(_entries(images, xp), xp.where(high > low, spread, levels), xp)


def _equalize(images: Images, parameters: Any, xp: Any) -> Images:
    """Spreads each channel's levels so that all are about equally frequent."""
    size, height, width, _ = images.shape
    entries = _entries(images, xp)
    counted = xp.reshape(entries, (-1,))
    counts = xp.reshape(np.bincount(counted, minlength=size * 3 * 256) if xp is np else
                        xp.segment_sum(xp.ones_like(counted), counted, size * 3 * 256), (size, 3, 256))
    levels = xp.arange(256, dtype="int32")
    lightest = whole(xp.max(images, axis=(1, 2)), xp)[..., None]
    step = (height * width - xp.sum(xp.where(levels == lightest, counts, 0), axis=2, keepdims=True)) // 255  # (N, 3, 1)
    before = xp.cumsum(counts, axis=2) - counts + step // 2
    return _mapped(entries, xp.where(step > 0, xp.minimum(before // xp.maximum(step, 1), 255), levels), xp)


def _entries(images: Images, xp: Any) -> Any:
    """Returns the index of each pixel's level in the flattened tables of all images and channels, (N, 3, 256)."""
    return xp.reshape(xp.arange(len(images) * 3, dtype="int32") * 256, (-1, 1, 1, 3)) + whole(images, xp)


def _mapped(entries: Any, tables: Any, xp: Any) -> Images:
    return xp.take(xp.reshape(xp.array(tables, dtype="uint8"), (-1,)), entries)


def _solarize(images: Images, parameters: Any, xp: Any) -> Images:
    return xp.where(whole(images, xp) >= column(parameters[:, 0], xp), 255 - images, images)


def _posterize(images: Images, parameters: Any, xp: Any) -> Images:
    return xp.bitwise_and(images, xp.array(column(parameters[:, 0], xp), dtype="uint8"))


def _color(images: Images, parameters: Any, xp: Any) -> Images:
    grey = xp.array(_grey(images, xp), dtype="uint8")[..., None]
    return blend(images, xp.repeat(grey, 3, axis=3), parameters[:, 0], xp)


def _contrast(images: Images, parameters: Any, xp: Any) -> Images:
    pixels = images.shape[1] * images.shape[2]
    total = xp.sum(xp.array(_grey(images, xp), dtype="uint32"), axis=(1, 2))  # below 2^32 up to 4096 x 4096
    return blend(images, column(whole((total + pixels // 2) // pixels, xp), xp), parameters[:, 0], xp)


def _brightness(images: Images, parameters: Any, xp: Any) -> Images:
    return blend(images, 0, parameters[:, 0], xp)


def _sharpness(images: Images, parameters: Any, xp: Any) -> Images:
    pixels = whole(images, xp)
    inner = pixels[:, 1:-1, 1:-1]
    rows = pixels[:, :-2] + pixels[:, 1:-1] + pixels[:, 2:]
    total = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] + 4 * inner  # 5 in the middle, 1 around it
    smooth = pixels + xp.pad((2 * total + 13) // 26 - inner, ((0, 0), (1, 1), (1, 1), (0, 0)))  # the border stays
    return blend(images, smooth, parameters[:, 0], xp)


def _grey(images: Images, xp: Any) -> Any:
    red, green, blue = (whole(images[..., channel], xp) * weight for channel, weight in enumerate(LUMA))
    return xp.right_shift(red + green + blue + 0x8000, 16)


def _first(values: NDArray[Any]) -> Whole:
    """Returns parameters of which only the first one is used, rounded."""
    return np.pad(np.rint(values).astype(np.int32)[:, None], ((0, 0), (0, 5)))


def _blending(change: Callable[[Images, Any, Any], Images]) -> Operation:
    """Returns an operation that moves by 0.9 times the strength away from the image it blends with."""
    return Operation(change, lambda strengths, _: _first(shares(-MAX_ENHANCEMENT * strengths)))


OPERATIONS: dict[str, Operation] = {
    "identity": Operation(_same, lambda strengths, _: _first(strengths)),
    "autocontrast": Operation(_autocontrast, lambda strengths, _: _first(strengths)),
    "equalize": Operation(_equalize, lambda strengths, _: _first(strengths)),
    "rotate": Operation(transform, lambda strengths, _: rotations(MAX_ROTATION * strengths)),
    "solarize": Operation(_solarize, lambda strengths, _: _first(256 * (1 - np.abs(strengths)))),
    "color": _blending(_color),
    "posterize": Operation(_posterize, lambda strengths, _: _first(256 - 2 ** np.rint(4 * np.abs(strengths)))),
    "contrast": _blending(_contrast),
    "brightness": _blending(_brightness),
    "sharpness": _blending(_sharpness),
    "shear_x": Operation(transform, lambda strengths, _: matrices(xy=MAX_SHEAR * strengths)),
    "shear_y": Operation(transform, lambda strengths, _: matrices(yx=MAX_SHEAR * strengths)),
    "translate_x": Operation(transform, lambda strengths, shape: matrices(
        dx=np.rint(MAX_TRANSLATION * shape[1] * strengths))),
    "translate_y": Operation(transform, lambda strengths, shape: matrices(
        dy=np.rint(MAX_TRANSLATION * shape[0] * strengths))),
}
"""Name -> function of (images, strengths in [-1, 1]); operations without a direction take the absolute value."""

_FUNCTIONS = list(dict.fromkeys(each.change for each in OPERATIONS.values()))
_FUNCTION_OF = np.array([_FUNCTIONS.index(each.change) for each in OPERATIONS.values()], np.int32)
