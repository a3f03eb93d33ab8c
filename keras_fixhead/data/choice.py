"""Chooses which images are held out, and which are used for training.

There are two ways to choose from classes of unequal sizes: a stratified choice keeps their proportions, an equal choice
takes the same number from each. Both are fixed functions of the labels: every run on a data set sees the same parts.
"""
import dataclasses
from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import look_up
from keras_fixhead.class_names import LISTED
from keras_fixhead.data.dataset import SPLITS, Dataset, Split
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.vectors.hashing import SPLIT_STREAM, stream_key, words

SPLIT_SEED = 20_201_122
_TEST, _VALIDATION, _LIMIT, _TAIL, _MEASURED = range(5)  # keeps the choices independent; never reuse a number


def hold_out_test(split: Split, count: int) -> tuple[Split, Split]:
    """Returns (the remaining images, a stratified test part of `count` images), both in the original order."""
    return _held_out(split, count, _TEST)


def hold_out_validation(split: Split, count: int) -> tuple[Split, Split]:
    """Returns (the remaining images, a stratified validation part of `count` images), both in the original order."""
    return _held_out(split, count, _VALIDATION)


def represented_first(split: Split, count: int | None) -> Split:
    """Returns a split whose first images represent all classes, for measuring on these alone.

    Images that lie class by class, as in a folder, begin with a stratified choice of `count` of them; the first ones
    would all be of the first classes. Others stay as they are.

    Example:
        >>> split = Split(np.zeros((6, 8, 8, 3), np.uint8), np.array([0, 0, 0, 0, 1, 1], np.int32))
        >>> represented_first(split, 3).labels.tolist()
        [0, 0, 1, 0, 0, 1]
        >>> represented_first(split.take(np.array([4, 5, 0, 1, 2, 3])), 3).labels.tolist()  # classes in another order
        [1, 0, 0, 1, 0, 0]
    """
    if count is None or count >= len(split) or np.count_nonzero(np.diff(split.labels)) >= len(np.unique(split.labels)):
        return split
    chosen = stratified_choice(split.labels, count, _MEASURED)
    return split.take(np.concatenate([chosen, np.setdiff1d(np.arange(len(split)), chosen)]))


def choose_classes(dataset: Dataset, classes: str | None) -> Dataset:
    """Returns the data set reduced to some classes, given as names of classes or groups, separated by commas.

    Labels are renumbered from 0, in the same order. Mean and standard deviation remain those of the whole training
    part.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or fewer than two classes.

    Example:
        >>> from keras_fixhead.data import load_dataset
        >>> choose_classes(load_dataset("digits"), "3,8").num_classes
        2
    """
    if classes is None:
        return dataset
    labels = chosen_labels(dataset.label_names, dataset.groups, classes)
    train, validation, test = (_only(dataset.split(name), labels, len(dataset.label_names)) for name in SPLITS)
    return dataclasses.replace(
        dataset, train=train, validation=validation, test=test,
        label_names=tuple(dataset.label_names[label] for label in labels), groups={})


def chosen_labels(label_names: Sequence[str], groups: Mapping[str, tuple[str, ...]], classes: str) -> list[int]:
    """Returns the labels of the named classes or groups, in the order of the data set.

    Args:
        label_names: names of all classes.
        groups: group -> names of its classes.
        classes: names, separated by commas.

    Raises:
        ArgumentError: for an unknown name, or fewer than two classes.

    Example:
        >>> chosen_labels(("cat", "dog", "ship"), {"animals": ("cat", "dog")}, "animals,ship")
        [0, 1, 2]
    """
    names = {name for part in classes.split(",") for name in _named(part.strip(), label_names, groups)}
    if len(names) < 2:
        raise ArgumentError(f"classes must name at least 2 classes, got {classes!r}.")
    return [label for label, name in enumerate(label_names) if name in names]


def _named(name: str, label_names: Sequence[str], groups: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The classes of a group, or the class with a name."""
    if name in label_names and name not in groups:
        return (name,)
    return look_up({**dict.fromkeys(label_names[:LISTED], ()), **groups}, name, "class")


def limit_train(dataset: Dataset, count: int | None) -> Dataset:
    """Returns the data set with `count` training images, the same number from each class (see `equal_choice`).

    Returns the data set unchanged if `count` is None, or if it has no more images than that. Mean and standard
    deviation remain those of the whole training part.

    Example:
        >>> from keras_fixhead.data import load_dataset
        >>> np.bincount(limit_train(load_dataset("digits"), 200).train.labels).tolist()
        [20, 20, 20, 20, 20, 20, 20, 20, 20, 20]
    """
    if count is None or count >= len(dataset.train):
        return dataset
    return dataclasses.replace(dataset, train=dataset.train.take(equal_choice(dataset.train.labels, count)))


def long_tail(dataset: Dataset, ratio: float) -> Dataset:
    """Returns the data set with a long-tailed training part: the first class is `ratio` times as large as the last.

    Example:
        >>> from keras_fixhead.data import load_dataset
        >>> np.bincount(long_tail(load_dataset("digits"), 10.0).train.labels).tolist()
        [121, 94, 73, 56, 43, 34, 26, 20, 16, 12]
    """
    if ratio == 1:
        return dataset
    return dataclasses.replace(dataset, train=dataset.train.take(long_tail_choice(dataset.train.labels, ratio)))


def stratified_choice(labels: NDArray[np.int32], count: int, part: int) -> NDArray[np.intp]:
    """Returns the indices of a stratified choice, in ascending order.

    Each class contributes the same share of its members; images left over by rounding come from the classes with the
    largest remainders.

    Args:
        labels: int32, shape (N,).
        count: how many to choose, at most N.
        part: a number that makes one choice independent of another.

    Returns:
        integer array of shape (count,).

    Raises:
        DataError: if `count` is larger than N.

    Example:
        >>> labels = np.repeat(np.arange(3, dtype=np.int32), [10, 20, 30])
        >>> np.bincount(labels[stratified_choice(labels, 12, part=0)]).tolist()
        [2, 4, 6]
    """
    _check_count(labels, count)
    members = np.bincount(labels)
    quota, remainder = np.divmod(members * count, max(1, len(labels)))
    quota[np.argsort(-remainder, kind="stable")[: count - quota.sum()]] += 1
    return _by_quota(labels, quota, part)


def equal_choice(labels: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """Returns the indices of a choice with the same number of images from each class, in ascending order.

    A class with too few members contributes all of them, and the other classes make up the shortfall; a remainder goes
    to the first classes that have more. So exactly `count` images are chosen, and no class could have more unless a
    larger one had fewer.

    Args:
        labels: int32, shape (N,).
        count: how many to choose, at most N.

    Returns:
        integer array of shape (count,).

    Raises:
        DataError: if `count` is larger than N.

    Example:
        >>> labels = np.repeat(np.arange(3, dtype=np.int32), [2, 20, 30])
        >>> np.bincount(labels[equal_choice(labels, 12)]).tolist()
        [2, 5, 5]
    """
    _check_count(labels, count)
    members = np.bincount(labels)
    levels = range(int(members.max(initial=0)) + 1)
    level = bisect_right(levels, count, key=lambda most: int(np.minimum(members, most).sum())) - 1
    quota = np.minimum(members, level)
    quota[np.flatnonzero(members > level)[: count - quota.sum()]] += 1
    return _by_quota(labels, quota, _LIMIT)


def long_tail_choice(labels: NDArray[np.int32], ratio: float) -> NDArray[np.intp]:
    """Returns the indices of a long-tailed choice, in ascending order: class c of m keeps n ratio^(-c / (m - 1)).

    n is the size of the smallest class, so that every class has enough images; the first class keeps n, the last one
    n / ratio, at least 1.

    Args:
        labels: int32, shape (N,).
        ratio: size of the largest class divided by that of the smallest, at least 1.

    Reference: Cui et al. (2019), arXiv:1901.05555, for the exponential profile.

    Example:
        >>> labels = np.repeat(np.arange(3, dtype=np.int32), 100)
        >>> np.bincount(labels[long_tail_choice(labels, 100.0)]).tolist()
        [100, 10, 1]
    """
    members = np.bincount(labels)
    quota = np.maximum(1, np.round(members.min() * ratio ** (-np.arange(len(members)) / max(1, len(members) - 1))))
    return _by_quota(labels, quota.astype(np.intp), _TAIL)


def _held_out(split: Split, count: int, part: int) -> tuple[Split, Split]:
    chosen = stratified_choice(split.labels, count, part)
    rest = np.ones(len(split), bool)
    rest[chosen] = False
    return split.take(np.flatnonzero(rest)), split.take(chosen)


def _only(split: Split, labels: Sequence[int], num_classes: int) -> Split:
    new = np.full(num_classes, -1, np.int32)
    new[list(labels)] = np.arange(len(labels))
    kept = split.take(np.flatnonzero(new[split.labels] >= 0))
    return dataclasses.replace(kept, labels=new[kept.labels])


def _by_quota(labels: NDArray[np.int32], quota: NDArray[np.intp], part: int) -> NDArray[np.intp]:
    """Returns the indices of `quota` members of each class, chosen by the hash, in ascending order."""
    members = np.bincount(labels)
    order = np.argsort(words(stream_key(SPLIT_SEED, SPLIT_STREAM, part), np.arange(len(labels)), [0])[:, 0])
    by_class = order[np.argsort(labels[order], kind="stable")]  # class by class, each in the hash's order
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(members) - members, members)
    return np.sort(by_class[rank < np.repeat(quota, members)])


def _check_count(labels: NDArray[np.int32], count: int) -> None:
    if count > len(labels):
        raise DataError(f"Cannot choose {count} images from {len(labels)}.")
