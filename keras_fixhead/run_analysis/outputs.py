"""The features and logits of a run's images, computed once and kept under the digest of the model file."""
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_fixhead.analysis.summary import Arrays
from keras_fixhead.data import Dataset, Split, limit_train, measured_fields, run_dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.runs import Run, make_folder
from keras_fixhead.runs.result import read_arrays

FOLDER = "analysis"
TRAIN_IMAGES = 10_000
"""Largest number of training images that are measured, the same number from each class."""


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
            raise RunError(f"{run.path} has no model.", hint=run.resume_command)
        self.digest = hashlib.sha256(run.model_path.read_bytes()).hexdigest()[:16]
        self._datasets: dict[str | None, Dataset] = {}
        self._predictor: Any = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the run's classes."""
        return tuple(self.run.read("result")["label_names"])

    def arrays(self, split: str, dataset: str | None = None) -> Arrays | None:
        """Returns features, logits, labels and class vectors of a split; None if the split has no images.

        Args:
            split: 'train' (at most `TRAIN_IMAGES`, without augmentation), 'validation' or 'test'.
            dataset: another data set, whose classes may differ; its labels are its own.

        Raises:
            DataError: if the data cannot be found or read.
            ArgumentError: (a ValueError) if the other data set has another image size.
        """
        path = self._path(split, dataset)
        if not path.is_file():
            self._compute(split, dataset, path)
        found = read_arrays(path)
        if not len(found["labels"]):
            return None
        labels = found["labels"] if dataset is None else np.zeros_like(found["labels"])
        return Arrays(found["features"], found["logits"], labels, found["class_vectors"])

    def images(self, split: str) -> Split:
        """Returns the images and labels of a split of the run's own data."""
        return _part(self._dataset(None), split)

    def _path(self, split: str, dataset: str | None) -> Path:
        name = split if dataset is None else f"{split}-of-{Path(dataset).name}"
        return self.run.path / FOLDER / f"features-{name}-{self.digest}.npz"

    def _compute(self, split: str, dataset: str | None, path: Path) -> None:
        data = self._dataset(dataset)
        from keras_fixhead.evaluation import Measurer, run_predictor

        part = _part(data, split)
        self._predictor = predictor = self._predictor or run_predictor(self.run)
        if data.image_shape != predictor.image_shape:
            raise ArgumentError(f"{data.name} has images of shape {data.image_shape}; the model of {self.run.path} "
                                f"takes {predictor.image_shape}.", hint="Give a data set with images of that size.")
        outputs = Measurer(predictor.model).outputs(part.images if len(part) else data.test.images[:1])
        make_folder(path.parent)
        for earlier in path.parent.glob(f"{path.name.rpartition('-')[0]}-*.npz"):
            earlier.unlink(missing_ok=True)
        self.run.write_arrays(f"{FOLDER}/{path.name}", features=outputs.features[:len(part)],
                              logits=outputs.logits[:len(part)], class_vectors=outputs.class_vectors,
                              labels=part.labels)

    def _dataset(self, dataset: str | None) -> Dataset:
        if dataset not in self._datasets:
            fields = measured_fields(self.run.config().data_fields, dataset, self._data_dir)
            if self._prepare is not None:
                self._prepare(fields)
            self._datasets[dataset] = run_dataset(**fields)
        return self._datasets[dataset]


def _part(dataset: Dataset, split: str) -> Split:
    return limit_train(dataset, TRAIN_IMAGES).train if split == "train" else dataset.split(split)
