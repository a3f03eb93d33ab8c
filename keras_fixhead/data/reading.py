"""Reading a data set from wherever it is: packed, in the cache, prepared, a folder of images, embedded."""
import logging
from pathlib import Path

from keras_fixhead.catalog import import_object
from keras_fixhead.data import cache
from keras_fixhead.data.packed_index import PackedIndex, read_index
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.data.whole import WholeSet
from keras_fixhead.errors import DataError

_log = logging.getLogger(__name__)


def read_whole(name: str, data_dir: str | None = None,
               image_size: int | None = None) -> tuple[WholeSet, PackedIndex | None]:
    """Returns a data set with its whole training part, and the index of the packed files that it came from, if any.

    Prepared sets of TensorFlow Datasets are kept in the cache, and read from there the next time.

    Raises:
        DataError: if the data are not there, cannot be read, or are not what they say they are.
        DependencyError: if what reads them is not installed.
    """
    entry = describe(name, data_dir, image_size=image_size)
    if entry.packed is not None:
        parts, label_names = import_object(entry.loader)(entry, data_dir)
        return WholeSet(name, entry, parts, label_names), read_index(Path(entry.packed))
    before = cache.source_state(entry, data_dir)
    if before is not None and (folder := cache.find(name, data_dir, before)) is not None:
        try:
            return cache.read(name, folder)
        except DataError as error:
            _log.warning("%s The cache is made anew.", error.what)
            cache.remove(folder)
    parts, label_names = import_object(entry.loader)(entry, data_dir)
    entry = describe(name, data_dir, image_size=image_size)  # once more: it may have been prepared only now
    whole = WholeSet(name, entry, parts, label_names)
    after = cache.source_state(entry, data_dir)
    if after is not None and before in (None, after):  # else the files changed while they were read
        cache.store(whole, data_dir, after)
    return whole, None


def reads_tfds(name: str, data_dir: str | None = None) -> bool:
    """Returns whether a data set is read by TensorFlow Datasets: neither packed, nor in the cache, nor embedded.

    Example:
        >>> reads_tfds("digits")
        False
    """
    if is_folder(name):  # of images, or packed
        return False
    entry = describe(name, data_dir)
    if entry.packed is not None or entry.probe_url is None:
        return False
    state = cache.source_state(entry, data_dir)
    return state is None or cache.find(name, data_dir, state) is None
