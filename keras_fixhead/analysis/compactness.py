"""How compact classes are, and how well they are separated: angles and cosines of features.

Features have shape (N, d), class vectors (m, d), labels (N,). Angles are in degrees.
"""
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import checked_labels, class_means, finite_rows
from keras_fixhead.analysis.geometry import different_pairs, image_cosines, own_predicted_wrong, separation, unit_rows


def compactness(features: ArrayLike, class_vectors: ArrayLike, labels: ArrayLike,
                predicted: ArrayLike) -> dict[str, float | None]:
    """Returns mean cosines of features to class vectors: own, predicted (the paper's Table 4), nearest wrong.

    Args:
        features: shape (N, d).
        class_vectors: shape (m, d).
        labels: integers in [0, m), shape (N,).
        predicted: integers in [0, m), shape (N,).

    Returns:
        'own', 'predicted', 'nearest_wrong': mean cosines; 'predicted_if_right' and 'predicted_if_wrong': the cosine to
        the predicted class's vector, for images that are classified correctly and for the others (None without any);
        'margin': mean of own minus nearest wrong.

    Example:
        >>> found = compactness([[3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]], [1], [1])
        >>> round(found["own"], 6), round(found["margin"], 6), found["predicted_if_wrong"]
        (0.8, 0.2, None)
    """
    rows = finite_rows("features", features)
    vectors = finite_rows("class_vectors", class_vectors)
    own, guess = checked_labels(labels, len(rows), len(vectors)), checked_labels(predicted, len(rows), len(vectors))
    cosines = own_predicted_wrong(image_cosines(rows, vectors), own, guess)
    right = own == guess
    return {"own": float(cosines["own"].mean()), "predicted": float(cosines["predicted"].mean()),
            "predicted_if_right": _mean(cosines["predicted"][right]),
            "predicted_if_wrong": _mean(cosines["predicted"][~right]),
            "nearest_wrong": float(cosines["nearest_wrong"].mean()),
            "margin": float((cosines["own"] - cosines["nearest_wrong"]).mean())}


def class_angles(features: ArrayLike, labels: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """Returns angles of features to the directions of class means, in degrees.

    The mean of a class is that of its embeddings (features of length 1). Classes without images are left out.

    Args:
        features: shape (N, d).
        labels: integers, shape (N,).

    Returns:
        'to_own_mean' and 'to_nearest_other_mean', shape (N,) (the second is empty for a single class); and
        'between_means', the angles between the means of different classes, shape (C (C - 1) / 2,).

    Example:
        >>> found = class_angles([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [0, 0, 1])
        >>> {name: values.round(6).tolist() for name, values in found.items()}
        {'to_own_mean': [0.0, 0.0, 0.0], 'to_nearest_other_mean': [90.0, 90.0, 90.0], 'between_means': [90.0]}
    """
    embeddings = unit_rows(finite_rows("features", features))
    _, means, own = class_means(embeddings, checked_labels(labels, len(embeddings)))
    directions = unit_rows(means)
    cosines = embeddings @ directions.T
    rows = np.arange(len(own))
    others = cosines.copy()
    others[rows, own] = -np.inf
    return {"to_own_mean": degrees(cosines[rows, own]),
            "to_nearest_other_mean": degrees(others.max(axis=1)) if len(means) > 1 else np.zeros(0),
            "between_means": degrees((directions @ directions.T)[np.triu_indices(len(means), k=1)])}


def separability(features: ArrayLike, labels: ArrayLike) -> dict[str, float | None]:
    """Returns the means of `class_angles`, and the share of images that are nearest to the mean of their own class.

    Returns:
        'intra_class_angle': mean angle of features to the mean of their class; 'inter_class_angle': mean angle between
        class means; 'smallest_inter_class_angle'; 'angle_ratio': intra divided by inter; 'within_to_between', from
        `geometry.separation`; 'nearest_mean_accuracy'. None where there is only one class.

    Example:
        >>> found = separability([[1.0, 0.0], [0.0, 1.0]], [0, 1])
        >>> round(found["inter_class_angle"], 6), found["nearest_mean_accuracy"]
        (90.0, 1.0)
    """
    angles = class_angles(features, labels)
    intra, between = float(angles["to_own_mean"].mean()), angles["between_means"]
    if not between.size:
        return {"intra_class_angle": intra, **dict.fromkeys(
            ("inter_class_angle", "smallest_inter_class_angle", "angle_ratio", "within_to_between",
             "nearest_mean_accuracy"))}
    return {"intra_class_angle": intra, "inter_class_angle": float(between.mean()),
            "smallest_inter_class_angle": float(between.min()), "angle_ratio": intra / float(between.mean()),
            "within_to_between": separation(features, np.asarray(labels))["within_to_between"],
            "nearest_mean_accuracy": float((angles["to_own_mean"] < angles["to_nearest_other_mean"]).mean())}


def mean_similarity(features: ArrayLike, labels: ArrayLike, num_classes: int) -> NDArray[np.float64]:
    """Returns the cosines between the mean embeddings of all classes, shape (m, m).

    A class without images has cosine 0 to the others and 1 to itself.

    Example:
        >>> mean_similarity([[2.0, 0.0], [0.0, 3.0]], [0, 1], 3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    embeddings = unit_rows(finite_rows("features", features))
    classes, means, _ = class_means(embeddings, checked_labels(labels, len(embeddings), num_classes))
    whole = np.zeros((num_classes, embeddings.shape[1]))
    whole[classes] = unit_rows(means)
    cosines = whole @ whole.T
    cosines[~different_pairs(num_classes)] = 1.0
    return cosines


def degrees(cosines: ArrayLike) -> NDArray[np.float64]:
    """Returns the angles of cosines, in degrees.

    Example:
        >>> degrees([1.0, 0.0, -1.0]).tolist()
        [0.0, 90.0, 180.0]
    """
    return np.degrees(np.arccos(np.clip(np.asarray(cosines, np.float64), -1, 1)))


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
