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
    """A training was stopped after a step, with its state saved."""


def step_callbacks(model: keras.Model, own: Sequence[keras.callbacks.Callback],
                   others: Sequence[keras.callbacks.Callback]) -> Any:
    """Returns the callbacks for `fit`; ours alone receive the numbers of a step without waiting for the device.

    Keras reads them before it calls any callback, and so waits for the device after each step. If the user has
    callbacks, all get floats, as Keras guarantees.
    """
    return [*own, *others] if others else _UnreadLogs(list(own), add_history=True, model=model)


class _UnreadLogs(keras.callbacks.CallbackList):
    """Passes on the numbers of a step without reading them from the device."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for each in self.callbacks:
            each.on_train_batch_end(batch, logs)


class StepGuard(keras.callbacks.Callback):
    """Writes checkpoints within an epoch, and stops on a signal to any process or a loss that is infinite or NaN.

    Args:
        progress: progress at the start of the epoch.
        save: function that writes a checkpoint with a progress.
        stop: requests to stop, from signals.
        metrics: values of the running metrics after `progress.step` steps of the epoch; empty at its start.
        minutes: minutes between checkpoints.

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
            variable.assign(value)  # `fit` resets them to zero

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._progress.step + batch + 1
        self._check_loss()  # of the previous step, so as not to wait for the device
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
        """Checks the loss of the last step; it is a mean over the epoch, so a bad value persists."""
        step, loss = self._unread or (0, 0.0)
        self._unread = None
        if not math.isfinite(loss):
            raise TrainingError(f"The loss is {float(loss)} in epoch {self._progress.epoch + 1}, step {step}: this run "
                                "failed to converge.", hint="Try a lower learning rate (--lr) or a longer warm-up "
                                "(--warmup-fraction).")
