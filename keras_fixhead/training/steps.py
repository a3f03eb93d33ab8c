"""What the engine does between the steps of an epoch."""
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_fixhead.errors import TrainingError
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.processes import AnyProcess
from keras_fixhead.training.signals import StopRequests


class Interrupted(Exception):
    """A training has stopped after a step, with its state written."""


def step_callbacks(model: keras.Model, own: Sequence[keras.callbacks.Callback],
                   others: Sequence[keras.callbacks.Callback]) -> Any:
    """Returns what `fit` takes as callbacks: only ours get a step's numbers unread, as the device has them.

    Keras would read them before it calls any callback, and so wait for the device after each step. Callbacks of the
    user are given floats, as Keras promises them.
    """
    return [*own, *others] if others else _UnreadLogs(list(own), add_history=True, model=model)


class _UnreadLogs(keras.callbacks.CallbackList):
    """Passes a step's numbers on unread."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for each in self.callbacks:
            each.on_train_batch_end(batch, logs)


class StepGuard(keras.callbacks.Callback):
    """Writes checkpoints inside an epoch, stops on a signal to any process, and on a loss that is infinite or NaN.

    Args:
        progress: where the epoch begins.
        save: writes a checkpoint of a progress.
        stop: what signals have asked for.
        metrics: values of the running metrics after `progress.step` steps of the epoch; empty at its start.
        minutes: between checkpoints.

    Raises:
        TrainingError: at the first step whose loss is infinite or NaN.
    """

    def __init__(self, progress: Progress, save: Callable[[Progress], None], stop: StopRequests, metrics: list[Any],
                 minutes: float) -> None:
        super().__init__()
        self._progress = progress
        self._save = save
        self._stop = stop
        self._any_process = AnyProcess()
        self._metrics = metrics
        self._interval = 60 * minutes
        self._start = self._saved = time.perf_counter()
        self._unread: tuple[int, Any] | None = None  # a step and its loss

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for variable, value in zip(self.model.metrics_variables, self._metrics, strict=bool(self._metrics)):
            variable.assign(value)  # `fit` has set them to zero

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._progress.step + batch + 1
        self._check_loss()  # of the step before: the device still computes this one, and is not waited for
        self._unread = (step, (logs or {}).get("loss", 0.0))
        stopped = self._any_process(self._stop.received is not None)
        now = time.perf_counter()
        if stopped or now - self._saved > self._interval:
            self._check_loss()
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            self._save(dataclasses.replace(
                self._progress, step=step, epoch_seconds=self._progress.epoch_seconds + now - self._start))
            self._saved = time.perf_counter()
        if stopped:
            raise Interrupted

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._check_loss()

    def _check_loss(self) -> None:
        """Reads the loss that has not been read yet: a mean over the epoch, so it is the first to be spoilt."""
        step, loss = self._unread or (0, 0.0)
        self._unread = None
        if not math.isfinite(loss):
            raise TrainingError(f"The loss is {float(loss)} in epoch {self._progress.epoch + 1}, step {step}: this run "
                                "failed to converge.", hint="Try a lower learning rate (--lr) or a longer warm-up.")
