"""Neural collapse, NC1 to NC4, and CDNV, for heads whose class vectors need not be a simplex.

Features have shape (N, d), class vectors (m, d), labels (N,). Classes without features are left out. All are smaller
the further features have collapsed.

Reference: Papyan, Han and Donoho (2020), arXiv:2008.08186; Galanti, György and Hutter (2022), arXiv:2112.15121, for
CDNV.
"""
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import checked_labels, class_means, finite_rows
from keras_fixhead.analysis.geometry import different_pairs, unit_rows
from keras_fixhead.errors import ArgumentError


def neural_collapse(features: ArrayLike, labels: ArrayLike, class_vectors: ArrayLike,
                    predicted: ArrayLike) -> dict[str, float]:
    """Returns the measures of neural collapse, each as its own function defines it.

    Args:
        features: shape (N, d).
        labels: integers in [0, m), shape (N,).
        class_vectors: shape (m, d).
        predicted: the model's predictions, integers, shape (N,).

    Raises:
        ArgumentError: (a ValueError) for values that are not finite, labels out of range, or fewer than two classes
            with features.

    Example:
        >>> features = np.repeat(np.eye(3), 2, axis=0)  # collapsed onto the class vectors
        >>> found = neural_collapse(features, [0, 0, 1, 1, 2, 2], np.eye(3), [0, 0, 1, 1, 2, 2])
        >>> sorted(found), all(abs(value) < 1e-9 for value in found.values())
        (['cdnv', 'nc1', 'nc2_cosines', 'nc2_norms', 'nc2_simplex', 'nc3', 'nc4'], True)
    """
    rows = finite_rows("features", features)
    vectors = finite_rows("class_vectors", class_vectors)
    own = checked_labels(labels, len(rows), len(vectors))
    guess = checked_labels(predicted, len(rows), len(vectors))
    classes, means, index = class_means(rows, own)
    if len(classes) < 2:
        raise ArgumentError(f"Neural collapse needs features of at least 2 classes, got {len(classes)}.")
    centred = means - means.mean(axis=0)
    targets = vectors[classes]
    targets = targets - targets.mean(axis=0)
    return {"nc1": within_class_variability(rows, index, means), **_structure(centred, targets),
            "nc3": self_duality(centred, targets), "nc4": nearest_mean_disagreement(rows, means, classes, guess),
            "cdnv": class_distance_normalized_variance(rows, index, means)}


def within_class_variability(rows: NDArray[np.float64], index: NDArray[Any], means: NDArray[np.float64]) -> float:
    """Returns NC1: trace(S_W S_B^+) / C, from the covariances within and between C classes.

    S_W is the mean over images of (f - mean) (f - mean)^T, S_B the mean over classes of the same of class means around
    their mean; ^+ is the pseudo-inverse.

    Args:
        rows: features, shape (N, d).
        index: position of each row's class, shape (N,).
        means: class means, shape (C, d).

    Example:
        >>> rows = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        >>> within_class_variability(rows, np.array([0, 0, 1, 1]), np.array([[1.0, 0], [-1, 0]]))
        0.0
    """
    centred = means - means.mean(axis=0)
    # S_B = (V s^2 V^T) / C with C - 1 directions at most, so the trace needs only their projections
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    kept = sizes > sizes.max(initial=0.0) * max(centred.shape) * np.finfo(float).eps
    if not kept.any():  # all class means are equal: nothing lies between classes, whatever lies within them
        return float("inf") if (rows != means[index]).any() else 0.0
    spread = ((rows - means[index]) @ directions[kept].T) ** 2  # (N, rank)
    return float((spread.mean(axis=0) / sizes[kept] ** 2).sum())  # the factors 1 / C cancel


def self_duality(means: NDArray[np.float64], vectors: NDArray[np.float64]) -> float:
    """Returns NC3: Frobenius norm of the difference of centred class means and centred class vectors, each of norm 1.

    Args:
        means: class means minus their mean, shape (C, d).
        vectors: class vectors minus their mean, shape (C, d).

    Example:
        >>> self_duality(np.array([[2.0, 0], [-2, 0]]), np.array([[1.0, 0], [-1, 0]]))
        0.0
    """
    one, other = (each / max(float(np.linalg.norm(each)), 1e-300) for each in (means, vectors))
    return float(np.linalg.norm(one - other))


def nearest_mean_disagreement(rows: NDArray[np.float64], means: NDArray[np.float64], classes: NDArray[np.int64],
                              predicted: NDArray[np.int64]) -> float:
    """Returns NC4: the share of images whose nearest class mean is not the predicted class.

    Example:
        >>> nearest_mean_disagreement(np.array([[0.9], [0.2]]), np.array([[0.0], [1.0]]), np.array([0, 1]),
        ...                           np.array([1, 1]))
        0.5
    """
    # |f - mean|^2 without its first term, which is the same for all means
    distances = (means**2).sum(axis=1) - 2 * rows @ means.T
    return float((classes[distances.argmin(axis=1)] != predicted).mean())


def class_distance_normalized_variance(rows: NDArray[np.float64], index: NDArray[Any],
                                       means: NDArray[np.float64]) -> float:
    """Returns CDNV: the mean over pairs of classes of (variance i + variance j) / (2 |mean i - mean j|^2).

    A variance is the mean squared distance of a class's features to their mean. It is infinite for equal means.

    Example:
        >>> rows = np.array([[0.0], [2.0], [10.0], [12.0]])
        >>> class_distance_normalized_variance(rows, np.array([0, 0, 1, 1]), np.array([[1.0], [11.0]]))
        0.01
    """
    spread = ((rows - means[index]) ** 2).sum(axis=1)
    variances = np.bincount(index, spread) / np.bincount(index)
    distances = ((means[:, None] - means[None]) ** 2).sum(axis=2) if len(means) <= 64 else _squared_distances(means)
    pairs = np.triu_indices(len(means), k=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (variances[:, None] + variances[None])[pairs] / (2 * distances[pairs])
    return float(np.where(np.isnan(ratios), np.inf, ratios).mean())


def _structure(means: NDArray[np.float64], vectors: NDArray[np.float64]) -> dict[str, float]:
    """NC2: equal norms of class means; their cosines against those of the head's own vectors, and against a simplex."""
    norms = np.linalg.norm(means, axis=1)
    pairs = different_pairs(len(means))
    one, other = unit_rows(means), unit_rows(vectors)
    cosines, wanted = (one @ one.T)[pairs], (other @ other.T)[pairs]
    return {"nc2_norms": float(norms.std() / max(float(norms.mean()), 1e-300)),
            "nc2_cosines": float(np.abs(cosines - wanted).mean()),
            "nc2_simplex": float(np.abs(cosines + 1 / (len(means) - 1)).mean())}


def _squared_distances(means: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import pdist, squareform

    return np.asarray(squareform(pdist(means, "sqeuclidean")), np.float64)
