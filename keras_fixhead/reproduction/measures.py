"""What is measured of a result: functions from a result to a number."""
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_fixhead.analysis.confusion import errors_inside_groups
from keras_fixhead.analysis.geometry import different_pairs, nearness_of_groups, same_group
from keras_fixhead.analysis.similarity import confusion_similarity
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.runs.result import TEST_TIME, Result

FLOOR_FACTOR = 2.0
"""Accuracies below this multiple of chance are at the floor."""

Measure = Callable[[Result], float | None]
"""From a result to a number; None if it was not measured there."""


def accuracy(result: Result) -> float:
    """Returns the accuracy on test images, in percent."""
    return 100 * result.accuracy()


def trained(result: Result) -> bool:
    """Returns whether a run has learned anything: it converged, to at least twice chance on its training images."""
    curve = result.content.get("curves", [])
    classes = DATASETS[result.config.dataset].num_classes
    return result.converged and not (curve and curve[-1]["accuracy"] < FLOOR_FACTOR / classes)


def averaged_accuracy(result: Result) -> float | None:
    """Returns the accuracy with flips and shifts of the test images, in percent; None if it was not measured."""
    found = result.content.get("tta", {}).get(TEST_TIME)
    return None if found is None else 100 * float(found["accuracy"])


def recorded(*names: str) -> Measure:
    """Returns a measure: a number in the result, found by nested names."""
    return lambda result: result.number(*names)


def evaluated(name: str) -> Measure:
    """Returns a measure: a named number of the evaluation on test images."""
    return recorded("evaluation", "test", name)


def corrupted(name: str) -> Measure:
    """Returns a measure: the mean accuracy over the severities of one of the paper's corruptions, in percent."""
    return lambda result: 100 * result.number("robustness", "paper", "mean", name)


def generalized(name: str, number: str = "common_accuracy") -> Measure:
    """Returns a measure: the accuracy on an outside set among the common classes, in percent; or another number of it.

    Args:
        name: name of the set, as in RUN/generalization/NAME.json.
        number: 'drop_points' for the drop from the own test set, in points.
    """
    def measure(result: Result) -> float | None:
        found = result.content.get("generalization", {}).get(name)
        return None if found is None else float(found[number]) * (1 if number == "drop_points" else 100)
    return measure


def net_corrupted(name: str) -> Measure:
    """Returns a measure: the same minus the accuracy on the same images without corruption, in points."""
    return lambda result: 100 * (result.number("robustness", "paper", "mean", name)
                                 - result.number("robustness", "paper", "clean"))


def at_severity(name: str, severity: int) -> Measure:
    """Returns a measure: the accuracy at one severity of one of the paper's corruptions, in percent."""
    return lambda result: 100 * float(result.content["robustness"]["paper"]["accuracy"][name][severity - 1])


def below_ceiling(largest: float) -> Measure:
    """Returns a measure: how far the largest softmax probability stays below its ceiling."""
    return lambda result: largest - result.number("largest_probability")


def group_nearness(result: Result) -> float:
    """Returns how much closer the class vectors of look-alike classes are than others."""
    return nearness_of_groups(result.matrices()["cosines"], _together(result))


def look_alike_cosine(result: Result) -> float:
    """Returns the mean cosine between the class vectors of look-alike classes."""
    return float(result.matrices()["cosines"][_together(result)].mean())


def high_cosine(result: Result) -> float:
    """Returns the 95th percentile of the cosines between class vectors."""
    cosines = result.matrices()["cosines"]
    return float(np.quantile(cosines[different_pairs(len(cosines))], 0.95))


def errors_inside(result: Result) -> float:
    """Returns the share of errors between look-alike classes."""
    return errors_inside_groups(result.matrices()["confusion"], _together(result))


def correlation(result: Result) -> float | None:
    """Returns the correlation of cosines between class vectors with errors, over ordered pairs; None without errors."""
    return _correlation(result, ordered=True)


def unordered_correlation(result: Result) -> float | None:
    """Returns the same correlation over unordered pairs; None without errors."""
    return _correlation(result, ordered=False)


def _correlation(result: Result, *, ordered: bool) -> float | None:
    matrices = result.matrices()
    found = confusion_similarity(matrices["cosines"], matrices["confusion"], unordered=not ordered, permutations=0)
    return found["correlation"]


def _together(result: Result) -> Any:
    return same_group(result.content["label_names"], DATASETS[result.config.dataset].similar)
