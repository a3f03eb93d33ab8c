"""Which classes are confused, and whether their class vectors lie close together. Arrays in, numbers out."""
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.geometry import different_pairs


def confusion_matrix(labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]],
                     num_classes: int) -> NDArray[np.int64]:
    """Returns how many images of each class (rows) were predicted as each class (columns), shape (m, m).

    Example:
        >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    return np.bincount(labels.astype(np.int64) * num_classes + predicted, minlength=num_classes**2).reshape(
        num_classes, num_classes)


def recalls_of(labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]],
               num_classes: int) -> NDArray[np.float64]:
    """Returns the `class_recalls` of predictions without their confusion matrix, for any number of classes.

    Example:
        >>> recalls_of(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [1.0, 0.5]
    """
    images = np.bincount(labels, minlength=num_classes)
    right = np.bincount(labels[labels == predicted], minlength=num_classes)
    return np.where(images > 0, right / np.maximum(images, 1), np.nan)


def class_recalls(confusion: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Returns the share of each class's images that were predicted as that class, shape (m,); NaN without images.

    Args:
        confusion: from `confusion_matrix`, shape (m, m).

    Example:
        >>> class_recalls(np.array([[9, 1], [1, 1]])).tolist()
        [0.9, 0.5]
    """
    images = confusion.sum(axis=1)
    return np.where(images > 0, confusion.diagonal() / np.maximum(images, 1), np.nan)


def class_scores(confusion: NDArray[np.integer[Any]]) -> dict[str, list[float | None]]:
    """Returns precision, recall and F1 of each class, ready for JSON; None where they are not defined.

    Precision is not defined for a class that is never predicted, recall and F1 for one without images. F1 is the
    harmonic mean of both, and 0 if no image of the class was predicted as such.

    Args:
        confusion: from `confusion_matrix`, shape (m, m).

    Example:
        >>> class_scores(np.array([[9, 1], [2, 0]]))
        {'precision': [0.8181818181818182, 0.0], 'recall': [0.9, 0.0], 'f1': [0.8571428571428571, 0.0]}
    """
    right, images, predictions = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {name: [float(over) / float(under) if defined else None
                   for over, under, defined in zip(numerators, denominators, where, strict=True)]
            for name, numerators, denominators, where in (
                ("precision", right, predictions, predictions > 0), ("recall", right, images, images > 0),
                ("f1", 2 * right, images + predictions, images > 0))}


def balanced_accuracy(confusion: NDArray[np.integer[Any]]) -> float:
    """Returns the mean recall of the classes that have images: accuracy if every class had as many.

    Example:
        >>> balanced_accuracy(np.array([[9, 1], [1, 1]]))
        0.7
    """
    return float(np.nanmean(class_recalls(confusion)))


def never_predicted(confusion: NDArray[np.integer[Any]]) -> list[int]:
    """Returns the classes that have images, but that no image was predicted as.

    Example:
        >>> never_predicted(np.array([[10, 0], [2, 0]]))
        [1]
    """
    return np.flatnonzero((confusion.sum(axis=1) > 0) & (confusion.sum(axis=0) == 0)).tolist()


def errors_inside_groups(confusion: NDArray[np.integer[Any]], together: NDArray[np.bool_]) -> float:
    """Returns the share of all errors that are between classes of the same group.

    Args:
        confusion: shape (m, m).
        together: from `geometry.same_group`, shape (m, m).

    Example:
        >>> errors_inside_groups(np.array([[5, 3, 1], [0, 5, 0], [0, 0, 5]]),
        ...                      np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], bool))
        0.75
    """
    errors = confusion[different_pairs(len(confusion))].sum()
    return float(confusion[together].sum() / max(1, errors))
