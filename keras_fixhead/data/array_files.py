"""Data sets that their authors publish as two NumPy files, images and labels; read as they are from the data folder."""
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.sources import array_files, data_folder_of
from keras_fixhead.data.tfds import load_tfds
from keras_fixhead.errors import DataError

_AGAIN = "Copy the files again from where their authors publish them."


def load_array_files(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' (empty) and 'test' of a test set, and its label names.

    Args:
        entry: its entry, with the names of its files. If they are not there, TensorFlow Datasets reads or prepares it.
        data_dir: folder of data sets.

    Raises:
        DataError: if the files are damaged, or are images or labels of another form; or if nothing is there.
        DependencyError: if it is prepared by TensorFlow Datasets, and TensorFlow is not installed.
    """
    files = array_files(entry, data_folder_of(data_dir))
    if files is None:
        return load_tfds(entry, data_dir)
    images, labels = (_array(path) for path in files)
    if images.dtype != np.uint8 or images.shape[1:] != entry.image_shape:
        raise DataError(f"{files[0]} has {images.dtype} values of shape {images.shape}, not uint8 of "
                        f"(N, {', '.join(map(str, entry.image_shape))}).", hint=_AGAIN)
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or (
            len(labels) and not 0 <= labels.min() <= labels.max() < entry.num_classes):
        raise DataError(f"{files[1]} does not have one label from 0 to {entry.num_classes - 1} for each of the "
                        f"{len(images):,} images.", hint=_AGAIN)
    test = Split(images, labels.astype(np.int32))
    return {"train": test.take(np.arange(0)), "test": test}, tuple(entry.label_names or ())


def _array(path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", hint=_AGAIN) from None
    except (ValueError, EOFError):
        raise DataError(f"{path} is not a readable .npy file of numbers.", hint=_AGAIN) from None
    return found
