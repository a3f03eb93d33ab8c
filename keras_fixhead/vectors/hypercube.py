"""Class vectors at the corners of the smallest hypercube that has enough corners."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.orthogonal import orthonormal_rows


def hypercube_vectors(num_classes: int, dim: int, *, seed: int, rotate: bool = True) -> NDArray[np.float32]:
    """Returns corners of the b-dimensional hypercube, 2^b >= m, rotated at random into d dimensions.

    Corner c has -1 where a bit of c is set. Pairwise cosines are 1 - 2 h / b, where h is the number of differing bits,
    so the largest is 1 - 2 / b: close neighbours, meant for small d. Features without negative entries reach a cosine
    of about 0.71 if it is rotated, and sqrt(share of positive entries) if not, but at most 0 for the all-negative
    corner.

    Args:
        num_classes: m, at most 2^`dim`.
        dim: embedding size d.
        seed: integer in [0, 2^64); without rotation, the seed has no effect.
        rotate: whether to apply a random rotation (Haar).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: Pernici et al. (2021), Regular polytope networks, arXiv:2103.15632.

    Example:
        >>> (np.sqrt(2) * hypercube_vectors(3, 2, seed=0, rotate=False)).round(6).tolist()
        [[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]]
    """
    num_bits = max(1, (num_classes - 1).bit_length())
    axes = orthonormal_rows(num_bits, dim, seed=seed) if rotate else np.eye(num_bits, dim)
    bits = (np.arange(num_classes)[:, None] >> np.arange(num_bits)) & 1  # (m, b)
    corners = np.zeros((num_classes, dim))
    for bit in range(num_bits):  # in a fixed order, which a matrix product does not guarantee
        corners += np.where(bits[:, bit:bit + 1] == 1, -1.0, 1.0) * axes[bit]
    return unit_rows(corners)
