"""Matrices of classes: names on the axes where they fit, groups where they do not."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.figures.text import class_names, plain

NAMED_CLASSES = 30
"""Largest number of classes whose names fit on the axes of a matrix."""
NUMBERED_CLASSES = 12
"""Largest number of classes for which each cell of a matrix has its number."""
ROW_NAMES = 110
"""Largest number of classes whose names fit next to the rows of a matrix, in small letters."""
LARGEST_SIDE = 8.0
"""Largest side of a matrix of classes, in inches."""
GROUPED_SIDE = 5.6
"""Largest side of one that is labelled with groups, in inches: few labels need less space."""
GROUP_NAMES = 2.6
"""Space for the names of groups and a bar of colours, in inches."""
SMALLEST_SHARE = 0.5
"""Share of the classes that must be in a group for groups to label the axes."""


def matrix_side(num_classes: int, largest: float = LARGEST_SIDE) -> float:
    """Returns the side of a matrix of classes, in inches.

    Example:
        >>> matrix_side(2) < matrix_side(30) == matrix_side(200)
        True
    """
    return min(largest, 4.2 + 0.127 * num_classes)


def grouped_order(label_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> NDArray[np.int64] | None:
    """Returns an order of the classes, group by group, ungrouped ones last; None if names fit, or groups are missing.

    Example:
        >>> names = [f"{kind} {number}" for number in range(20) for kind in ("cat", "dog")]
        >>> order = grouped_order(names, {kind: [name for name in names if kind in name] for kind in ("dog", "cat")})
        >>> order[:3].tolist(), grouped_order(names[:9], {})
        ([1, 3, 5], None)
    """
    if len(label_names) <= NAMED_CLASSES:
        return None
    group_of = _group_of(label_names, groups)
    if (group_of < len(groups)).mean() < SMALLEST_SHARE:
        return None
    return np.argsort(group_of, kind="stable")


def label_axes(axes: Any, label_names: Sequence[str], order: NDArray[np.int64] | None = None,
               groups: Mapping[str, Sequence[str]] | None = None) -> None:
    """Labels a matrix of classes: with names, groups and lines between them, names of rows alone, or nothing.

    Args:
        axes: with the matrix, drawn in this order.
        label_names: one name per class, in the order of the data set.
        order: the order of the classes; None for that of the data set.
        groups: group -> names of its classes, if the order is that of `grouped_order`.
    """
    m = len(label_names)
    order = np.arange(m) if order is None else order
    if m <= NAMED_CLASSES:
        names = [plain(name) for name in class_names([label_names[each] for each in order], [int(i) for i in order])]
        axes.set_xticks(range(m), names, rotation=90, fontsize="small")
        axes.set_yticks(range(m), names, fontsize="small")
    elif groups:
        _label_groups(axes, _group_of(label_names, groups)[order], list(groups))
    elif m <= ROW_NAMES:
        names = [plain(name) for name in class_names([label_names[each] for each in order], [int(i) for i in order])]
        axes.set_yticks(range(m), names, fontsize=min(7.0, 460 / m))
        axes.tick_params(axis="y", length=2, pad=1)
        axes.set_xticks([])
    else:
        axes.set(xticks=[], yticks=[])


def _label_groups(axes: Any, group_of: NDArray[np.int64], names: Sequence[str]) -> None:
    borders = np.flatnonzero(np.diff(group_of)) + 1
    starts, ends = np.concatenate([[0], borders]), np.concatenate([borders, [len(group_of)]])
    for border in borders:
        axes.axhline(border - 0.5, color="white", linewidth=0.4)
        axes.axvline(border - 0.5, color="white", linewidth=0.4)
    texts = [plain(names[group_of[start]].replace("_", " ")) if group_of[start] < len(names) else "(no group)"
             for start in starts]
    axes.set_yticks((starts + ends - 1) / 2, texts, fontsize="small" if len(texts) <= 25 else "xx-small")
    axes.set_xticks([])


def _group_of(label_names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
    number = {name: index for index, names in enumerate(groups.values()) for name in names}
    return np.array([number.get(name, len(groups)) for name in label_names])
