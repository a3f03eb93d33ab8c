"""Data sets as uint8 arrays in memory, their parts, and their augmentation. NumPy only, but for reading TFDS files."""
import dataclasses
import logging
from collections.abc import Sequence

import numpy as np

from keras_fixhead.data.augmentation import Augmentation, augment, epoch_order
from keras_fixhead.data.dataset import (
    SPLITS,
    Dataset,
    Split,
    balanced_choice,
    long_tail_choice,
    pixel_statistics,
)
from keras_fixhead.data.reading import read_whole, reads_tfds
from keras_fixhead.data.sources import chosen_labels, describe

__all__ = ["SPLITS", "Augmentation", "Dataset", "Split", "augment", "check_available", "choose_classes", "epoch_order",
           "limit_train", "load_dataset", "long_tail", "pixel_statistics", "reads_tfds"]

_log = logging.getLogger(__name__)


def load_dataset(name: str, data_dir: str | None = None, *, image_size: int | None = None,
                 hold_out: bool = True) -> Dataset:
    """Returns a data set, with a validation part held out of its training images.

    Args:
        name: a name in the catalogue of data sets ('digits', 'cifar10', 'cifar100', 'stl10', 'tiny_imagenet',
            'fashion_mnist', 'cifar10_1'), or the path of a packed set, or of a folder of images with one subfolder a
            class.
        data_dir: folder of packed or prepared data sets; None for $TFDS_DATA_DIR, then TensorFlow Datasets' own.
        image_size: side of the images that a folder's pictures are made into; None for that of its first picture,
            which all must have.
        hold_out: False to leave the validation part among the training images.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
        DataError: if the data are not there, cannot be downloaded or read, or are not what they say they are.

    Example:
        >>> dataset = load_dataset("digits")
        >>> len(dataset.train), len(dataset.validation), len(dataset.test)
        (1257, 180, 360)
    """
    whole, known = read_whole(name, data_dir, image_size)
    if whole.subset:
        _log.warning("The data at hand are %s.", whole.subset)
    return whole.dataset(hold_out, None if known is None else known.view(hold_out))


def check_available(name: str, data_dir: str | None = None, *, image_size: int | None = None) -> None:
    """Raises a DataError if a data set is neither here nor can be downloaded; quick, and without a framework.

    Example:
        >>> check_available("digits")
    """
    entry = describe(name, data_dir, image_size=image_size)
    if entry.probe_url is not None:
        from keras_fixhead.data.tfds import check_tfds

        check_tfds(entry, data_dir)


def choose_classes(dataset: Dataset, classes: str | None) -> Dataset:
    """Returns the data set with some of its classes, by the names of classes or groups with commas between them.

    Labels are counted anew, in the same order. Mean and standard deviation stay those of the whole training part.

    Raises:
        ArgumentError: (a ValueError) for an unknown name, or fewer than two classes.

    Example:
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


def _only(split: Split, labels: Sequence[int], num_classes: int) -> Split:
    new = np.full(num_classes, -1, np.int32)
    new[list(labels)] = np.arange(len(labels))
    kept = split.take(np.flatnonzero(new[split.labels] >= 0))
    return Split(kept.images, new[kept.labels])


def limit_train(dataset: Dataset, count: int | None) -> Dataset:
    """Returns the data set with `count` training images, class-balanced; all of them where there are fewer.

    Mean and standard deviation stay those of the whole training part.
    """
    if count is None or count >= len(dataset.train):
        return dataset
    return dataclasses.replace(
        dataset, train=dataset.train.take(balanced_choice(dataset.train.labels, count, part=2)))


def long_tail(dataset: Dataset, ratio: float) -> Dataset:
    """Returns the data set with a long-tailed training part: the first class is `ratio` times as large as the last.

    Example:
        >>> np.bincount(long_tail(load_dataset("digits"), 10.0).train.labels).tolist()
        [121, 94, 73, 56, 43, 34, 26, 20, 16, 12]
    """
    if ratio == 1:
        return dataset
    return dataclasses.replace(
        dataset, train=dataset.train.take(long_tail_choice(dataset.train.labels, ratio, part=3)))
