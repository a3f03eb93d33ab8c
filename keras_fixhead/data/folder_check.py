"""Looks at every picture of a data set, and reports everything that is wrong with it at once."""
import hashlib
import io
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.layout import Layout, find_layout
from keras_fixhead.data.pictures import MIN_SIDE, PictureForm, decode_picture, fit_picture, readable_formats
from keras_fixhead.errors import DataError
from keras_fixhead.hardware import cpu_count

FEW = 10
"""A class with fewer training pictures than this is named."""
THUMBNAIL = PictureForm(64, 64, "pad")
_AHEAD = 16


@dataclass(frozen=True)
class SeenPicture:
    """A picture that was looked at.

    Attributes:
        part, label: where it lies.
        digest: SHA-256 of the file.
        problem: why it cannot be used; None if it can.
        format, mode: Pillow's names for its format and kind of pixels.
        width, height: its size when it is shown upright.
        thumbnail: the whole picture, 64x64, padded with black.
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
    thumbnail: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class FolderReport:
    """What was found in a data set of pictures.

    Attributes:
        path: its path.
        parts: part -> class -> number of pictures that can be used.
        problems: why it cannot be trained on as it is, one line each.
        warnings: what may be a mistake, one line each.
        broken: file -> why it cannot be used.
        duplicates: groups of files with the same content in different splits or classes.
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
    duplicates = _duplicates(seen)
    counts = Counter((each.part, each.label) for each in good)
    parts = {part: {label: counts[part, label] for label in classes} for part, classes in layout.parts.items()}
    problems = [_line(each) for each in layout.problems]
    if broken:
        problems.append(f"{len(broken)} of {len(seen)} files cannot be used; --skip-broken passes them over.")
    across = sum(len({each.split(": ")[0] for each in group}) > 1 for group in duplicates)
    warnings = [*_few(parts), *([f"{across} pictures are in more than one split, so what is measured was trained on."]
                                if across else []),
                *([f"{len(duplicates) - across} pictures are in more than one class of a split."]
                  if len(duplicates) > across else [])]
    sizes = {name: _three([getattr(each, name) for each in good]) for name in ("width", "height")}
    report = FolderReport(
        str(Path(path).expanduser().absolute()), parts, problems, warnings, broken, duplicates,
        list(map(str, layout.passed_over)), dict(Counter(each.format for each in good).most_common()),
        dict(Counter(each.mode for each in good).most_common()), sizes)
    return report, seen


def sheet_pictures(seen: Sequence[SeenPicture], each_class: int) -> list[SeenPicture]:
    """Returns the first pictures of each class of each part that can be used, for a contact sheet."""
    groups: dict[tuple[str, str], list[SeenPicture]] = defaultdict(list)
    for each in seen:
        if each.thumbnail is not None and len(group := groups[each.part, each.label]) < each_class:
            group.append(each)
    return list(itertools.chain.from_iterable(groups.values()))


def _seen_pictures(layout: Layout) -> Iterator[SeenPicture]:
    """Yields every picture, decoded by a bounded pool of threads."""
    waiting = ((part, label, file) for part, classes in layout.parts.items() for label, files in classes.items()
               for file in files)
    with ThreadPoolExecutor(cpu_count()) as pool:
        while chunk := list(itertools.islice(waiting, _AHEAD * cpu_count())):
            yield from pool.map(lambda each: _seen(*each), chunk)


def _seen(part: str, label: str, file: Path) -> SeenPicture:
    from PIL import Image

    try:
        content = file.read_bytes()
    except OSError as error:
        return SeenPicture(part, label, file, "", f"cannot be read: {error.strerror}")
    digest = hashlib.sha256(content).hexdigest()
    try:
        pixels = decode_picture(content, str(file))
    except DataError:
        return SeenPicture(part, label, file, digest, "is empty" if not content else "is not a readable picture")
    height, width = pixels.shape[:2]
    with Image.open(io.BytesIO(content), formats=readable_formats()) as picture:
        form, mode = picture.format or "", picture.mode
    small = min(height, width) < MIN_SIDE
    problem = f"has {width}x{height} pixels; each side needs at least {MIN_SIDE}" if small else None
    return SeenPicture(part, label, file, digest, problem, form, mode, width, height, fit_picture(pixels, THUMBNAIL))


def _duplicates(seen: Sequence[SeenPicture]) -> list[list[str]]:
    """Groups of 'part: file' with the same content, in different parts or classes."""
    groups: dict[str, list[SeenPicture]] = defaultdict(list)
    for each in seen:
        if each.digest:
            groups[each.digest].append(each)
    return [[f"{each.part}: {each.file}" for each in group] for group in groups.values()
            if len({(each.part, each.label) for each in group}) > 1]


def _few(parts: dict[str, dict[str, int]]) -> list[str]:
    part, classes = next(iter(parts.items()), ("", {}))
    found = [f"{label} ({count})" for label, count in classes.items() if count < FEW]
    return [f"{len(found)} classes have fewer than {FEW} pictures in {part}: {', '.join(found)}."] if found else []


def _three(values: list[int]) -> list[int]:
    return [min(values), int(np.median(values)), max(values)] if values else []


def _line(error: DataError) -> str:
    return f"{error.what} {error.hint}" if error.hint else error.what
