"""Checkpoints: weights, optimizer, running metrics and progress in one NumPy file."""
import contextlib
import io
import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fixhead.errors import RunError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.json_files import copy_file, write_bytes
from keras_fixhead.runs import Run, make_folder
from keras_fixhead.training import processes
from keras_fixhead.training.backend import to_numpy

SCHEMA = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        epoch: completed epochs.
        step: completed steps of the current epoch.
        best_epoch: the first epoch with the best accuracy; 0 before any.
        best: that accuracy.
        plateau_best, plateau_wait: the best accuracy seen by the plateau schedule, and the epochs since.
        seconds: time spent on completed epochs, over all sessions.
        epoch_seconds: time spent on the steps of the current epoch.
        frozen: whether the backbone was frozen in the last steps; the optimizer then has no state for it.
    """

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best: float = -1.0
    plateau_best: float = -1.0
    plateau_wait: int = 0
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    frozen: bool = False

    def after_epoch(self, accuracy: float, seconds: float) -> "Progress":
        """Returns the progress after one more epoch, given its accuracy and duration."""
        better = accuracy > self.best
        return replace(self, epoch=self.epoch + 1, step=0, best_epoch=self.epoch + 1 if better else self.best_epoch,
                       best=accuracy if better else self.best, seconds=self.seconds + seconds, epoch_seconds=0.0)


def save_progress(run: Run, model: keras.Model, progress: Progress) -> None:
    """Writes the newest checkpoint of a run, and keeps the one before as the previous one.

    Raises:
        RunError: if it cannot be written; existing checkpoints are left unchanged.
    """
    if run.newest_checkpoint.exists():
        copy_file(run.newest_checkpoint, run.previous_checkpoint)
    save_checkpoint(run.newest_checkpoint, model, progress)


def load_progress(run: Run, model: "keras.Model | Callable[[Progress], keras.Model]") -> Progress:
    """Loads the newest intact checkpoint of a run into a compiled model (see `load_checkpoint`); returns its progress.

    A damaged newest checkpoint is reported and kept as newest.npz.damaged, and the previous one is used instead.

    Raises:
        RunError: if there is no intact checkpoint.
    """
    try:
        return load_checkpoint(run.newest_checkpoint, model)
    except RunError as error:
        if not run.previous_checkpoint.exists():
            raise
        progress = load_checkpoint(run.previous_checkpoint, model)
        _log.warning("%s Using the previous one.", error.what)
        if processes.is_first():
            with contextlib.suppress(RunError):  # it may be missing
                # a copy, because other processes may be reading the newest one
                copy_file(run.newest_checkpoint, run.newest_checkpoint.with_name("newest.npz.damaged"))
            copy_file(run.previous_checkpoint, run.newest_checkpoint)
        return progress


def save_checkpoint(path: Path, model: keras.Model, progress: Progress) -> None:
    """Writes weights, optimizer variables, running metrics and progress.

    Raises:
        RunError: if it cannot be written; an existing checkpoint is left unchanged.
    """
    arrays: dict[str, Any] = {name: to_numpy(variable) for name, variable in _state(model).items()}
    arrays["meta"] = np.array(json.dumps({"schema": SCHEMA, **asdict(progress)}))
    content = io.BytesIO()
    np.savez(content, **arrays)
    make_folder(path.parent)
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, model: "keras.Model | Callable[[Progress], keras.Model]") -> Progress:
    """Loads a checkpoint into a compiled model, or into the one that a function returns for its progress.

    All arrays are read and checked (by the archive's checksums) before the first one is assigned.

    Raises:
        RunError: if it is missing, damaged, from a newer version, or from another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        schema = meta.pop("schema")
        progress = Progress(**meta) if schema <= SCHEMA else Progress()
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so there is nothing to resume from.", hint="Start a new run.") from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, EOFError, zipfile.BadZipFile):
        raise RunError(f"The checkpoint {path} is damaged: it is not a complete .npz file of a checkpoint.",
                       hint="Start a new run.") from None
    if schema > SCHEMA:
        raise RunError(f"The checkpoint {path} is from a newer version.", hint="Upgrade: pip install -U keras-fixhead")
    if not isinstance(model, keras.Model):
        model = model(progress)
    if not model.optimizer.built:  # the loss-scaling optimizer would build its variables twice
        model.optimizer.build(model.trainable_variables)
    targets = _state(model)
    arrays = {name: array for name, array in arrays.items() if name in targets or not name.startswith("metric_")}
    missing = {name for name in targets.keys() - arrays.keys() if not name.startswith("metric_")}
    if missing or arrays.keys() - targets.keys() or any(
            arrays[name].shape != tuple(targets[name].shape) for name in arrays):
        raise RunError(f"The checkpoint {path} does not fit the model in the run's config.json.")
    for name, array in arrays.items():
        targets[name].assign(array)
    return progress


def _state(model: keras.Model) -> dict[str, Any]:
    """Name -> variable of everything in a checkpoint, except class vectors that are drawn again."""
    redrawn = [layer.class_vectors for layer in model.layers
               if isinstance(layer, HypersphereHead) and not layer.store_vectors]
    weights = [weight for weight in model.weights if not any(weight is each for each in redrawn)]
    return {**{f"weight_{index}": weight for index, weight in enumerate(weights)},
            **{f"optimizer_{index}": each for index, each in enumerate(model.optimizer.variables)},
            **{f"metric_{index}": each for index, each in enumerate(model.metrics_variables)}}
