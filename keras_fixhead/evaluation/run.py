"""Evaluates a trained run on its data, or turns it into a predictor."""
from collections.abc import Sequence

from keras_fixhead.data import SPLITS, measured_fields, run_dataset
from keras_fixhead.data.pictures import FITS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import Measurer
from keras_fixhead.evaluation.measures import Evaluation
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.models import load_model
from keras_fixhead.runs import Run


def run_predictor(run: Run) -> Predictor:
    """Returns the trained model of a run, with the names of its classes and its form of pictures.

    Raises:
        RunError: if the run has no model.
    """
    fit = run.config().fit or FITS[0]  # runs of earlier versions do not say so: they cropped
    return Predictor(load_model(run.path), tuple(run.read("result")["label_names"]), fit)


def evaluate_run(run: Run, splits: Sequence[str] = (), data_dir: str | None = None,
                 dataset: str | None = None, tta: str = "none") -> dict[str, Evaluation]:
    """Returns the measures of a run's trained model on splits of its data set, or of another with the same classes.

    Args:
        run: a finished run.
        splits: names of splits: 'train', 'validation', 'test'; if empty, validation and test, where they have images.
        data_dir: folder of the data, if it is not the one used in training.
        dataset: another data set, for example 'cifar10_1' for a model of 'cifar10'.
        tta: test-time augmentation: 'none', 'flip' or 'flip-shift' (see `test_time_views`).

    Raises:
        ArgumentError: (a ValueError) if the other data set has different classes or image sizes, a split has no images,
            or the test-time augmentation is unknown.
        RunError: if the run has no model.
        DataError: if the data cannot be found or read.
    """
    data = run_dataset(**measured_fields(run.config().data_fields, dataset, data_dir))
    predictor = run_predictor(run)
    predictor.check_fits(data)  # the run's own data set too: a folder may have another class since it was trained
    splits = splits or [split for split in ("validation", "test") if len(data.split(split))]
    for split in splits:
        if not len(data.split(split)):
            raise ArgumentError(f"{data.name} has no {split} images.",
                                hint="Choose another --split: " + ", ".join(
                                    name for name in SPLITS if len(data.split(name))))
    measurer = Measurer(predictor.model)
    return {split: measurer.evaluate(data.split(split), tta) for split in splits}
