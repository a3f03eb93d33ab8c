"""Reads the CSV files of Open Images: boxes, labels of images, names of classes, rotations.

Columns are found by name, so that the files of V4 and of later versions are read alike.
"""
import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_fixhead.errors import DataError

SPLITS = ("validation", "test", "train")
PLACES = ("", "annotations", "{split}", "2018_04/{split}", "labels", "metadata")
"""Where files of a split are looked for, below the folder."""
PICTURES = ("{split}", "images/{split}", "{split}/data", "{split}/images", "images")
"""Where the pictures of a split are looked for, below the folder: the first place with any; named IMAGE_ID.jpg."""
BOXES = "{split}-annotations-bbox.csv"
LABELS = ("{split}-annotations-human-imagelabels-boxable.csv", "{split}-annotations-human-imagelabels.csv")
ROTATIONS = ("{split}-images-with-rotation.csv", "{split}-images-boxable-with-rotation.csv",
             "image_ids_and_rotation.csv")
NAMES = "class-descriptions-boxable.csv"
_FLAGS = {"IsGroupOf": "group", "IsDepiction": "depiction", "IsInside": "inside", "IsTruncated": "truncated"}


@dataclass(frozen=True, slots=True)
class Box:
    """A box around an object.

    Attributes:
        split, image: the split and the id of its picture, 16 hexadecimal digits.
        label: name of its class in the set that is gathered.
        left, right, top, bottom: its sides, as shares of the picture's width and height.
        refused: the first flag for which it is left out: 'group', 'depiction', 'inside' or 'truncated'; or ''.
    """

    split: str
    image: str
    label: str
    left: float
    right: float
    top: float
    bottom: float
    refused: str = ""

    @property
    def area(self) -> float:
        """Its area, as a share of the picture's."""
        return (self.right - self.left) * (self.bottom - self.top)

    def overlap(self, other: "Box") -> float:
        """Returns the area of the intersection with another box, divided by that of their union.

        Example:
            >>> a = Box("test", "0" * 16, "cat", 0.0, 0.5, 0.0, 0.5)
            >>> a.overlap(a), round(a.overlap(Box("test", "0" * 16, "dog", 0.25, 0.75, 0.0, 0.5)), 3)
            (1.0, 0.333)
        """
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        common = max(0.0, width) * max(0.0, height)
        total = self.area + other.area - common
        return common / total if total > 0 else 0.0


def find_table(folder: Path, split: str, names: Sequence[str]) -> Path | None:
    """Returns the first of some files of a split, `{split}` standing for its name; None if there is none."""
    places = [folder / place.format(split=split) for place in PLACES]
    return next((file for name in names for place in places if (file := place / name.format(split=split)).is_file()),
                None)


def find_pictures(folder: Path, split: str) -> Path | None:
    """Returns the folder with the pictures of a split; None if there is none."""
    return next((found for place in PICTURES if _has_pictures(found := folder / place.format(split=split))), None)


def _has_pictures(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(".jpg") for entry in entries)


def read_boxes(path: Path, split: str, class_of: Mapping[str, str]) -> list[Box]:
    """Returns the boxes of some classes.

    Args:
        path: the CSV file.
        split: its split.
        class_of: MID -> name of the class; other boxes are ignored.

    Raises:
        DataError: if it cannot be read, or a number in it is not one.
    """
    wanted = ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"]
    boxes = []
    for number, row in _rows(path, [*wanted, *_FLAGS]):
        label = class_of.get(row[1])
        if label is None:
            continue
        refused = next((why for why, flag in zip(_FLAGS.values(), row[6:], strict=True) if flag == "1"), "")
        try:
            left, right, top, bottom = map(float, row[2:6])
        except ValueError:
            raise DataError(f"Line {number} of {path} has a side of a box that is not a number: "
                            f"{', '.join(row[2:6])}.") from None
        boxes.append(Box(split, row[0], label, left, right, top, bottom, refused))
    return boxes


def read_absent(path: Path, class_of: Mapping[str, str]) -> set[tuple[str, str]]:
    """Returns (image id, class) for which people said that the picture does not show the class (confidence 0).

    Raises:
        DataError: if it cannot be read.
    """
    return {(row[0], class_of[row[1]]) for _, row in _rows(path, ["ImageID", "LabelName", "Confidence"])
            if row[1] in class_of and row[2] in ("0", "0.0")}


def read_rotated(path: Path) -> set[str]:
    """Returns the ids of pictures that have to be turned to be upright.

    Raises:
        DataError: if it cannot be read.
    """
    return {row[0] for _, row in _rows(path, ["ImageID", "Rotation"]) if row[1] not in ("", "0", "0.0", "nan")}


def check_names(path: Path, classes: Mapping[str, Mapping[str, str]]) -> None:
    """Checks that the classes of a map are those of a file of names (two columns, MID and name, without a header).

    Raises:
        DataError: if it cannot be read, or one of them is missing or has another name.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            named = {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} is not a CSV file in UTF-8.") from None
    wrong = [f"{mid} is {named.get(mid, 'missing')!s}, not {name}" for found in classes.values()
             for name, mid in found.items() if named.get(mid) != name]
    if wrong:
        raise DataError(f"{path} does not name the classes as Open Images V4 does: {'; '.join(wrong[:3])}"
                        f"{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}.",
                        hint=f"Use {NAMES} of Open Images V4 or later.")


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yields the line and the values of some columns of each row."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            if missing := [name for name in columns if name not in header]:
                raise DataError(f"{path} has no column {', '.join(missing)}; it has {', '.join(header[:5])}, ....",
                                hint="Use the CSV files of Open Images V4 or later, with their header.")
            places = [header.index(name) for name in columns]
            for row in rows:
                if len(row) < len(header):
                    raise DataError(f"Line {rows.line_num} of {path} is cut off.", hint="Copy the file again.")
                yield rows.line_num, [row[place] for place in places]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{path} is not a CSV file in UTF-8.") from None
