"""How class vectors lie: which are near, in which order to show them, and what random directions would do."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.geometry import cosine_matrix, different_pairs
from keras_fixhead.errors import ArgumentError


def clustered_order(cosines: ArrayLike) -> NDArray[np.int64]:
    """Returns an order of the classes that puts near ones next to each other, shape (m,).

    Average linkage of the distances 1 - cosine, with the leaves in the order that makes neighbours nearest.

    Args:
        cosines: symmetric, shape (m, m).

    Reference: Bar-Joseph, Gifford and Jaakkola (2001), Bioinformatics 17, for the order of the leaves.

    Example:
        >>> order = clustered_order([[1, 0, 0.9], [0, 1, 0], [0.9, 0, 1]]).tolist()
        >>> abs(order.index(0) - order.index(2))
        1
    """
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    matrix = np.asarray(cosines, np.float64)
    if len(matrix) < 3:
        return np.arange(len(matrix))
    distances = np.maximum(1 - (matrix + matrix.T) / 2, 0)
    np.fill_diagonal(distances, 0)
    condensed = squareform(distances, checks=False)
    return np.asarray(leaves_list(optimal_leaf_ordering(linkage(condensed, "average"), condensed)), np.int64)


def nearest_pairs(cosines: ArrayLike, label_names: Sequence[str], count: int = 10) -> list[dict[str, Any]]:
    """Returns the pairs of different classes with the largest cosines, nearest first, ready for JSON.

    Example:
        >>> nearest_pairs([[1, 0.5], [0.5, 1]], ["boy", "girl"])
        [{'classes': ['boy', 'girl'], 'cosine': 0.5}]
    """
    matrix = np.asarray(cosines, np.float64)
    rows, columns = np.triu_indices(len(matrix), k=1)
    values = matrix[rows, columns]
    return [{"classes": [label_names[rows[each]], label_names[columns[each]]], "cosine": float(values[each])}
            for each in np.argsort(-values, kind="stable")[:count]]


def named_pairs(cosines: ArrayLike, label_names: Sequence[str], pairs: Sequence[tuple[str, str]]
                ) -> list[dict[str, Any]]:
    """Returns the cosines of pairs of classes by name, with their rank among all pairs (1 is the nearest).

    Pairs with a class that is not among the names are left out.

    Example:
        >>> named_pairs([[1, 0.5], [0.5, 1]], ["boy", "girl"], [("boy", "girl"), ("apple", "orange")])
        [{'classes': ['boy', 'girl'], 'cosine': 0.5, 'rank': 1, 'of': 1}]
    """
    matrix, index = np.asarray(cosines, np.float64), {name: number for number, name in enumerate(label_names)}
    all_pairs = matrix[np.triu_indices(len(matrix), k=1)]
    return [{"classes": [one, other], "cosine": (value := float(matrix[index[one], index[other]])),
             "rank": int((all_pairs > value).sum()) + 1, "of": len(all_pairs)}
            for one, other in pairs if one in index and other in index]


def cosine_law(cosines: ArrayLike, dim: int) -> NDArray[np.float64]:
    """Returns the probability that two random directions in d dimensions have at most this cosine.

    (1 + cosine) / 2 of two independent uniform directions follows the Beta law with both parameters (d - 1) / 2.

    Args:
        cosines: in [-1, 1], any shape.
        dim: d, at least 2.

    Raises:
        ArgumentError: (a ValueError) for fewer than 2 dimensions.

    Reference: Cai, Fan and Jiang (2013), Distributions of Angles in Random Packing on Spheres, Journal of Machine
    Learning Research 14.

    Example:
        >>> cosine_law([0.0, 0.5, 1.0], 3).tolist()  # in three dimensions, cosines are uniform
        [0.5, 0.75, 1.0]
    """
    from scipy.special import betainc

    half = _half(dim)
    return np.asarray(betainc(half, half, (1 + np.clip(np.asarray(cosines, np.float64), -1, 1)) / 2), np.float64)


def cosine_density(cosines: ArrayLike, dim: int) -> NDArray[np.float64]:
    """Returns the density of the cosine of two random directions in d dimensions, by the law of `cosine_law`.

    Example:
        >>> cosine_density([0.0, 0.9], 3).round(12).tolist()
        [0.5, 0.5]
    """
    from scipy.stats import beta

    half = _half(dim)
    return np.asarray(beta.pdf((1 + np.clip(np.asarray(cosines, np.float64), -1, 1)) / 2, half, half) / 2, np.float64)


def randomness_test(class_vectors: ArrayLike, *, draws: int = 199, seed: int = 0) -> dict[str, float]:
    """Returns how far the cosines between class vectors are from those of random directions, with a p-value.

    The distance is Kolmogorov and Smirnov's: the largest gap between the share of pairs up to a cosine and the law.
    Cosines of pairs that share a class are not independent, so the p-value does not come from the usual table: it is
    the share of sets of m random directions (the given one included) that are at least as far from the law.

    Args:
        class_vectors: shape (m, d), m and d at least 2.
        draws: number of random sets.
        seed: seed of the random sets.

    Returns:
        'distance' in [0, 1], and 'p_value'.

    Reference: Massey (1951), Journal of the American Statistical Association 46, for the distance; Phipson and Smyth
    (2010), Statistical Applications in Genetics and Molecular Biology 9, for a p-value from random sets.

    Example:
        >>> found = randomness_test(np.eye(8, 20), draws=49)
        >>> found["p_value"]
        0.02
    """
    cosines = cosine_matrix(class_vectors)
    m, dim = np.shape(class_vectors)
    pairs = np.triu_indices(m, k=1)
    own = _distance(cosines[pairs], dim)
    draw = np.random.default_rng(seed)
    others = [_distance(cosine_matrix(draw.standard_normal((m, dim)))[pairs], dim) for _ in range(draws)]
    return {"distance": own, "p_value": (1 + sum(each >= own for each in others)) / (1 + draws)}


def group_test(cosines: ArrayLike, together: NDArray[np.bool_], *, permutations: int = 9_999,
               seed: int = 0) -> dict[str, float]:
    """Returns whether class vectors of one group are nearer than others, with a p-value.

    The p-value is the share of permutations of the classes (the given order included) whose difference is at least as
    large.

    Args:
        cosines: symmetric, shape (m, m).
        together: from `geometry.same_group`, shape (m, m); at least one pair inside a group and one across.
        permutations: number of permutations.
        seed: seed of the permutations.

    Returns:
        'within' and 'across', the mean cosines of pairs inside a group and of all others; 'difference'; 'p_value'.

    Raises:
        ArgumentError: (a ValueError) if no pair is inside a group, or none across.

    Reference: Mantel (1967), Cancer Research 27, for permuting classes instead of pairs; Phipson and Smyth (2010),
    Statistical Applications in Genetics and Molecular Biology 9, for counting the given order.

    Example:
        >>> cosines = np.kron(np.eye(4), np.full((3, 3), 0.5))
        >>> found = group_test(cosines, cosines > 0, permutations=99)
        >>> found["difference"], found["p_value"]
        (0.5, 0.01)
    """
    matrix, others = np.asarray(cosines, np.float64), different_pairs(len(together))
    inside, across = together & others, others & ~together
    if not (inside.any() and across.any()):
        raise ArgumentError("The groups must put at least one pair of classes together and keep one apart.")

    def difference(order: NDArray[np.int64]) -> float:
        permuted = matrix[np.ix_(order, order)]
        return float(permuted[inside].mean() - permuted[across].mean())

    own, draw = difference(np.arange(len(matrix))), np.random.default_rng(seed)
    least = own - 1e-12  # sums in another order round differently
    larger = sum(difference(draw.permutation(len(matrix))) >= least for _ in range(permutations))
    return {"within": float(matrix[inside].mean()), "across": float(matrix[across].mean()), "difference": own,
            "p_value": (1 + larger) / (1 + permutations)}


def _distance(cosines: NDArray[np.float64], dim: int) -> float:
    expected = cosine_law(np.sort(cosines), dim)
    steps = np.arange(len(expected) + 1) / len(expected)
    return float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def _half(dim: int) -> float:
    if dim < 2:
        raise ArgumentError(f"The law of cosines needs at least 2 dimensions, got {dim}.")
    return (dim - 1) / 2
