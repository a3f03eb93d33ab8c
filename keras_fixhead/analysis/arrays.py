"""Checks of the arrays that the functions of this room take."""
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError


def finite_rows(name: str, rows: ArrayLike) -> NDArray[np.float64]:
    """Returns an array of shape (N, d) in float64.

    Raises:
        ArgumentError: (a ValueError) if it has another rank, no rows, or values that are not finite.

    Example:
        >>> finite_rows("features", [[1, 2]]).tolist()
        [[1.0, 2.0]]
    """
    array = np.asarray(rows, np.float64)
    if array.ndim != 2 or not array.size:
        raise ArgumentError(f"{name} must have shape (N, d) with at least one row, got {array.shape}.")
    if not (finite := np.isfinite(array).all(axis=1)).all():
        raise ArgumentError(f"{name} has values that are not finite, first in row {int(np.argmin(finite))}.")
    return array


def checked_labels(labels: ArrayLike, count: int, num_classes: int | None = None) -> NDArray[np.int64]:
    """Returns integer labels of shape (count,), in [0, num_classes) if that is given.

    Raises:
        ArgumentError: (a ValueError) for another shape, labels that are not integers, or labels out of range.
    """
    array = np.asarray(labels)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise ArgumentError(f"labels must be {count} integers, got shape {array.shape} and type {array.dtype}.")
    array = array.astype(np.int64)
    if count and (array.min() < 0 or (num_classes is not None and array.max() >= num_classes)):
        raise ArgumentError(f"labels must be in [0, {num_classes}), got {array.min()} to {array.max()}.")
    return array


def class_means(rows: NDArray[np.float64], labels: NDArray[np.integer[Any]]
                ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Returns the classes that have rows (C,), their means (C, d), and the position of each row's class (N,).

    Example:
        >>> classes, means, own = class_means(np.array([[1.0], [3.0], [5.0]]), np.array([7, 7, 9]))
        >>> classes.tolist(), means.tolist(), own.tolist()
        ([7, 9], [[2.0], [5.0]], [0, 0, 1])
    """
    classes, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(classes), rows.shape[1]))
    np.add.at(sums, own, rows)
    return classes, sums / counts[:, None], own


def few_of_each(labels: NDArray[np.integer[Any]], most: int) -> NDArray[np.intp]:
    """Returns the indices of the first images of each class, the same number from each, in ascending order.

    Args:
        labels: integers, shape (N,).
        most: largest number of all of them; a class with fewer images gives all of its own.

    Example:
        >>> few_of_each(np.array([0, 0, 0, 1, 1, 2]), 4).tolist()
        [0, 3, 5]
    """
    return np.flatnonzero(place_in_class(labels) < max(1, most // max(1, len(np.unique(labels)))))


def place_in_class(labels: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Returns for each image how many images of its class come before it.

    Args:
        labels: integers, shape (N,).

    Example:
        >>> place_in_class(np.array([7, 7, 2, 7, 2])).tolist()
        [0, 1, 0, 2, 1]
    """
    _, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    place = np.empty(len(own), np.intp)
    place[np.argsort(own, kind="stable")] = np.arange(len(own)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place
