"""Estimates what a run costs on a GPU or CPU: from measured runs or steps if there are any, or by arithmetic."""
from collections.abc import Iterable
from dataclasses import dataclass

from keras_fixhead.config import TrainConfig, dataset_entry, length_of, train_size
from keras_fixhead.runs.result import Result

MULTIPLY_ADDS = {"resnet18": 555.4e6, "preact_resnet18": 555.4e6, "mobilenet_v2": 92.7e6,
                 "fast_cnn": 118.2e6}
"""Multiply-adds of a forward pass for one 32x32 image at width 1 (counted by a test)."""


MEASURED, STEPS, ARITHMETIC = "measured", "steps timed on this machine", "arithmetic"
"""Sources of an estimate: earlier runs, the time of a training step, or a guess."""


@dataclass(frozen=True)
class Rate:
    """How fast a device is guessed to be, as long as nothing was measured on it.

    Attributes:
        flop_per_second: of a training.
        run_seconds, epoch_seconds: on top for each run and for each epoch.
        unit: of the hours of a plan.
        source: where these numbers come from.
    """

    flop_per_second: float
    run_seconds: float
    epoch_seconds: float
    unit: str
    source: str


GPU = Rate(77e12, 40.0, 1.0, "GPU hours",
           "at 77 TFLOP/s, derived from 96 % in 7 minutes with a ResNet18 on an A100 in the README of "
           "KellerJordan/cifar10-airbench, 25 % of that card's peak; not measured here; plus 40 s per run and 1 s per "
           "epoch for compilation, validation, checkpoints and 15 corrupted test sets, a guess")
CPU = Rate(0.3e12, 240.0, 5.0, "hours on two CPU cores",
           "at 0.3 TFLOP/s, which a prototype reached on two cores of an AMD EPYC with bfloat16 instructions; plus "
           "240 s per run and 5 s per epoch for corrupted test sets, checkpoints and the rest, a guess")


@dataclass(frozen=True)
class Estimate:
    """The estimated duration of a run, and its source.

    Attributes:
        training: seconds for the epochs.
        other: seconds for everything else: compilation and measuring.
        source: `MEASURED`, `STEPS` or `ARITHMETIC`.
    """

    training: float
    other: float
    source: str

    @property
    def seconds(self) -> float:
        """Seconds from start to end."""
        return self.training + self.other


def training_flop_per_image(config: TrainConfig) -> float | None:
    """Returns the floating-point operations of a training step for one image: three forward passes; None if unknown.

    Example:
        >>> round(training_flop_per_image(TrainConfig(dataset="cifar10")) / 1e9, 2)
        3.33
    """
    if config.model not in MULTIPLY_ADDS:
        return None
    height, width, _ = dataset_entry(config).image_shape
    return 6 * MULTIPLY_ADDS[config.model] * (height * width / 32**2) * config.width**2


def training_images(config: TrainConfig) -> int:
    """Returns the number of images processed in a training, counting repetitions."""
    images = train_size(config, dataset_entry(config))
    return length_of(config, images).total * config.batch_size


def estimate(config: TrainConfig, measured: Iterable[Result] = (), device: str | None = None,
             rate: Rate = GPU, *, timed: float | None = None) -> Estimate:
    """Returns the estimated duration of a run, from runs of the same network on the same device if there are any.

    Without such runs, it is computed from the time of a step, if one was timed on this machine.

    Args:
        config: configuration of the run.
        measured: earlier results. Those of resumed runs are ignored: their wall time covers only the last part.
        device: name of the device.
        rate: used if nothing was measured.
        timed: seconds of the training by the time of a step; None if none was timed.
    """
    like = [each for each in measured if each.converged and not each.content.get("resumed")
            and each.content["device"] == device and (each.config.model, each.config.width, each.config.dataset)
            == (config.model, config.width, config.dataset)]
    if like:
        newest = max(like, key=lambda each: str(each.content["finished"]))
        shown = training_images(newest.config)
        training = newest.number("seconds")
        other = max(0.0, newest.number("wall_seconds") - training)
        return Estimate(training * training_images(config) / shown, other, MEASURED)
    if timed is not None:
        return Estimate(timed, rate.run_seconds, STEPS)
    flop = training_flop_per_image(config) or 0.0
    epochs = config.epochs * rate.epoch_seconds
    return Estimate(training_images(config) * flop / rate.flop_per_second + epochs, rate.run_seconds, ARITHMETIC)
