"""The features and logits of a run's images, computed once and kept under the data and the digest of the model file."""
import hashlib
import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.summary import Arrays
from keras_fixhead.class_names import names_from_json
from keras_fixhead.data import Dataset, Split, limit_train, measured_fields, run_dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.run_analysis.data_identity import data_key, data_state
from keras_fixhead.runs import Run, make_folder
from keras_fixhead.runs.result import read_arrays

FOLDER = "analysis"
TRAIN_IMAGES = 10_000
"""Largest number of training images that are measured, the same number from each class."""


HELD_OUT = "held-out"
DIGITS = 16
"""Number of digits of the digest of a model file."""

_log = logging.getLogger(__name__)

Prepare = Callable[[Mapping[str, Any]], None]


class RunOutputs:
    """A run's features and logits, split by split.

    Keras, the data and the model are loaded only if something has not been computed before.

    Args:
        run: a complete run.
        data_dir: folder of the data, if it is not the one used in training.
        prepare: called with the arguments of `data.run_dataset` before data are read and the model is loaded.

    Attributes:
        digest: the first 16 digits of the sha256 of the model file.

    Raises:
        RunError: if the run has no model.
    """

    def __init__(self, run: Run, data_dir: str | None = None, *, prepare: Prepare | None = None) -> None:
        self.run = run
        self._prepare = prepare
        self._data_dir = data_dir
        if not run.model_path.is_file():
            raise RunError(f"{run.path} has no model.", hint=f"Continue it: {run.resume_command}")
        self.digest = hashlib.sha256(run.model_path.read_bytes()).hexdigest()[:DIGITS]
        self._datasets: dict[str, Dataset] = {}
        self._predictor: Any = None

    @property
    def label_names(self) -> Sequence[str]:
        """The names of the run's classes."""
        return names_from_json(self.run.read("result")["label_names"])

    def arrays(self, split: str) -> Arrays | None:
        """Returns features, logits, labels and class vectors of a split; None if the split has no images.

        Args:
            split: 'train' (at most `TRAIN_IMAGES`, without augmentation), 'validation' or 'test'.

        Raises:
            DataError: if the data cannot be found or read.
        """
        found = self._kept(split, self._fields(None), lambda data: _part(data, split))
        if not len(found["labels"]):
            return None
        return Arrays(found["features"], found["logits"], found["labels"], found["class_vectors"])

    def unknown(self, dataset: str | None) -> tuple[Arrays, NDArray[np.int32]] | None:
        """Returns the arrays of test images of classes that the run was not trained on, and their labels.

        The labels are those of their data set; the arrays have 0 for all of them.

        Args:
            dataset: another data set, used whole; None for the classes of the run's own that it was not trained on.

        Returns:
            None if there are no such images: `dataset` is None, and the run was trained on all classes.

        Raises:
            DataError: if the data cannot be found or read.
            ArgumentError: (a ValueError) if the images have another size.
        """
        if dataset is None and self.run.config().classes is None:
            return None
        if dataset is None:
            found = self._kept(HELD_OUT, self._fields(None, classes=None), self._of_other_classes)
        else:
            found = self._kept(f"of-{Path(dataset).name}", self._fields(dataset), lambda data: data.test)
        if not len(found["labels"]):  # `--classes` may name all of them
            return None
        none = np.zeros(len(found["labels"]), np.int32)
        return Arrays(found["features"], found["logits"], none, found["class_vectors"]), found["labels"]

    def _kept(self, name: str, fields: Mapping[str, Any], part: Callable[[Dataset], Split]) -> Mapping[str, Any]:
        """The stored outputs on a part of some data; computed first if they are missing, or those data have changed."""
        path = self.run.path / FOLDER / f"features-{name}-{data_key(fields)}-{self.digest}.npz"
        state = data_state(fields)
        if path.is_file() and state in ("", str((found := read_arrays(path))["data_state"])):
            return found
        images = part(self._dataset(fields))
        _log.info("%s: computing the features of %s images (%s).", self.run.name, f"{len(images):,}", name)
        self._compute(images, path, state)
        return read_arrays(path)

    def _compute(self, part: Split, path: Path, state: str) -> None:
        from keras_fixhead.evaluation import Measurer, run_predictor

        if self._predictor is None:
            self._predictor = run_predictor(self.run)
        if self._predictor.streams:
            raise ArgumentError(f"{self.run.path} never has the logits of all its classes, which this needs.",
                                hint=f"Measure it: fixhead evaluate {shlex.quote(str(self.run.path))}")
        shape = self._predictor.image_shape
        if len(part) and part.images.shape[1:] != shape:
            raise ArgumentError(f"These images have shape {part.images.shape[1:]}; the model of {self.run.path} takes "
                                f"{shape}.", hint="Give a data set with images of that size.")
        outputs = Measurer(self._predictor.model).outputs(part.images if len(part) else np.zeros((1, *shape), np.uint8))
        make_folder(path.parent)
        for earlier in path.parent.glob(f"{path.stem.rpartition('-')[0]}-{'?' * DIGITS}.npz"):  # of other model files
            earlier.unlink(missing_ok=True)
        self.run.write_arrays(f"{FOLDER}/{path.name}", features=outputs.features[:len(part)],
                              logits=outputs.logits[:len(part)], class_vectors=outputs.class_vectors,
                              labels=part.labels, data_state=np.array(state))

    def _of_other_classes(self, whole: Dataset) -> Split:
        own = set(self.label_names)
        return whole.test.take(np.flatnonzero([whole.label_names[label] not in own for label in whole.test.labels]))

    def _fields(self, dataset: str | None, **changes: Any) -> dict[str, Any]:
        return {**measured_fields(self.run.config().data_fields, dataset, self._data_dir), **changes}

    def _dataset(self, fields: Mapping[str, Any]) -> Dataset:
        if repr(fields) not in self._datasets:
            if self._prepare is not None:
                self._prepare(fields)
            self._datasets[repr(fields)] = run_dataset(**fields)
        return self._datasets[repr(fields)]


def _part(dataset: Dataset, split: str) -> Split:
    return limit_train(dataset, TRAIN_IMAGES).train if split == "train" else dataset.split(split)
