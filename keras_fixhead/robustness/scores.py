"""Summaries of accuracies under corruptions: means, and errors relative to a baseline."""
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Accuracies = Mapping[str, Sequence[float]]
"""Corruption -> accuracy at each severity."""


@dataclass(frozen=True)
class Baseline:
    """What errors are divided by.

    Attributes:
        name: what it is.
        errors: corruption -> mean error over all severities.
        clean_error: error on the unchanged images, if it is known.
    """

    name: str
    errors: Mapping[str, float]
    clean_error: float | None = None


def mean_corruption_error(accuracy: Accuracies, names: Sequence[str],
                          baseline: Mapping[str, float] | None = None) -> float:
    """Returns the mean over corruptions of the mean error over severities, each divided by a baseline's if given.

    With AlexNet's errors on ImageNet-C this is mCE. On CIFAR-C there is no published baseline, and "mCE" is the
    unnormalised mean.

    Args:
        accuracy: accuracy at each severity of every corruption.
        names: the corruptions to average.
        baseline: corruption -> mean error of the baseline over severities.

    Reference: Hendrycks and Dietterich (2019), arXiv:1903.12261, Section 4.

    Example:
        >>> mean_corruption_error({"fog": (0.9, 0.7), "snow": (0.8, 0.6)}, ["fog", "snow"])
        0.25
        >>> round(mean_corruption_error({"fog": (0.9, 0.7)}, ["fog"], {"fog": 0.4}), 4)
        0.5
    """
    errors = {name: 1 - statistics.fmean(accuracy[name]) for name in names}
    return statistics.fmean(errors[name] / (baseline[name] if baseline else 1) for name in names)


def relative_corruption_error(accuracy: Accuracies, clean: float, names: Sequence[str], baseline: Mapping[str, float],
                              baseline_clean_error: float) -> float:
    """Returns the mean over corruptions of the rise in error over the clean one, divided by the baseline's rise.

    Example:
        >>> round(relative_corruption_error({"fog": (0.8, 0.6)}, 0.9, ["fog"], {"fog": 0.6}, 0.2), 4)
        0.5
    """
    return statistics.fmean((clean - statistics.fmean(accuracy[name])) / (baseline[name] - baseline_clean_error)
                            for name in names)


def error_summary(accuracy: Accuracies, clean: float, averaged: Sequence[str],
                  baseline: Baseline | None) -> dict[str, Any]:
    """Returns the mean corruption error with what it is a mean of, ready for JSON.

    Args:
        accuracy: accuracy at each severity of every corruption.
        clean: accuracy on the unchanged images.
        averaged: corruptions in the mean.
        baseline: divides the errors, if it has all these corruptions.
    """
    if baseline is not None and not all(name in baseline.errors for name in averaged):
        baseline = None
    summary = {
        "value": mean_corruption_error(accuracy, averaged, baseline.errors if baseline else None),
        "normalised_by": baseline.name if baseline else None,
        "corruptions": list(averaged),
        "severities": len(next(iter(accuracy.values()))),
    }
    clean_error = baseline.clean_error if baseline else None
    if baseline and clean_error is not None and all(baseline.errors[name] != clean_error for name in averaged):
        summary["relative"] = relative_corruption_error(accuracy, clean, averaged, baseline.errors,
                                                        clean_error)
    return summary


def error_line(summary: Mapping[str, Any]) -> str:
    """Returns the mean corruption error as a sentence that says which convention it follows."""
    over = f"corruptions x severities: {len(summary['corruptions'])} x {summary['severities']}"
    by = summary["normalised_by"]
    how = f" (mCE), divided by {by}'s" if by else ", unnormalised"
    return f"mean corruption error{how}: {100 * summary['value']:.2f} % ({over})"
