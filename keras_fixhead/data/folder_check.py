"""Looks at every picture of a data set, and reports everything that is wrong with it at once."""
import hashlib
import io
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.ahead import mapped_ahead
from keras_fixhead.data.dataset import SPLITS
from keras_fixhead.data.layout import WHOLE, Layout, find_layout
from keras_fixhead.data.pictures import MIN_SIDE, PictureForm, decode_picture, fit_picture, readable_formats
from keras_fixhead.errors import DataError
from keras_fixhead.wording import count_text

FEW = 10
"""A class with fewer training pictures than this is named."""
THUMBNAIL = PictureForm(64, 64, "pad")
FLAT_LEVELS = 16
"""The levels of grey of a picture of which hardly anything is seen: 12 bits that are stored as 16 have as many."""


@dataclass(frozen=True)
class SeenPicture:
    """A picture that was looked at.

    Attributes:
        part, label: where it lies.
        digest: SHA-256 of the file.
        problem: why it cannot be used; None if it can.
        format, mode: Pillow's names for its format and kind of pixels.
        width, height: its size when it is shown upright.
        flat: whether all of its pixels have nearly the same level.
    """

    part: str
    label: str
    file: Path
    digest: str
    problem: str | None = None
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    flat: bool = False


@dataclass(frozen=True)
class FolderReport:
    """What was found in a data set of pictures.

    Attributes:
        path: its path.
        parts: part -> class -> number of pictures that can be used.
        problems: why it cannot be trained on as it is, one line each.
        warnings: what may be a mistake, one line each.
        broken: file -> why it cannot be used.
        duplicates: groups of files with the same content, as far as it matters where they are.
        passed_over: files and folders that are not read.
        formats, modes: format or kind of pixels -> number of pictures.
        sizes: smallest, median and largest width and height.
    """

    path: str
    parts: dict[str, dict[str, int]]
    problems: list[str]
    warnings: list[str]
    broken: dict[str, str]
    duplicates: list[list[str]]
    passed_over: list[str]
    formats: dict[str, int]
    modes: dict[str, int]
    sizes: dict[str, list[int]]

    @property
    def ok(self) -> bool:
        """Whether it can be trained on as it is."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields, and `ok`, as a dictionary."""
        return {"ok": self.ok, **asdict(self)}


def check_folder(path: str) -> tuple[FolderReport, list[SeenPicture]]:
    """Returns a report on a folder or list of pictures, and every picture, in the order of parts, classes and names.

    Args:
        path: as for `layout.find_layout`.

    Raises:
        DataError: if it does not exist, or has no pictures.
    """
    layout = find_layout(path)
    if not any(files for classes in layout.parts.values() for files in classes.values()):
        layout.checked()  # there is nothing to look at
    seen = list(_seen_pictures(layout))
    broken = {str(each.file): each.problem for each in seen if each.problem is not None}
    good = [each for each in seen if each.problem is None]
    duplicates = _duplicates(seen, _held_out_of(layout))
    counts = Counter((each.part, each.label) for each in good)
    parts = {part: {label: counts[part, label] for label in classes} for part, classes in layout.parts.items()}
    problems = [_line(each) for each in layout.problems]
    if broken:
        problems.append(f"{len(broken)} of {len(seen)} files cannot be used; --skip-broken passes them over.")
        problems += _too_few(layout, path, {each.file for each in good})
    warnings = [*_few(parts), *_copied(duplicates), *_flat(good)]
    sizes = {name: _three([getattr(each, name) for each in good]) for name in ("width", "height")}
    report = FolderReport(
        str(Path(path).expanduser().absolute()), parts, problems, warnings, broken,
        [[f"{each.part}: {each.file}" for each in group] for group in duplicates],
        [str(each) for each in layout.passed_over], dict(Counter(each.format for each in good).most_common()),
        dict(Counter(each.mode for each in good).most_common()), sizes)
    return report, seen


def sheet_pictures(seen: Sequence[SeenPicture], each_class: int) -> list[SeenPicture]:
    """Returns the first pictures of each class of each part that can be used, for a contact sheet."""
    groups: dict[tuple[str, str], list[SeenPicture]] = defaultdict(list)
    for each in seen:
        if each.problem is None and len(group := groups[each.part, each.label]) < each_class:
            group.append(each)
    return list(itertools.chain.from_iterable(groups.values()))


def thumbnail(seen: SeenPicture) -> NDArray[np.uint8]:
    """Returns the whole picture, 64x64, padded with black; it is read again.

    Raises:
        DataError: if it can no longer be read.
    """
    try:
        return fit_picture(decode_picture(seen.file.read_bytes(), str(seen.file)), THUMBNAIL)
    except OSError as error:
        raise DataError(f"{seen.file} cannot be read: {error.strerror}.") from None


def _seen_pictures(layout: Layout) -> Iterator[SeenPicture]:
    """Yields every picture, decoded by a bounded pool of threads."""
    where = ((part, label, file) for part, classes in layout.parts.items() for label, files in classes.items()
             for file in files)
    return mapped_ahead(lambda each: _seen(*each), where)


def _seen(part: str, label: str, file: Path) -> SeenPicture:
    from PIL import Image

    try:
        content = file.read_bytes()
    except OSError as error:
        return SeenPicture(part, label, file, "", f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        pixels = decode_picture(content, str(file))
    except DataError as error:
        why = error.what.removeprefix(f"{file} ").rstrip(".")
        return SeenPicture(part, label, file, digest, why if content else "is empty")
    height, width = pixels.shape[:2]
    with Image.open(io.BytesIO(content), formats=readable_formats()) as picture:
        form, mode = picture.format or "", picture.mode
    small = min(height, width) < MIN_SIDE
    problem = f"has {width}x{height} pixels; each side needs at least {MIN_SIDE}" if small else None
    flat = int(pixels.max()) - int(pixels.min()) < FLAT_LEVELS
    return SeenPicture(part, label, file, digest, problem, form, mode, width, height, flat)


def _held_out_of(layout: Layout) -> str | None:
    """The part of which training itself holds some pictures out, for testing or validation; None if it is given both.

    Pictures of a split 'train' with a split for testing only are trained on, or chosen by.
    """
    given = layout.parts.keys()
    return next((part for part in ("train", WHOLE) if part in given), None) if given != set(SPLITS) else None


def _duplicates(seen: Sequence[SeenPicture], held_out_of: str | None) -> list[list[SeenPicture]]:
    """Groups of pictures with the same content, in different parts or classes, or in a part that is divided."""
    groups: dict[str, list[SeenPicture]] = defaultdict(list)
    for each in seen:
        if each.digest:
            groups[each.digest].append(each)
    return [group for group in groups.values() if len({(each.part, each.label) for each in group}) > 1
            or (len(group) > 1 and group[0].part == held_out_of)]


def _copied(duplicates: Sequence[Sequence[SeenPicture]]) -> Iterator[str]:
    splits = sum(len({each.part for each in group}) > 1 for group in duplicates)
    copies = sum(len({(each.part, each.label) for each in group}) == 1 for group in duplicates)
    if splits:
        yield f"{count_text(splits, 'picture', 'is')} in more than one split, so what is measured was trained on."
    if count := len(duplicates) - splits - copies:
        yield f"{count_text(count, 'picture', 'is')} in more than one class of a split."
    if copies:
        yield (f"{count_text(copies, 'picture', 'is')} more than once in a class: one copy may be held out for testing "
               "or validation, and another trained on.")


def _flat(good: Sequence[SeenPicture]) -> Iterator[str]:
    flat = [each for each in good if each.flat]
    if flat:
        yield (f"{count_text(len(flat), 'picture', 'has')} nearly one level of grey, such as {flat[0].file}. Files of "
               "16 bits with fewer bits in them become black: convert them to 8 bits.")


def _too_few(layout: Layout, path: str, usable: set[Path]) -> list[str]:
    """Why it cannot be trained on even with --skip-broken."""
    try:
        layout.check_usable(path, usable)
    except DataError as error:
        return [_line(error)]
    return []


def _few(parts: dict[str, dict[str, int]]) -> list[str]:
    part, classes = next(iter(parts.items()), ("", {}))
    found = [f"{label} ({count})" for label, count in classes.items() if count < FEW]
    if not found:
        return []
    return [f"{count_text(len(found), 'class', 'has')} fewer than {FEW} pictures in {part}: {', '.join(found)}."]


def _three(values: list[int]) -> list[int]:
    return [min(values), int(np.median(values)), max(values)] if values else []


def _line(error: DataError) -> str:
    return f"{error.what} {error.hint}" if error.hint else error.what
