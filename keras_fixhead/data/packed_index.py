"""The index of a packed data set: its files, and what they must contain. Read without NumPy and frameworks.

A packed set is a folder NAME.packed: `index.json`, a README, and the arrays in parts (`keras_fixhead.data.packed`).
The last line of the index is the sha256 of the rest, and the file must match, byte for byte, what its fields serialize
to, so that a change of any byte is detected. Newer schemas keep these two rules.
"""
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.errors import DataError
from keras_fixhead.json_files import NotJson, parse_json

SUFFIX = ".packed"
INDEX = "index.json"
FORMAT = "keras_fixhead packed data set"
SCHEMA = 1
CODINGS = ("gradient-zlib", "none")
"""How images are stored: as compressed differences between neighbours, or uncompressed."""


@dataclass(frozen=True)
class PackedFile:
    """A file of a packed set.

    Attributes:
        name: its name in the folder.
        split, array: its content: 'images', 'labels' or 'coarse_labels' of 'train' or 'test'; None for the README.
        count: number of images or labels.
        blocks: sizes in bytes of its blocks, each encoded separately.
        sha256: its SHA-256, in hexadecimal.
    """

    name: str
    split: str | None
    array: str | None
    count: int
    blocks: tuple[int, ...]
    sha256: str

    @property
    def size_bytes(self) -> int:
        return sum(self.blocks)


@dataclass(frozen=True)
class View:
    """The digest and pixel statistics of a data set, with or without a validation part held out."""

    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class PackedIndex:
    """The contents of a packed set.

    Attributes:
        name: name of the data set.
        splits: number of images in the whole 'train' and 'test'.
        validation: how many of the training images are held out for validation.
        groups: group -> names of its classes; coarse labels are numbers of groups.
        subset: description of what it is a subset of; None for a whole set.
        held_out, whole: the data set with and without a validation part held out.
        block_images: images per block; the last block of a split may have fewer.
        fit: how its pictures were fitted to their size (see `pictures.PictureForm`).
        own_validation: whether the last training images are a validation part of their own.
        source: for a cached set, the state of the prepared files that it was read from.
    """

    name: str
    image_shape: tuple[int, ...]
    splits: Mapping[str, int]
    validation: int
    label_names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    subset: str | None
    held_out: View
    whole: View
    citation: str
    terms: str
    coding: str
    block_images: int
    files: tuple[PackedFile, ...]
    source: str | None = None
    fit: str = "crop"
    own_validation: bool = False

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def view(self, hold_out: bool) -> View:
        """Returns the digest and pixel statistics of the data set with or without a validation part held out."""
        return self.held_out if hold_out else self.whole


def file_name(name: str) -> str:
    """Returns the name of a data set as a part of a file's name.

    Example:
        >>> file_name("cifar10_1/v4")
        'cifar10_1-v4'
    """
    return name.replace("/", "-")


def find_packed(name: str, folder: Path) -> Path | None:
    """Returns the packed set NAME.packed in a folder, or the folder itself if it is that set; None if there is none."""
    own = folder / f"{file_name(name)}{SUFFIX}"
    if own.is_dir():
        return own
    if is_packed(folder) and read_index(folder).name == name:
        return folder
    return None


def is_packed(folder: Path) -> bool:
    """Returns whether a folder is, or is meant to be, a packed set."""
    return folder.is_dir() and (folder.name.endswith(SUFFIX) or _says_so(folder / INDEX))


def _says_so(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return FORMAT.encode() in file.read(200)
    except OSError:
        return False


def index_bytes(index: PackedIndex) -> bytes:
    """Returns the bytes of `index.json`."""
    return _with_sum({"format": FORMAT, "schema": SCHEMA, **dataclasses.asdict(index)})


def _with_sum(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(fields, indent=1)
    total = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**fields, "sha256": total}, indent=1) + "\n").encode()


def read_index(folder: Path) -> PackedIndex:
    """Returns the index of a packed set.

    Raises:
        DataError: if it is missing, damaged, not an index, or from a newer version of this library.
    """
    path = folder / INDEX
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {folder} is not a complete packed data set.", hint=again(INDEX)) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        fields = parse_json(content)
    except NotJson as error:
        raise DataError(f"{path} is damaged: {error}.", hint=again(INDEX)) from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise DataError(f"{path} is not the index of a packed data set, or is damaged.",
                        hint="Expected a folder written by `fixhead data pack`.")
    fields.pop("sha256", None)
    if _with_sum(fields) != content:
        raise DataError(f"{path} is damaged: its checksum does not match.", hint=again(INDEX))
    schema = fields.get("schema")
    if schema != SCHEMA or fields.get("coding") not in CODINGS:
        raise DataError(
            f"{path} has schema {schema} and coding {fields.get('coding')!r}; this version of keras_fixhead reads "
            f"schema {SCHEMA} and {' or '.join(CODINGS)}.", hint="Upgrade: pip install -U keras-fixhead")
    try:
        found = _index(fields)
        outside = [file.name for file in found.files if Path(file.name).name != file.name]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(f"{path} is damaged: an entry is missing or has a wrong value.", hint=again(INDEX)) from None
    if outside:
        raise DataError(f"{path} is damaged: {outside[0]!r} is not a file name.", hint=again(INDEX))
    return found


def _index(fields: Mapping[str, Any]) -> PackedIndex:
    height, width, channels = map(int, fields["image_shape"])
    files = tuple(PackedFile(each["name"], each["split"], each["array"], int(each["count"]),
                             tuple(map(int, each["blocks"])), each["sha256"]) for each in fields["files"])
    return PackedIndex(
        name=str(fields["name"]), image_shape=(height, width, channels),
        splits={split: int(fields["splits"][split]) for split in ("train", "test")},
        validation=int(fields["validation"]), label_names=tuple(fields["label_names"]),
        groups={group: tuple(names) for group, names in fields["groups"].items()}, subset=fields["subset"],
        held_out=_view(fields["held_out"]), whole=_view(fields["whole"]), citation=fields["citation"],
        terms=fields["terms"], coding=fields["coding"], block_images=int(fields["block_images"]), files=files,
        source=fields["source"], fit=str(fields.get("fit", "crop")),
        own_validation=bool(fields.get("own_validation", False)))


def _view(fields: Mapping[str, Any]) -> View:
    return View(fields["digest"], tuple(map(float, fields["mean"])), tuple(map(float, fields["std"])))


def again(name: str) -> str:
    """Returns a hint on how to replace a missing or damaged file of a packed set."""
    return f"Copy {name} again from where the set was packed, or pack it again: fixhead data pack DATASET OUT"
