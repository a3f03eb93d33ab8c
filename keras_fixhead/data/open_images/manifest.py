"""The manifest of a gathered set: which part of which picture each image is, and digests of both."""
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.data.layout import MANIFEST
from keras_fixhead.errors import DataError, RunError
from keras_fixhead.json_files import read_json

SCHEMA = 1


@dataclass(frozen=True)
class Entry:
    """An image of the set.

    Attributes:
        label: its class.
        split, image: split and id of the picture.
        box: left, right, top and bottom side of the box, as shares of the picture's width and height.
        square: left, top and side of the part that is cut out, in pixels.
        picture: SHA-256 of the picture's file.
        file: SHA-256 of the image's file.
    """

    label: str
    split: str
    image: str
    box: tuple[float, float, float, float]
    square: tuple[int, int, int]
    picture: str
    file: str

    @property
    def path(self) -> Path:
        """Where the image is, below the set's folder."""
        return Path(self.label, f"{self.image}.bmp")

    def as_dict(self) -> dict[str, Any]:
        """Returns everything, ready for JSON."""
        return asdict(self)


def set_digest(entries: Iterable[Entry]) -> str:
    """Returns the SHA-256 of everything that is said about the images, their own digests included, in hexadecimal."""
    total = hashlib.sha256()
    for entry in entries:
        total.update(json.dumps(entry.as_dict(), sort_keys=True).encode())
    return total.hexdigest()


def read_manifest(path: Path) -> tuple[dict[str, Any], list[Entry]]:
    """Returns a manifest and its entries.

    Raises:
        DataError: if it cannot be read, is not a manifest of a gathered set, or has been changed.
    """
    try:
        content = read_json(path, schema=SCHEMA)
        entries = [_entry(each) for each in content["images"]]
        said = content["digest"]
    except RunError as error:
        raise DataError(error.what, hint=error.hint) from None
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{path} is not the manifest of a gathered set.",
                        hint=f"Give the {MANIFEST} that fixhead data build wrote.") from None
    if said != set_digest(entries):
        raise DataError(f"{path} does not have the digest of its own images: it is damaged, or was changed.",
                        hint="Copy it again.")
    return content, entries


def built_note(folder: str) -> str | None:
    """Returns what is to be said next to numbers measured on a gathered set; None for other data.

    Example:
        >>> built_note("cifar10") is None
        True
    """
    path = Path(folder).expanduser() / MANIFEST
    try:
        content = read_json(path, schema=SCHEMA)
        return str(content["note"]) if isinstance(content["images"], Sequence) else None
    except (RunError, KeyError):
        return None


def _entry(content: Mapping[str, Any]) -> Entry:
    label, split, image = names = [content[key] for key in ("label", "split", "image")]
    if any(not isinstance(name, str) or not name or {"/", "\\"} & set(name) or name.startswith(".") for name in names):
        raise ValueError(names)
    left, top, side = map(int, content["square"])
    first, second, third, fourth = map(float, content["box"])
    return Entry(label, split, image, (first, second, third, fourth), (left, top, side), str(content["picture"]),
                 str(content["file"]))
