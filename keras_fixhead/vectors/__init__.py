"""Class vectors: unit vectors that features are compared with, drawn from a seed. NumPy only.

A draw is specified by (kind, num_classes, dim, seed) and identified by its digest. For 'uniform', 'cube' and
'rademacher', every class has its own random stream, so the first rows do not depend on the number of classes. All kinds
except 'optimized' are bit-identical on every platform and NumPy version.
"""
import difflib
import hashlib
import json
import operator
from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.bounds import cosine_bound, max_cosine, welch_bound
from keras_fixhead.vectors.kinds import KINDS, Kind
from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.pairs import pairwise_cosines
from keras_fixhead.vectors.reach import Optimum, loss_optimum, reachable_cosine
from keras_fixhead.vectors.scales import adacos_scale, auto_scale_reason, ceiling, scale_warning

__all__ = ["KINDS", "Kind", "Optimum", "adacos_scale", "array_vectors", "auto_scale_reason", "ceiling",
           "checked_integer", "class_vectors", "cosine_bound", "draw_digest", "kind_of", "loss_optimum", "max_cosine",
           "pairwise_cosines", "reachable_cosine", "scale_warning", "some_class_vectors", "vectors_digest",
           "welch_bound"]

_CHUNK_ELEMENTS = 1 << 22  # bounds the scratch memory of a large draw to about 200 MB
_PART_ELEMENTS = 1 << 19  # of your own vectors that are in float64 at a time


def class_vectors(kind: str, num_classes: SupportsIndex, dim: SupportsIndex, seed: SupportsIndex = 0, *,
                  rotate: bool = True) -> NDArray[np.float32]:
    """Returns class vectors drawn from a seed.

    Args:
        kind: a name in `KINDS`: 'uniform', 'cube', 'rademacher', 'orthogonal', 'hadamard', 'simplex', 'orthoplex',
            'hypercube' or 'optimized'.
        num_classes: number of class vectors m, in [1, 2^32] and within the limits of the kind.
        dim: embedding size d, at least 1.
        seed: integer in [0, 2^64).
        rotate: whether 'simplex', 'orthoplex' and 'hypercube' are rotated at random; other kinds need True.

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Raises:
        ArgumentError: (a ValueError) if an argument is out of range, or `kind` is unknown or has no such vectors.

    Example:
        >>> W = class_vectors("uniform", num_classes=10, dim=128, seed=0)
        >>> bool((class_vectors("uniform", 100, 128, seed=0)[:10] == W).all())
        True
        >>> class_vectors("simplex", num_classes=10, dim=8)
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: Kind 'simplex' has at most 9 class vectors in 8 dimensions, got \
num_classes 10. Kinds that have 10: uniform, cube, rademacher, orthoplex, hypercube, optimized.
    """
    entry, num_classes, dim, seed = _checked_draw(kind, num_classes, dim, seed, rotate)
    if not entry.by_class:
        return entry.draw(num_classes, dim, seed=seed, **({"rotate": rotate} if entry.rotates else {}))
    vectors = np.empty((num_classes, dim), np.float32)
    rows = max(1, _CHUNK_ELEMENTS // dim)
    for start in range(0, num_classes, rows):
        stop = min(start + rows, num_classes)
        vectors[start:stop] = entry.draw(np.arange(start, stop), dim, seed=seed)
    return vectors


def some_class_vectors(kind: str, start: int, stop: int, dim: SupportsIndex,
                       seed: SupportsIndex = 0) -> NDArray[np.float32]:
    """Returns the class vectors of classes start to stop - 1, of a kind that is drawn class by class.

    Args:
        kind: 'uniform', 'cube' or 'rademacher'.
        start, stop: class numbers, 0 <= start < stop <= 2^32.
        dim, seed: as in `class_vectors`.

    Returns:
        float32 array of shape (stop - start, d).

    Raises:
        ArgumentError: (a ValueError) if an argument is out of range, or `kind` is not drawn class by class.

    Example:
        >>> rows = some_class_vectors("cube", 7, 10, dim=16)
        >>> bool((rows == class_vectors("cube", 10, 16)[7:]).all())
        True
    """
    entry, stop, dim, seed = _checked_draw(kind, stop, dim, seed, rotate=True)
    if not entry.by_class:
        able = ", ".join(name for name, each in KINDS.items() if each.by_class)
        raise ArgumentError(f"Class vectors of kind {kind!r} are drawn together, not class by class.",
                            hint=f"Kinds that are drawn class by class: {able}.")
    return entry.draw(np.arange(checked_integer("start", start, 0, stop - 1), stop), dim, seed=seed)


def _checked_draw(kind: str, num_classes: SupportsIndex, dim: SupportsIndex, seed: SupportsIndex,
                  rotate: bool) -> tuple[Kind, int, int, int]:
    """The entry of a kind, and the checked arguments of a draw."""
    num_classes = checked_integer("num_classes", num_classes, 1, 2**32)
    dim = checked_integer("dim", dim, 1, 2**31)
    seed = checked_integer("seed", seed, 0, 2**64 - 1)
    entry = kind_of(kind)
    if not isinstance(rotate, (bool, np.bool_)):
        raise ArgumentError(f"rotate must be True or False, got {rotate!r}.")
    if not rotate and not entry.rotates:
        raise ArgumentError(f"rotate=False does not apply to kind {kind!r}, which is never rotated.",
                            hint=f"Rotated kinds: {', '.join(name for name, each in KINDS.items() if each.rotates)}.")
    if entry.largest is not None and num_classes > entry.largest(dim):
        able = [name for name, each in KINDS.items() if each.largest is None or each.largest(dim) >= num_classes]
        raise ArgumentError(f"Kind {kind!r} has at most {entry.largest(dim)} class vectors in {dim} dimensions, got "
                            f"num_classes {num_classes}.", hint=f"Kinds that have {num_classes}: {', '.join(able)}.")
    return entry, num_classes, dim, seed


def array_vectors(array: ArrayLike) -> NDArray[np.float32]:
    """Returns your own class vectors (for example, embeddings of class names), validated and scaled to unit length.

    Args:
        array: finite numbers of shape (m, d), m at least 2; no zero rows, and no two rows in the same direction.

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Raises:
        ArgumentError: (a ValueError) if `array` does not meet these conditions.

    Example:
        >>> array_vectors([[3, 4], [0, -2]]).round(3).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, -1.0]]
    """
    try:
        given = np.asarray(array)
        given = given if given.dtype.kind in "fiub" else given.astype(np.float64)
    except (TypeError, ValueError):
        raise ArgumentError("class_vectors must be an array of numbers, of shape (num_classes, dim).") from None
    if given.ndim != 2 or len(given) < 2 or given.shape[1] < 1:
        raise ArgumentError(f"class_vectors must have shape (num_classes, dim) with 2 classes or more, got "
                            f"{given.shape}.")
    vectors = np.empty(given.shape, np.float32)
    step = max(1, _PART_ELEMENTS // given.shape[1])  # with very many classes, all in float64 would take much memory
    for start in range(0, len(given), step):
        vectors[start : start + step] = _unit_length(given[start : start + step].astype(np.float64), start)
    _check_different(vectors)
    return vectors


def _unit_length(rows: NDArray[np.float64], start: int) -> NDArray[np.float32]:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ArgumentError(f"class_vectors has values that are not finite, first in row {start + finite.argmin()}.")
    largest = np.abs(rows).max(axis=1)
    if not largest.all():
        raise ArgumentError(f"Row {start + largest.argmin()} of class_vectors is zero, so it has no direction.")
    return unit_rows(rows / largest[:, None])  # scaled first, so that squares neither overflow nor vanish


def _check_different(vectors: NDArray[np.float32]) -> None:
    seen: dict[bytes, int] = {}
    twins: dict[int, int] = {}
    for number, row in enumerate(vectors):
        key = hashlib.blake2b((row + 0).data, digest_size=16).digest()  # plus 0: -0 and 0 are the same number
        first = seen.setdefault(key, number)
        if first != number:
            twins.setdefault(first, number)
    if twins:
        first = min(twins)
        raise ArgumentError(f"Rows {first} and {twins[first]} of class_vectors have the same direction: the two "
                            "classes could not be told apart.")


def vectors_digest(vectors: NDArray[np.float32]) -> str:
    """Returns the digest of an array of class vectors: the sha256 of its little-endian float32 bytes, in hexadecimal.

    Args:
        vectors: array of shape (m, d), read row by row as float32.

    Example:
        >>> vectors_digest(np.ones((1, 1), np.float32))[:8]
        'e00e5eb9'
    """
    return hashlib.sha256(np.ascontiguousarray(vectors, "<f4").data).hexdigest()  # `tobytes` would be a copy


def draw_digest(kind: str, num_classes: SupportsIndex, dim: SupportsIndex, seed: SupportsIndex = 0, *,
                rotate: bool = True) -> str:
    """Returns the digest of a draw, without drawing 'uniform', 'cube' and 'rademacher'.

    For these three it is the sha256 of the recipe: kind, number of classes, dimension, seed and version of the draw.
    Different recipes have different digests, so it protects against a different draw. It does not protect stored
    numbers from damage or edits; those are checked against `vectors_digest` whenever they are loaded. If a change of
    the code changes the bits, the version must be raised; golden digests in the tests enforce this. For all other
    kinds, whose draws are small, it is the `vectors_digest` of the draw itself.

    Args:
        kind, num_classes, dim, seed, rotate: as in `class_vectors`.

    Raises:
        ArgumentError: (a ValueError) whenever `class_vectors` raises one.

    Example:
        >>> draw_digest("uniform", 1_000_000, 512)[:8]  # 2 GB of class vectors
        'f1b81c65'
    """
    entry, num_classes, dim, seed = _checked_draw(kind, num_classes, dim, seed, rotate)
    if not entry.by_class:
        return vectors_digest(class_vectors(kind, num_classes, dim, seed, rotate=rotate))
    recipe = {"kind": kind, "num_classes": num_classes, "dim": dim, "seed": seed, "version": entry.version}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def kind_of(name: object) -> Kind:
    """Returns the entry of a kind.

    Raises:
        ArgumentError: if the name is unknown; the message lists the known ones.

    Example:
        >>> kind_of("simplex").cosines
        '-1 / (m - 1)'
    """
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(str(name), KINDS, n=1)
    raise ArgumentError(f"Unknown kind of class vectors {name!r}. Expected one of {', '.join(KINDS)}.",
                        hint=f"Did you mean {near[0]!r}?" if near else None)


def checked_integer(name: str, value: SupportsIndex, low: int, high: int) -> int:
    """Returns an integer in [low, high] as an int.

    Raises:
        ArgumentError: for anything else, True and False included.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(f"{name} must be an integer, got {value!r}.") from None
    if isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name} must be an integer, got {value!r}.")
    if not low <= number <= high:
        raise ArgumentError(f"{name} must be in [{low}, {high}], got {number}.")
    return number
