"""A progress bar with the remaining time, for a terminal."""
import sys
import time
from typing import Any

import keras

from keras_fixhead.training.estimate import duration

ERASE = "\r\x1b[K"
_WIDTH = 24
_SECONDS_BETWEEN = 0.1


def progress_bars(epochs: float, quiet: bool) -> list[keras.callbacks.Callback]:
    """Returns a training's progress bar, if standard error is a terminal and `quiet` is False."""
    return [] if quiet or not sys.stderr.isatty() else [ProgressBar(epochs)]


class ProgressBar(keras.callbacks.Callback):
    """Shows epoch, steps, loss and accuracy so far, and the remaining time, on one line."""

    def __init__(self, epochs: float) -> None:
        super().__init__()
        self._epochs = epochs
        self._epoch = 0
        self._shown = self._start = 0.0
        self._steps = 0
        self._seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        if now - self._shown < _SECONDS_BETWEEN:
            return
        self._shown = now
        total = self.params["steps"]
        done = batch + 1
        speed = (self._seconds + now - self._start) / (self._steps + done)  # seconds per step
        left = speed * (total - done + total * max(0, self._epochs - self._epoch - 1))
        filled = _WIDTH * done // total
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "accuracy") if name in (logs or {}))
        epoch = min(self._epoch + 1, self._epochs)
        sys.stderr.write(f"{ERASE}epoch {epoch}/{self._epochs} [{'#' * filled}{'.' * (_WIDTH - filled)}] "
                         f"{done}/{total}  {values}  {duration(left)} left")
        sys.stderr.flush()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._steps += self.params["steps"]
        self._seconds += time.perf_counter() - self._start
        sys.stderr.write(ERASE)
        sys.stderr.flush()
