"""Published files of corrupted images: read as a suite, and written for any data set.

Two layouts are read: CIFAR-10-C's and CIFAR-100-C's `NAME.npy` with one block of images per severity, and
Tiny-ImageNet-C's folders `NAME/SEVERITY/CLASS/`. Published images outrank those made here: they are the benchmark.
"""
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.class_map import find_classes
from keras_fixhead.data.label_names import TINY_IMAGENET
from keras_fixhead.data.pictures import PictureForm, picture_array
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.json_files import read_json
from keras_fixhead.robustness.suites import FILES, SEVERITIES, SUITES, Images, Known, Suite, alexnet
from keras_fixhead.runs.directory import SCHEMA

LABELS = "labels.npy"
MADE = "made.json"
"""Written next to arrays that were made here; published arrays have no such file."""
_PUBLISHED = SUITES["cifar-c"]
_IMAGENET_CLASSES = 1_000
_LAYOUTS = "NAME.npy with a block of images per severity and labels.npy, or folders NAME/SEVERITY/CLASS/"


def published_names(folder: Path) -> tuple[list[str], bool]:
    """Returns the corruptions in a folder, in their usual order, and whether they are .npy files.

    Raises:
        DataError: if it has neither layout.
    """
    arrays = {file.stem for file in folder.glob("*.npy")} - {Path(LABELS).stem}
    pictures = {each.parent.name for each in folder.glob("*/1") if each.is_dir()}
    found = arrays or pictures
    if not found:
        raise DataError(f"{folder} has no corrupted images. Expected {_LAYOUTS}.",
                        hint="Write such a folder: fixhead data corrupt DATASET DIR")
    order = {name: number for number, name in enumerate(_PUBLISHED)}
    return sorted(found, key=lambda name: (order.get(name, len(order)), name)), bool(arrays)


def published_suite(folder: Path, labels: NDArray[np.int32], label_names: Sequence[str],
                    image_shape: Sequence[int]) -> Suite:
    """Returns a folder of corrupted images as a suite with labels of its own.

    The published arrays have the images in another order than TensorFlow Datasets, so the labels are the folder's.

    Args:
        folder: in one of the two layouts.
        labels: labels of the test images, (N,); arrays must have as many images of each class.
        label_names: names of the classes.
        image_shape: (H, W, 3) of the model's images.

    Raises:
        DataError: if it has neither layout, or a file is damaged.
        ArgumentError: (a ValueError) if the images are not those of the test set, or of another size.
    """
    names, arrays = published_names(folder)
    made = read_json(folder / MADE, schema=SCHEMA) if (folder / MADE).is_file() else {}
    suite = SUITES.get(made.get("suite", ""), _PUBLISHED)
    corruptions = {name: Known(main=suite[name].main if name in suite else True,
                               as_published=not made or name not in suite or suite[name].as_published)
                   for name in names}
    if arrays:
        files = {name: _block_file(folder / f"{name}.npy", len(labels), image_shape) for name in names}
        own = _block_labels(folder / LABELS, labels)
        return Suite(folder.name, FILES, corruptions, functools.partial(_block, files, len(own)), labels=own)
    pictures, own = _pictures(folder, names, label_names)
    return Suite(folder.name, FILES, corruptions, functools.partial(_read, pictures, image_shape), labels=own,
                 normaliser=alexnet() if len(np.unique(own)) == _IMAGENET_CLASSES else None)


def _block_file(path: Path, count: int, image_shape: Sequence[int]) -> NDArray[np.uint8]:
    images = _array(path)
    expected = (len(SEVERITIES) * count, *image_shape)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ArgumentError(f"{path} has {images.dtype} values of shape {images.shape}; expected uint8 of shape "
                            f"{expected}: {len(SEVERITIES)} blocks of the {count} test images.",
                            hint="Give the data set that the files were made from: --dataset NAME; files made with "
                            "--limit cannot be measured.")
    return images


def _block_labels(path: Path, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Returns the labels of one block, in the files' order."""
    found = _array(path)
    own = found[: len(labels)]
    if (found.dtype.kind not in "iu" or not np.array_equal(found, np.tile(own, len(SEVERITIES)))
            or not np.array_equal(np.sort(own), np.sort(labels))):
        raise ArgumentError(f"{path} does not have the labels of the {len(labels)} test images, in any order, once per "
                            "severity.", hint="Give the data set that the files were made from: --dataset NAME")
    return np.array(own, np.int32)


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path} is missing.", hint=f"Expected {_LAYOUTS}.") from None
    except (OSError, ValueError, EOFError):
        raise DataError(f"{path} is not a readable .npy file of numbers.", hint="Download or copy it again.") from None


def _block(files: Mapping[str, NDArray[np.uint8]], count: int, images: Images, name: str, severity: int, seed: int,
           start: int) -> Images:
    first = (severity - 1) * count + start
    return np.array(files[name][first : first + len(images)])


def _pictures(folder: Path, names: Sequence[str],
              label_names: Sequence[str]) -> tuple[dict[tuple[str, int], list[Path]], NDArray[np.int32]]:
    """Returns the files of each corruption and severity, by class and name, and their labels, which all share."""
    files: dict[tuple[str, int], list[Path]] = {}
    shared: list[str] | None = None
    for name in names:
        for severity in SEVERITIES:
            found = sorted(each for each in (folder / name / str(severity)).glob("*/*") if each.is_file())
            relative = [f"{each.parent.name}/{each.name}" for each in found]
            shared = relative if shared is None else shared
            if not relative or relative != shared:
                raise DataError(f"{folder / name / str(severity)} does not have the same pictures as the others.",
                                hint=f"Expected {_LAYOUTS}.")
            files[name, severity] = found
    classes = {each.split("/")[0] for each in shared or ()}
    indices = _classes_of(classes, label_names)
    if unknown := sorted(each for each, index in indices.items() if index is None):
        raise ArgumentError(f"{folder} has the class {unknown[0]!r}, which is not one of the run's.",
                            hint="Expected the folders of the run's data set, such as Tiny-ImageNet-C's.")
    return files, np.array([indices[each.split("/")[0]] for each in shared or ()], np.int32)


def _classes_of(folders: Iterable[str], label_names: Sequence[str]) -> dict[str, int | None]:
    """The classes that folders are called after, by their names or their WordNet ids; None for no class."""
    found = find_classes(folders, label_names)
    ids = {each for each, index in found.items() if index is None and each in TINY_IMAGENET}
    by_id = find_classes([TINY_IMAGENET[each] for each in ids], label_names)
    return {**found, **{each: by_id[TINY_IMAGENET[each]] for each in ids}}


def _read(files: Mapping[tuple[str, int], Sequence[Path]], image_shape: Sequence[int], images: Images, name: str,
          severity: int, seed: int, start: int) -> Images:
    form = PictureForm(image_shape[0], image_shape[1])
    chosen = files[name, severity][start : start + len(images)]
    return np.stack([picture_array(file.read_bytes(), str(file), form) for file in chosen])
