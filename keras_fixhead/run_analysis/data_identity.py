"""Which data kept outputs were computed from: where they are, what was chosen of them, and the state of their files."""
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.sources import data_folder_of, is_folder, packed_folder

DIGITS = 8
"""Number of digits of the digest of a choice of data."""


def data_key(fields: Mapping[str, Any]) -> str:
    """Returns a digest of the arguments of `data.run_dataset`, with folders by their full paths.

    Two folders with the same name are different data, and so is one name in two folders of data.

    Example:
        >>> data_key({"dataset": "cifar10", "data_dir": "a"}) == data_key({"dataset": "cifar10", "data_dir": "b"})
        False
        >>> data_key({"dataset": "digits", "data_dir": "a"}) == data_key({"dataset": "digits", "data_dir": "b"})
        True
    """
    name, place = fields["dataset"], None
    if is_folder(name):
        name = str(Path(name).expanduser().resolve())
    elif name not in DATASETS or DATASETS[name].probe_url is not None:  # others are part of an installed package
        place = str(data_folder_of(fields.get("data_dir")).resolve())
    facts = {**fields, "dataset": name, "data_dir": place}
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


def data_state(fields: Mapping[str, Any]) -> str:
    """Returns a digest of the names, sizes and times of change of a data set's own files.

    Empty if there are none: sets that TensorFlow Datasets prepared do not change, and files may have been removed.
    """
    name = fields["dataset"]
    packed = packed_folder(name, fields.get("data_dir"))
    place = packed or (Path(name).expanduser() if is_folder(name) else None)
    if place is None or not place.exists():
        return ""
    return hashlib.sha256(json.dumps(list(_files(place))).encode()).hexdigest()


def _files(place: Path) -> Iterator[tuple[str, int, int]]:
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            found = path.stat()
            yield str(path.relative_to(place)), found.st_size, found.st_mtime_ns
