"""A data set in memory, and how its parts are chosen."""
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import DataError
from keras_fixhead.vectors.hashing import SPLIT_STREAM, stream_key, words

SPLITS = ("train", "validation", "test")

SPLIT_SEED = 20_201_122
"""Seed of held-out images and of subsets: a constant, so that every run of a data set sees the same parts."""


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8, shape (N, H, W, 3).
        labels: int32, shape (N,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Split":
        """Returns the part at these indices."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes:
        train, validation, test: its parts.
        label_names: one name a class.
        mean, std: of the training pixels in [0, 255], per channel, shape (3,), float64; 0 and 1 where there are none.
        groups: group -> names of its classes, where the set has coarse labels.
        subset: what it is a subset of, in words; None for a whole set.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    label_names: tuple[str, ...]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subset: str | None = None

    @property
    def num_classes(self) -> int:
        return len(self.label_names)

    def split(self, name: str) -> Split:
        """Returns a part by its name: 'train', 'validation' or 'test'."""
        part: Split = getattr(self, name)
        return part

    def digest(self) -> str:
        """Returns the sha256 of all images and labels, in hexadecimal."""
        total = hashlib.sha256()
        for name in SPLITS:
            part = self.split(name)
            total.update(np.ascontiguousarray(part.images).data)
            total.update(np.ascontiguousarray(part.labels, "<i4").data)
        return total.hexdigest()


def balanced_choice(labels: NDArray[np.int32], count: int, *, part: int) -> NDArray[np.intp]:
    """Returns the indices of a class-balanced choice, in ascending order.

    Each class gives the same share of its members; what rounding leaves over goes to the classes with the largest
    remainders. The choice is a fixed function of the labels, `count` and `part`.

    Args:
        labels: int32, shape (N,).
        count: how many to choose, at most N.
        part: a number that makes one choice independent of another.

    Returns:
        integer array of shape (count,).

    Raises:
        DataError: if `count` is larger than N.

    Example:
        >>> labels = np.repeat(np.arange(3, dtype=np.int32), 10)
        >>> np.bincount(labels[balanced_choice(labels, 6, part=0)]).tolist()
        [2, 2, 2]
    """
    if count > len(labels):
        raise DataError(f"{count} images were asked for, but there are {len(labels)}.")
    members = np.bincount(labels)
    exact = members * count
    quota = exact // len(labels)
    remainder = exact - quota * len(labels)
    quota[np.argsort(-remainder, kind="stable")[: count - quota.sum()]] += 1
    return _by_quota(labels, quota, part)


def _by_quota(labels: NDArray[np.int32], quota: NDArray[np.intp], part: int) -> NDArray[np.intp]:
    """The indices of so many members of each class, chosen by the hash, in ascending order."""
    members = np.bincount(labels)
    order = np.argsort(words(stream_key(SPLIT_SEED, SPLIT_STREAM, part), np.arange(len(labels)), [0])[:, 0])
    by_class = order[np.argsort(labels[order], kind="stable")]  # classes in turn, each in the hash's order
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(members) - members, members)
    return np.sort(by_class[rank < np.repeat(quota, members)])


def long_tail_choice(labels: NDArray[np.int32], ratio: float, *, part: int) -> NDArray[np.intp]:
    """Returns the indices of a long-tailed choice, in ascending order: class c of m keeps n ratio^(-c / (m - 1)).

    n is the size of the smallest class, so that every class can give its share; the first class keeps n, the last one
    n / ratio, at least 1.

    Args:
        labels: int32, shape (N,).
        ratio: largest to smallest class, at least 1.
        part: a number that makes one choice independent of another.

    Reference: Cui et al. (2019), arXiv:1901.05555, for the exponential profile.

    Example:
        >>> labels = np.repeat(np.arange(3, dtype=np.int32), 100)
        >>> np.bincount(labels[long_tail_choice(labels, 100.0, part=0)]).tolist()
        [100, 10, 1]
    """
    members = np.bincount(labels)
    quota = np.maximum(1, np.round(members.min() * ratio ** (-np.arange(len(members)) / max(1, len(members) - 1))))
    return _by_quota(labels, quota.astype(np.intp), part)


def held_out(split: Split, count: int, *, part: int) -> tuple[Split, Split]:
    """Returns (what remains, a class-balanced part of `count` images), both in the original order."""
    chosen = balanced_choice(split.labels, count, part=part)
    rest = np.ones(len(split), bool)
    rest[chosen] = False
    return split.take(np.flatnonzero(rest)), split.take(chosen)


def pixel_statistics(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns mean and standard deviation of the pixels per channel, from exact integer sums.

    Args:
        images: uint8, shape (N, H, W, 3).

    Returns:
        two float64 arrays of shape (3,), in units of [0, 255]; 0 and 1 where there are no pixels.

    Example:
        >>> mean, std = pixel_statistics(np.full((1, 2, 2, 3), 7, np.uint8))
        >>> mean.tolist(), std.tolist()
        ([7.0, 7.0, 7.0], [0.0, 0.0, 0.0])
    """
    if not len(images):
        return np.zeros(3), np.ones(3)
    counts = np.zeros((3, 256), np.int64)
    for start in range(0, len(images), 1_000):  # `bincount` needs eight bytes a pixel
        chunk = images[start : start + 1_000]
        counts += np.stack([np.bincount(chunk[..., channel].ravel(), minlength=256) for channel in range(3)])
    levels = np.arange(256)
    total = int(counts[0].sum())
    sums = [int(each) for each in counts @ levels]  # Python integers: the squares below pass 2^63
    squares = [int(each) for each in counts @ levels**2]
    variance = [(total * square - sum_ * sum_) / total**2 for sum_, square in zip(sums, squares, strict=True)]
    return np.array(sums) / total, np.sqrt(variance)
