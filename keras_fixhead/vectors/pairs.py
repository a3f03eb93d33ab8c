"""Cosines between class vectors."""
import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError


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
        ArgumentError: (a ValueError) if `class_vectors` is not an array of finite numbers of rank 2, or has a zero row.
    """
    try:
        vectors = np.asarray(class_vectors, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("class_vectors must be an array of numbers, of shape (num_classes, dim).") from None
    if vectors.ndim != 2 or not vectors.size:
        raise ArgumentError(f"class_vectors must have shape (num_classes, dim), got {vectors.shape}.")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ArgumentError("class_vectors must be finite, without zero rows.")
    return vectors / lengths
