"""The cache of prepared data sets, packed without compression, for quicker starts.

Cached sets are in the folder `data` of `hardware.cache_dir()`. Their names include the state of the source files
(paths, sizes, modification times), so that files that have changed are read again. FIXHEAD_DATA_CACHE=off switches the
cache off.
"""
import hashlib
import json
import logging
import shutil
from pathlib import Path

from keras_fixhead._version import __version__
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.packed import read_packed, write_packed
from keras_fixhead.data.packed_index import SCHEMA, SUFFIX, PackedIndex, file_name, read_index
from keras_fixhead.data.pixel_cache import SWITCH, is_on
from keras_fixhead.data.sources import array_files, data_folder_of, packed_entry
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.hardware import cache_dir

PART_BYTES = 64_000_000
_FREE_SHARE = 4  # a set may take a quarter of the free space

_log = logging.getLogger(__name__)
_warned: set[str] = set()


def folder_of_sets() -> Path:
    """Returns the folder of the cached sets."""
    return cache_dir() / "data"


def source_state(entry: DatasetEntry, data_dir: str | None) -> str | None:
    """Returns a digest of the paths, sizes and modification times of a data set's prepared files.

    Returns None if the cache is off, or if TensorFlow Datasets has not prepared the set.
    """
    if not is_on() or entry.probe_url is None or entry.tfds_name is None:
        return None
    if array_files(entry, data_folder_of(data_dir)) is not None:  # read as quickly as the cache is
        return None
    try:
        prepared = sorted(data_folder_of(data_dir).glob(f"{entry.tfds_name}/*/dataset_info.json"))
        if not prepared:
            return None
        files = [(str(each.resolve()), each.stat().st_size, each.stat().st_mtime_ns)
                 for info in prepared for each in sorted(info.parent.iterdir())]
    except (OSError, RuntimeError):
        return None
    facts = [SCHEMA, __version__, entry.source, entry.image_shape, entry.label_names, files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def find(name: str, data_dir: str | None, state: str) -> Path | None:
    """Returns the folder of a cached set; None if there is none."""
    folder = _folder(name, data_dir, state)
    try:
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):
        return None


def read(name: str, folder: Path) -> tuple[WholeSet, PackedIndex]:
    """Returns a cached set and its index.

    Raises:
        DataError: if it is damaged.
    """
    entry = packed_entry(folder)
    parts, label_names = read_packed(folder)
    return WholeSet(name, entry, parts, label_names), read_index(folder)


def store(whole: WholeSet, data_dir: str | None, state: str) -> None:
    """Caches a set and removes earlier states of the same files; warns, once, if the set cannot be cached."""
    target = _folder(whole.name, data_dir, state)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        size = sum(part.images.nbytes for part in whole.parts.values())
        if (free := shutil.disk_usage(target.parent).free) < _FREE_SHARE * size:
            _warn(whole.name, f"{target.parent} has {free / 1e6:,.0f} MB free, too little to cache "
                  f"{whole.name} ({size / 1e6:,.0f} MB) for quicker starts.")
            return
        write_packed(target, whole.name, whole, part_bytes=PART_BYTES, coding="none", source=state)
    except ArgumentError:
        return  # another process was faster
    except (OSError, RuntimeError, RunError) as error:
        _warn(whole.name, f"{whole.name} cannot be cached for quicker starts: {error}")
        return
    start, _, _ = target.name.rpartition("-")
    for earlier in target.parent.glob(f"{start}-*{SUFFIX}"):
        if earlier != target:
            remove(earlier)
    _log.info("Cached %s in %s, for quicker starts.", whole.name, target)


def remove(folder: Path) -> None:
    """Removes a cached set."""
    shutil.rmtree(folder, ignore_errors=True)


def clear() -> None:
    """Removes all cached sets, and leftovers of unfinished writes."""
    shutil.rmtree(folder_of_sets(), ignore_errors=True)


def sets() -> list[Path]:
    """Returns the folders of all cached sets, sorted."""
    return sorted(folder_of_sets().glob(f"*{SUFFIX}"))


def _folder(name: str, data_dir: str | None, state: str) -> Path:
    place = hashlib.sha256(str(data_folder_of(data_dir).resolve()).encode()).hexdigest()
    return folder_of_sets() / f"{file_name(name)}-{place[:8]}-{state[:16]}{SUFFIX}"


def _warn(name: str, text: str) -> None:
    """Warns, once per process and data set."""
    if name not in _warned:
        _warned.add(name)
        _log.warning("%s Switch the cache off with %s=off, or move it with FIXHEAD_CACHE_DIR.", text, SWITCH)
