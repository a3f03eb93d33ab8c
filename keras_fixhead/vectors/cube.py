"""Class vectors of the paper's released code: integer points drawn from a cube, divided by their norm."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import CUBE_STREAM, stream_key, words
from keras_fixhead.vectors.normalize import unit_rows


def cube_vectors(classes: NDArray[np.int64], dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns unit vectors in the directions of integer points drawn uniformly from [-100, 100)^dim.

    Pairwise cosines have mean about 7.5e-5 (-100 is drawn, 100 is not) and standard deviation 1 / sqrt(dim).
    Features without negative entries reach a cosine of about 0.70.

    Args:
        classes: class numbers in [0, 2^32), shape (m,).
        dim: embedding size d, at least 1.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: the released code of "Redesigning the classification layer by randomizing the class
        representation vectors", arXiv:2011.08704.

    Example:
        >>> cube_vectors(np.arange(2), 3, seed=0).shape
        (2, 3)
    """
    bits = words(stream_key(seed, CUBE_STREAM), classes, np.arange(dim))
    points = _integers(bits).astype(np.float64)
    points[~points.any(axis=1), 0] = 1.0  # the origin (one draw in 200^dim) has no direction; use e_1 instead
    return unit_rows(points)


def _integers(bits: NDArray[np.uint32]) -> NDArray[np.int32]:
    """floor(bits * 200 / 2^32) - 100, in uint32 only, so that graphs without 64-bit integers can do the same."""
    high, low = bits >> np.uint32(16), bits & np.uint32(0xFFFF)
    scaled = (high * np.uint32(200) + ((low * np.uint32(200)) >> np.uint32(16))) >> np.uint32(16)
    return scaled.astype(np.int32) - 100
