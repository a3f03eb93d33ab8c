"""Class vectors: unit vectors that features are compared with, drawn from a seed. NumPy only.

Every class has a random stream of its own, so the first rows do not depend on the number of classes, and
the bits are the same on every platform and NumPy version. A draw is named by its digest.
"""
import difflib
import hashlib
import operator
from collections.abc import Callable
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.cube import cube_vectors
from keras_fixhead.vectors.pairs import pairwise_cosines
from keras_fixhead.vectors.rademacher import rademacher_vectors
from keras_fixhead.vectors.reach import reachable_cosine
from keras_fixhead.vectors.uniform import uniform_vectors

__all__ = ["KINDS", "class_vectors", "pairwise_cosines", "reachable_cosine", "vectors_digest"]

# name -> function of (class numbers, dim, seed=)
KINDS: dict[str, Callable[..., NDArray[np.float32]]] = {
    "uniform": uniform_vectors,
    "cube": cube_vectors,
    "rademacher": rademacher_vectors,
}

_CHUNK_ELEMENTS = 1 << 22  # bounds the scratch memory of a large draw to about 200 MB


def class_vectors(kind: str, num_classes: SupportsIndex, dim: SupportsIndex,
                  seed: SupportsIndex = 0) -> NDArray[np.float32]:
    """Returns class vectors drawn from a seed.

    The first k rows are the same for every `num_classes` >= k.

    Args:
        kind: a name in `KINDS`: 'uniform', 'cube' or 'rademacher'.
        num_classes: number of class vectors m, in [1, 2^32].
        dim: embedding size d, at least 1.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Raises:
        ArgumentError: (a ValueError) if an argument is out of its range or `kind` is unknown.

    Example:
        >>> W = class_vectors("uniform", num_classes=10, dim=128, seed=0)
        >>> bool((class_vectors("uniform", 100, 128, seed=0)[:10] == W).all())
        True
    """
    num_classes = _integer("num_classes", num_classes, 1, 2**32)
    dim = _integer("dim", dim, 1, 2**31)
    seed = _integer("seed", seed, 0, 2**64 - 1)
    draw = KINDS.get(kind)
    if draw is None:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        raise ArgumentError(
            f"Unknown kind of class vectors {kind!r}. Expected one of {', '.join(KINDS)}.",
            hint=f"Did you mean {near[0]!r}?" if near else None,
        )
    vectors = np.empty((num_classes, dim), np.float32)
    rows = max(1, _CHUNK_ELEMENTS // dim)
    for start in range(0, num_classes, rows):
        stop = min(start + rows, num_classes)
        vectors[start:stop] = draw(np.arange(start, stop), dim, seed=seed)
    return vectors


def vectors_digest(vectors: NDArray[np.float32]) -> str:
    """Returns the name of an array of class vectors: sha256 of its little-endian float32 bytes, in hexadecimal.

    Args:
        vectors: array of shape (m, d); read row by row as float32.

    Example:
        >>> vectors_digest(np.ones((1, 1), np.float32))[:8]
        'e00e5eb9'
    """
    return hashlib.sha256(np.ascontiguousarray(vectors, "<f4").tobytes()).hexdigest()


def _integer(name: str, value: SupportsIndex, low: int, high: int) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name} must be an integer, got {value!r}.") from None
    if not low <= number <= high:
        raise ArgumentError(f"{name} must be in [{low}, {high}], got {number}.")
    return number
