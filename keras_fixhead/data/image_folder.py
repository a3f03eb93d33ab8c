"""Folders of images as data sets, with one subfolder per class: their entries, files and images."""
import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DatasetEntry, own_entry
from keras_fixhead.data.choice import hold_out_test
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.pictures import ENDINGS, MIN_SIDE, PictureForm, decode_picture, fit_picture, picture_sides
from keras_fixhead.errors import DataError

FOLDER_TEST_SHARE = 5
"""One in this many pictures is held out for testing if a folder has no test part."""
_REPORTED = 10


@functools.lru_cache(maxsize=8)
def folder_entry(folder: str, image_size: int | str | None, fit: str) -> DatasetEntry:
    """Returns the entry of a folder of images, from its file names and the size of its first picture.

    Args:
        folder: its path.
        image_size: size that pictures get: the side of a square, or 'WIDTHxHEIGHT'; None for that of the first picture.
        fit: how they are fitted to it.

    Raises:
        DataError: if it is not a folder of images.
    """
    parts = folder_files(folder)
    counts = {part: sum(map(len, classes.values())) for part, classes in parts.items()}
    classes = next(iter(parts.values()))
    height, width = (_side(classes),) * 2 if image_size is None else picture_sides(image_size)
    test = counts.get("test", counts.get("all", 0) // FOLDER_TEST_SHARE)
    train = counts.get("train", counts.get("all", 0) - test)
    return dataclasses.replace(
        own_entry(f"the folder of images {folder}", height, width), source=folder, num_classes=len(classes),
        train=train - train // 10, validation=train // 10, test=test, label_names=tuple(classes),
        resize=image_size is not None, fit=fit)


def folder_files(folder: str) -> dict[str, dict[str, list[Path]]]:
    """Returns part -> class -> files of a folder of images, sorted by name.

    The parts are 'train' and 'test' if the folder has both, otherwise the single part 'all'. Files whose names start
    with a dot are left out.

    Raises:
        DataError: if there are no such subfolders, there are files other than pictures, or the parts have different
            classes.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise DataError(f"The folder of images {root} does not exist.",
                        hint="Give a data set's name (fixhead list datasets), or a folder with one subfolder per "
                        "class.")
    names = {each.name for each in _subfolders(root)}
    if names == {"train", "test"}:
        parts = {part: _classes(root / part) for part in ("train", "test")}
        if extra := sorted(parts["test"].keys() ^ parts["train"].keys()):
            raise DataError(f"{root / 'train'} and {root / 'test'} have different classes: only one of them has "
                            f"{', '.join(extra[:5])}.")
        return parts
    return {"all": _classes(root)}


def load_image_folder(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' and 'test' of a folder of images, and its label names.

    If the folder has no parts, a test part is held out, stratified, with a constant seed. Pictures of other sizes than
    the entry's are fitted to it (see `pictures.PictureForm`); if no size was requested, all pictures must have the size
    of the first one.

    Args:
        entry: from `folder_entry`.
        data_dir: not used.

    Raises:
        DataError: for files that cannot be read, are too small or, if no size was requested, have a different size; it
            names each of them.
    """
    parts = folder_files(str(entry.source))
    form = PictureForm(entry.image_shape[0], entry.image_shape[1], entry.fit)
    splits = {part: _read(classes, form, entry.resize) for part, classes in parts.items()}
    if "all" in splits:
        splits["train"], splits["test"] = hold_out_test(splits["all"], entry.test)
    return {part: splits[part] for part in ("train", "test")}, tuple(next(iter(parts.values())))


def sample_files(folder: str, count: int) -> list[Path]:
    """Returns at most `count` pictures of a folder of images, spread evenly over its parts and classes.

    Raises:
        DataError: if it is not a folder of images.
    """
    files = [file for classes in folder_files(folder).values() for some in classes.values() for file in some]
    step = max(1, -(-len(files) // count))
    return files[::step]


def _classes(folder: Path) -> dict[str, list[Path]]:
    classes = {each.name: _pictures(each) for each in _subfolders(folder)}
    if len(classes) < 2:
        raise DataError(f"{folder} has {len(classes)} subfolders; a folder of images needs one subfolder per class, "
                        "at least 2.",
                        hint="Expected FOLDER/CLASS/PICTURE, or FOLDER/train/CLASS/PICTURE and FOLDER/test/....")
    return classes


def _subfolders(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
    others = [each for each in files if each.suffix.lower() not in ENDINGS]
    if others:
        raise DataError(f"{others[0]} does not have the name of a picture ({len(others)} such files in {folder}).",
                        hint=f"Known endings: {', '.join(ENDINGS)}.")
    if len(files) < 2:
        raise DataError(f"{folder} has {len(files)} pictures; a class needs at least 2.")
    return files


def _side(classes: Mapping[str, list[Path]]) -> int:
    """Returns the side of the first picture, which must be square."""
    from PIL import Image

    first = next(iter(classes.values()))[0]
    try:
        with Image.open(first) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError):
        raise DataError(f"{first} is not a readable picture.") from None
    if width != height:
        raise DataError(f"{first} has {width}x{height} pixels and is not square.",
                        hint="Give --image-size, the size that pictures get: 64 for squares, or 96x64.")
    return width


def _read(classes: dict[str, list[Path]], form: PictureForm, resize: bool) -> Split:
    images, labels, used, refused = [], [], [], []
    for label, files in enumerate(classes.values()):
        for file in files:
            try:
                image = decode_picture(file.read_bytes(), str(file))
                _check_size(image, form, resize, file)
                images.append(fit_picture(image, form))
                labels.append(label)
                used.append(str(file))
            except (DataError, OSError) as error:
                refused.append(error.what if isinstance(error, DataError) else f"{file} cannot be read: {error}.")
    if refused:
        more = f" And {len(refused) - _REPORTED} more." if len(refused) > _REPORTED else ""
        raise DataError(f"{len(refused)} of {len(refused) + len(images)} files cannot be used. "
                        + " ".join(refused[:_REPORTED]) + more,
                        hint="Fix or remove them" + ("." if resize else ", or give --image-size."))
    return Split(np.stack(images), np.array(labels, np.int32), np.array(used))


def _check_size(image: NDArray[np.uint8], form: PictureForm, resize: bool, file: Path) -> None:
    height, width = image.shape[:2]
    if not resize and (height, width) != (form.height, form.width):
        raise DataError(f"{file} has {width}x{height} pixels, not the {form.width}x{form.height} of the first picture.")
    if min(height, width) < MIN_SIDE:
        raise DataError(f"{file} has {width}x{height} pixels; each side needs at least {MIN_SIDE}.")
