"""How near features without negative entries can come to a class vector."""
import numpy as np
from numpy.typing import ArrayLike, NDArray


def reachable_cosine(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns, for each class vector, the largest cosine that features without negative entries can have to it.

    A network that ends in ReLU and average pooling has such features. For unit f >= 0, w . f is largest at
    f = max(w, 0) / |max(w, 0)|, which gives |max(w, 0)| / |w|; where w has no positive entry, the best f lies
    on w's largest entry.

    Args:
        class_vectors: array of shape (m, d), no row all zero.

    Returns:
        float64 array of shape (m,).

    Raises:
        ValueError: if `class_vectors` is not of rank 2.

    Example:
        >>> reachable_cosine([[3.0, -4.0], [-3.0, -4.0]]).tolist()
        [0.6, -0.6]
    """
    vectors = np.asarray(class_vectors, np.float64)
    if vectors.ndim != 2:
        raise ValueError(f"class_vectors must have shape (num_classes, dim), got {vectors.shape}.")
    positive_norm = np.linalg.norm(np.maximum(vectors, 0.0), axis=1)
    best = np.where(positive_norm > 0, positive_norm, vectors.max(axis=1))
    return best / np.linalg.norm(vectors, axis=1)
