"""Open-set recognition: does a classifier notice images of classes that it does not know?

A score is larger the more an image looks like a known class. Measures of a score name their positive class: here it is
the unknown images, as in OpenOOD v1.5 and pytorch-ood.

Features have shape (N, d), logits (N, m), class vectors (m, d).
"""
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import finite_rows
from keras_fixhead.analysis.calibration import log_softmax
from keras_fixhead.analysis.geometry import image_cosines, unit_rows
from keras_fixhead.errors import ArgumentError

NEIGHBOURS = 50
"""k of the k-NN score, as Sun et al. (2022) recommend for CIFAR-10."""
CHUNK = 1_000
"""Images whose distances are held in memory at once."""


def max_cosine_score(features: ArrayLike, class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns the cosine to the nearest class vector, shape (N,).

    Example:
        >>> max_cosine_score([[3.0, 4.0]], np.eye(2)).tolist()
        [0.8]
    """
    return image_cosines(finite_rows("features", features), finite_rows("class_vectors", class_vectors)).max(axis=1)


def max_logit_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Returns the largest logit, shape (N,).

    Reference: Hendrycks et al. (2022), arXiv:1911.11132.
    """
    return finite_rows("logits", logits).max(axis=1)


def max_probability_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Returns the logarithm of the largest softmax probability, shape (N,); it ranks images as the probability does.

    Reference: Hendrycks and Gimpel (2017), arXiv:1610.02136.
    """
    return log_softmax(logits).max(axis=1)


def energy_score(logits: ArrayLike) -> NDArray[np.float64]:
    """Returns the negative free energy, logsumexp of the logits, shape (N,).

    Reference: Liu et al. (2020), arXiv:2010.03759, at temperature 1.

    Example:
        >>> energy_score([[0.0, 0.0]]).round(6).tolist()
        [0.693147]
    """
    rows = finite_rows("logits", logits)
    largest = rows.max(axis=1)
    return largest + np.log(np.exp(rows - largest[:, None]).sum(axis=1))


def nearest_neighbours_score(features: ArrayLike, known: ArrayLike, k: int = NEIGHBOURS) -> NDArray[np.float64]:
    """Returns minus the distance to the k-th nearest embedding of known images, shape (N,).

    Args:
        features: shape (N, d).
        known: features of training images, shape (K, d); with fewer than k rows, the farthest counts.
        k: number of neighbours.

    Raises:
        ArgumentError: (a ValueError) for fewer than one neighbour, or values that are not finite.

    Reference: Sun et al. (2022), arXiv:2204.06507.

    Example:
        >>> nearest_neighbours_score([[1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]], k=2).round(6).tolist()
        [-1.414214]
    """
    if k < 1:
        raise ArgumentError(f"k must be at least 1, got {k}.")
    rows, others = unit_rows(finite_rows("features", features)), unit_rows(finite_rows("known", known))
    place = min(k, len(others)) - 1
    # |f - g|^2 = 2 - 2 cos for rows of length 1: the k-th smallest distance is at the k-th largest cosine
    cosines = [-np.partition(-(rows[start:start + CHUNK] @ others.T), place, axis=1)[:, place]
               for start in range(0, len(rows), CHUNK)]
    return -np.sqrt(np.maximum(2 - 2 * np.concatenate(cosines).round(12), 0))  # equal distances must stay equal


def virtual_logit_score(features: ArrayLike, logits: ArrayLike, known: ArrayLike, known_logits: ArrayLike,
                        dimensions: int | None = None) -> NDArray[np.float64]:
    """Returns ViM's score without a bias: the energy minus the length of what lies outside the principal space.

    The principal space is that of the largest eigenvalues of known features' second moments around the origin. The
    length is multiplied by the mean largest logit of known images divided by their mean length.

    Args:
        features: shape (N, d).
        logits: shape (N, m).
        known: features of training images, shape (K, d).
        known_logits: their logits, shape (K, m).
        dimensions: dimension of the principal space, less than d; None for d / 2, rounded down (0 for d = 1).

    Raises:
        ArgumentError: (a ValueError) for a dimension out of range, or values that are not finite.

    Reference: Wang et al. (2022), arXiv:2203.10807.

    Example:
        >>> known = np.array([[1.0, 0.0], [0.0, 0.1]])
        >>> inside, outside = virtual_logit_score([[1.0, 0.0], [0.0, 1.0]], [[1.0], [1.0]], known, [[1.0], [1.0]], 1)
        >>> bool(inside > outside)
        True
    """
    rows, others = finite_rows("features", features), finite_rows("known", known)
    dim = rows.shape[1]
    principal = dim // 2 if dimensions is None else dimensions
    if not 0 <= principal < dim:
        raise ArgumentError(f"dimensions must be in [0, {dim}), got {principal}.")
    _, directions = np.linalg.eigh(others.T @ others / len(others))  # eigenvalues in ascending order
    rest = directions[:, :dim - principal]
    lengths = np.linalg.norm(others @ rest, axis=1)
    factor = finite_rows("known_logits", known_logits).max(axis=1).mean() / max(float(lengths.mean()), 1e-300)
    return energy_score(logits) - factor * np.linalg.norm(rows @ rest, axis=1)


def detection(known: ArrayLike, unknown: ArrayLike) -> dict[str, float]:
    """Returns how well a score tells unknown images from known ones; unknown images are the positive class.

    Args:
        known: scores of images of known classes, shape (N,); larger is more known.
        unknown: scores of images of unknown classes, shape (K,).

    Returns:
        'auroc': probability that an unknown image has the smaller score, ties counted half; 'aupr_unknown' and
        'aupr_known': average precision with the unknown or the known images as positives; 'fpr_at_95': share of known
        images taken for unknown when 95 % of the unknown ones are found.

    Raises:
        ArgumentError: (a ValueError) for no scores, or scores that are not finite.

    Reference: Hendrycks and Gimpel (2017), arXiv:1610.02136, for AUROC and AUPR; Liang, Li and Srikant (2018),
    arXiv:1706.02690, for the rate at 95 %; Zhang et al. (2023), arXiv:2306.09301, for the positive class.

    Example:
        >>> detection([3.0, 2.0], [1.0, 0.0])
        {'auroc': 1.0, 'aupr_unknown': 1.0, 'aupr_known': 1.0, 'fpr_at_95': 0.0}
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    inside, outside = (finite_rows(name, np.reshape(scores, (-1, 1)))[:, 0]
                       for name, scores in (("known", known), ("unknown", unknown)))
    is_unknown = np.concatenate([np.zeros(len(inside), int), np.ones(len(outside), int)])
    strangeness = -np.concatenate([inside, outside])
    false, true, _ = roc_curve(is_unknown, strangeness, drop_intermediate=False)
    return {"auroc": float(roc_auc_score(is_unknown, strangeness)),
            "aupr_unknown": float(average_precision_score(is_unknown, strangeness)),
            "aupr_known": float(average_precision_score(1 - is_unknown, -strangeness)),
            "fpr_at_95": float(false[np.argmax(true >= 0.95)])}


def all_scores(features: ArrayLike, logits: ArrayLike, class_vectors: ArrayLike,
               known: tuple[NDArray[Any], NDArray[Any]] | None = None) -> Mapping[str, NDArray[np.float64]]:
    """Returns every score by name; those that need known images only with their features and logits.

    Example:
        >>> sorted(all_scores(np.eye(2), np.eye(2), np.eye(2)))
        ['energy', 'max_cosine', 'max_logit', 'max_probability']
    """
    found = {"max_cosine": max_cosine_score(features, class_vectors), "max_logit": max_logit_score(logits),
             "max_probability": max_probability_score(logits), "energy": energy_score(logits)}
    if known is not None:
        found["nearest_neighbours"] = nearest_neighbours_score(features, known[0])
        found["virtual_logit"] = virtual_logit_score(features, logits, *known)
    return found
