"""Reads a data set from wherever it is: packed, in the cache, prepared, a folder of images, vectors, or embedded."""
import dataclasses
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.catalog import import_object
from keras_fixhead.data import cache, choice
from keras_fixhead.data.dataset import Dataset
from keras_fixhead.data.image_folder import read_image_folder
from keras_fixhead.data.packed_index import PackedIndex, read_index
from keras_fixhead.data.sources import array_files, data_folder_of, describe, is_folder
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, DataError

HALF = 127.5

_log = logging.getLogger(__name__)


def run_dataset(dataset: str, data_dir: str | None = None, *, image_size: int | str | None = None,
                fit: str | None = None, decoding: str | None = None, grey: bool = False, skip_broken: bool = False,
                hold_out: bool = True, classes: str | None = None, limit_train: int | None = None,
                imbalance: float = 1.0, normalization: str = "dataset") -> Dataset:
    """Returns the data of a run, with its choice of classes, training images and validation part.

    The arguments are fields of `TrainConfig`: `run_dataset(**config.data_fields)`.

    Args:
        dataset, data_dir, image_size, fit, decoding, grey, skip_broken, hold_out: as in `load_dataset`.
        classes: names of classes or groups, separated by commas; None for all.
        limit_train: number of training images, the same number from each class; None for all.
        imbalance: for long-tailed training images, the size of the largest class divided by that of the smallest.
        normalization: 'dataset' for the mean and standard deviation of the training images, 'half' for 127.5 for both.

    Raises:
        DataError: if the data cannot be found or read.

    Example:
        >>> data = run_dataset("digits", classes="3,8", limit_train=20)
        >>> np.bincount(data.train.labels).tolist(), len(data.test)
        ([10, 10], 72)
    """
    data = load_dataset(dataset, data_dir, image_size=image_size, fit=fit, decoding=decoding, grey=grey,
                        skip_broken=skip_broken, hold_out=hold_out)
    data = choice.limit_train(choice.choose_classes(data, classes), limit_train)
    data = choice.long_tail(data, imbalance)
    if normalization == "half":
        half = np.full(data.image_shape[2], HALF)
        data = dataclasses.replace(data, mean=half, std=half)
    return data


def measured_fields(own: Mapping[str, Any], dataset: str | None, data_dir: str | None) -> dict[str, Any]:
    """Returns the arguments of `run_dataset` for the data on which a run or a server is measured.

    Args:
        own: the arguments for the run's own data; empty for a server.
        dataset: another data set, used whole; None for the run's own data.
        data_dir: folder of the data, if it is not the one that the run used.

    Example:
        >>> measured_fields({"dataset": "cifar10", "data_dir": "here", "limit_train": 9}, "cifar10_1", None)
        {'dataset': 'cifar10_1', 'data_dir': 'here'}
    """
    folder = data_dir or own.get("data_dir")
    return {**own, "data_dir": folder} if dataset is None else {"dataset": dataset, "data_dir": folder}


def load_dataset(name: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None, *,
                 image_size: int | str | None = None, fit: str | None = None, decoding: str | None = None,
                 grey: bool = False, skip_broken: bool = False, hold_out: bool = True) -> Dataset:
    """Returns a data set, with a validation part held out of its training images.

    Args:
        name: a name in the catalogue of data sets ('digits', 'cifar10', 'cifar100', 'stl10', 'tiny_imagenet',
            'fashion_mnist', 'cifar10_1'), or the path of a packed set, of a folder of images with one subfolder per
            class, or of an embedding set (see `data.embeddings`).
        data_dir: folder of packed or prepared data sets; None for $TFDS_DATA_DIR, or TensorFlow Datasets' own.
        image_size: size that a folder's pictures get: the side of a square, or 'WIDTHxHEIGHT'; None for the side of the
            first picture, which all pictures must then have.
        fit: how pictures are fitted to that size, one of `pictures.FITS`; None for 'crop'.
        decoding: 'reduced' to decode a folder's JPEG files at 1/2, 1/4 or 1/8 of their size where enough pixels are
            left (see `pictures.decoding_ratio`): faster, and nearly the same pixels; None for 'full'.
        grey: whether images are levels of grey in one channel.
        skip_broken: whether pictures of a folder that cannot be used are skipped.
        hold_out: whether a validation part is held out; if not, those images stay in the training part.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or an argument of the wrong type.
        DataError: if the data are missing, cannot be downloaded or read, or do not match their own description.

    Example:
        >>> dataset = load_dataset("digits")
        >>> len(dataset.train), len(dataset.validation), len(dataset.test)
        (1257, 180, 360)
    """
    name, data_dir = _text("name", name), None if data_dir is None else _text("data_dir", data_dir)
    whole, known = read_whole(name, data_dir, image_size, fit, skip_broken, grey, decoding)
    if whole.subset:
        _log.warning("The data are %s.", whole.subset)
    data = whole.dataset(hold_out, None if known is None else known.view(hold_out))
    return data.in_grey() if grey else data


def _text(argument: str, value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise ArgumentError(f"{argument} must be text or a path, got {value!r}.")
    return str(os.fspath(value))


def check_available(dataset: str, data_dir: str | None = None, *, image_size: int | str | None = None,
                    fit: str | None = None, classes: str | None = None, **others: Any) -> None:
    """Raises a DataError if a data set is neither on this machine nor can be downloaded; quick, without a framework.

    Args:
        dataset, data_dir, image_size, fit, classes: as in `run_dataset`.
        others: the other arguments of `run_dataset`; ignored.

    Example:
        >>> check_available("digits")
    """
    entry = describe(dataset, data_dir, image_size=image_size, fit=fit, classes=classes)
    if entry.probe_url is not None:
        from keras_fixhead.data.tfds import check_tfds

        check_tfds(entry, data_dir)


def reads_tfds(name: str, data_dir: str | None = None) -> bool:
    """Returns whether a data set is read by TensorFlow Datasets: neither packed, nor in the cache, nor embedded.

    Example:
        >>> reads_tfds("digits")
        False
    """
    if is_folder(name):  # of images, or packed
        return False
    entry = describe(name, data_dir)
    if entry.packed is not None or entry.probe_url is None or array_files(entry, data_folder_of(data_dir)) is not None:
        return False
    state = cache.source_state(entry, data_dir)
    return state is None or cache.find(name, data_dir, state) is None


def read_whole(name: str, data_dir: str | None = None, image_size: int | str | None = None, fit: str | None = None,
               skip_broken: bool = False, grey: bool = False,
               decoding: str | None = None) -> tuple[WholeSet, PackedIndex | None]:
    """Returns a data set with its whole training part, and the index of the packed files that it came from, if any.

    With `grey`, the pictures of a folder are read as levels of grey; other sets are read as they are.

    Sets prepared by TensorFlow Datasets are cached, and read from the cache the next time.

    Raises:
        DataError: if the data are missing, cannot be read, or do not match their own description.
        DependencyError: if a package that reads them is not installed.
    """
    entry = describe(name, data_dir, image_size=image_size, fit=fit, decoding=decoding)
    if entry.packed is not None:
        parts, label_names = import_object(entry.loader)(entry, data_dir)
        return WholeSet(name, entry, parts, label_names), read_index(Path(entry.packed))
    if entry.has_vectors:
        return WholeSet(name, entry, *import_object(entry.loader)(entry)), None
    if is_folder(name):
        shape = (*entry.image_shape[:2], 1 if grey else 3)
        asked = dataclasses.replace(entry, skip_broken=skip_broken, image_shape=shape)
        return WholeSet(name, *read_image_folder(asked)), None
    before = cache.source_state(entry, data_dir)
    if before is not None and (folder := cache.find(name, data_dir, before)) is not None:
        try:
            return cache.read(name, folder)
        except DataError as error:
            _log.warning("%s The cache is being rebuilt.", error.what)
            cache.remove(folder)
    parts, label_names = import_object(entry.loader)(entry, data_dir)
    entry = describe(name, data_dir, image_size=image_size, fit=fit)  # again: the set may just have been prepared
    whole = WholeSet(name, entry, parts, label_names)
    after = cache.source_state(entry, data_dir)
    if after is not None and before in (None, after):  # otherwise the files changed while they were being read
        cache.store(whole, data_dir, after)
    return whole, None
