"""Chosen rows of an array that may be larger than memory."""
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

IN_MEMORY_BYTES = 2**30
"""Arrays up to this size are read into memory; larger ones stay on disk, and are read a batch at a time."""
_CHUNK_BYTES = 2**24


def first_not_finite(rows: Any) -> int | None:
    """Returns the number of the first row that has NaN or infinity; None if there is none, or for whole numbers.

    Args:
        rows: an array, or `Rows`, of shape (N, ...).

    Example:
        >>> first_not_finite(np.array([[1.0, 2.0], [np.nan, 2.0]]))
        1
    """
    if rows.dtype.kind != "f":
        return None
    start = 0
    for some in chunks(rows):
        finite = np.isfinite(some).reshape(len(some), -1).all(axis=1)
        if not finite.all():
            return start + int(np.argmin(finite))
        start += len(some)
    return None


class Rows:
    """Rows of an array, read when they are used: an array to everything that reads it a part at a time.

    Indexing returns NumPy arrays; `take` returns rows of rows, without reading any.

    Args:
        base: an array, such as one that is mapped into memory.
        index: the rows, in order.

    Example:
        >>> rows = Rows(np.arange(10)[:, None], np.array([7, 3, 5]))
        >>> rows.shape, rows[1:].tolist(), rows.take(np.array([2]))[0].tolist()
        ((3, 1), [[3], [5]], [5])
    """

    def __init__(self, base: Any, index: NDArray[np.intp]) -> None:
        self._base, self._index = base, index
        self.shape = (len(index), *base.shape[1:])
        self.dtype = base.dtype
        self.ndim = base.ndim

    @property
    def nbytes(self) -> int:
        """The size of the rows, in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        rows, others = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        found: NDArray[Any] = np.asarray(self._base[self._index[rows]])
        return found[(slice(None), *others) if found.ndim == self.ndim else others] if others else found

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, indices: NDArray[np.intp]) -> "Rows":
        """Returns rows of these rows."""
        return Rows(self._base, self._index[indices])

    def loaded(self) -> Any:
        """Returns these rows as an array in memory, or themselves if their array is too large for it."""
        return self if self._base.nbytes > IN_MEMORY_BYTES else self[:]

    def followed_by(self, other: "Rows") -> "Rows":
        """Returns these rows and other rows, of the same array or of another one with rows of the same shape."""
        if other._base is self._base:
            return Rows(self._base, np.concatenate([self._index, other._index]))
        return Rows(_Stacked(self._base, other._base),
                    np.concatenate([self._index, other._index + len(self._base)]))


class _Stacked:
    """Two arrays as one, along the first axis, without reading any of them."""

    def __init__(self, first: Any, second: Any) -> None:
        self._parts = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])
        self.dtype = first.dtype
        self.ndim = first.ndim
        self.nbytes = first.nbytes + second.nbytes

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: Any) -> NDArray[Any]:
        numbers = np.asarray(index)
        found = np.empty((*numbers.shape, *self.shape[1:]), self.dtype)
        border = len(self._parts[0])
        for part, mine, before in zip(self._parts, (numbers < border, numbers >= border), (0, border), strict=True):
            found[mine] = part[numbers[mine] - before]
        return found


def joined(one: Any, other: Any) -> Any:
    """Returns the images of one split, followed by those of another; `Rows` if one of them is."""
    if isinstance(one, Rows) or isinstance(other, Rows):
        first, second = (each if isinstance(each, Rows) else Rows(each, np.arange(len(each))) for each in (one, other))
        return first.followed_by(second)
    return np.concatenate([one, other])


def loaded(images: Any) -> Any:
    """Returns images as an array in memory, if they are not too large for it.

    Example:
        >>> loaded(Rows(np.arange(6).reshape(3, 2), np.array([2, 0]))).tolist()
        [[4, 5], [0, 1]]
    """
    return images.loaded() if isinstance(images, Rows) else images


def chosen(images: Any, indices: NDArray[np.intp]) -> Any:
    """Returns some images of a split, without reading them if they are `Rows`."""
    return images.take(indices) if isinstance(images, Rows) else images[indices]


def chunks(images: Any) -> Iterator[NDArray[Any]]:
    """Yields images, a few megabytes at a time.

    Example:
        >>> [len(chunk) for chunk in chunks(np.zeros((3, 2**23), np.uint8))]
        [2, 1]
    """
    row_bytes = max(1, int(np.prod(images.shape[1:])) * images.dtype.itemsize)
    step = max(1, _CHUNK_BYTES // row_bytes)
    return (images[start : start + step] for start in range(0, len(images), step))
