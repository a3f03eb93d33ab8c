"""Data on which a trained model is measured although it was not trained on them, in the form that it takes."""
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_fixhead.data.class_map import ClassMap, match_classes
from keras_fixhead.data.dataset import Dataset, Split
from keras_fixhead.data.image_folder import folder_files
from keras_fixhead.data.open_images.manifest import built_note
from keras_fixhead.data.pictures import PictureForm, fit_picture
from keras_fixhead.data.reading import load_dataset
from keras_fixhead.data.sources import has_vectors, is_folder, packed_folder
from keras_fixhead.errors import ArgumentError


def outside_dataset(name: str, data_dir: str | None, form: PictureForm, skip_broken: bool = False) -> Dataset:
    """Returns a whole data set, to be measured on.

    All pictures of a folder without parts are in 'test': there is nothing to train, so none are held out. Images of
    other data sets keep their size (see `resized`).

    Args:
        name: a name in the catalogue, or the path of a folder of images or of a packed set.
        data_dir: folder of packed or prepared data sets.
        form: how the model's pictures become arrays.
        skip_broken: whether pictures of a folder that cannot be used are skipped.

    Raises:
        ArgumentError: (a ValueError) for an unknown name.
        DataError: if the data cannot be found or read.
    """
    if not is_image_folder(name):
        data = load_dataset(name, data_dir)
        if data.has_vectors:
            raise ArgumentError(f"{name} has vectors, but the model takes pictures.",
                                hint="Give a --dataset of pictures.")
        return data
    data = load_dataset(name, data_dir, image_size=f"{form.width}x{form.height}", fit=form.fit,
                        decoding=form.decoding, hold_out=False, grey=form.channels == 1, skip_broken=skip_broken)
    return data if folder_files(name).keys() != {"all"} else _all_test(data)


def fitted(data: Dataset, label_names: Sequence[str],
           mapping: Mapping[str, str | None] | None = None) -> tuple[Dataset, ClassMap]:
    """Returns a data set with a model's classes and labels, and how its classes were matched.

    Images of classes that the model does not have are left out.

    Args:
        data: a data set with images of the model's size.
        label_names: names of the model's classes.
        mapping: name in the data set -> name in the model, or None (see `match_classes`).

    Raises:
        ArgumentError: (a ValueError) if they have no class in common.

    Example:
        >>> data, classes = fitted(load_dataset("digits"), ("seven", "3", "5"), {"7": "seven"})
        >>> sorted(set(data.test.labels.tolist())), len(classes.new)
        ([0, 1, 2], 7)
    """
    classes = match_classes(label_names, data.label_names, mapping)
    if classes.same:
        return data, classes
    return dataclasses.replace(
        data, label_names=classes.run_names, groups={}, train=classes.split(data.train),
        validation=classes.split(data.validation), test=classes.split(data.test)), classes


def resized(split: Split, form: PictureForm) -> Split:
    """Returns the images of a split in a model's size and channels, by the rules for pictures.

    Example:
        >>> images = np.zeros((2, 96, 96, 3), np.uint8)
        >>> resized(Split(images, np.array([0, 1], np.int32)), PictureForm(32, 32)).images.shape
        (2, 32, 32, 3)
    """
    if split.images.shape[1:] == (form.height, form.width, form.channels):
        return split
    images = np.empty((len(split), form.height, form.width, form.channels), np.uint8)
    for index, image in enumerate(split.images):
        images[index] = fit_picture(image, form)
    return dataclasses.replace(split, images=images)


def outside_notes(name: str, data: Dataset) -> list[str]:
    """Returns what is to be said next to numbers measured on a data set: how it was gathered, what it is a part of.

    Example:
        >>> outside_notes("digits", load_dataset("digits"))
        []
    """
    gathered = built_note(name)
    return [*([gathered] if gathered else []), *([f"The data are {data.subset}."] if data.subset else [])]


def is_image_folder(name: str) -> bool:
    """Returns whether a data set's name is the path of a folder of images.

    Example:
        >>> is_image_folder("digits"), is_image_folder("./photographs")
        (False, True)
    """
    return is_folder(name) and packed_folder(name, None) is None and not has_vectors(name)


def is_same_folder(name: str, own: str) -> bool:
    """Returns whether two names of data sets are the same folder.

    Example:
        >>> is_same_folder("./photographs", "photographs/"), is_same_folder("digits", "digits")
        (True, False)
    """
    return is_folder(name) and Path(name).expanduser().resolve() == Path(own).expanduser().resolve()


def _all_test(data: Dataset) -> Dataset:
    """A data set with all images in 'test', class by class and file by file."""
    whole, *others = [part for part in (data.train, data.validation, data.test) if len(part)]
    for part in others:
        whole = whole.followed_by(part)
    nothing = np.arange(0)
    return dataclasses.replace(data, train=data.train.take(nothing), validation=data.validation.take(nothing),
                               test=whole.take(np.lexsort((np.asarray(whole.files), whole.labels))))
