"""The loop over epochs: training, validation, a row of metrics and a checkpoint."""
import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import keras

from keras_fixhead.config import Resolved, Stored
from keras_fixhead.data import Augmentation, Dataset
from keras_fixhead.errors import RunError
from keras_fixhead.json_files import copy_file
from keras_fixhead.models import initialize_from_images
from keras_fixhead.runs import Run
from keras_fixhead.training import processes
from keras_fixhead.training.announce import announce_extension, announce_training
from keras_fixhead.training.backend import (
    augments_on_device,
    describe_environment,
    device_scope,
    prepared_ahead,
    to_numpy,
)
from keras_fixhead.training.batches import TrainBatches
from keras_fixhead.training.checkpoint import Progress, load_progress, save_progress
from keras_fixhead.training.compiled import Models
from keras_fixhead.training.estimate import StepTimer
from keras_fixhead.training.finetuning import is_frozen, start_weights
from keras_fixhead.training.loggers import Logger, open_loggers
from keras_fixhead.training.lookahead import Lookahead, start_slow
from keras_fixhead.training.outcome import vector_metrics
from keras_fixhead.training.processes import is_first
from keras_fixhead.training.schedule import after_plateau
from keras_fixhead.training.signals import StopRequests
from keras_fixhead.training.steps import Interrupted, StepGuard, step_callbacks

_log = logging.getLogger(__name__)


class Loop:
    """The epochs of one run.

    Args:
        run: the run directory.
        resolved: the configuration of the run.
        stored: the same as in config.json.
        dataset: the data set of the run.
        callbacks: callbacks of the user.
        stop: requests to stop, from signals.

    Attributes:
        length: its epochs and steps.
        models: the model that is trained, and the one that is measured.
    """

    def __init__(self, run: Run, resolved: Resolved, stored: Stored, dataset: Dataset,
                 callbacks: Sequence[keras.callbacks.Callback], stop: StopRequests) -> None:
        self.run = run
        self.resolved = resolved
        self.config = config = resolved.config
        self.dataset = dataset
        self.length = resolved.length(len(dataset.train), stored.extensions)
        self.models = Models(config, dataset, self.length)
        self._callbacks = list(callbacks)
        self._stop = stop
        self._augmentation = Augmentation(**config.values("augmentation"))
        self._on_device = augments_on_device(config, self._augmentation)
        self._saved = Progress()

    def start(self, *, resumed: bool) -> Progress:
        """Returns the progress of the run, from its newest checkpoint, and updates its files accordingly."""
        progress = Progress()
        found = resumed and self.run.newest_checkpoint.exists()  # a run that was stopped at its start has none
        if found:
            progress = load_progress(self.run, self.models.trained_at)
        _check_agreed(self.run, progress)
        if found:
            self._keep_best(progress)
            _log.info("Resumed after epoch %d%s.", progress.epoch,
                      f" and step {progress.step} of the next" if progress.step else "")
            if self.length.extended_at == progress.epoch and not progress.step:
                announce_extension(self.config, progress.epoch)
        else:
            initialize_from_images(self.models.trained, self.dataset.train.images)
            start_weights(self.config, self.models.trained)
            start_slow(self.models.trained)
        self._saved = progress
        self.run.write_metrics([row for row in self.run.metrics() if row["epoch"] <= progress.epoch])
        self._write_environment(resumed)
        self.run.write_status("running", epoch=progress.epoch)
        announce_training(self.config, self.dataset, self.models.trained, self.length.steps_per_epoch)
        return progress

    def fit(self, progress: Progress) -> Progress:
        """Trains the remaining epochs, each followed by validation, one line of metrics and a checkpoint."""
        rows = self.run.metrics()
        loggers = open_loggers(self.run, self.config, rows) if is_first() else []
        timer = StepTimer(self.resolved, self.length.steps_per_epoch)
        while progress.epoch < self.length.count and self.stop_reason(progress) is None:
            progress = self._phase(progress)
            row = self._epoch(progress, timer)
            progress = self._after(progress, row)
            rows.append(row)
            self._write_epoch(rows, progress, loggers)
            if processes.any_process(self._stop.received is not None):
                raise Interrupted
        for each in loggers:
            each.close()
        return progress

    def stop_reason(self, progress: Progress) -> str | None:
        """Returns why training ends although epochs remain; None if it does not."""
        config = self.config
        if not 0 < progress.epoch < self.length.count:
            return None
        if config.patience is not None and progress.epoch - progress.best_epoch >= config.patience:
            return f"no better accuracy in {config.patience} epochs"
        if config.max_minutes is not None and progress.seconds >= 60 * config.max_minutes:
            return f"{config.max_minutes:g} minutes are over"
        return None

    def write_interrupted(self) -> Progress:
        """Writes the status of a run that was stopped by a signal; returns how far it has come."""
        self.run.write_status("interrupted", epoch=self._saved.epoch, reason="stopped by a signal")
        return self._saved

    def _phase(self, progress: Progress) -> Progress:
        """Freezes the backbone, or trains it too, as the next epoch asks for; returns the progress that says so."""
        frozen = is_frozen(self.config, progress.epoch)
        if progress.epoch and frozen != progress.frozen:
            _log.info("From epoch %d on, the backbone is trained as well.", progress.epoch + 1)
        self.models.enter(frozen=frozen)
        return dataclasses.replace(progress, frozen=frozen)

    def _epoch(self, progress: Progress, timer: StepTimer) -> dict[str, Any]:
        """One epoch's steps, or those that are left of it, and the measurements after them."""
        start = time.perf_counter()
        config, epoch, model = self.config, progress.epoch, self.models.trained
        batches = TrainBatches(self.dataset.train, config.batch_size, self._augmentation, seed=config.seed, epoch=epoch,
                               first_step=progress.step, last_step=self.length.steps(epoch),
                               partial_batch=config.partial_batch,
                               on_device=self._on_device, balanced=config.sampling == "balanced",
                               share=processes.share())
        metrics = [to_numpy(each) for each in model.metrics_variables] if progress.step else []
        row: dict[str, Any] = {"epoch": epoch + 1, "step": self.length.before(epoch + 1)}
        if len(batches):
            guard = StepGuard(progress, self._save, self._stop, metrics, config.checkpoint_minutes)
            lookahead = Lookahead(config, self.length, progress)
            with device_scope(config.devices):
                history = model.fit(prepared_ahead(batches, config.devices), initial_epoch=epoch, epochs=epoch + 1,
                                    shuffle=False, verbose=0,
                                    callbacks=step_callbacks(model, [timer, lookahead, guard], self._callbacks))
            row |= {name: float(values[-1]) for name, values in history.history.items()}
            seconds = timer.epoch_seconds
        else:  # it was stopped after its last step, so only the measurements remain
            row |= {name: float(value) for name, value in model.get_metrics_result().items()}
            seconds = 0.0
        images = min(len(self.dataset.train), self.length.steps(epoch) * batches.batch_size)
        row |= {"lr": float(to_numpy(model.optimizer.learning_rate)),
                "train_seconds": progress.epoch_seconds + seconds}
        row["images_per_second"] = images / max(row["train_seconds"], 1e-9)
        if is_first():
            row |= self._measures()
        row["seconds"] = progress.epoch_seconds + time.perf_counter() - start
        agreed: dict[str, Any] = processes.from_first(row)  # early stopping and the plateau schedule depend on it
        return agreed

    def _measures(self) -> dict[str, Any]:
        """Measurements after an epoch on images that are not trained on, and of the class vectors."""
        found: dict[str, Any] = {}
        with self.models.evaluated():
            for split in self._measured_splits():
                measured = self.models.measurer.evaluate(self.dataset.split(split)).as_dict()
                found |= {f"{split}_{name}": value for name, value in measured.items()
                          if isinstance(value, float) and name not in ("accuracy_low", "accuracy_high")}
            return found | vector_metrics(self.models.own)

    def _after(self, progress: Progress, row: dict[str, Any]) -> Progress:
        """The progress after an epoch; the plateau schedule cuts the learning rate here."""
        monitored = "test" if self.config.selection == "test" else "validation"
        accuracy = row.get(f"{monitored}_accuracy", row["accuracy"])
        progress = progress.after_epoch(accuracy, row["seconds"])
        if self.config.schedule == "plateau":
            progress, cut = after_plateau(progress, accuracy, self.config.plateau_patience)
            if cut:
                optimizer = self.models.trained.optimizer
                rate = float(to_numpy(optimizer.learning_rate)) * self.config.plateau_factor
                optimizer.learning_rate = rate
                _log.info("No improvement in %d epochs: learning rate %g", self.config.plateau_patience + 1, rate)
        return progress

    def _write_epoch(self, rows: list[dict[str, Any]], progress: Progress, loggers: Sequence[Logger]) -> None:
        row = rows[-1]
        self.run.write_metrics(rows)
        self._save(progress)
        self._keep_best(progress)
        self.run.write_status("running", epoch=progress.epoch)
        for each in loggers:
            each.write(row)
        held = {split: row[f"{split}_accuracy"] for split in self._measured_splits()}
        epochs = self.config.epochs
        _log.info("epoch %s/%s  loss %.4f  accuracy %.4f  %s  %.0f images/s  %.0f s",
                  min(progress.epoch, epochs), epochs, row["loss"], row["accuracy"],
                  "  ".join(f"{split} {share:.4f}" for split, share in held.items()), row["images_per_second"],
                  row["seconds"])

    def _measured_splits(self) -> list[str]:
        splits = ["validation"] if len(self.dataset.validation) else []
        return splits + (["test"] if self.config.selection == "test" else [])

    def _save(self, progress: Progress) -> None:
        if is_first():
            save_progress(self.run, self.models.trained, progress)
        self._saved = progress

    def _keep_best(self, progress: Progress) -> None:
        """Copies the newest checkpoint to the best one if it is the best; a resumed run can repeat this."""
        best = self.config.selection != "last" and progress.best_epoch == progress.epoch and not progress.step
        if is_first() and best:
            copy_file(self.run.newest_checkpoint, self.run.best_checkpoint)

    def _write_environment(self, resumed: bool) -> None:
        """Writes the environment of the run, with all backends that it has used."""
        environment = describe_environment()
        backends: list[str] = []
        if resumed and self.run.has("environment"):
            before = self.run.read("environment")
            backends = before.get("backends") or [before["backend"]]
        if environment["backend"] not in backends[-1:]:
            if backends:
                _log.warning("The run was trained on %s and continues on %s: its result will be equivalent, but not "
                             "bit-identical to that on a single backend.", backends[-1], environment["backend"])
            backends = [*backends, environment["backend"]]
        self.run.write("environment", environment | {
            "backends": backends, "augmented_on": "device" if self._on_device else "host",
            "train_images": len(self.dataset.train)})


def _check_agreed(run: Run, progress: Progress) -> None:
    """Raises a RunError if this process has a different checkpoint than the first one."""
    own = dataclasses.asdict(progress)
    if json.dumps(processes.from_first(own)) != json.dumps(own):
        raise RunError(f"The checkpoint in {run.path} differs from that of the first process.",
                       hint="Give every process the same run directory, or an up-to-date copy.")
