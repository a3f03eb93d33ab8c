"""Folders and lists of pictures as data sets: their entries, files and images."""
import dataclasses
import functools
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DatasetEntry, own_entry
from keras_fixhead.data.choice import chosen_labels, hold_out_test
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.layout import WHOLE, Layout, find_layout
from keras_fixhead.data.pictures import MIN_SIDE, UNREADABLE, PictureForm, picture_sides, upright_picture
from keras_fixhead.data.pixel_cache import decode_files
from keras_fixhead.data.rows import Rows
from keras_fixhead.errors import DataError

FOLDER_TEST_SHARE = 5
"""One in this many pictures is held out for testing if there is no test part."""
VALIDATION_SHARE = 10
_REPORTED = 10

_log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=8)
def folder_entry(folder: str, image_size: int | str | None, fit: str, decoding: str) -> DatasetEntry:
    """Returns the entry of a folder or list of pictures, from its file names and the size of its first picture.

    Args:
        folder: its path.
        image_size: size that pictures get: the side of a square, or 'WIDTHxHEIGHT'; None for that of the first picture.
        fit: how they are fitted to it.
        decoding: how JPEG files are decoded.

    Raises:
        DataError: if it is not a folder or list of pictures.
    """
    layout = find_layout(folder).checked()
    height, width = _size(layout) if image_size is None else picture_sides(image_size)
    train, validation, test = _counts(layout)
    return dataclasses.replace(
        own_entry(f"the pictures in {folder}", height, width), source=folder, num_classes=len(layout.label_names),
        train=train, validation=validation, test=test, label_names=layout.label_names, resize=image_size is not None,
        fit=fit, decoding=decoding, own_validation="validation" in layout.parts)


def _counts(layout: Layout) -> tuple[int, int, int]:
    """The numbers of pictures to train, validate and test, with those that are held out."""
    counts = {part: sum(map(len, classes.values())) for part, classes in layout.parts.items()}
    rest = counts.get("train", counts.get(WHOLE, 0))
    test = counts.get("test", rest // FOLDER_TEST_SHARE)
    train = rest if "test" in counts else rest - test
    validation = counts.get("validation", train // VALIDATION_SHARE)
    return train if "validation" in counts else train - validation, validation, test


def folder_files(folder: str) -> dict[str, dict[str, list[Path]]]:
    """Returns part -> class -> files of a folder or list of pictures, sorted by name (see `layout.Layout`).

    Raises:
        DataError: if it cannot be used as a data set; all reasons are named.
    """
    return find_layout(folder).checked().parts


def sample_files(folder: str, count: int, classes: str | None = None) -> list[Path]:
    """Returns at most `count` pictures of a folder of images, spread evenly over its parts and classes.

    Pictures that cannot be used are skipped: the next one that can is taken instead.

    Args:
        folder: its path.
        count: the most pictures.
        classes: names of classes, separated by commas; None for all.

    Raises:
        DataError: if it is not a folder of images.
    """
    layout = find_layout(folder).checked()
    names = layout.label_names
    wanted = set(names) if classes is None else {names[label] for label in chosen_labels(names, {}, classes)}
    files = [file for each in layout.parts.values() for name, some in each.items() if name in wanted for file in some]
    step = max(1, -(-len(files) // count))
    some = (next(filter(_usable, files[start : start + step]), None) for start in range(0, len(files), step))
    return [file for file in some if file is not None]


def read_image_folder(entry: DatasetEntry) -> tuple[DatasetEntry, dict[str, Split], tuple[str, ...]]:
    """Returns a folder's entry with the numbers of pictures that were read, its 'train' and 'test', and label names.

    If there is no test part, one is held out, stratified, with a constant seed; if there is a validation part, its
    pictures stand at the end of the training part (`entry.own_validation`). Pictures of other sizes than the entry's
    are fitted to it (see `pictures.PictureForm`); if no size was requested, all must have the size of the first one.
    Files that are not pictures, and class folders without pictures, are skipped, with a warning.

    Args:
        entry: from `folder_entry`; with `skip_broken`, pictures that cannot be used are skipped as well.

    Raises:
        DataError: for pictures that cannot be read, are too small or, if no size was requested, have a different size;
            it names each of them. With `skip_broken`, for classes of which hardly any picture can be used. If files
            were added or removed since the entry was made.
    """
    try:
        return _read(entry)
    except DataError:
        folder_entry.cache_clear()  # what is fixed now is looked at again
        raise


def _read(entry: DatasetEntry) -> tuple[DatasetEntry, dict[str, Split], tuple[str, ...]]:
    layout = find_layout(str(entry.source)).checked()
    if (layout.label_names, *_counts(layout)) != (entry.label_names, entry.train, entry.validation, entry.test):
        raise DataError(f"The pictures of {entry.source} have changed since they were first looked at.",
                        hint="Read them again.")
    _warn_of(layout)
    form = PictureForm.of(entry.image_shape, entry.fit, entry.decoding)
    splits, refused = _splits(layout, str(entry.source), form, any_size=entry.resize, skip_broken=entry.skip_broken)
    if refused:
        usable = {Path(file) for each in splits.values() for file in (() if each.files is None else each.files)}
        layout.check_usable(str(entry.source), usable)
    return _as_read(entry, splits, refused), _joined(splits, entry), layout.label_names


def read_to_measure(folder: str, form: PictureForm, *,
                    skip_broken: bool) -> tuple[dict[str, Split], tuple[str, ...], tuple[str, ...]]:
    """Returns the parts of a folder or list of pictures that a model is measured on, and not trained.

    Nothing is held out, and it may have any number of classes and pictures (see `layout.find_layout`).

    Args:
        folder: its path.
        form: how the model's pictures become arrays.
        skip_broken: whether pictures that cannot be used are skipped.

    Returns:
        part -> its pictures, class by class; the names of the classes; and why pictures were skipped.

    Raises:
        DataError: if it is not a folder of pictures, or one of them cannot be used.
    """
    layout = find_layout(folder, to_train=False).checked()
    _warn_of(layout)
    splits, refused = _splits(layout, folder, form, any_size=True, skip_broken=skip_broken)
    return splits, layout.label_names, refused


def _splits(layout: Layout, source: str, form: PictureForm, *, any_size: bool,
            skip_broken: bool) -> tuple[dict[str, Split], tuple[str, ...]]:
    """The pictures of each part that can be used, and why others cannot."""
    parts = {part: _labelled(list(classes.values())) for part, classes in layout.parts.items()}
    files = [file for some, _ in parts.values() for file in some]
    decoded = decode_files(files, form, any_size=any_size)
    if decoded.refused and not skip_broken:
        raise DataError(_refused(decoded.refused, len(files)), hint=_way_out(source, any_size, len(decoded.refused)))
    if decoded.refused:
        _log.warning("%s", _refused(decoded.refused, len(files)))
    splits, start = {}, 0
    for part, (some, labels) in parts.items():
        mine = np.flatnonzero((decoded.used >= start) & (decoded.used < start + len(some)))
        own = decoded.used[mine] - start
        images: Any = Rows(decoded.pixels, mine)
        splits[part] = Split(images, labels[own], np.array([str(some[each]) for each in own]))
        start += len(some)
    return splits, decoded.refused


def _usable(file: Path) -> bool:
    try:
        picture = upright_picture(file.read_bytes(), str(file))
        return min(picture.rows, picture.columns) >= MIN_SIDE
    except (OSError, DataError):
        return False


def _labelled(classes: Sequence[list[Path]]) -> tuple[list[Path], NDArray[np.int32]]:
    files = [file for some in classes for file in some]
    return files, np.repeat(np.arange(len(classes), dtype=np.int32), [len(some) for some in classes])


def _refused(reasons: Sequence[str], count: int) -> str:
    more = f" And {len(reasons) - _REPORTED} more." if len(reasons) > _REPORTED else ""
    return f"{len(reasons)} of {count} files cannot be used. {' '.join(reasons[:_REPORTED])}{more}"


def _way_out(source: str, any_size: bool, count: int) -> str:
    fix = "Fix or remove them, or skip them with --skip-broken"
    if not any_size:
        return f"{fix}; or give --image-size."
    whole_list = f". To list all of them: fixhead data check {shlex.quote(source)} --json"
    return fix + (whole_list if count > _REPORTED else ".")


def _warn_of(layout: Layout) -> None:
    if passed := layout.passed_over:
        more = f" and {len(passed) - _REPORTED} more" if len(passed) > _REPORTED else ""
        _log.warning("Skipped, without pictures: %s%s.", ", ".join(map(str, passed[:_REPORTED])), more)


def _joined(splits: dict[str, Split], entry: DatasetEntry) -> dict[str, Split]:
    """The parts 'train', with a validation part at its end, and 'test'."""
    train = splits.get("train", splits.get(WHOLE))
    assert train is not None
    if (test := splits.get("test")) is None:
        train, test = hold_out_test(train, min(entry.test, len(train) // FOLDER_TEST_SHARE))
    if (validation := splits.get("validation")) is not None:
        train = train.followed_by(validation)
    return {"train": train, "test": test}


def _as_read(entry: DatasetEntry, splits: dict[str, Split], refused: tuple[str, ...]) -> DatasetEntry:
    if not refused:
        return entry
    parts = _joined(splits, entry)
    train, test = len(parts["train"]), len(parts["test"])
    validation = len(splits["validation"]) if entry.own_validation else train // VALIDATION_SHARE
    return dataclasses.replace(entry, train=train - validation, validation=validation, test=test, skipped=refused)


def _size(layout: Layout) -> tuple[int, int]:
    """Returns height and width of the first picture, which must be square."""
    from PIL import Image

    first = next(file for classes in layout.parts.values() for some in classes.values() for file in some)
    try:
        with Image.open(first) as picture:
            width, height = picture.size
    except UNREADABLE:
        raise DataError(f"{first} is not a readable picture.",
                        hint="Fix or remove it, or give --image-size and --skip-broken.") from None
    if width != height:
        raise DataError(f"{first} has {width}x{height} pixels and is not square.",
                        hint="Give --image-size, the size that pictures get: 64 for squares, or 96x64.")
    return height, width
