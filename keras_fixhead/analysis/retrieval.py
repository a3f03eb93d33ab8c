"""Retrieval and verification: are images of one class near each other, also for classes that were not trained?

Embeddings are features divided by their length; near means a large cosine (the same order as Euclidean distance of
embeddings). Every image is a query, and all others are searched.

Features have shape (N, d), labels (N,).
"""
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import checked_labels, finite_rows
from keras_fixhead.analysis.geometry import unit_rows
from keras_fixhead.errors import ArgumentError

RECALLS = (1, 2, 4, 8)
"""The k of recall at k."""
NEIGHBOURS = 10
"""k of the k-NN classification."""
CHUNK = 500
"""Queries whose similarities are held in memory at once."""
FALSE_ACCEPTS = (1e-3, 1e-2, 1e-1)
"""False accept rates at which verification is reported."""


def retrieval(features: ArrayLike, labels: ArrayLike, recalls: Sequence[int] = RECALLS) -> dict[str, float]:
    """Returns Recall@k, R-precision and MAP@R, means over the images that have another image of their class.

    R is the number of other images of a query's class. Recall@k is the share of queries with an image of their class
    among the k nearest; R-precision the share of the class among the R nearest; MAP@R the mean over the R nearest of
    the precision at each place that has an image of the class, divided by R (and 0 at all other places).

    Args:
        features: shape (N, d).
        labels: integers, shape (N,).
        recalls: the numbers k.

    Raises:
        ArgumentError: (a ValueError) for values that are not finite, or if no class has two images.

    Reference: Musgrave, Belongie and Lim (2020), arXiv:2003.08505, for MAP@R.

    Example:
        >>> found = retrieval([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], [0, 0, 1, 1], recalls=[1])
        >>> found
        {'recall_at_1': 1.0, 'r_precision': 1.0, 'map_at_r': 1.0}
    """
    embeddings, own = _checked(features, labels)
    counts = np.bincount(own)
    others = counts[own] - 1  # R of each query
    queries = np.flatnonzero(others > 0)
    depth = min(len(own) - 1, max(int(others.max()), *recalls))
    hits = np.concatenate([own[near] == own[some][:, None] for some, near in _nearest(embeddings, queries, depth)])
    r = others[queries]
    within = np.arange(depth) < r[:, None]
    precision = hits.cumsum(axis=1) / np.arange(1, depth + 1)
    return {**{f"recall_at_{k}": float(hits[:, :k].any(axis=1).mean()) for k in recalls},
            "r_precision": float(((hits & within).sum(axis=1) / r).mean()),
            "map_at_r": float(((precision * (hits & within)).sum(axis=1) / r).mean())}


def neighbours_accuracy(features: ArrayLike, labels: ArrayLike, k: int = NEIGHBOURS) -> float:
    """Returns the share of images whose class has most votes among the k nearest other images.

    Of classes with equally many votes, the one with the nearest image wins.

    Example:
        >>> neighbours_accuracy([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], [0, 0, 1, 1], k=1)
        1.0
    """
    if k < 1:
        raise ArgumentError(f"k must be at least 1, got {k}.")
    embeddings, own = _checked(features, labels)
    m, right = int(own.max()) + 1, 0
    for some, near in _nearest(embeddings, np.arange(len(own)), min(k, len(own) - 1)):
        votes = np.zeros((len(some), m))
        for place in range(near.shape[1] - 1, -1, -1):
            # a vote for a nearer image is worth a little more, which decides between equal numbers
            votes[np.arange(len(some)), own[near[:, place]]] += 1 + 1e-6 * 0.5**place
        right += int((votes.argmax(axis=1) == own[some]).sum())
    return right / len(own)


def verification(features: ArrayLike, labels: ArrayLike) -> dict[str, float]:
    """Returns how well the cosine of two images tells whether they are of one class, over all pairs of images.

    Returns:
        'auroc': probability that a pair of one class has the larger cosine; 'equal_error_rate', where as many pairs of
        one class are refused as others are accepted; 'accept_at_0.001', ...: share of pairs of one class that are
        accepted when this share of the others is.

    Raises:
        ArgumentError: (a ValueError) for values that are not finite, or without pairs of both kinds.

    Reference: Klare et al. (2015), Pushing the Frontiers of Unconstrained Face Detection and Recognition, CVPR, for the
    acceptance at these rates.

    Example:
        >>> found = verification([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]], [0, 0, 1, 1])
        >>> found["auroc"], found["equal_error_rate"]
        (1.0, 0.0)
    """
    false, true = verification_curve(features, labels)
    area = float(((true[1:] + true[:-1]) / 2 * np.diff(false)).sum())
    crossing = int(np.argmin(np.abs(false - (1 - true))))
    return {"auroc": area, "equal_error_rate": float((false[crossing] + 1 - true[crossing]) / 2),
            **{f"accept_at_{rate:g}": float(true[np.searchsorted(false, rate, side="right") - 1])
               for rate in FALSE_ACCEPTS}}


def verification_curve(features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the ROC curve over all pairs of images: shares of accepted pairs of different and of one class, rising.

    Example:
        >>> false, true = verification_curve([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], [0, 0, 1])
        >>> float(true[np.flatnonzero(false == 0)[-1]])
        1.0
    """
    embeddings, own = _checked(features, labels)
    rows, columns = np.triu_indices(len(own), k=1)
    same = own[rows] == own[columns]
    if same.all():
        raise ArgumentError("Verification needs images of at least 2 classes.")
    cosines = (embeddings @ embeddings.T)[rows, columns].round(12)  # equal pairs must stay equal
    order = np.argsort(-cosines, kind="stable")
    ends = np.flatnonzero(np.diff(cosines[order], append=-np.inf))  # pairs with one cosine are accepted together
    true, false = (np.cumsum(each[order])[ends] / each.sum() for each in (same, ~same))
    return np.concatenate([[0.0], false]), np.concatenate([[0.0], true])


def _nearest(embeddings: NDArray[np.float64], queries: NDArray[np.intp],
             depth: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Queries in chunks, each with the indices of its `depth` nearest other images, nearest first."""
    found = []
    for start in range(0, len(queries), CHUNK):
        some = queries[start:start + CHUNK]
        cosines = (embeddings[some] @ embeddings.T).round(12)  # equal ones must stay equal
        cosines[np.arange(len(some)), some] = -np.inf
        near = np.argpartition(-cosines, depth - 1, axis=1)[:, :depth]
        near = np.sort(near, axis=1)  # equal cosines: in the order of the images
        kept = np.take_along_axis(cosines, near, axis=1)
        order = np.argsort(-kept, axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        least = kept.min(axis=1, keepdims=True)
        tied = (cosines == least).sum(axis=1) > (kept == least).sum(axis=1)  # some that are as near were left out
        near[tied] = np.argsort(-cosines[tied], axis=1, kind="stable")[:, :depth]
        found.append((some, near))
    return found


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    embeddings = unit_rows(finite_rows("features", features))
    own = checked_labels(labels, len(embeddings))
    if np.bincount(own).max() < 2:
        raise ArgumentError("At least one class must have two images.")
    return embeddings, own
