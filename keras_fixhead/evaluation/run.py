"""A trained run: as a predictor, and its measures on its data."""
import dataclasses
from collections.abc import Sequence

from keras_fixhead import data
from keras_fixhead.config import TrainConfig
from keras_fixhead.data import SPLITS, Dataset, load_dataset
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import Measurer
from keras_fixhead.evaluation.measures import Evaluation
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.models import load_model
from keras_fixhead.runs import Run


def run_dataset(config: TrainConfig) -> Dataset:
    """Returns the data of a run: its classes, its training images, its validation part.

    Raises:
        DataError: if they are not there.
    """
    return data.run_dataset(config.dataset, config.data_dir, image_size=config.image_size, hold_out=config.hold_out,
                            classes=config.classes, limit_train=config.limit_train, imbalance=config.imbalance)


def run_predictor(run: Run) -> Predictor:
    """Returns the trained model of a run, with the names of its classes.

    Raises:
        RunError: if the run has no model.
    """
    return Predictor(load_model(run.path), tuple(run.read("result")["label_names"]))


def evaluate_run(run: Run, splits: Sequence[str] = (), data_dir: str | None = None,
                 dataset: str | None = None, tta: str = "none") -> dict[str, Evaluation]:
    """Returns the measures of a run's trained model on splits of its data set, or of another with the same classes.

    Args:
        run: a finished run.
        splits: names of splits: 'train', 'validation', 'test'; if empty, those of the last two that have images.
        data_dir: where the data are, if not where they were in training.
        dataset: another data set, for example 'cifar10_1' for a model of 'cifar10'.
        tta: test-time augmentation: 'none', 'flip' or 'flip-shift' (see `test_time_views`).

    Raises:
        ArgumentError: (a ValueError) if the other data set has other classes or image sizes, a split has no images, or
            the test-time augmentation is unknown.
        RunError: if the run has no model.
        DataError: if the data cannot be found or read.
    """
    config = run.config()
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=data_dir)
    found = run_dataset(config) if dataset is None else load_dataset(dataset, config.data_dir)
    predictor = run_predictor(run)
    if dataset is not None:
        predictor.check_fits(found)
    splits = splits or [split for split in ("validation", "test") if len(found.split(split))]
    for split in splits:
        if not len(found.split(split)):
            raise ArgumentError(f"{found.name} has no {split} images.",
                                hint="Choose another --split: " + ", ".join(
                                    name for name in SPLITS if len(found.split(name))))
    measurer = Measurer(predictor.model)
    return {split: measurer.evaluate(found.split(split), tta) for split in splits}
