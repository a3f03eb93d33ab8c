"""The model of a checkpoint: of a run that is not finished, or of another epoch than the selected one."""
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_fixhead.config import TrainConfig
from keras_fixhead.config.resolved import length_of
from keras_fixhead.data import Dataset, run_dataset
from keras_fixhead.errors import RunError
from keras_fixhead.evaluation import Predictor
from keras_fixhead.models import precision_policy
from keras_fixhead.runs import Run
from keras_fixhead.training.checkpoint import Progress, load_checkpoint
from keras_fixhead.training.compiled import Models, built_model
from keras_fixhead.training.finetuning import with_normalization
from keras_fixhead.training.optimizer import averaged_weights


@dataclass(frozen=True)
class Checkpointed:
    """A model from a checkpoint.

    Attributes:
        predictor: the model, under the float32 policy, with the names of its classes.
        epoch: completed epochs.
        step: completed steps of the next one.
    """

    predictor: Predictor
    epoch: int
    step: int

    @property
    def text(self) -> str:
        """Returns how far it was trained, in words."""
        return f"after epoch {self.epoch}" + (f" and step {self.step} of the next" if self.step else "")


def checkpoint_predictor(run: Run, which: str, data_dir: str | None = None) -> Checkpointed:
    """Returns the model of a run's checkpoint; the run may be unfinished.

    Args:
        run: a run that is not being trained on several machines.
        which: 'best' or 'newest'.
        data_dir: folder of the data, if it is not the one used in training; the statistics of its pixels are needed.

    Raises:
        RunError: if there is no such checkpoint, or it is damaged.
        DataError: if the data cannot be found or read.
    """
    path = run.best_checkpoint if which == "best" else run.newest_checkpoint
    if not path.exists():
        other = "newest" if which == "best" and run.newest_checkpoint.exists() else None
        raise RunError(f"{run.path} has no {which} checkpoint.",
                       hint=f"Use --checkpoint {other}." if other else "It has one after its first epoch.")
    stored = run.stored()
    config = dataclasses.replace(stored.config, devices=1)
    fields = config.data_fields
    dataset = run_dataset(**{**fields, "data_dir": data_dir or fields["data_dir"]})
    dataset = with_normalization(run, config, dataset, resumed=True)
    models = Models(config, dataset, length_of(config, len(dataset.train), stored.extensions))
    progress, model = model_at(path, config, dataset, models)
    return Checkpointed(Predictor(model, dataset.label_names, config.fit, config.decoding), progress.epoch,
                        progress.step)


def model_at(checkpoint: Path, config: TrainConfig, dataset: Dataset, models: Models) -> tuple[Progress, keras.Model]:
    """Returns the progress of a checkpoint, and its model on one device under the float32 policy.

    Raises:
        RunError: if it is missing or damaged.
    """
    with models.own_scope():
        progress = load_checkpoint(checkpoint, models.own_at)
        weights = averaged_weights(models.own)
    with precision_policy("float32"):
        final = built_model(config, dataset)
    final.set_weights(weights)
    return progress, final
