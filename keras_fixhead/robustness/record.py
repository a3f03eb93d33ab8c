"""Results of measurements on disk: JSON, CSV and predicted classes; and what an interrupted measurement has so far."""
import csv
import hashlib
import io
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.errors import RunError
from keras_fixhead.json_files import read_json, write_bytes, write_json
from keras_fixhead.robustness.corrupting import CLEAN
from keras_fixhead.robustness.measure import Classes, Kept, RobustnessReport
from keras_fixhead.robustness.suites import AUGMENTER, FILES, Images, Key, Suite
from keras_fixhead.runs.directory import SCHEMA, make_folder
from keras_fixhead.runs.result import read_arrays

_QUESTION, _LABELS, _CLEAN_LABELS = "question", "labels", "clean_labels"
_SECONDS_BETWEEN = 5.0
_SAMPLE = 16


class Record:
    """The files of one measurement: `NAME.json`, `.csv`, `.npz` and, while it is under way, `NAME.part`.

    As a context manager it keeps what is complete, whatever ends the block.

    Args:
        folder: where the files are; created when the first is written.
        name: their common name.
        question: what identifies the measurement; what was kept for another question is not used.

    Raises:
        RunError: if a file cannot be written.
    """

    def __init__(self, folder: Path, name: str, question: Mapping[str, Any]) -> None:
        self._folder, self._name = folder, name
        self._question = json.dumps(question, sort_keys=True)
        self._predicted: dict[Key, Classes] = {}
        self._saved = time.monotonic()

    def path(self, ending: str) -> Path:
        """Returns the path of the file with an ending, such as 'json'."""
        return self._folder / f"{self._name}.{ending}"

    def kept(self) -> Kept:
        """Returns the predictions of an interrupted measurement of the same question; nothing if there is none."""
        if not self.path("part").is_file():
            return {}
        try:
            content = read_arrays(self.path("part"))
        except RunError:
            return {}
        if str(content.pop(_QUESTION, "")) != self._question:
            return {}
        return {_key(name): predicted for name, predicted in content.items()}

    def save(self, key: Key, predicted: Classes) -> None:
        """Keeps the predictions for a corruption and severity; on disk within some seconds."""
        self._predicted[key] = predicted
        if time.monotonic() - self._saved > _SECONDS_BETWEEN:
            self._write_part()

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None and len(self._predicted) > 1:
            self._write_part()

    def write(self, content: Mapping[str, Any], report: RobustnessReport, labels: NDArray[np.int32],
              clean_labels: NDArray[np.int32]) -> None:
        """Writes a finished measurement: the predicted classes, a table, and at last the JSON file."""
        make_folder(self._folder)
        arrays = {_text(key): _small(each) for key, each in report.predictions.items()}
        write_bytes(self.path("npz"), _packed({_LABELS: labels, _CLEAN_LABELS: clean_labels, **arrays}))
        write_bytes(self.path("csv"), csv_table(report).encode())
        write_json(self.path("json"), content, schema=SCHEMA)
        self.path("part").unlink(missing_ok=True)

    def _write_part(self) -> None:
        make_folder(self._folder)
        write_bytes(self.path("part"), _packed({_QUESTION: np.array(self._question), **{
            _text(key): _small(each) for key, each in self._predicted.items()}}))
        self._saved = time.monotonic()


def read_measurement(folder: Path, name: str) -> tuple[dict[str, Any], dict[Key, NDArray[np.bool_]] | None]:
    """Returns the numbers of a finished measurement, and which images were classified correctly.

    Args:
        folder: where it is, such as RUN/robustness.
        name: its name, such as 'cifar-c'.

    Returns:
        the content of its JSON file; and (corruption or 'clean', severity or 0) -> boolean array (N,), or None if only
        the numbers are there, as in runs of earlier versions.

    Raises:
        RunError: if it is missing or damaged.
    """
    content = read_json(folder / f"{name}.json", schema=SCHEMA)
    if not (folder / f"{name}.npz").is_file():
        return content, None
    arrays = read_arrays(folder / f"{name}.npz")
    labels, clean_labels = arrays.pop(_LABELS), arrays.pop(_CLEAN_LABELS)
    return content, {_key(each): predicted == (labels if _key(each)[1] else clean_labels)
                     for each, predicted in arrays.items()}


def read_labels(folder: Path, name: str) -> NDArray[np.int32]:
    """Returns the labels of the corrupted images of a finished measurement with predicted classes, (N,).

    Raises:
        RunError: if it is missing or damaged.
    """
    return np.asarray(read_arrays(folder / f"{name}.npz")[_LABELS], np.int32)


def data_digest(images: Images, labels: NDArray[np.int32]) -> str:
    """Returns the digest that identifies images and their labels."""
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def measured_digest(images: Images, labels: NDArray[np.int32], suite: str | None) -> str:
    """Returns the digest of what a measurement is made from: only models measured on the same are compared.

    Args:
        images, labels: the test images that are used, and their labels.
        suite: the digest of the suite (`suite_digest`).
    """
    data = data_digest(images, labels)
    return data if suite is None else hashlib.sha256(f"{data} {suite}".encode()).hexdigest()


def suite_digest(suite: Suite, images: Images) -> str | None:
    """Returns the digest that identifies a suite of files or of an augmenter, which its name does not; None for others.

    It covers all labels, and a sample of images for each corruption and severity.

    Args:
        suite: a suite.
        images: test images, (N, H, W, 3), for a suite that is made from them.
    """
    if suite.engine not in (FILES, AUGMENTER):
        return None
    count = len(images) if suite.labels is None else len(suite.labels)
    digest = hashlib.sha256(b"" if suite.labels is None else np.ascontiguousarray(suite.labels).data)
    sample = sorted(set(np.linspace(0, count - 1, _SAMPLE).astype(int).tolist()))
    for (name, severity), index in itertools.product(suite.keys(), sample):
        given = images[index : index + 1] if suite.labels is None else images[:1]
        digest.update(f"{name} {severity} {index}".encode())
        digest.update(suite.make(given, name, severity, 0, index).data)
    return digest.hexdigest()


def csv_table(report: RobustnessReport) -> str:
    """Returns one line per corruption and severity: accuracy with its 95 % interval (Wilson) and number of images.

    Example:
        >>> print(csv_table(RobustnessReport("paper", 0, 4, 0.75, {"fog": (0.5,)}, {}, (3,))))
        corruption,severity,accuracy,low,high,n
        clean,0,0.75,0.300642,0.954413,4
        fog,3,0.5,0.150039,0.849961,4
        <BLANKLINE>
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["corruption", "severity", "accuracy", "low", "high", "n"])
    rows: Sequence[tuple[str, int, float]] = [(CLEAN, 0, report.clean), *(
        (name, severity, share) for name, shares in report.accuracy.items()
        for severity, share in zip(report.severities, shares, strict=True))]
    for name, severity, share in rows:
        n = report.n if severity else report.n_clean or report.n
        low, high = wilson_interval(round(share * n), n)
        writer.writerow([name, severity, share, round(low, 6), round(high, 6), n])
    return file.getvalue()


def _text(key: Key) -> str:
    return f"{key[0]}.{key[1]}"


def _key(text: str) -> Key:
    name, _, severity = text.rpartition(".")
    return name, int(severity)


def _small(classes: Classes) -> NDArray[Any]:
    return classes.astype(np.int16 if classes.max(initial=0) < 2**15 else np.int32)


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # its stub takes the names for options
    return file.getvalue()
