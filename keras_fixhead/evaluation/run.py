"""Evaluates a trained run on its data or on others, or turns it into a predictor."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.calibration import log_softmax
from keras_fixhead.class_names import names_from_json
from keras_fixhead.data import SPLITS, Dataset, Split, load_dataset, measured_fields, run_dataset
from keras_fixhead.data.class_map import ClassMap
from keras_fixhead.data.outside import fitted, is_same_folder, outside_dataset, outside_notes, resized
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import Measurer
from keras_fixhead.evaluation.measures import Evaluation, summarize
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.evaluation.streamed import StreamedMeasurer, check_no_views, measurer_of, summarize_streamed
from keras_fixhead.models import load_model
from keras_fixhead.runs import Run


@dataclass(frozen=True)
class MeasuredSplit:
    """A model's measures on a split, and what they were computed from.

    Attributes:
        evaluation: the measures, with predictions among all classes of the model.
        common_accuracy: accuracy if only classes are predicted that the data set has; None if it has all of them or
            only one, or if the model never has all logits.
        split: the images, with the model's labels.
        logits: shape (N, m); None if the model never has all of them.
        best: the most probable classes and their probabilities, each (N, k), if it does not.
    """

    evaluation: Evaluation
    common_accuracy: float | None
    split: Split
    logits: NDArray[np.float32] | None
    best: tuple[NDArray[np.int32], NDArray[np.float32]] | None = None

    def top(self, k: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Returns the k most probable classes and their probabilities, each (N, k); fewer if the model knows fewer."""
        if self.logits is None:
            assert self.best is not None
            return self.best[0][:, :k], self.best[1][:, :k]
        shares = np.exp(log_softmax(self.logits))
        order = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        return order, np.take_along_axis(shares, order, axis=1)


@dataclass(frozen=True)
class MeasuredRun:
    """A run's model, measured.

    Attributes:
        label_names: names of the model's classes.
        classes: how the classes of another data set were matched; None for the run's own data.
        splits: name of a split -> its measures.
        notes: where a gathered data set comes from; what the run and another data set do not have in common.
        skipped: number of pictures that could not be used and were skipped.
    """

    label_names: Sequence[str]
    classes: ClassMap | None
    splits: dict[str, MeasuredSplit]
    notes: tuple[str, ...] = ()
    skipped: int = 0


def run_predictor(run: Run) -> Predictor:
    """Returns the trained model of a run, with the names of its classes and its form of pictures.

    Raises:
        RunError: if the run has no model.
    """
    config = run.config()
    return Predictor(load_model(run.path), names_from_json(run.read("result")["label_names"]), config.fit,
                     config.decoding)


def evaluate_run(run: Run, splits: Sequence[str] = (), data_dir: str | None = None,
                 dataset: str | None = None, tta: str = "none") -> dict[str, Evaluation]:
    """Returns the measures of a run's trained model; see `measure_run` for the arguments and errors."""
    measured = measure_run(run, splits, data_dir, dataset, tta)
    return {split: each.evaluation for split, each in measured.splits.items()}


def measure_run(run: Run, splits: Sequence[str] = (), data_dir: str | None = None, dataset: str | None = None,
                tta: str = "none", *, class_map: Mapping[str, str | None] | None = None,
                predictor: Predictor | None = None, skip_broken: bool = False) -> MeasuredRun:
    """Returns the measures of a run's model on splits of its data set, or of any other that has some of its classes.

    Pictures of another data set are brought to the run's image size. Its classes are matched by name; pictures of
    classes that the run does not have are left out.

    Args:
        run: a run.
        splits: names of splits: 'train', 'validation', 'test'; if empty, validation and test, where they have images.
        data_dir: folder of the data, if it is not the one used in training.
        dataset: another data set, for example 'cifar10_1' for a model of 'cifar10', or a folder of images.
        tta: test-time augmentation: 'none', 'flip' or 'flip-shift' (see `test_time_views`).
        class_map: name in the other data set -> name in the run, or None for a class to leave out.
        predictor: the run's model; None for that of a finished run.
        skip_broken: whether pictures of another folder that cannot be used are skipped.

    Raises:
        ArgumentError: (a ValueError) if the other data set has none of the run's classes, a split has no images, or the
            test-time augmentation is unknown.
        RunError: if the run has no model.
        DataError: if the data cannot be found or read.
    """
    predictor = predictor or run_predictor(run)
    data, classes = _data(run, predictor, data_dir, dataset, class_map, skip_broken)
    splits = splits or [split for split in ("validation", "test") if len(data.split(split))]
    for split in splits:
        if not len(data.split(split)):
            raise ArgumentError(f"{data.name} has no {split} images{'' if classes is None else ' of these classes'}.",
                                hint="Choose another --split: " + ", ".join(
                                    name for name in SPLITS if len(data.split(name))))
    if predictor.takes_vectors and tta != "none":
        raise ArgumentError(f"Test-time augmentation {tta!r} applies to pictures, but the model takes vectors.",
                            hint="Leave out --tta.")
    measurer = measurer_of(predictor.model)
    found = {split: _measured(measurer, data.split(split) if predictor.takes_vectors else
                              resized(data.split(split), predictor.form), tta, classes) for split in splits}
    notes = [] if classes is None else classes.notes(data.name)
    if dataset is not None:
        notes = [*outside_notes(dataset, data), *notes]
    return MeasuredRun(predictor.label_names, classes, found, tuple(notes), data.skipped)


def _data(run: Run, predictor: Predictor, data_dir: str | None, dataset: str | None,
          class_map: Mapping[str, str | None] | None, skip_broken: bool) -> tuple[Dataset, ClassMap | None]:
    own = run.config().data_fields
    if dataset is None or is_same_folder(dataset, own["dataset"]):
        data = run_dataset(**measured_fields(own, None, data_dir))
        predictor.check_fits(data)  # a folder may have another class since the run was trained
        return data, None
    fields = measured_fields(own, dataset, data_dir)
    if predictor.takes_vectors:
        return fitted(_vectors(dataset, predictor.image_shape), predictor.label_names, class_map)
    return fitted(outside_dataset(dataset, fields["data_dir"], predictor.form, skip_broken), predictor.label_names,
                  class_map)


def _vectors(dataset: str, shape: tuple[int, ...]) -> Dataset:
    data = load_dataset(dataset)
    if data.image_shape != shape:
        raise ArgumentError(f"{data.name} has examples of shape {data.image_shape}; the model takes {shape}.",
                            hint="Give an embedding set with vectors of that length.")
    return data


def _measured(measurer: Measurer | StreamedMeasurer, split: Split, tta: str, classes: ClassMap | None) -> MeasuredSplit:
    if isinstance(measurer, StreamedMeasurer):
        check_no_views(tta)
        told = measurer.outputs(split)
        return MeasuredSplit(summarize_streamed(told, split.labels, measurer.num_classes), None, split, None,
                             (told.classes, told.probabilities))
    outputs = measurer.averaged(split.images, tta)
    evaluation = summarize(outputs.features, outputs.logits, outputs.class_vectors, split.labels)
    return MeasuredSplit(evaluation, _common_accuracy(outputs.logits, split, classes), split, outputs.logits)


def _common_accuracy(logits: NDArray[np.float32], split: Split, classes: ClassMap | None) -> float | None:
    if classes is None or not classes.missing or len(classes.common) < 2:
        return None
    common = np.array(classes.common)
    return float((common[logits[:, common].argmax(axis=1)] == split.labels).mean())
