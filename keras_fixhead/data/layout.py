"""Where the pictures of a data set lie: folders of classes, with or without splits, or a list of paths and labels.

    FOLDER/CLASS/.../PICTURE
    FOLDER/train/CLASS/.../PICTURE, FOLDER/val/..., FOLDER/test/...
    LIST.csv or LIST.jsonl, with the columns or keys path, label and, if there are splits, split
"""
import csv
import io
import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_fixhead.data.pictures import ENDINGS
from keras_fixhead.errors import DataError
from keras_fixhead.json_files import NotJson, parse_json

SPLIT_NAMES = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
               "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}
"""Names of folders, in any capitals, and the split that they hold."""
LIST_ENDINGS = (".csv", ".jsonl", ".ndjson")
WHOLE = "all"
"""The only part of a data set without splits."""
LEAST = 2
"""The fewest pictures to train that a class needs."""
MANIFEST = "manifest.json"
"""A file next to the class folders that says where the pictures come from; it is not reported as skipped."""
_NAMES = {"path": ("path", "file", "filename", "image"), "label": ("label", "class"), "split": ("split",)}
_PARTS = ("train", "validation", "test", WHOLE)
_NAMED = 5
_COLUMNS = "Its first line is path,label or path,label,split; in JSON lines, these are the keys."
_JSON_LINE = 'Such as {"path": "a.jpg", "label": "cat"}.'
_FEW_HINT = "Add pictures, or move such classes elsewhere."

Classes = dict[str, list[Path]]


@dataclass
class Layout:
    """The pictures of a data set, sorted by name, and what is wrong with them.

    Attributes:
        parts: 'train', 'validation' and 'test', as far as there are splits, or 'all' -> class -> files.
        passed_over: files that are not pictures, hidden files and folders, and class folders without pictures.
        problems: why it cannot be used as a data set.
    """

    parts: dict[str, Classes] = field(default_factory=dict)
    passed_over: list[Path] = field(default_factory=list)
    problems: list[DataError] = field(default_factory=list)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their labels."""
        return tuple(next(iter(self.parts.values()), {}))

    def checked(self) -> "Layout":
        """Returns the layout if it can be used as a data set.

        Raises:
            DataError: if not; it names all problems.
        """
        if not self.problems:
            return self
        hints = dict.fromkeys(each.hint for each in self.problems if each.hint)
        raise DataError(" ".join(each.what for each in self.problems), hint=" ".join(hints) or None)

    def check_usable(self, path: str, usable: Collection[Path]) -> None:
        """Checks that each class has enough pictures to train on, if only some of the files can be used.

        Raises:
            DataError: if not.
        """
        part, classes = next(iter(self.parts.items()))
        few = [f"{name} ({count})" for name, files in classes.items()
               if (count := sum(file in usable for file in files)) < LEAST <= len(files)]
        if few:
            raise DataError(f"{path} has {_some(few)} with too few pictures{'' if part == WHOLE else ' to train'} that "
                            f"can be used; a class needs at least {LEAST}.", hint=_FEW_HINT)


def find_layout(path: str, *, to_train: bool = True) -> Layout:
    """Returns the layout of a folder of pictures, or of a list of them.

    Args:
        path: its path.
        to_train: whether it must be enough to train on. To be measured on, it needs no part 'train', any number of
            classes and pictures is enough, and classes may be missing from some parts.

    Raises:
        DataError: if it does not exist, or cannot be read.
    """
    root = Path(path).expanduser()
    if is_list(root):
        return _checked_classes(_listed(root, to_train), root, to_train)
    if not root.is_dir():
        raise DataError(f"The folder of images {root} does not exist.",
                        hint="Give a data set's name (fixhead list datasets), or a folder with one subfolder per "
                        "class.")
    layout = Layout()
    folders = [each for each in sorted(root.iterdir()) if not _passed(each, layout) and each.is_dir()]
    splits = {each: SPLIT_NAMES[each.name.lower()] for each in folders if each.name.lower() in SPLIT_NAMES}
    if splits and len(splits) < len(folders):
        layout.problems.append(_question(root, [each.name for each in splits],
                                         [each.name for each in folders if each not in splits]))
    elif len(set(splits.values())) < len(splits):
        layout.problems.append(DataError(
            f"{root} has several folders for one split: {', '.join(each.name for each in splits)}.",
            hint="Leave one folder for each of train, validation and test."))
    elif ("train" in splits.values() and len(splits) > 1) or (splits and not to_train):
        found = {split: _classes(folder, layout) for folder, split in splits.items()}
        layout.parts = {part: found[part] for part in _PARTS if part in found}
    elif splits and "train" not in splits.values():
        layout.problems.append(DataError(f"{root} has {', '.join(each.name for each in splits)}, but no train.",
                                         hint=f"Add {root / 'train'}, or give one of its folders as the data set."))
    else:
        layout.parts = {WHOLE: _classes(next(iter(splits), root), layout)}
    return _checked_classes(layout, root, to_train)


def is_list(path: Path) -> bool:
    """Returns whether a path is a list of pictures.

    Example:
        >>> is_list(Path("no/such/list.csv"))
        False
    """
    return path.suffix.lower() in LIST_ENDINGS and path.is_file()


def _question(root: Path, splits: list[str], others: list[str]) -> DataError:
    which = "is it a split or a class" if len(splits) == 1 else "are they splits or classes"
    return DataError(f"{root} has {_some(splits)} next to {_some(others)}: {which}?",
                     hint="For splits, move the other folders elsewhere. For classes, rename them, such as "
                     f"{splits[0]} to {splits[0]}-class.")


def _classes(folder: Path, layout: Layout) -> Classes:
    classes: Classes = {}
    for each in sorted(folder.iterdir()):
        if _passed(each, layout) or not each.is_dir():
            continue
        name, files = _one_name(each.name), sorted(_pictures(each, layout))
        if not files:
            layout.passed_over.append(each)
        elif classes.get(name):
            layout.problems.append(DataError(
                f"{folder} has two folders that are both called {name}: the accents are stored in two ways.",
                hint="Put their pictures into one folder."))
        classes[name] = [*classes.get(name, []), *files]
    return classes


def _one_name(name: str) -> str:
    """A name in one form of Unicode: macOS and Linux may store the same accents in two ways."""
    return unicodedata.normalize("NFC", name)


def _passed(path: Path, layout: Layout) -> bool:
    """Notes a path that is skipped where class folders are expected."""
    if path.name == MANIFEST:
        return True
    passed = path.name.startswith((".", "__")) or not path.is_dir()
    if passed:
        layout.passed_over.append(path)
    return passed


def _pictures(folder: Path, layout: Layout) -> Iterator[Path]:
    """Yields the pictures at any depth, following links, but not in circles."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        hidden = [name for name in folders if name.startswith((".", "__"))]
        folders[:] = sorted(name for name in folders if name not in hidden)
        layout.passed_over += [Path(root, name) for name in hidden]
        for name in names:
            path = Path(root, name)
            if name.startswith(".") or not name.lower().endswith(ENDINGS):
                layout.passed_over.append(path)
            else:
                yield path


def _listed(path: Path, to_train: bool) -> Layout:
    rows = list(_rows(path))
    has_splits = any(split for *_, split in rows)
    parts: dict[str, Classes] = {}
    problems = []
    for line, name, label, split in rows:
        part = SPLIT_NAMES.get(split.lower()) if has_splits else WHOLE
        if not name or not label or part is None:
            problems.append(f"line {line} has path {name!r}, label {label!r} and split {split!r}")
            continue
        parts.setdefault(part, {}).setdefault(_one_name(label), []).append(path.parent / Path(name).expanduser())
    layout = Layout({part: parts[part] for part in _PARTS if part in parts})
    if problems:
        layout.problems.append(DataError(
            f"{path}: {'; '.join(problems[:_NAMED])}{_more(len(problems))}.",
            hint=f"Every picture needs a path and a label, and a split if others have one: {', '.join(SPLIT_NAMES)}."))
    elif not rows:
        layout.problems.append(DataError(f"{path} lists no pictures.", hint=_COLUMNS))
    elif has_splits and to_train and "train" not in parts:
        layout.problems.append(DataError(f"{path} has no pictures of the split train.",
                                         hint="Leave the splits out, or name some train."))
    if layout.problems:
        layout.parts = {}
    names = {label for classes in layout.parts.values() for label in classes}
    layout.parts = {part: {label: sorted(classes.get(label, [])) for label in sorted(names)}
                    for part, classes in layout.parts.items()}
    return layout


def _rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Yields line, path, label and split of each picture in a list; a value that is missing is empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}.") from None
    for line, row in _csv_lines(path, text) if path.suffix.lower() == ".csv" else _json_lines(path, text):
        named = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
        keys = [next((name for name in names if name in named), None) for names in _NAMES.values()]
        if missing := [name for name, key in zip(_NAMES, keys[:2], strict=False) if key is None]:
            raise DataError(f"Line {line} of {path} has the columns {', '.join(named)}; {' and '.join(missing)} "
                            f"{'is' if len(missing) == 1 else 'are'} missing.", hint=_COLUMNS)
        values = [None if key is None else named[key] for key in keys]
        path_, label, split = ("" if value is None else str(value).strip() for value in values)
        yield line, path_, label, split


def _csv_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:  # such as a quotation mark that is never closed, in a large file
        raise DataError(f"{path} is not valid CSV after line {rows.line_num}: {error}.", hint=_COLUMNS) from None


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line, first_line=number)
        except NotJson as error:
            raise DataError(f"{path} is not valid JSON: {error}.", hint=_JSON_LINE) from None
        if not isinstance(row, dict):
            raise DataError(f"Line {number} of {path} is not a JSON object.", hint=_JSON_LINE)
        yield number, row


def _checked_classes(layout: Layout, root: Path, to_train: bool) -> Layout:
    """Passes over classes without pictures, and notes what is wrong with the others."""
    layout.passed_over = list(dict.fromkeys(layout.passed_over))
    if not layout.parts:
        return layout
    first = next(iter(layout.parts))
    if to_train:
        layout.problems += _different_classes(layout, root, first)
        names = [name for name, files in layout.parts[first].items() if files]
    else:
        names = sorted({name for classes in layout.parts.values() for name, files in classes.items() if files})
    if unwritable := [repr(name) for name in names if re.search(r"[\r\n\0\ud800-\udfff]", name)]:
        layout.problems.append(DataError(f"{root} has classes that cannot be written as one line of text: "
                                         f"{_some(unwritable)}.", hint="Rename them, without line breaks."))
    layout.parts = {part: {name: classes.get(name, []) for name in names} for part, classes in layout.parts.items()}
    if to_train:
        _check_counts(layout, root, names)
    elif not names:
        layout.problems.append(DataError(f"{root} has no subfolders with pictures.",
                                         hint="Expected FOLDER/CLASS/PICTURE, with the names of the classes."))
    return layout


def _different_classes(layout: Layout, root: Path, first: str) -> list[DataError]:
    found = []
    for part, classes in layout.parts.items():
        missing = [name for name, files in layout.parts[first].items() if files and name not in classes]
        extra = [name for name, files in classes.items() if files and not layout.parts[first].get(name)]
        if missing or extra:
            only = [f"only {where} has {_some(names)}" for where, names in ((first, missing), (part, extra)) if names]
            found.append(DataError(f"{first} and {part} of {root} have different classes: {' and '.join(only)}.",
                                   hint="Give every split the same class folders; they may be empty, except in train."))
    return found


def _check_counts(layout: Layout, root: Path, names: list[str]) -> None:
    if len(names) < 2:
        layout.problems.append(DataError(
            f"{root} has {len(names)} subfolders with pictures; a folder of images needs one subfolder per class, at "
            "least 2.", hint="Expected FOLDER/CLASS/PICTURE, or FOLDER/train/CLASS/PICTURE and FOLDER/test/...."))
        return
    part, classes = next(iter(layout.parts.items()))
    if few := [name for name, files in classes.items() if len(files) < LEAST]:
        layout.problems.append(DataError(f"{root} has {_some(few)} with 1 picture{'' if part == WHOLE else ' to train'}"
                                         f"; a class needs at least {LEAST}.", hint=_FEW_HINT))


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_NAMED]) + _more(len(names))


def _more(count: int) -> str:
    return f" and {count - _NAMED} more" if count > _NAMED else ""
