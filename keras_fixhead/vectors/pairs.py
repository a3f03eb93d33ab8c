"""Cosines between class vectors."""
import numpy as np
from numpy.typing import ArrayLike, NDArray


def pairwise_cosines(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns the cosine of each pair of different class vectors.

    Args:
        class_vectors: array of shape (m, d), no row all zero.

    Returns:
        float64 array of shape (m (m - 1) / 2,).

    Example:
        >>> pairwise_cosines([[1, 0], [0, 2], [-3, 0]]).tolist()
        [0.0, -1.0, 0.0]
    """
    vectors = np.asarray(class_vectors, np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (unit @ unit.T)[np.triu_indices(len(unit), k=1)]
