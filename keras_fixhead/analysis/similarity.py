"""Confusions against similarity: are classes whose class vectors are near confused more often?

Spearman's correlation over pairs of classes, with what a single number hides: which pairs are counted, the ceiling that
ties set, and a p-value that permutes classes.
"""
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.geometry import different_pairs
from keras_fixhead.errors import ArgumentError

PERMUTATIONS = 999
"""Number of permutations of a p-value, unless another is given."""


def confusion_similarity(similarity: ArrayLike, confusion: ArrayLike, *, unordered: bool = False,
                         permutations: int = PERMUTATIONS, seed: int = 0) -> dict[str, Any]:
    """Returns Spearman's correlation of similarity and errors over pairs of classes, with its ceiling and p-value.

    Both conventions are in use: ordered pairs take the images of class i that were predicted as j, unordered pairs add
    both directions. Ties get their average rank.

    The p-value permutes the classes of the similarity, not its pairs: pairs that share a class are not independent
    (Mantel's test). It is the share of permutations, the given order included, with at least this correlation.

    Args:
        similarity: of classes, symmetric, shape (m, m).
        confusion: images of each class (rows) by predicted class (columns), shape (m, m).
        unordered: whether to add both directions.
        permutations: number of permutations; 0 for no p-value.
        seed: seed of the permutations.

    Returns:
        'correlation'; 'ceiling', from `tie_ceiling`; 'pairs' and 'pairs_without_errors', numbers of pairs; and
        'p_value'. The correlation and the p-value are None if all similarities are equal, or all
        counts, as without errors.

    Raises:
        ArgumentError: (a ValueError) if the shapes differ, or similarities are not finite.

    Reference: Mantel (1967), Cancer Research 27.

    Example:
        >>> similarity = np.array([[1, 0.9, 0], [0.9, 1, 0.1], [0, 0.1, 1]])
        >>> confusion = [[50, 9, 0], [9, 50, 1], [0, 1, 50]]
        >>> found = confusion_similarity(similarity, confusion, unordered=True, permutations=0)
        >>> found["correlation"], found["pairs"], found["pairs_without_errors"]
        (1.0, 3, 1)
    """
    like, counts = np.asarray(similarity, np.float64), np.asarray(confusion, np.float64)
    m = len(counts)
    if like.shape != (m, m) or counts.shape != (m, m) or m < 2:
        raise ArgumentError(f"similarity and confusion must both have shape (m, m), got {like.shape} and "
                            f"{counts.shape}.")
    if not np.isfinite(like).all():
        raise ArgumentError("similarity has values that are not finite.")
    like = (like + like.T) / 2  # as computed, it may differ in the last bit
    pairs = np.nonzero(np.triu(different_pairs(m)) if unordered else different_pairs(m))
    errors = (counts + counts.T if unordered else counts)[pairs]
    found = {"correlation": None, "ceiling": tie_ceiling(confusion, unordered=unordered), "pairs": len(errors),
             "pairs_without_errors": int((errors == 0).sum()), "p_value": None}
    ranks = np.zeros((m, m))
    ranks[pairs] = _standard(_ranks(like[pairs]))
    if unordered:
        ranks += ranks.T
    weights = _standard(_ranks(errors))
    if not (weights.any() and ranks.any()):
        return found

    def correlation(order: NDArray[np.int64]) -> float:
        return float((ranks[order[pairs[0]], order[pairs[1]]] * weights).sum())

    own = correlation(np.arange(m))
    found["correlation"] = round(own, 12)
    if permutations:
        draw = np.random.default_rng(seed)
        larger = sum(correlation(draw.permutation(m)) >= own - 1e-12 for _ in range(permutations))
        found["p_value"] = (1 + larger) / (1 + permutations)
    return found


def tie_ceiling(confusion: ArrayLike, *, unordered: bool = False) -> float | None:
    """Returns the largest Spearman correlation that any similarity without ties between pairs of classes can reach.

    Most pairs have few errors or none, and pairs with the same number of errors share a rank that no similarity can
    share. With ordered pairs, a similarity moreover gives both directions of a pair the same value. The ceiling is
    reached by ranking the pairs by their errors (by the mean rank of both directions).

    Args:
        confusion: shape (m, m).
        unordered: whether both directions are added.

    Returns:
        the ceiling in (0, 1]; None if all pairs have the same number of errors.

    Reference: Kendall (1945), The Treatment of Ties in Ranking Problems, Biometrika 33; that ranking by the errors is
    best follows from the rearrangement inequality, Hardy, Littlewood and Pólya (1934), Inequalities, section 10.2.

    Example:
        >>> confusion = [[9, 1, 0], [0, 9, 0], [0, 0, 9]]
        >>> round(tie_ceiling(confusion, unordered=True), 6)  # ranks 3, 1.5, 1.5 against 3, 2, 1
        0.866025
    """
    counts = np.asarray(confusion, np.float64)
    rows, columns = np.triu_indices(len(counts), k=1)
    if unordered:
        errors = _standard(_ranks((counts + counts.T)[rows, columns]))
        best = np.sort(errors) @ _standard(np.arange(len(errors), dtype=float))
    else:
        errors = _standard(_ranks(np.concatenate([counts[rows, columns], counts[columns, rows]])))
        both = errors[: len(rows)] + errors[len(rows) :]
        best = np.sort(both) @ _standard(np.repeat(np.arange(len(rows), dtype=float), 2))[::2]
    return float(best) if errors.any() and len(rows) > 1 else None


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # half a second to import

    return np.asarray(rankdata(values), np.float64)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns values with mean 0 and length 1; zeros if they are all equal."""
    centred = values - values.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 1e-9 * max(1.0, np.abs(values).max(initial=0.0)) else np.zeros_like(centred)
