"""The geometry of features relative to class vectors and to each other, and of class vectors among themselves.

Arrays in, numbers out. Features have shape (N, d), class vectors (m, d), labels (N,).
"""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 80
"""Number of bins of a histogram of cosines over [-1, 1]."""


def unit_rows(rows: ArrayLike) -> NDArray[np.float64]:
    """Returns rows divided by their norm, in float64; a row of zeros stays a row of zeros.

    Example:
        >>> unit_rows([[3.0, 4.0], [0.0, 0.0]]).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    rows = np.asarray(rows, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def image_cosines(features: ArrayLike, class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns the cosine of each image's features to each class vector, shape (N, m)."""
    return unit_rows(features) @ unit_rows(class_vectors).T


def cosine_matrix(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns the cosines between class vectors, shape (m, m).

    Example:
        >>> cosine_matrix([[1, 0], [0, 2], [-3, 0]]).tolist()
        [[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]
    """
    vectors = unit_rows(class_vectors)
    return vectors @ vectors.T


def different_pairs(m: int) -> NDArray[np.bool_]:
    """Returns a mask of the ordered pairs of different classes, shape (m, m)."""
    return ~np.eye(m, dtype=bool)


def own_predicted_wrong(cosines: NDArray[np.float64], labels: NDArray[np.integer[Any]],
                        predicted: NDArray[np.integer[Any]]) -> dict[str, NDArray[np.float64]]:
    """Returns each image's cosines to the class vectors of its own, the predicted and the nearest wrong class.

    Args:
        cosines: from `image_cosines`, shape (N, m).
        labels: integers in [0, m), shape (N,).
        predicted: integers in [0, m), shape (N,).

    Returns:
        dict with arrays of shape (N,): 'own', 'predicted' and 'nearest_wrong'.

    Example:
        >>> found = own_predicted_wrong(np.array([[0.2, 0.9, 0.1]]), np.array([0]), np.array([1]))
        >>> {name: values.tolist() for name, values in found.items()}
        {'own': [0.2], 'predicted': [0.9], 'nearest_wrong': [0.9]}
    """
    rows = np.arange(len(labels))
    wrong = cosines.copy()
    wrong[rows, labels] = -np.inf
    return {"own": cosines[rows, labels], "predicted": cosines[rows, predicted], "nearest_wrong": wrong.max(axis=1)}


def cosine_histograms(cosines: NDArray[np.float64], labels: NDArray[np.integer[Any]],
                      predicted: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Returns histograms over [-1, 1] of the cosines from `own_predicted_wrong`: `BINS` counts each, ready for JSON."""
    kinds = own_predicted_wrong(cosines, labels, predicted)
    return {"low": -1.0, "high": 1.0} | {
        name: np.histogram(np.clip(values, -1, 1), BINS, (-1.0, 1.0))[0].tolist() for name, values in kinds.items()}


def separation(features: ArrayLike, labels: NDArray[np.integer[Any]]) -> dict[str, float]:
    """Returns how well embeddings of different classes are separated.

    Args:
        features: shape (N, d).
        labels: integers, shape (N,).

    Returns:
        'within_to_between': mean squared distance of embeddings to the mean of their class, divided by that of class
        means to the mean of the class means; 'class_means_mean_cosine' and 'class_means_max_cosine': cosines between
        class means; 'own_mean_cosine': mean cosine of embeddings to the mean of their class.

    Example:
        >>> found = separation([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], np.array([0, 0, 1]))
        >>> found["within_to_between"], found["own_mean_cosine"], found["class_means_max_cosine"]
        (0.0, 1.0, 0.0)
    """
    embeddings = unit_rows(features)
    classes = np.unique(labels)
    means = np.stack([embeddings[labels == each].mean(axis=0) for each in classes])  # (C, d)
    own = np.searchsorted(classes, labels)
    within = float(((embeddings - means[own]) ** 2).sum(axis=1).mean())
    between = float(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean())
    directions = unit_rows(means)
    cosines = (directions @ directions.T)[different_pairs(len(classes))]
    return {"within_to_between": within / max(between, 1e-12), "class_means_mean_cosine": float(cosines.mean()),
            "class_means_max_cosine": float(cosines.max()),
            "own_mean_cosine": float((embeddings * directions[own]).sum(axis=1).mean())}


def class_mean_cosines(features: ArrayLike, labels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Returns the cosines between the mean embeddings of the classes that have images, shape (C, C).

    Args:
        features: shape (N, d).
        labels: integers, shape (N,).

    Example:
        >>> class_mean_cosines([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0]], np.array([0, 0, 1])).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    embeddings = unit_rows(features)
    return cosine_matrix(np.stack([embeddings[labels == each].mean(axis=0) for each in np.unique(labels)]))


def largest_probability(logits: NDArray[np.float32]) -> float:
    """Returns the largest softmax probability of any image.

    Args:
        logits: shape (N, m).

    Example:
        >>> round(largest_probability(np.log(np.array([[1.0, 3.0], [1.0, 1.0]]))), 12)
        0.75
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((1 / np.exp(shifted).sum(axis=1)).max())


def same_group(label_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Returns which pairs of different classes belong to one group, shape (m, m).

    Example:
        >>> same_group(["cat", "dog", "ship"], {"animals": ["cat", "dog"]}).astype(int).tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    of = [next((group for group, names in groups.items() if name in names), f"none {name}") for name in label_names]
    return np.array([[one == other and i != j for j, other in enumerate(of)] for i, one in enumerate(of)])


def nearness_of_groups(cosines: NDArray[np.floating], together: NDArray[np.bool_]) -> float:
    """Returns the mean cosine of pairs inside a group minus that of all other pairs.

    Args:
        cosines: between class vectors, shape (m, m).
        together: from `same_group`, shape (m, m).

    Example:
        >>> together = same_group(["cat", "dog", "ship"], {"animals": ["cat", "dog"]})
        >>> nearness_of_groups(np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]), together)
        0.5
    """
    return float(cosines[together].mean() - cosines[different_pairs(len(cosines)) & ~together].mean())
