"""Data on which a trained model is measured although it was not trained on them, in the form that it takes."""
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from keras_fixhead.data.class_map import ClassMap, match_classes
from keras_fixhead.data.dataset import Dataset, Split
from keras_fixhead.data.image_folder import read_to_measure
from keras_fixhead.data.layout import WHOLE, find_layout
from keras_fixhead.data.open_images.manifest import built_note
from keras_fixhead.data.pictures import PictureForm, fit_picture
from keras_fixhead.data.reading import load_dataset
from keras_fixhead.data.sources import has_vectors, is_folder, packed_folder
from keras_fixhead.errors import ArgumentError


def outside_dataset(name: str, data_dir: str | None, form: PictureForm, skip_broken: bool = False) -> Dataset:
    """Returns a whole data set, to be measured on.

    There is nothing to train, so nothing is held out. All pictures of a folder without parts are in 'test'; without a
    test part, 'test' are those of the validation part, or else all. Images of other data sets keep their size (see
    `resized`).

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
    parts, label_names, refused = read_to_measure(name, form, skip_broken=skip_broken)
    splits = {part: split.loaded() for part, split in parts.items()}
    measured = measured_part(splits)
    nothing = splits[measured].take(np.arange(0))
    train, validation = (nothing if part == measured else splits.get(part, nothing) for part in ("train", "validation"))
    return Dataset(name, train, validation, splits[measured], label_names, np.zeros(form.channels),
                   np.ones(form.channels), skipped=len(refused))


def measured_part(parts: Collection[str]) -> str:
    """Returns which part of a folder a model is measured on.

    Example:
        >>> measured_part(["train", "validation"]), measured_part(["all"])
        ('validation', 'all')
    """
    return next(part for part in ("test", "validation", WHOLE, "train") if part in parts)


def check_measurable(name: str) -> None:
    """Raises a DataError unless a folder or list of pictures can be measured on, without reading any."""
    find_layout(name, to_train=False).checked()


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
    part = measured_part(find_layout(name, to_train=False).parts) if is_image_folder(name) else "test"
    return [*([gathered] if gathered else []), *([f"The data are {data.subset}."] if data.subset else []),
            *([f"Measured on its {part} part: it has no test part."] if part in ("validation", "train") else [])]


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
