"""Estimates of the duration of a run, from measured step times."""
import logging
import time
from typing import Any

import keras

from keras_fixhead import hardware
from keras_fixhead.config import Length, Resolved, TrainConfig
from keras_fixhead.training.backend import on_gpu

SKIPPED_STEPS = 2
TIMED_STEPS = 4
LONG_SECONDS = 20 * 60
SIGN_OF_LIFE_SECONDS = 60

_log = logging.getLogger(__name__)


class StepTimer(keras.callbacks.Callback):
    """Times each epoch, and the first steps of a run, from which it estimates the duration of the run.

    Args:
        resolved: the configuration of the run.
        steps: steps per whole epoch.

    Attributes:
        epoch_seconds: wall time of the steps of the last epoch.
    """

    def __init__(self, resolved: Resolved, steps: int) -> None:
        super().__init__()
        self.epoch_seconds = 0.0
        self._config = resolved.config
        self._key = resolved.step_time_key
        self._length = Length(resolved.config.epochs, steps)
        self._epoch = self._steps = self._epoch_steps = 0
        self._announced = hardware.stored_step_seconds(self._key) is not None
        self._first = self._epoch_start = self._told = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._epoch_start = self._told = time.perf_counter()
        self._epoch_steps = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch_seconds = time.perf_counter() - self._epoch_start
        if self._steps > self._length.steps_per_epoch:  # the time of the first epoch includes compilation
            hardware.store_step_seconds(self._key, self.epoch_seconds / self._epoch_steps)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._steps += 1
        self._epoch_steps += 1
        if time.perf_counter() - self._told > SIGN_OF_LIFE_SECONDS:
            self._told = time.perf_counter()
            _log.info("step %d/%d of epoch %d", batch + 1, self._length.steps(self._epoch), self._epoch + 1)
        if self._steps == SKIPPED_STEPS:
            self._first = time.perf_counter()
        if self._steps == SKIPPED_STEPS + TIMED_STEPS:
            seconds = (time.perf_counter() - self._first) / TIMED_STEPS
            if not self._announced:
                hardware.store_step_seconds(self._key, seconds)
                left = self._length.total - self._length.before(self._epoch)
                announce_if_long(self._config, seconds, left, "measured just now")


def announce_stored_estimate(resolved: Resolved, steps: int) -> None:
    """Logs how long a run will take if it is long, and if such a step has been timed on this machine before."""
    seconds = hardware.stored_step_seconds(resolved.step_time_key)
    if seconds is not None:
        total = Length(resolved.config.epochs, steps).total
        announce_if_long(resolved.config, seconds, total, "as measured before on this machine")


def announce_if_long(config: TrainConfig, step_seconds: float, steps: int, source: str) -> None:
    """Logs the time of the remaining steps if they take long on a CPU, with a faster alternative."""
    total = step_seconds * steps
    if total < LONG_SECONDS or on_gpu():
        return
    advice = "" if config.recipe == "cpu" else " `--recipe cpu` takes minutes: quarter width, 10 epochs."
    _log.info("This will take about %s on this CPU: %d steps of %.2f s (%s).%s", duration(total),
              steps, step_seconds, source, advice)


def duration(seconds: float) -> str:
    """Returns a duration as text, to about two digits.

    Example:
        >>> duration(50), duration(600), duration(20_000), duration(1e6)
        ('50 s', '10 min', '5.6 h', '11.6 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"
