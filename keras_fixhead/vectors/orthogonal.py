"""Random orthonormal rows, bit-identical on every platform; structured kinds are rotated with them."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import ROTATION_STREAM, stream_key, words
from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.uniform import normal_quantile


def orthogonal_vectors(num_classes: int, dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns the first rows of a random orthogonal matrix, distributed by the Haar measure.

    Pairwise cosines are 0. Features without negative entries reach a cosine of about 0.70. The first rows do not
    depend on `num_classes`.

    Args:
        num_classes: at most `dim`.
        dim: embedding size d.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (num_classes, d) with rows of length 1.

    Reference: Hoffer, Hubara and Soudry (2018), Fix your classifier, arXiv:1801.04540.

    Example:
        >>> W = orthogonal_vectors(3, 8, seed=0)
        >>> bool(np.abs(W @ W.T - np.eye(3)).max() < 1e-6)
        True
    """
    return unit_rows(orthonormal_rows(num_classes, dim, seed=seed))


def orthonormal_rows(num_rows: int, dim: int, *, seed: int) -> NDArray[np.float64]:
    """Returns Haar-distributed orthonormal rows: normal rows, each made orthogonal to those before it.

    Gram-Schmidt, applied twice to each row, with sums in a fixed order, because LAPACK's QR is not bit-reproducible.

    Args:
        num_rows: at most `dim`.
        dim: embedding size d.
        seed: integer in [0, 2^64).

    Returns:
        float64 array of shape (num_rows, d).

    Example:
        >>> rows = orthonormal_rows(2, 5, seed=0)
        >>> bool(np.abs(rows @ rows.T - np.eye(2)).max() < 1e-14)
        True
    """
    bits = words(stream_key(seed, ROTATION_STREAM), np.arange(num_rows), np.arange(dim))
    rows = normal_quantile((bits.astype(np.float64) + 0.5) / 2.0**32)
    for index in range(num_rows):
        row, before = rows[index], rows[:index]
        for _ in range(2 if index else 0):
            row = row - ordered_sum(before * ordered_sum((before * row).T)[:, None])
        rows[index] = row / np.sqrt(ordered_sum(row * row))
    return rows


def ordered_sum(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the sum over the first axis, computed by halves: in a fixed order, at the speed of NumPy.

    Example:
        >>> float(ordered_sum(np.arange(5.0)))
        10.0
    """
    while len(terms) > 1:
        half = len(terms) // 2
        folded = terms[:half] + terms[half:2 * half]
        if len(terms) % 2:
            folded[0] = folded[0] + terms[-1]
        terms = folded
    return terms[0]
