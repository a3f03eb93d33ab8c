"""Accuracy on corrupted images."""
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.pictures import in_channels
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness.corrupting import CLEAN, CorruptedChunk, native_suite, parts, variants
from keras_fixhead.robustness.draws import checked_seed
from keras_fixhead.robustness.scores import Baseline, error_summary
from keras_fixhead.robustness.suites import NATIVE, SEVERITIES, SUITES, Images, Key, Suite
from keras_fixhead.runs.generalization import measurement_name

Classes = NDArray[np.integer[Any]]
Predict = Callable[[Images], Classes]
Kept = Mapping[Key, Classes]
"""(corruption or 'clean', severity or 0) -> predicted classes, (N,)."""


@dataclass(frozen=True)
class RobustnessReport:
    """Accuracy on clean and on corrupted images.

    Attributes:
        suite: name of the suite of corruptions.
        seed: seed of the corruptions.
        n: number of images.
        clean: accuracy on the unchanged images.
        accuracy: corruption -> accuracy at each severity.
        predictions: (corruption or 'clean', severity or 0) -> predicted classes, shape (n,).
        severities: the severities.
        averaged: corruptions in the mean; None for all.
        engine: what made the images.
        baseline: divides the errors in the mean corruption error; None for the unnormalised mean.
        n_clean: number of unchanged images, if it is another.
    """

    suite: str
    seed: int
    n: int
    clean: float
    accuracy: dict[str, tuple[float, ...]]
    predictions: dict[Key, Classes]
    severities: tuple[int, ...] = SEVERITIES
    averaged: tuple[str, ...] | None = None
    engine: str = NATIVE
    baseline: Baseline | None = None
    n_clean: int | None = None

    @property
    def mean(self) -> dict[str, float]:
        """Corruption -> mean accuracy over the severities."""
        return {corruption: float(np.mean(values)) for corruption, values in self.accuracy.items()}

    @property
    def in_mean(self) -> tuple[str, ...]:
        """The corruptions in the mean: all of them, where none of the suite's was measured."""
        return self.averaged or tuple(self.accuracy)

    def as_dict(self) -> dict[str, Any]:
        """Returns everything except the predictions, ready for JSON."""
        clean = self.n_clean or self.n
        return {
            "suite": self.suite,
            "engine": self.engine,
            "seed": self.seed,
            "n": self.n,
            "severities": list(self.severities),
            "clean": self.clean,
            "clean_interval": list(wilson_interval(round(self.clean * clean), clean)),
            "accuracy": {corruption: list(values) for corruption, values in self.accuracy.items()},
            "mean": self.mean,
            "mean_accuracy": float(np.mean([self.mean[name] for name in self.in_mean])),
            "mean_corruption_error": error_summary(self.accuracy, self.clean, self.in_mean, self.baseline),
        }


def result_name(suite: str, *, dataset: str | None = None, limit: int | None = None, seed: int = 0,
                engine: str = NATIVE, severities: Sequence[int] | None = None,
                corruptions: Sequence[str] | None = None, digest: str | None = None) -> str:
    """Returns a name for a measurement, so that none overwrites another: a partial one, or one of other images.

    Args:
        suite: name of the suite.
        dataset: the data set, if it is not the model's own; a path is reduced to its last part.
        limit: the number of images, if not all.
        seed: seed of the corruptions.
        engine: what makes the images.
        severities, corruptions: which are measured, if not all.
        digest: identifies the suite, if its name does not (`record.suite_digest`).

    Example:
        >>> result_name("paper"), result_name("paper", limit=1000, seed=3)
        ('paper', 'paper-n1000-s3')
        >>> result_name("cifar-c", corruptions=["fog"], severities=[5])
        'cifar-c-fog-severity5'
        >>> result_name("CIFAR-10-C", engine="files", digest="5f3a9c01d2e4")
        'CIFAR-10-C-files-5f3a9c01'
    """
    return "-".join([suite, *([engine] if engine != NATIVE else []), *([digest[:8]] if digest else []),
                     *([measurement_name(dataset)] if dataset else []), *([f"n{limit}"] if limit else []),
                     *([f"s{seed}"] if seed else []), *sorted(corruptions or ()),
                     *(["severity" + "".join(map(str, severities))] if severities else [])])


def result_options(name: str) -> list[str] | None:
    """Returns the options of `fixhead robustness` for the measurement of a name; None if they are not all in it.

    Example:
        >>> result_options("cifar-c-n12-s3-fog-severity15")
        ['--suite', 'cifar-c', '--limit', '12', '--seed', '3', '--corruption', 'fog', '--severities', '1,5']
        >>> result_options("CIFAR-10-C-files-5f3a9c01") is None
        True
    """
    suite = max((each for each in SUITES if f"{name}-".startswith(f"{each}-")), key=len, default=None)
    if suite is None:
        return None
    options = ["--suite", suite]
    for part in name.removeprefix(suite).split("-")[1:]:
        match = re.fullmatch(r"(severity|n|s)(\d+)", part)
        if match and match[1] == "severity":
            options += ["--severities", ",".join(match[2])]
        elif match:
            options += ["--limit" if match[1] == "n" else "--seed", match[2]]
        elif part in SUITES[suite]:
            options += ["--corruption", part]
        else:
            return None
    return options


def measure_robustness(predict: Predict, split: Split, *, suite: str | Suite = "paper", limit: int | None = None,
                       seed: int = 0, severities: Sequence[int] | None = None, corruptions: Sequence[str] | None = None,
                       chunks: Iterable[CorruptedChunk] | None = None, threads: int = 1, kept: Kept | None = None,
                       save: Callable[[Key, Classes], None] = lambda key, predicted: None,
                       progress: Callable[[str], None] = lambda line: None) -> RobustnessReport:
    """Returns a model's accuracy under each corruption of a suite at each severity.

    Args:
        predict: function from uint8 images (N, H, W, 3) to predicted classes (N,).
        split: images and labels.
        suite: a name in `SUITES`, or a suite of another engine.
        limit: use the first `limit` images, and as many of each class of a suite with images of its own (`Suite.like`);
            None for all.
        seed: seed of the corruptions.
        severities: which of the suite's; None for all.
        corruptions: which of the suite's; None for all.
        chunks: chunks from an earlier `corrupted_chunks` call for the same images, suite, seed, corruptions and
            severities; None to corrupt the images now.
        threads: number of chunks that are corrupted in parallel.
        kept: predictions of an earlier, interrupted call; used if the clean images still get the same ones.
        save: called with each corruption and severity and the predicted classes, when they are complete.
        progress: called with a line of text for each measurement.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite or corruption, a limit below 1, a split without images, or
            chunks of different images.
    """
    (report,) = measure_models([predict], split, suite=suite, limit=limit, seed=seed, severities=severities,
                               corruptions=corruptions, chunks=chunks, threads=threads, kept=[kept or {}],
                               save=lambda model, key, predicted: save(key, predicted),
                               progress=lambda model, line: progress(line))
    return report


def measure_models(predicts: Sequence[Predict], split: Split, *, suite: str | Suite = "paper", limit: int | None = None,
                   seed: int = 0, severities: Sequence[int] | None = None, corruptions: Sequence[str] | None = None,
                   chunks: Iterable[CorruptedChunk] | None = None, threads: int = 1, kept: Sequence[Kept] | None = None,
                   save: Callable[[int, Key, Classes], None] = lambda model, key, predicted: None,
                   progress: Callable[[int, str], None] = lambda model, line: None) -> list[RobustnessReport]:
    """Returns the report of each of several models; every image is corrupted once, for all of them.

    Args:
        predicts: one function per model, of images with 3 channels.
        split, suite, limit, seed, severities, corruptions, chunks, threads: as in `measure_robustness`.
        kept: predictions of an earlier, interrupted call, for each model.
        save, progress: as in `measure_robustness`, with the number of the model first.

    Raises:
        ArgumentError: (a ValueError) as in `measure_robustness`.
    """
    if limit is not None and limit < 1:
        raise ArgumentError(f"limit must be at least 1, got {limit}.")
    suite = native_suite(suite) if isinstance(suite, str) else suite
    keys, seed = suite.keys(corruptions, severities), checked_seed(seed)
    images, labels = in_channels(split.images[:limit], 3), split.labels[:limit]  # corruptions are of colours
    if not len(labels):
        raise ArgumentError("There are no images to corrupt.", hint="Choose a data set with test images.")
    suite = suite if limit is None else suite.like(labels)
    corrupted_labels = labels if suite.labels is None else suite.labels
    found: list[dict[Key, Classes]] = [{} for _ in predicts]
    shares: list[dict[Key, float]] = [{} for _ in predicts]
    if chunks is None:
        kept = kept or [{} for _ in predicts]
        made = _made(images, len(corrupted_labels), suite, keys, seed, threads, predicts, kept)
    else:
        made = _grouped(dict(enumerate(predicts)), chunks)
    for model, key, predicted in made:
        found[model][key] = predicted
        shares[model][key] = _accuracy(predicted, corrupted_labels if key[1] else labels)
        save(model, key, predicted)
        progress(model, f"{' '.join(map(str, key)) if key[1] else CLEAN}: {100 * shares[model][key]:.2f} %")
    names = list(dict.fromkeys(name for name, _ in keys))
    measured = tuple(severities or suite.severities)
    return [RobustnessReport(
        suite=suite.name,
        engine=suite.engine,
        seed=seed,
        n=len(corrupted_labels),
        n_clean=len(labels),
        clean=accuracy[CLEAN, 0],
        accuracy={name: tuple(accuracy[name, severity] for severity in measured) for name in names},
        predictions=predictions,
        severities=measured,
        averaged=suite.averaged(names),
        baseline=suite.normaliser if measured == SEVERITIES else None,
    ) for predictions, accuracy in zip(found, shares, strict=True)]


def _made(images: Images, count: int, suite: Suite, keys: Sequence[Key], seed: int, threads: int,
          predicts: Sequence[Predict], kept: Sequence[Kept]) -> Iterator[tuple[int, Key, Classes]]:
    """Yields (model, key, predictions): for the clean images, what was kept, and what is missing."""
    missing: dict[Key, dict[int, Predict]] = {key: {} for key in keys}
    for model, predict in enumerate(predicts):
        clean = np.concatenate([predict(images[part]) for part in parts(images).values()])
        yield model, (CLEAN, 0), clean
        known = kept[model] if np.array_equal(clean, kept[model].get((CLEAN, 0), ())) else {}  # {}: another model
        for key in keys:
            if key in known:
                yield model, key, known[key]
            else:
                missing[key][model] = predict
    if suite.labels is not None:  # the suite has images of its own: only their number is needed
        images = np.broadcast_to(images[:1], (count, *images.shape[1:]))
    left = [key for key in keys if missing[key]]
    for (name, severity), group in itertools.groupby(variants(images, suite, left, seed=seed, threads=threads),
                                                     key=lambda chunk: chunk[:2]):
        yield from _grouped(missing[name, severity], group)


def _grouped(predicts: Mapping[int, Predict], chunks: Iterable[CorruptedChunk]) -> Iterator[tuple[int, Key, Classes]]:
    for key, group in itertools.groupby(chunks, key=lambda chunk: chunk[:2]):
        found: dict[int, list[Classes]] = {model: [] for model in predicts}
        for *_, chunk in group:
            for model, predict in predicts.items():
                found[model].append(predict(chunk))
        for model, classes in found.items():
            yield model, key, np.concatenate(classes)


def _accuracy(predicted: Classes, labels: NDArray[np.int32]) -> float:
    if len(predicted) != len(labels):
        raise ArgumentError(f"The chunks have {len(predicted)} images, but there are {len(labels)} labels.",
                            hint="Make them from the same images: corrupted_chunks(split.images[:limit]).")
    return float((predicted == labels).mean())
