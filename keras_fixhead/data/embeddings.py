"""Embedding sets: vectors and labels in NumPy files, mapped into memory.

    FOLDER/features.npy          float16 or float32, (N, D)
    FOLDER/labels.npy            whole numbers in [0, m), (N,)
    FOLDER/validation_features.npy, validation_labels.npy, test_features.npy, test_labels.npy    if there are such parts
    FOLDER/class_names.txt       the name of one class per line; without it, classes are called 0, 1, ...

An .npz file has the same arrays under these names, and `class_names` as an array of text.
"""
import functools
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.class_names import NumberedNames
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.choice import hold_out_test
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.rows import Rows, chunks, first_not_finite
from keras_fixhead.errors import DataError

ENDING = ".npz"
PARTS = {"train": "", "validation": "validation_", "test": "test_"}
"""Part -> what the names of its arrays begin with."""
NAMES = "class_names"
TEST_SHARE = 5
"""One in this many vectors is held out for testing if there is no test part."""
VALIDATION_SHARE = 10

_MOST_WITHOUT_NAMES = 10_000_000  # with more classes than this, and than 10 per vector, a label is a mistake

_LAYOUT = "Expected features.npy, float16 or float32 (N, D), and labels.npy, whole numbers (N,)"


def is_embeddings(path: Path) -> bool:
    """Returns whether a path is that of an embedding set: an .npz file, or a folder with features.npy.

    Example:
        >>> is_embeddings(Path("no/such/folder"))
        False
    """
    return (path.suffix.lower() == ENDING and path.is_file()) or (path / "features.npy").is_file()


def embedding_entry(path: Path) -> DatasetEntry:
    """Returns the entry of an embedding set, from its labels and the shapes of its features.

    Raises:
        DataError: if arrays are missing, have other shapes or types, or labels are out of range.
    """
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    state = tuple((str(each), (found := each.stat()).st_size, found.st_mtime_ns) for each in files)
    return _entry(path, state)


@functools.lru_cache(maxsize=8)
def _entry(path: Path, state: tuple[Any, ...]) -> DatasetEntry:
    """The entry; `state` tells whether the files have changed."""
    parts = {part: arrays for part in PARTS if (arrays := _part(path, part)) is not None}
    names = _class_names(path)
    dims = {part: features.shape[1] for part, (features, _) in parts.items()}
    if len(set(dims.values())) > 1:
        raise DataError(f"{path} has vectors of several lengths: {_listed(dims)}.",
                        hint="Give all parts the same number of columns.")
    highest = max(int(labels.max()) for _, labels in parts.values())
    lowest = min(int(labels.min()) for _, labels in parts.values())
    num_classes = highest + 1 if names is None else len(names)
    if lowest < 0 or highest >= num_classes:
        raise DataError(f"{path} has labels from {lowest} to {highest}. Expected whole numbers in [0, {num_classes}), "
                        f"the classes of {'class_names.txt' if path.is_dir() else NAMES}." if names is not None else
                        f"{path} has the label {lowest}. Expected whole numbers from 0.",
                        hint="Number the classes from 0, and leave out vectors whose class is unknown.")
    if num_classes < 2:
        raise DataError(f"{path} has vectors of {num_classes} class. Expected at least 2.")
    counts = {part: len(labels) for part, (_, labels) in parts.items()}
    if names is None and num_classes > max(_MOST_WITHOUT_NAMES, 10 * sum(counts.values())):
        raise DataError(f"{path} has the label {highest:,}, but only {sum(counts.values()):,} vectors.",
                        hint=f"Number the classes from 0 without gaps, or name them all in {NAMES}.")
    test = counts.get("test", counts["train"] // TEST_SHARE)
    train = counts["train"] if "test" in counts else counts["train"] - test
    validation = counts.get("validation", train // VALIDATION_SHARE)
    return DatasetEntry(
        summary=f"the vectors in {path}", loader="keras_fixhead.data.embeddings:read_embeddings", source=str(path),
        image_shape=(dims["train"],), num_classes=num_classes,
        train=train if "validation" in counts else train - validation, validation=validation, test=test,
        crop_padding=0, flip=False, probe_url=None, citation="",
        label_names=NumberedNames(num_classes) if names is None else names,
        own_validation="validation" in counts)


def read_embeddings(entry: DatasetEntry) -> tuple[dict[str, Split], Sequence[str]]:
    """Returns the parts 'train', with a validation part at its end, and 'test' of an embedding set, and class names.

    Features of more than a gigabyte stay on disk. If there is no test part, a stratified one is held out, with a
    constant seed.

    Args:
        entry: from `embedding_entry`.

    Raises:
        DataError: if features are NaN or infinite.
    """
    path = Path(str(entry.source))
    splits = {}
    for part in PARTS:
        if (arrays := _part(path, part)) is not None:
            features, labels = arrays
            _check_finite(features, path, part)
            images: Any = Rows(features, np.arange(len(labels)))
            splits[part] = Split(images, labels.astype(np.int32))
    train, test = splits["train"], splits.get("test")
    if test is None:
        train, test = hold_out_test(train, entry.test)
    if "validation" in splits:
        train = train.followed_by(splits["validation"])
    assert entry.label_names is not None
    return {"train": train, "test": test}, entry.label_names


def feature_statistics(features: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean and standard deviation of each feature, float64 (D,); a constant one has a deviation of 1.

    Args:
        features: float16 or float32, shape (N, D); an array, or `rows.Rows`.

    Example:
        >>> mean, std = feature_statistics(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
        >>> mean.tolist(), std.tolist()
        ([2.0, 5.0], [1.0, 1.0])
    """
    count, dim = features.shape
    if not count:
        return np.zeros(dim), np.ones(dim)
    mean = sum((part.astype(np.float64).sum(axis=0) for part in chunks(features)), np.zeros(dim)) / count
    squares = sum((np.square(part.astype(np.float64) - mean).sum(axis=0) for part in chunks(features)), np.zeros(dim))
    std = np.sqrt(squares / count)
    return mean, np.where(std > 0, std, 1.0)


def _part(path: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The checked features and labels of a part; None if the set does not have it."""
    found = {name: _array(path, PARTS[part] + name) for name in ("features", "labels")}
    features, labels = found["features"], found["labels"]
    missing = [PARTS[part] + name for name, array in found.items() if array is None]
    if features is None or labels is None:
        if len(missing) == 2 and part != "train":
            return None
        raise DataError(f"{path} has no {' and no '.join(missing)}.", hint=f"{_LAYOUT}.")
    prefix = PARTS[part]
    if features.ndim != 2 or 0 in features.shape or features.dtype not in (np.float16, np.float32):
        raise DataError(f"{path}: {prefix}features is {features.dtype} of shape {features.shape}. Expected float16 or "
                        "float32 of shape (N, D), with N and D of at least 1.",
                        hint="Save them with np.save(..., features.astype('float32')).")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: {prefix}labels is {labels.dtype} of shape {labels.shape}. Expected whole numbers of "
                        "shape (N,).", hint="Save them with np.save(..., labels.astype('int64')).")
    if len(features) != len(labels):
        raise DataError(f"{path}: {prefix}features has {len(features):,} rows, but {prefix}labels {len(labels):,}.",
                        hint="Give one label per vector.")
    return features, labels


def _array(path: Path, name: str) -> NDArray[Any] | None:
    """An array of an embedding set, mapped into memory where it is stored as it is; None if there is none."""
    file = path / f"{name}.npy" if path.is_dir() else path
    try:
        if path.is_dir():
            return np.load(file, mmap_mode="r", allow_pickle=False) if file.is_file() else None
        return _member(path, name)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        said = getattr(error, "strerror", None) or str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{file} cannot be read as NumPy arrays: {said}.",
                        hint="Save it again with np.save or np.savez, without objects.") from None


def _member(path: Path, name: str) -> NDArray[Any] | None:
    """An array of an .npz file: mapped into memory if the file is not compressed."""
    with zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED:
            with archive.open(info) as file:
                compressed: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
            return compressed
    with path.open("rb") as raw:
        raw.seek(info.header_offset + 26)  # the lengths of the name and of further fields, then these
        lengths = np.frombuffer(raw.read(4), "<u2")
        raw.seek(int(lengths.sum()), os.SEEK_CUR)
        version = np.lib.format.read_magic(raw)
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(raw)
        if dtype.hasobject:
            raise ValueError("it has Python objects")
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(path, dtype, "r", raw.tell(), shape, "F" if fortran else "C")


def _class_names(path: Path) -> tuple[str, ...] | None:
    if path.is_dir():
        file = path / f"{NAMES}.txt"
        if not file.is_file():
            return None
        try:
            names = tuple(file.read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError):
            raise DataError(f"{file} is not readable UTF-8 text.", hint="Write one class name per line.") from None
    else:
        found = _array(path, NAMES)
        if found is None:
            return None
        names = tuple(map(str, found.ravel().tolist()))
    if "" in names or len(set(names)) < len(names):
        raise DataError(f"{path}: {NAMES} has names that are empty or occur twice.",
                        hint="Give each class a name of its own.")
    return names


def _check_finite(features: NDArray[Any], path: Path, part: str) -> None:
    if (row := first_not_finite(features)) is not None:
        raise DataError(f"{path}: {PARTS[part]}features has NaN or infinity, first in row {row:,}.",
                        hint="Leave such vectors out, with their labels.")


def _listed(values: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
