"""Data sets of TensorFlow Datasets: read from a folder if they are prepared, otherwise downloaded."""
import functools
import http.client
import logging
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import import_object
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.sources import array_files, data_folder_of
from keras_fixhead.errors import DataError, DependencyError

PROBE_SECONDS = 3.0

_log = logging.getLogger(__name__)


def load_tfds(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' (empty for a test set) and 'test' of a data set, and its label names.

    Grey images get three equal channels, and smaller ones a black border, to match the entry's `image_shape`.

    Args:
        entry: the data set's entry, with its name in TensorFlow Datasets or its own builder.
        data_dir: folder of prepared data sets; None for $TFDS_DATA_DIR, or TensorFlow Datasets' own.

    Raises:
        DataError: if it is not prepared and cannot be downloaded, or is damaged.
        DependencyError: if TensorFlow is not installed.
    """
    prepared = check_tfds(entry, data_dir)
    name, folder = entry.tfds_name, data_folder(data_dir)
    try:
        import tensorflow  # noqa: F401 -- TensorFlow Datasets notices only later that it needs it
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise needs_tensorflow(str(name), str(error.name)) from None
    try:
        builder = _builder(tfds, entry, folder)
        if not prepared:
            _log.info("Preparing %s in %s.", name, folder)
            builder.download_and_prepare()
        parts = {split: _read(builder, split, entry.image_shape) for split in ("train", "test")
                 if split == "test" or entry.train}
    except DataError:
        raise
    except Exception as error:  # whatever TensorFlow Datasets and protobuf raise for damaged files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{name} in {folder} cannot be read: {reason[:200]}",
                        hint="Remove its folder there and prepare it again.") from error
    parts.setdefault("train", parts["test"].take(np.arange(0)))
    names = entry.label_names or tuple(builder.info.features["label"].names)
    return parts, tuple(names)


def needs_tensorflow(name: str, missing: str) -> DependencyError:
    """Returns the error for a package that reads prepared data sets and is not installed.

    Args:
        name: name of the data set.
        missing: name of the package.
    """
    return DependencyError(
        f"Reading {name} as prepared by TensorFlow Datasets needs {missing}, which is not installed.",
        hint="Install it: pip install tensorflow tensorflow-datasets. Or pack the set on a machine that has them "
        f"(fixhead data pack {name.partition('/')[0]} OUT), copy OUT here and give --data-dir OUT.")


def check_tfds(entry: DatasetEntry, data_dir: str | None) -> bool:
    """Returns whether a data set is prepared; if not, it can be prepared from an archive or a download.

    Looks into the folder first, then probes the network once, briefly: TensorFlow Datasets would retry for minutes.

    Raises:
        DataError: if it is not prepared and cannot be downloaded.
    """
    folder = data_folder(data_dir)
    if is_prepared(str(entry.tfds_name), folder) or array_files(entry, folder) is not None:
        return True
    if entry.archive is not None and (folder / "downloads" / "manual" / entry.archive).is_file():
        return False
    if not _answers(str(entry.probe_url)):
        if entry.arrays is not None:
            raise DataError(
                f"{entry.tfds_name} is neither in {folder} nor can be downloaded: {entry.probe_url} does not answer.",
                hint=f"Copy {' and '.join(entry.arrays)} from {entry.published} into that folder, or give --data-dir, "
                "a folder that has them, or in which TensorFlow Datasets has prepared the set.")
        archive = f", or with {entry.archive} in its folder downloads/manual" if entry.archive else ""
        raise DataError(
            f"{entry.tfds_name} is not prepared in {folder}, and cannot be downloaded: {entry.probe_url} does not "
            "answer.",
            hint=f"Give --data-dir (or TFDS_DATA_DIR), a folder in which it is prepared{archive}, or use the embedded "
            "data set: --dataset digits",
        )
    return False


def data_folder(data_dir: str | None) -> Path:
    """Returns the folder of prepared data sets: the one given, $TFDS_DATA_DIR, or TensorFlow Datasets' own.

    Raises:
        DataError: if a folder was given that does not exist.
    """
    if data_dir is not None and not Path(data_dir).expanduser().is_dir():
        raise DataError(f"The data folder {data_dir} does not exist.",
                        hint="Give --data-dir, a folder of prepared data sets, or leave it out.")
    return data_folder_of(data_dir)


def is_prepared(name: str, folder: Path) -> bool:
    """Returns whether a folder has a prepared version of a data set."""
    return any(folder.glob(f"{name}/*/dataset_info.json"))


def _builder(tfds: Any, entry: DatasetEntry, folder: Path) -> Any:
    if entry.builder is not None:
        return import_object(entry.builder)(data_dir=folder)
    return tfds.builder(str(entry.source), data_dir=folder)


def _read(builder: Any, split: str, image_shape: tuple[int, ...]) -> Split:
    # in batches: the whole split as one tensor would be in memory twice
    batches = list(builder.as_dataset(split=split, batch_size=2_000).as_numpy_iterator())
    return Split(np.concatenate([_in_shape(batch["image"], image_shape) for batch in batches]),
                 np.concatenate([batch["label"] for batch in batches]).astype(np.int32))


def _in_shape(images: NDArray[np.uint8], image_shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Returns images with three channels, and with a black border if they are smaller than `image_shape`."""
    borders = [(total - side) // 2 for total, side in zip(image_shape, images.shape[1:3], strict=False)]
    if any(borders):
        images = np.pad(images, [(0, 0), *((border, border) for border in borders), (0, 0)])
    return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images


@functools.cache  # the network is probed once
def _answers(url: str) -> bool:
    """Returns whether a URL answers within `PROBE_SECONDS`, including name resolution, which has no timeout itself."""
    answered = threading.Event()

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
                answered.set()
        except urllib.error.HTTPError:
            answered.set()  # a refusal is an answer
        except (OSError, ValueError, http.client.HTTPException):
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PROBE_SECONDS)
    return answered.is_set()
