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
    vectors = unit(class_vectors)
    return (vectors @ vectors.T)[np.triu_indices(len(vectors), k=1)]


def unit(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns the rows of (m, d) divided by their length, in float64.

    Raises:
        ValueError: if `class_vectors` is not of rank 2.
    """
    vectors = np.asarray(class_vectors, np.float64)
    if vectors.ndim != 2:
        raise ValueError(f"class_vectors must have shape (num_classes, dim), got {vectors.shape}.")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
