"""Folders of images as data sets: one subfolder a class."""
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.dataset import Split, held_out
from keras_fixhead.data.pictures import decode_picture, fit_picture, training_form
from keras_fixhead.data.sources import folder_files
from keras_fixhead.errors import DataError

MIN_SIDE = 8
_REPORTED = 10


def load_image_folder(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' and 'test' of a folder of images, and its label names.

    A folder without parts has a test part held out, class-balanced, by a constant seed. Pictures of another size than
    the entry's are cut to a square in their middle and resized, with anti-aliasing; where the entry's size is that of
    the first picture, all must have it.

    Args:
        entry: of `sources.describe`, with the folder and the size of its images.
        data_dir: not used.

    Raises:
        DataError: for files that cannot be read or are too small, each by its name; and for sizes that differ, where
            no size was asked for.
    """
    parts = folder_files(str(entry.source))
    splits = {part: _read(classes, entry.image_shape[0], entry.resize) for part, classes in parts.items()}
    if "all" in splits:
        splits["train"], splits["test"] = held_out(splits["all"], entry.test, part=0)
    return {part: splits[part] for part in ("train", "test")}, tuple(next(iter(parts.values())))


def _read(classes: dict[str, list[Path]], side: int, resize: bool) -> Split:
    images, labels, refused = [], [], []
    for label, files in enumerate(classes.values()):
        for file in files:
            try:
                image = decode_picture(file.read_bytes(), str(file))
                _check_size(image, side, resize, file)
                images.append(fit_picture(image, training_form(side)))
                labels.append(label)
            except (DataError, OSError) as error:
                refused.append(error.what if isinstance(error, DataError) else f"{file} cannot be read: {error}.")
    if refused:
        more = f" And {len(refused) - _REPORTED} more." if len(refused) > _REPORTED else ""
        raise DataError(f"{len(refused)} of {len(refused) + len(images)} files cannot be used. "
                        + " ".join(refused[:_REPORTED]) + more,
                        hint="Fix or remove them" + ("." if resize else ", or give --image-size."))
    return Split(np.stack(images), np.array(labels, np.int32))


def _check_size(image: NDArray[np.uint8], side: int, resize: bool, file: Path) -> None:
    height, width = image.shape[:2]
    if not resize and (height, width) != (side, side):
        raise DataError(f"{file} has {width}x{height} pixels, not the {side}x{side} of the first picture.")
    if min(height, width) < MIN_SIDE:
        raise DataError(f"{file} has {width}x{height} pixels; {MIN_SIDE} or more are needed along each side.")
