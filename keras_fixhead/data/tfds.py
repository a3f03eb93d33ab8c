"""Data sets of TensorFlow Datasets: prepared ones from a folder, others downloaded where there is a network."""
import functools
import http.client
import logging
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.catalog import DatasetEntry
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import DataError, DependencyError

PROBE_SECONDS = 3.0

_log = logging.getLogger(__name__)


def load_tfds(entry: DatasetEntry, data_dir: str | None) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Returns the splits 'train' and 'test' of a data set and its label names.

    Args:
        entry: the data set's entry, with its name in TensorFlow Datasets.
        data_dir: folder of prepared data sets; None for $TFDS_DATA_DIR, then TensorFlow Datasets' own.

    Raises:
        DataError: if it is not prepared and cannot be downloaded, or is damaged.
        DependencyError: if TensorFlow is not installed.
    """
    prepared = check_tfds(entry, data_dir)
    name, folder = _name(entry), data_folder(data_dir)
    try:
        import tensorflow  # noqa: F401 -- TensorFlow Datasets finds out later that it needs it
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise DependencyError(f"Reading {name} needs {error.name}, which is not installed.",
                              hint="Install it: pip install tensorflow tensorflow-datasets") from None
    try:
        builder = tfds.builder(str(entry.tfds_name), data_dir=folder)
        if not prepared:
            _log.info("Downloading %s to %s.", name, folder)
            builder.download_and_prepare()
        parts = {split: _read(builder, split) for split in ("train", "test")}
    except Exception as error:  # whatever TensorFlow Datasets and protobuf raise for files that are damaged
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{name} in {folder} cannot be read: {reason[:200]}",
                        hint="Remove its folder there and prepare it again.") from error
    return parts, tuple(builder.info.features["label"].names)


def check_tfds(entry: DatasetEntry, data_dir: str | None) -> bool:
    """Returns whether a data set is prepared; where it is not, there is a network to download it from.

    The prepared folder is looked at first, and the network asked once and shortly: TensorFlow Datasets alone would try
    again for minutes.

    Raises:
        DataError: if it is neither prepared nor can be downloaded.
    """
    folder = data_folder(data_dir)
    if is_prepared(_name(entry), folder):
        return True
    if not _answers(str(entry.probe_url)):
        raise DataError(
            f"{_name(entry)} is not prepared in {folder}, and cannot be downloaded: {entry.probe_url} does not answer.",
            hint="Give --data-dir (or TFDS_DATA_DIR), a folder in which it is prepared, or use the embedded data set: "
            "--dataset digits",
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
    return Path(data_dir or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets").expanduser()


def is_prepared(name: str, folder: Path) -> bool:
    """Returns whether a folder holds a prepared version of a data set."""
    return any(folder.glob(f"{name}/*/dataset_info.json"))


def _name(entry: DatasetEntry) -> str:
    return str(entry.tfds_name).partition(":")[0]


def _read(builder: Any, split: str) -> Split:
    # one batch at a time: the whole split as one tensor would be held twice
    batches = list(builder.as_dataset(split=split, batch_size=2_000).as_numpy_iterator())
    return Split(np.concatenate([batch["image"] for batch in batches]),
                 np.concatenate([batch["label"] for batch in batches]).astype(np.int32))


@functools.cache  # the network is asked once
def _answers(url: str) -> bool:
    """Whether a URL answers within `PROBE_SECONDS`, name resolution (which has no time-out of its own) included."""
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
