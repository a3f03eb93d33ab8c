"""Class vectors of random signs."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import RADEMACHER_STREAM, stream_key, words


def rademacher_vectors(classes: NDArray[np.int64], dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns vectors of independent random signs, divided by sqrt(dim).

    Coordinate i is bit i mod 32 (least significant first) of word i div 32; a set bit means -1. Pairwise cosines have
    mean 0 and standard deviation 1 / sqrt(dim). Features without negative entries reach a cosine of sqrt(share of
    positive signs), about sqrt(1/2).

    Args:
        classes: class numbers in [0, 2^32), shape (m,).
        dim: embedding size d, at least 1.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d), each entry 1 / sqrt(d) or its negative.

    Example:
        >>> np.unique(rademacher_vectors(np.arange(2), 4, seed=0)).tolist()
        [-0.5, 0.5]
    """
    num_words = -(-dim // 32)
    bits = words(stream_key(seed, RADEMACHER_STREAM), classes, np.arange(num_words))
    each = (bits[:, :, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)  # (m, num_words, 32)
    negative = each.reshape(len(bits), -1)[:, :dim].astype(bool)
    entry = np.float32(1.0 / np.sqrt(np.float64(dim)))
    return np.where(negative, -entry, entry)
