"""What the confusion matrix and the cosines between class vectors of one run give. Arrays in, numbers out."""
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def confusion_correlation(cosines: NDArray[np.floating], confusion: NDArray[np.integer]) -> float:
    """Returns Spearman's correlation of cosine and errors over all ordered pairs of different classes.

    Ties have their average rank: most pairs have no error, which bounds what can be reached (`correlation_bound`).

    Args:
        cosines: between class vectors, shape (m, m).
        confusion: images of each class (rows) taken for each class (columns), shape (m, m).

    Example:
        >>> cosines = np.array([[1, 0.9, 0], [0.9, 1, 0.1], [0, 0.1, 1]])
        >>> confusion_correlation(cosines, np.array([[50, 9, 0], [9, 50, 1], [0, 1, 50]]))
        1.0
    """
    from scipy.stats import spearmanr  # half a second to import

    pairs = ~np.eye(len(cosines), dtype=bool)
    return float(np.round(spearmanr(cosines[pairs], confusion[pairs]).statistic, 12))


def correlation_bound(confusion: NDArray[np.integer]) -> float:
    """Returns the largest Spearman correlation that the pairs without an error leave possible: sqrt(1 - z^3).

    Args:
        confusion: shape (m, m); z is the share of ordered pairs of different classes without an error.

    Example:
        >>> round(correlation_bound(np.array([[5, 0], [1, 5]])), 3)
        0.935
    """
    pairs = ~np.eye(len(confusion), dtype=bool)
    return float(np.sqrt(1 - (confusion[pairs] == 0).mean() ** 3))


def same_group(label_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Returns which pairs of different classes are of one group, shape (m, m).

    Example:
        >>> same_group(["cat", "dog", "ship"], {"animals": ["cat", "dog"]}).astype(int).tolist()
        [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    of = [next((group for group, names in groups.items() if name in names), f"none {name}") for name in label_names]
    return np.array([[one == other and i != j for j, other in enumerate(of)] for i, one in enumerate(of)])


def nearness_of_groups(cosines: NDArray[np.floating], together: NDArray[np.bool_]) -> float:
    """Returns the mean cosine of pairs of one group minus that of all other pairs.

    Example:
        >>> together = same_group(["cat", "dog", "ship"], {"animals": ["cat", "dog"]})
        >>> nearness_of_groups(np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]), together)
        0.5
    """
    pairs = ~np.eye(len(cosines), dtype=bool)
    return float(cosines[together].mean() - cosines[pairs & ~together].mean())


def errors_inside_groups(confusion: NDArray[np.integer], together: NDArray[np.bool_]) -> float:
    """Returns the share of all errors that fall between classes of one group.

    Example:
        >>> together = same_group(["cat", "dog", "ship"], {"animals": ["cat", "dog"]})
        >>> errors_inside_groups(np.array([[5, 3, 1], [0, 5, 0], [0, 0, 5]]), together)
        0.75
    """
    errors = confusion[~np.eye(len(confusion), dtype=bool)].sum()
    return float(confusion[together].sum() / max(1, errors))
