"""Learning rate schedules over the steps and epochs of a run."""
import dataclasses
from typing import Any

import keras
from keras import ops

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.training.checkpoint import Progress

PLATEAU_THRESHOLD = 1e-6
"""Smallest gain in accuracy, as a fraction, that counts as improvement: like torch's 1e-4 on percentages."""


def learning_rate(config: TrainConfig, length: Length) -> Any:
    """Returns the learning rate for a Keras optimizer: a number, or a schedule over the steps of the run.

    The schedule of an extended run begins where it was extended, without warm-up.
    """
    if config.schedule == "plateau":
        return config.lr
    first, steps = length.phase
    warmup = 0.0 if first else config.warmup_fraction
    if config.schedule == "triangular":
        return Triangular(config.lr, steps, warmup, config.initial_lr_fraction, config.final_lr_fraction, first)
    return WarmupDecay(config.lr, steps, warmup, config.schedule, first)


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0 to the peak, then a decay to 0 by a cosine or a straight line (one cycle), or no decay.

    Args:
        peak: largest rate.
        total_steps: steps of rise and decay.
        warmup_fraction: share of the steps in which the rate rises.
        shape: 'cosine', 'one_cycle' or 'constant'.
        first_step: step at which the schedule begins: an extended run begins it again where it was extended.

    Example:
        >>> schedule = WarmupDecay(0.2, total_steps=100, warmup_fraction=0.25, shape="one_cycle")
        >>> [round(float(schedule(step)), 3) for step in (0, 24, 62, 99)]
        [0.008, 0.2, 0.099, 0.0]
    """

    def __init__(self, peak: float, total_steps: int, warmup_fraction: float, shape: str, first_step: int = 0) -> None:
        self._config: dict[str, Any] = {"peak": peak, "total_steps": total_steps, "warmup_fraction": warmup_fraction,
                                        "shape": shape, "first_step": first_step}

    def __call__(self, step: Any) -> Any:
        peak, total = self._config["peak"], self._config["total_steps"]
        warmup = max(1.0, self._config["warmup_fraction"] * total)
        # the rate is above 0 in the first step, and nearly 0 in the last
        done = ops.cast(step - self._config["first_step"], "float32") + 1.0
        remaining = ops.clip((total - done) / max(1.0, total - warmup), 0.0, 1.0)
        if self._config["shape"] == "cosine":
            remaining = 0.5 * (1.0 - ops.cos(3.141592653589793 * remaining))
        elif self._config["shape"] == "constant":
            remaining = 1.0
        return peak * ops.minimum(ops.minimum(done / warmup, 1.0), ops.where(done < warmup, 1.0, remaining))

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)


class Triangular(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from a fraction of the peak to the peak, then a linear fall to another fraction in the last step.

    Args:
        peak: largest rate, reached after `warmup_fraction` of the steps.
        total_steps: steps of rise and fall.
        warmup_fraction: share of the steps in which the rate rises.
        initial_fraction: the first step's share of the peak.
        final_fraction: the last step's share of the peak.
        first_step: step at which the schedule begins: an extended run begins it again where it was extended.

    Example:
        >>> schedule = Triangular(1.0, total_steps=101, warmup_fraction=0.2, initial_fraction=0.2, final_fraction=0.1)
        >>> [round(float(schedule(step)), 3) for step in (0, 10, 20, 60, 100)]
        [0.2, 0.6, 1.0, 0.55, 0.1]
    """

    def __init__(self, peak: float, total_steps: int, warmup_fraction: float, initial_fraction: float,
                 final_fraction: float, first_step: int = 0) -> None:
        self._config: dict[str, Any] = {
            "peak": peak, "total_steps": total_steps, "warmup_fraction": warmup_fraction,
            "initial_fraction": initial_fraction, "final_fraction": final_fraction, "first_step": first_step}

    def __call__(self, step: Any) -> Any:
        peak, initial, final = (self._config[name] for name in ("peak", "initial_fraction", "final_fraction"))
        last = self._config["total_steps"] - 1
        top = min(int(self._config["warmup_fraction"] * self._config["total_steps"]), last)
        done = ops.cast(step - self._config["first_step"], "float32")
        risen = initial + (1.0 - initial) * (done / max(top, 1))
        fallen = 1.0 - (1.0 - final) * ops.minimum((done - top) / max(last - top, 1), 1.0)
        return peak * ops.where(done < top, risen, fallen)

    def get_config(self) -> dict[str, Any]:
        return dict(self._config)


def after_plateau(progress: Progress, accuracy: float, patience: int) -> tuple[Progress, bool]:
    """Returns the progress of the plateau schedule after an epoch, and whether to cut the rate.

    Like torch's ReduceLROnPlateau: the rate is cut when the number of epochs without improvement exceeds the patience;
    then counting starts again.

    Example:
        >>> progress, cuts = Progress(), []
        >>> for accuracy in (0.5, 0.5, 0.5, 0.5, 0.5, 0.6):
        ...     progress, cut = after_plateau(progress, accuracy, patience=3)
        ...     cuts.append(cut)
        >>> cuts
        [False, False, False, False, True, False]
    """
    if accuracy > progress.plateau_best + PLATEAU_THRESHOLD:
        return dataclasses.replace(progress, plateau_best=accuracy, plateau_wait=0), False
    wait = progress.plateau_wait + 1
    cut = wait > patience
    return dataclasses.replace(progress, plateau_wait=0 if cut else wait), cut
