"""Accuracy on corrupted images."""
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.corrupting import CLEAN, CorruptedChunk, corrupted_chunks
from keras_fixhead.robustness.suites import SEVERITIES, SUITES

Predict = Callable[[NDArray[np.uint8]], NDArray[np.integer[Any]]]


@dataclass(frozen=True)
class RobustnessReport:
    """Accuracy on clean and on corrupted images.

    Attributes:
        suite: name of the suite of corruptions.
        seed: seed of the corruptions.
        n: number of images.
        clean: accuracy on the unchanged images.
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
        """Corruption -> mean accuracy over the severities."""
        return {corruption: float(np.mean(values)) for corruption, values in self.accuracy.items()}

    def as_dict(self) -> dict[str, Any]:
        """Returns everything except the predictions, ready for JSON."""
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


def result_name(suite: str, *, dataset: str | None = None, limit: int | None = None, seed: int = 0) -> str:
    """Returns a name for a measurement, so that a partial one never overwrites the complete one.

    Args:
        suite: a name in `SUITES`.
        dataset: the data set, if it is not the model's own; a path is reduced to its last part.
        limit: the number of images, if not all.
        seed: seed of the corruptions.

    Example:
        >>> result_name("paper"), result_name("paper", limit=1000, seed=3)
        ('paper', 'paper-n1000-s3')
    """
    return "-".join([suite, *([Path(dataset).name] if dataset else []), *([f"n{limit}"] if limit else []),
                     *([f"s{seed}"] if seed else [])])


def measure_robustness(predict: Predict, split: Split, *, suite: str = "paper", limit: int | None = None, seed: int = 0,
                       severities: Sequence[int] = SEVERITIES, chunks: Iterable[CorruptedChunk] | None = None,
                       progress: Callable[[str], None] = lambda line: None) -> RobustnessReport:
    """Returns a model's accuracy under each corruption of a suite at each severity.

    Args:
        predict: function from uint8 images (N, H, W, 3) to predicted classes (N,).
        split: images and labels.
        suite: a name in `SUITES`.
        limit: use the first `limit` images; None for all.
        seed: seed of the corruptions.
        severities: which of 1 to 5.
        chunks: chunks from an earlier `corrupted_chunks` call for the same images, suite, seed and severities; None to
            corrupt the images now.
        progress: called with a line of text for each measurement.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite, a limit below 1, a split without images, or chunks of
            different images.
    """
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit must be at least 1, got {limit}.")
    images, labels = split.images[:limit], split.labels[:limit]
    made = corrupted_chunks(images, suite=suite, seed=seed, severities=severities)
    if not len(labels):
        raise ArgumentError("There are no images to corrupt.", hint="Choose a data set with test images.")
    predictions = {}
    accuracy = {}
    for key, group in itertools.groupby(made if chunks is None else chunks, key=lambda chunk: chunk[:2]):
        predictions[key] = np.concatenate([predict(chunk) for _, _, chunk in group])
        accuracy[key] = _accuracy(predictions[key], labels)
        progress(f"{' '.join(map(str, key)) if key[1] else CLEAN}: {100 * accuracy[key]:.2f} %")
    return RobustnessReport(
        suite=suite,
        seed=seed,
        n=len(labels),
        clean=accuracy[CLEAN, 0],
        accuracy={name: tuple(accuracy[name, severity] for severity in severities) for name in SUITES[suite]},
        predictions=predictions,
    )


def _accuracy(predicted: NDArray[np.integer[Any]], labels: NDArray[np.int32]) -> float:
    if len(predicted) != len(labels):
        raise ArgumentError(f"The chunks have {len(predicted)} images, but there are {len(labels)} labels.",
                            hint="Make them from the same images: corrupted_chunks(split.images[:limit]).")
    return float((predicted == labels).mean())
