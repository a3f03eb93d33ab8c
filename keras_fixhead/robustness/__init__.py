"""How accurate a model stays when its images are corrupted.

A model is a function `predict(images)`, so that it makes no difference whether it runs in this process or behind a
server.
"""
import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.catalog import CORRUPTIONS, import_object, look_up
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import ArgumentError

__all__ = ["SEVERITIES", "SUITES", "RobustnessReport", "corrupt", "measure_robustness", "severity_parameters"]

SEVERITIES = (1, 2, 3, 4, 5)
CHUNK_IMAGES = 1_000

SUITES: dict[str, tuple[str, ...]] = {"paper": ("impulse_noise", "jpeg_compression", "defocus_blur")}
"""Suite -> its corruptions. 'paper': the three that the paper names, at ImageNet strengths (it states no severity)."""

Predict = Callable[[NDArray[np.uint8]], NDArray[np.integer[Any]]]


def corrupt(images: NDArray[np.uint8], corruption: str, severity: int, *, suite: str = "paper", seed: int = 0,
            indices: NDArray[np.intp] | None = None) -> NDArray[np.uint8]:
    """Returns corrupted images.

    Args:
        images: uint8, shape (N, H, W, 3).
        corruption: a name in the catalogue of corruptions.
        severity: 1 to 5.
        suite: whose strengths to use.
        seed: seed of what is random.
        indices: the images' numbers in their data set, shape (N,); 0 to N - 1 if None.

    Returns:
        uint8 array of the same shape.

    Raises:
        ArgumentError: (a ValueError) for an unknown name or a severity out of range.

    Example:
        >>> corrupt(np.zeros((2, 8, 8, 3), np.uint8), "impulse_noise", 5).shape
        (2, 8, 8, 3)
    """
    entry = look_up(CORRUPTIONS, corruption, "corruption")
    strength = severity_parameters(suite, corruption, severity)
    indices = np.arange(len(images)) if indices is None else indices
    corrupted: NDArray[np.uint8] = import_object(entry.function)(
        images, seed=seed, severity=severity, indices=indices, **strength)
    return corrupted


def severity_parameters(suite: str, corruption: str, severity: int) -> dict[str, Any]:
    """Returns the numbers of a corruption's strength.

    Example:
        >>> severity_parameters("paper", "jpeg_compression", 1)
        {'quality': 25}
    """
    look_up(SUITES, suite, "suite")
    if severity not in SEVERITIES:
        raise ArgumentError(f"severity must be 1 to 5, got {severity!r}.")
    strength: dict[str, Any] = _severity_table()[suite]["corruptions"][corruption]["severities"][severity - 1]
    return strength


@dataclass(frozen=True)
class RobustnessReport:
    """Accuracy on clean and on corrupted images.

    Attributes:
        suite: its corruptions and strengths.
        seed: of the corruptions.
        n: number of images.
        clean: accuracy on the images as they are.
        accuracy: corruption -> accuracy at severity 1 to 5.
        predictions: (corruption or 'clean', severity or 0) -> predicted classes, shape (n,).
    """

    suite: str
    seed: int
    n: int
    clean: float
    accuracy: dict[str, tuple[float, ...]]
    predictions: dict[tuple[str, int], NDArray[np.integer[Any]]]

    @property
    def mean(self) -> dict[str, float]:
        """Mean accuracy of each corruption over the severities."""
        return {corruption: float(np.mean(values)) for corruption, values in self.accuracy.items()}

    def as_dict(self) -> dict[str, Any]:
        """Returns everything but the predictions, ready for JSON."""
        return {
            "suite": self.suite,
            "seed": self.seed,
            "n": self.n,
            "clean": self.clean,
            "clean_interval": list(wilson_interval(round(self.clean * self.n), self.n)),
            "accuracy": {corruption: list(values) for corruption, values in self.accuracy.items()},
            "mean": self.mean,
            "mean_accuracy": float(np.mean(list(self.mean.values()))),
        }


def measure_robustness(predict: Predict, split: Split, *, suite: str = "paper", limit: int | None = None, seed: int = 0,
                       severities: Sequence[int] = SEVERITIES,
                       progress: Callable[[str], None] = lambda line: None) -> RobustnessReport:
    """Returns a model's accuracy under each corruption of a suite at each severity.

    Args:
        predict: function from uint8 images (N, H, W, 3) to predicted classes (N,).
        split: images and labels.
        suite: a name in `SUITES`.
        limit: use the first so many images; None for all.
        seed: seed of the corruptions.
        severities: which of 1 to 5.
        progress: called with a line for each measurement.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or a limit below 1.
    """
    corruptions = look_up(SUITES, suite, "suite")
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit must be at least 1, got {limit}.")
    part = Split(split.images[:limit], split.labels[:limit])
    predictions = {("clean", 0): _in_chunks(predict, part, lambda images, indices: images)}
    progress(f"clean: {_accuracy(predictions['clean', 0], part):.4f}")
    for corruption in corruptions:
        for severity in severities:
            change = functools.partial(_corrupted, corruption=corruption, severity=severity, suite=suite, seed=seed)
            predictions[corruption, severity] = _in_chunks(predict, part, change)
            progress(f"{corruption} {severity}: {_accuracy(predictions[corruption, severity], part):.4f}")
    return RobustnessReport(
        suite=suite,
        seed=seed,
        n=len(part),
        clean=_accuracy(predictions["clean", 0], part),
        accuracy={corruption: tuple(_accuracy(predictions[corruption, severity], part) for severity in severities)
                  for corruption in corruptions},
        predictions=predictions,
    )


def _in_chunks(predict: Predict, split: Split, change: Callable[..., NDArray[np.uint8]]) -> NDArray[np.integer[Any]]:
    """The predictions of changed images, some at a time: a corruption needs several times the memory of its images."""
    starts = range(0, len(split), CHUNK_IMAGES)
    chunks = [np.arange(start, min(start + CHUNK_IMAGES, len(split))) for start in starts]
    return np.concatenate([predict(change(split.images[indices], indices)) for indices in chunks])


def _corrupted(images: NDArray[np.uint8], indices: NDArray[np.intp], **arguments: Any) -> NDArray[np.uint8]:
    return corrupt(images, indices=indices, **arguments)


def _accuracy(predicted: NDArray[np.integer[Any]], split: Split) -> float:
    return float((predicted == split.labels).mean())


@functools.cache
def _severity_table() -> dict[str, Any]:
    file = resources.files("keras_fixhead.robustness") / "severities.json"
    suites: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["suites"]
    return suites
