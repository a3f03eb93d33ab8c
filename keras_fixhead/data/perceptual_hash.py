"""Perceptual hashes: 64 bits of an image that survive resizing, compression and small changes of brightness."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.pictures import PictureForm, fit_picture

SIDE = 32
"""Side in pixels to which images are brought before they are hashed."""
LOW = 8
"""Number of the lowest frequencies in each direction whose signs are the hash."""
_GREY = np.array([0.299, 0.587, 0.114])
_CHUNK = 2_000


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the perceptual hash of each image, shape (N,).

    Bit k says whether coefficient k of the 8x8 lowest of the cosine transform of the grey image, 32x32, is larger than
    their median; the mean grey level (coefficient 0) has no part in it.

    Args:
        images: uint8, shape (N, H, W, 3).

    Reference: Zauner (2010), Implementation and Benchmarking of Perceptual Image Hash Functions (pHash).

    Example:
        >>> image = np.random.default_rng(0).integers(0, 200, (1, 64, 64, 3)).astype(np.uint8)
        >>> int(distances(perceptual_hashes(image), perceptual_hashes(image + 20))[0, 0])
        0
    """
    from scipy.fft import dctn

    hashes = np.empty(len(images), np.uint64)
    form = PictureForm(SIDE, SIDE, "squash")
    weights = np.uint64(1) << np.arange(LOW * LOW, dtype=np.uint64)
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        if chunk.shape[1:3] != (SIDE, SIDE):
            chunk = np.stack([fit_picture(image, form) for image in chunk])
        waves = dctn(chunk @ _GREY, axes=(1, 2), norm="ortho")[:, :LOW, :LOW].reshape(len(chunk), -1)
        waves[:, 0] = -np.inf  # the mean grey level: always below the median
        bits = waves > np.median(waves[:, 1:], axis=1, keepdims=True)
        hashes[start : start + len(chunk)] = (bits * weights).sum(axis=1, dtype=np.uint64)
    return hashes


def mirrored_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Returns the perceptual hash of each image's mirror image, shape (N,); `images` as in `perceptual_hashes`."""
    return perceptual_hashes(images[:, :, ::-1])


def distances(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Returns the number of bits in which hashes differ, 0 to 63, shape (N, M).

    Args:
        first: shape (N,).
        second: shape (M,).

    Example:
        >>> distances(np.array([0b11], np.uint64), np.array([0b01, 0b11], np.uint64)).tolist()
        [[1, 0]]
    """
    return np.bitwise_count(first[:, None] ^ second[None, :])
