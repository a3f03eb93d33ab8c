"""Lower bounds on the cosines between class vectors, from coding theory."""
import math

import numpy as np
from numpy.typing import ArrayLike

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.pairs import unit

_CHUNK_ELEMENTS = 1 << 24


def max_cosine(class_vectors: ArrayLike) -> float:
    """Returns the largest cosine between two different class vectors.

    Args:
        class_vectors: array of shape (m, d), m at least 2, no row all zero.

    Example:
        >>> max_cosine([[1, 0], [0, 1], [-1, 0]])
        0.0
    """
    vectors = unit(class_vectors)
    if len(vectors) < 2:
        raise ArgumentError(f"class_vectors must have at least 2 rows, got shape {vectors.shape}.")
    rows = max(1, _CHUNK_ELEMENTS // len(vectors))
    largest = -1.0
    for start in range(0, len(vectors), rows):  # all m x m cosines at once would not fit in memory for many classes
        cosines = vectors[start:start + rows] @ vectors.T
        np.fill_diagonal(cosines[:, start:], -1.0)
        largest = max(largest, float(cosines.max()))
    return largest


def cosine_bound(num_classes: int, dim: int) -> float:
    """Returns a lower bound on the largest cosine between m vectors in d dimensions.

    It is -1 / (m - 1) for m <= d + 1, attained by the simplex, and 0 for m <= 2 d, attained by the orthoplex. For more
    classes it is Levenshtein's third bound: the root s of d (1 - s) (2 + (d + 1) s) / (1 - d s^2) = m, which holds up
    to s = (sqrt(d + 3) - 1) / (d + 2) and stays at that value beyond.

    Args:
        num_classes: m, at least 2.
        dim: embedding size d, at least 1.

    Reference: Rankin (1955), The closest packing of spherical caps in n dimensions; Levenshtein (1979), On bounds for
        packings in n-dimensional Euclidean space.

    Example:
        >>> cosine_bound(10, 128), cosine_bound(200, 128), round(cosine_bound(12, 3), 4)
        (-0.1111111111111111, 0.0, 0.2899)
    """
    m, d = _checked(num_classes, dim)
    if m <= d + 1:
        return -1.0 / (m - 1)
    if m <= 2 * d or d == 1:
        return 0.0 if d > 1 else 1.0  # on a line, a third vector coincides with another one
    a, b, c = d * (m - d - 1), d * (d - 1), m - 2 * d
    root = (-b + math.sqrt(b * b + 4 * a * c)) / (2 * a)
    return min(root, (math.sqrt(d + 3) - 1) / (d + 2))


def welch_bound(num_classes: int, dim: int) -> float:
    """Returns Welch's lower bound on the largest |cosine| between m vectors in d dimensions.

    It is sqrt((m - d) / (d (m - 1))) for m > d, else 0. Unlike `cosine_bound`, it treats opposite vectors as close.

    Args:
        num_classes: m, at least 2.
        dim: embedding size d, at least 1.

    Reference: Welch (1974), Lower bounds on the maximum cross correlation of signals.

    Example:
        >>> welch_bound(4, 3)
        0.3333333333333333
    """
    m, d = _checked(num_classes, dim)
    return math.sqrt((m - d) / (d * (m - 1))) if m > d else 0.0


def _checked(num_classes: int, dim: int) -> tuple[int, int]:
    for value, least in ((num_classes, 2), (dim, 1)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < least:
            raise ArgumentError(f"A bound needs at least 2 classes and 1 dimension, got {num_classes!r} and {dim!r}.")
    return int(num_classes), int(dim)
