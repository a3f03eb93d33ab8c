"""Class vectors at the corners of an orthoplex (cross-polytope): axes and their negatives."""
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.orthogonal import orthonormal_rows


def orthoplex_vectors(num_classes: int, dim: int, *, seed: int, rotate: bool = True) -> NDArray[np.float32]:
    """Returns d orthogonal axes, then their negatives, rotated at random.

    Pairwise cosines are 0, and -1 between class c and class d + c. More than d + 1 vectors cannot have a smaller
    largest cosine. Features without negative entries reach a cosine of about 0.71 if it is rotated. Unrotated, they
    reach 1 for an axis and 0 for a negative axis, whose classes cannot be learned with such features. The first rows do
    not depend on `num_classes`.

    Args:
        num_classes: m, at most 2 `dim`.
        dim: embedding size d.
        seed: integer in [0, 2^64); without rotation, the seed has no effect.
        rotate: whether to apply a random rotation (Haar).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: Pernici et al. (2021), Regular polytope networks, arXiv:2103.15632.

    Example:
        >>> orthoplex_vectors(3, 2, seed=0, rotate=False).tolist()
        [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
    """
    num_axes = min(num_classes, dim)
    axes = unit_rows(orthonormal_rows(num_axes, dim, seed=seed) if rotate else np.eye(num_axes, dim))
    negatives = axes[:num_classes - num_axes]
    return np.concatenate([axes, np.where(negatives == 0, negatives, -negatives)])  # no -0
