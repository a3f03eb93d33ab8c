"""A data set in memory."""
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.pictures import in_channels
from keras_fixhead.data.rows import chosen, chunks, joined, loaded

SPLITS = ("train", "validation", "test")
"""The parts of a data set, in this order everywhere."""


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8, shape (N, H, W, C), with 3 channels, or 1 of grey; or the vectors of an embedding set, float16
            or float32, shape (N, D); an array, or `rows.Rows` of one on disk that is larger than memory.
        labels: int32, shape (N,).
        files: the path of each picture, shape (N,), if the images come from files of their own.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int32]
    files: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Split":
        """Returns the images and labels at these indices."""
        return Split(chosen(self.images, indices), self.labels[indices],
                     None if self.files is None else self.files[indices])

    def loaded(self) -> "Split":
        """Returns the split with its images in memory, if they are not too large for it."""
        return dataclasses.replace(self, images=loaded(self.images))

    def followed_by(self, other: "Split") -> "Split":
        """Returns these images and labels, and then those of another split."""
        files = None if self.files is None or other.files is None else np.concatenate([self.files, other.files])
        return Split(joined(self.images, other.images), np.concatenate([self.labels, other.labels]), files)


@dataclass(frozen=True)
class Dataset:
    """A data set in memory.

    Attributes:
        train, validation, test: its parts.
        label_names: one name per class, a tuple or `NumberedNames`.
        mean, std: per-channel mean and standard deviation with which a model normalizes pixels, in units of [0, 255],
            float64, shape (C,); computed from the training pixels, or 0 and 1 if there are none. For an embedding set,
            those of each number of a vector, shape (D,).
        groups: group -> names of its classes, if the set has coarse labels.
        subset: description of what it is a subset of; None for a whole set.
        skipped: number of pictures that could not be used and were skipped.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    label_names: Sequence[str]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subset: str | None = None
    skipped: int = 0

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.label_names)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of every image, (H, W, C), or vector, (D,)."""
        return self.test.images.shape[1:]

    @property
    def has_vectors(self) -> bool:
        """Whether its examples are vectors instead of pictures."""
        return len(self.image_shape) == 1

    def split(self, name: str) -> Split:
        """Returns a part by its name: 'train', 'validation' or 'test'."""
        part: Split = getattr(self, name)
        return part

    def in_grey(self) -> "Dataset":
        """Returns the data set in levels of grey, one channel, with its own mean and deviation."""
        if self.image_shape[2] == 1:
            return self
        train, validation, test = (dataclasses.replace(part, images=in_channels(np.asarray(part.images), 1))
                                   for part in (self.train, self.validation, self.test))
        mean, std = pixel_statistics(train.images)
        return dataclasses.replace(self, train=train, validation=validation, test=test, mean=mean, std=std)

    def with_test(self, test: Split) -> "Dataset":
        """Returns the data set with another test part."""
        return dataclasses.replace(self, test=test)

    def digest(self) -> str:
        """Returns the sha256 of all images and labels, in hexadecimal."""
        total = hashlib.sha256()
        for name in SPLITS:
            part = self.split(name)
            for chunk in chunks(part.images):
                total.update(np.ascontiguousarray(chunk).data)
            total.update(np.ascontiguousarray(part.labels, "<i4").data)
        return total.hexdigest()


def pixel_statistics(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean and standard deviation of the pixels per channel, from exact integer sums.

    Args:
        images: uint8, shape (N, H, W, C).

    Returns:
        two float64 arrays of shape (C,), in units of [0, 255]; 0 and 1 if there are no pixels.

    Example:
        >>> mean, std = pixel_statistics(np.full((1, 2, 2, 3), 7, np.uint8))
        >>> mean.tolist(), std.tolist()
        ([7.0, 7.0, 7.0], [0.0, 0.0, 0.0])
    """
    channels = images.shape[-1]
    if not len(images):
        return np.zeros(channels), np.ones(channels)
    total, sums, squares = 0, np.zeros(channels, np.uint64), np.zeros(channels, np.uint64)
    for chunk in chunks(images):
        total += chunk[..., 0].size
        for levels in _rows_of_pixels(chunk):
            sums += _by_channel(levels, channels)
            levels *= levels
            squares += _by_channel(levels, channels)
    variance = [(total * square - sum_ * sum_) / total**2 for sum_, square in zip(sums.tolist(), squares.tolist(),
                                                                                 strict=True)]
    return sums / total, np.sqrt(variance)


def _rows_of_pixels(chunk: NDArray[np.uint8]) -> Iterator[NDArray[np.uint16]]:
    """Yields all pixels, in long rows of few at a time: sums over rows are the quickest, and stay below 2^32."""
    flat, width = chunk.reshape(-1), 1_024 * chunk.shape[-1]
    whole = len(flat) // width * width
    rows = flat[:whole].reshape(-1, width)
    for start in range(0, len(rows), 256):
        yield rows[start : start + 256].astype(np.uint16)  # a square of a level is below 2^16
    yield flat[whole:].reshape(1, -1).astype(np.uint16)


def _by_channel(levels: NDArray[np.uint16], channels: int) -> NDArray[np.uint64]:
    return levels.sum(axis=0, dtype=np.uint32).reshape(-1, channels).sum(axis=0, dtype=np.uint64)
