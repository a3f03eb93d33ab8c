"""Corruptions as imgaug's plain augmenters define them; they round to 8 bits."""
import numpy as np

from keras_fixhead.robustness.corruptions.pixels import (
    Images,
    Planes,
    along_sides,
    banded,
    images_from,
    mirrored,
    planes,
)
from keras_fixhead.robustness.draws import Draws

_SMALLEST_KERNEL = 5
_TAPS_PER_SIGMA = ((3.0, 3.3), (5.0, 2.9), (np.inf, 2.6))
"""Up to which sigma a kernel has how many taps per sigma."""


def salt_and_pepper(images: Images, draws: Draws, *, replaced_fraction: float) -> Images:
    """Returns images with whole pixels replaced by grey 255 b, where b has a Beta(0.5, 0.5) distribution.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        replaced_fraction: share of the pixels, in [0, 1].

    Returns:
        uint8 array of the same shape.
    """
    count, height, width, _ = images.shape
    pixels = height * width
    replaced = draws.uniforms(pixels) < replaced_fraction
    share = draws.uniforms(pixels, first=pixels)[replaced]
    corrupted = images.copy()
    # the inverse of the arcsine distribution's function, which is Beta(0.5, 0.5)
    dots = np.rint(255 * np.sin(share.astype(np.float64) * (np.pi / 2)) ** 2)
    corrupted[replaced.reshape(count, height, width)] = dots.astype(np.uint8)[:, None]
    return corrupted


def average_blur(images: Images, *, side_px: int) -> Images:
    """Returns images averaged over a square; the image is mirrored at its edge.

    Args:
        images: uint8, shape (N, H, W, 3).
        side_px: side of the square in pixels; an even one reaches one pixel further up and left.

    Returns:
        uint8 array of the same shape.
    """
    taps = np.zeros(2 * (side_px // 2) + 1)
    taps[:side_px] = 1 / side_px
    return _correlated(images, taps)


def rounded_gaussian_blur(images: Images, *, sigma_px: float) -> Images:
    """Returns images blurred by a Gaussian; the image is mirrored at its edge.

    Args:
        images: uint8, shape (N, H, W, 3).
        sigma_px: standard deviation in pixels.

    Returns:
        uint8 array of the same shape.
    """
    per_sigma = next(taps for below, taps in _TAPS_PER_SIGMA if sigma_px < below)
    size = int(max(per_sigma * sigma_px, _SMALLEST_KERNEL))
    offsets = np.arange(-(size // 2), size // 2 + 1)
    taps = np.exp(-0.5 * (offsets / sigma_px) ** 2)
    return _correlated(images, taps / taps.sum())


def _correlated(images: Images, taps: np.ndarray) -> Images:
    values: Planes = planes(images)
    height, width = values.shape[-2:]
    made = along_sides(banded(height, taps, mirrored), banded(width, taps, mirrored), values)
    made += np.float32(0.5)
    return images_from(made)
