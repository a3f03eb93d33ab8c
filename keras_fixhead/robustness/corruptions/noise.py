"""Noise on single channel values."""
import functools

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.robustness.corruptions.pixels import Images, truncated
from keras_fixhead.robustness.draws import Draws


def gaussian_noise(images: Images, draws: Draws, *, noise_sd: float) -> Images:
    """Returns images with independent normal noise on every channel value.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        noise_sd: standard deviation, in units of white.

    Returns:
        uint8 array of the same shape.
    """
    noise = draws.normals(images[0].size).reshape(images.shape)
    noise *= np.float32(255 * noise_sd)
    noise += images
    return truncated(noise)


def speckle_noise(images: Images, draws: Draws, *, relative_sd: float) -> Images:
    """Returns images with normal noise in proportion to each channel value; black stays black.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        relative_sd: standard deviation of the factor 1 + noise.

    Returns:
        uint8 array of the same shape.
    """
    noise = draws.normals(images[0].size).reshape(images.shape)
    noise *= np.float32(relative_sd)
    noise += 1
    noise *= images
    return truncated(noise)


def shot_noise(images: Images, draws: Draws, *, photons_at_white: float) -> Images:
    """Returns images as if counted in photons: Poisson counts with the channel value as mean; black stays black.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        photons_at_white: mean number of photons at 255.

    Returns:
        uint8 array of the same shape.
    """
    drawn = draws.words(images[0].size) >> np.uint32(16)
    drawn |= images.reshape(len(images), -1).astype(np.uint32) << np.uint32(16)
    return _poisson_table(photons_at_white).take(drawn.reshape(images.shape))


@functools.lru_cache(2)
def _poisson_table(photons_at_white: float) -> NDArray[np.uint8]:
    """The noisy value for each value and each of 65,536 equally likely draws: 16 MB, the value in the high byte."""
    from scipy.special import pdtr

    rates = np.arange(256) * (photons_at_white / 255)
    counts = np.arange(int(photons_at_white + 10 * np.sqrt(photons_at_white) + 20))
    seen = np.clip(counts * (255 / photons_at_white) + 1e-9, 0, 255).astype(np.uint8)  # 1e-9: 51 x 5 / 255 is 1
    until = np.rint(pdtr(counts, rates[:, None]) * 2**16).astype(np.int64)
    until[:, -1] = 2**16
    shares = np.diff(until, axis=1, prepend=0)
    return np.concatenate([np.repeat(seen, share) for share in shares])


def impulse_noise(images: Images, draws: Draws, *, flipped_fraction: float) -> Images:
    """Returns images with salt-and-pepper noise on single channel values.

    Every channel value independently becomes 0 with probability p / 2 and 255 with probability p / 2.

    Args:
        images: uint8, shape (N, H, W, 3).
        draws: draws of these images.
        flipped_fraction: p in [0, 1].

    Returns:
        uint8 array of the same shape.

    Example:
        >>> grey = np.full((1, 8, 8, 3), 100, np.uint8)
        >>> noisy = impulse_noise(grey, Draws(1, seed=0, severity=1, indices=np.array([0])), flipped_fraction=1.0)
        >>> np.unique(noisy).tolist()
        [0, 255]
    """
    drawn = draws.words(images[0].size).reshape(images.shape)
    # thresholds up to 2^32 do not fit in uint32: a share of 1 is compared with the largest word
    pepper, noise = (min(round(share * 2**32), 2**32) - 1 for share in (flipped_fraction / 2, flipped_fraction))
    corrupted = images.copy()
    if noise >= 0:
        corrupted[drawn <= np.uint32(noise)] = 255
    if pepper >= 0:
        corrupted[drawn <= np.uint32(pepper)] = 0
    return corrupted
