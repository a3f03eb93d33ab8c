"""Class vectors at the corners of a regular simplex, an equiangular tight frame."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.orthogonal import orthonormal_rows


def simplex_vectors(num_classes: int, dim: int, *, seed: int, rotate: bool = True) -> NDArray[np.float32]:
    """Returns the corners of a regular simplex with m corners, rotated at random.

    All pairwise cosines are -1 / (m - 1), the smallest possible for m vectors. Features without negative entries reach
    a cosine of about 0.71 if it is rotated; unrotated, with m <= d, they reach sqrt((m - 1) / m).

    Args:
        num_classes: m, at most `dim` + 1.
        dim: embedding size d.
        seed: integer in [0, 2^64); without rotation, the seed has no effect.
        rotate: whether to apply a random rotation (Haar).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: Papyan, Han and Donoho (2020), neural collapse, arXiv:2008.08186; as fixed class vectors in Zhu et al.
        (2021), arXiv:2105.02375.

    Example:
        >>> W = simplex_vectors(4, 3, seed=0)
        >>> round(float(W[0] @ W[1]), 6)
        -0.333333
    """
    m = num_classes
    if m == 1:
        return unit_rows(orthonormal_rows(1, dim, seed=seed) if rotate else np.eye(1, dim))
    if not rotate and m <= dim:
        corners = np.zeros((m, dim))
        corners[:, :m] = np.eye(m) - 1.0 / m
        return unit_rows(corners)
    axes = orthonormal_rows(m - 1, dim, seed=seed) if rotate else np.eye(m - 1, dim)
    # corner i is own[i] axis_i - sum over j < i of other[j] axis_j; the last corner has no axis of its own
    j = np.arange(m - 1, dtype=np.float64)
    own = np.sqrt(m * (m - 1 - j) / ((m - 1) * (m - j)))
    other = np.sqrt(m / ((m - 1) * (m - j) * (m - 1 - j)))
    corners = np.zeros((m, dim))
    corners[:-1] = own[:, None] * axes
    corners[1:] -= np.add.accumulate(other[:, None] * axes, axis=0)
    return unit_rows(corners)
