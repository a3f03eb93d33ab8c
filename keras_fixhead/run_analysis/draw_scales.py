"""The figures over S, of runs that differ in their scale."""
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras_fixhead.figures.scales import Panel, plot_scales
from keras_fixhead.run_analysis.captioned_figure import Figure
from keras_fixhead.run_analysis.measured import MeasuredRun, chance_text

SECTION = "scales"

Lines = dict[str, dict[float, list[float]]]

_FIGURES: tuple[tuple[str, str, tuple[tuple[str, str, str, str], ...], str, str], ...] = (
    ("calibration-over-scales", "Calibration against S", (
        ("calibration", "ece", "Calibration error as served", "ECE"),
        ("calibration", "ece_after", "After a temperature is fitted", "ECE"),
        ("calibration", "mean_confidence", "Mean largest probability", "probability")),
     "What S does to calibration: the calibration error of the probabilities as the model gives them; the same after "
     "one temperature has been fitted on validation images, which changes no prediction; and how sure the model says "
     "it is.", "With cosine logits it cannot be surer than Equation 5 of the paper allows, the dotted line."),
    ("compactness-over-scales", "Accuracy and compactness against S", (
        ("accuracy", "accuracy", "Test accuracy", "share"),
        ("compactness", "predicted", "Cosine to the predicted class vector", "mean cosine"),
        ("class_vectors", "mean_cosine", "Cosine between class vectors", "mean cosine"),
        ("confusion", "errors_inside_groups", "Errors between look-alike classes", "share of all errors")),
     "What S does to features and class vectors; fixed class vectors cannot move.",
     "The paper expects, of cosine logits, that a larger S makes features less compact, as they need not point as "
     "closely at a class vector to be classified with certainty, and that it moves learned class vectors apart."),
)
"""Name, title, panels, caption, and what the caption adds where there are cosine logits."""


def scale_pictures(runs: Sequence[MeasuredRun], folder: Path) -> Iterator[Figure]:
    """Yields the figures over S; none unless some runs differ in a scale that is a number, and in nothing else.

    Arms that differ in something else than S and the seed have lines of their own.
    """
    lines = _lines_of(runs)
    if not lines:
        return
    drawn_runs = [each for several in lines.values() for each in several]
    for name, title, panels, caption, of_cosines in _FIGURES:
        drawn = [Panel(words, label, values, _ceiling(lines) if number == "mean_confidence" else None)
                 for section, number, words, label in panels
                 if (values := {arm: found for arm, several in lines.items()
                                if (found := _values(several, section, number))})]
        if drawn:
            plot_scales(drawn, folder / name, title=title)
            more = f" {of_cosines}" if any(each.config.head == "cos" for each in drawn_runs) else ""
            yield Figure(name, SECTION, f"{caption}{more} A line is an arm's mean over its runs, with a band from the "
                         f"smallest to the largest.{chance_text(drawn_runs)}")


def _lines_of(runs: Sequence[MeasuredRun]) -> dict[str, list[MeasuredRun]]:
    """Arm without its S -> its runs, of arms with at least two scales."""
    found: dict[str, list[MeasuredRun]] = {}
    for each in runs:
        if each.scale is not None:
            found.setdefault(re.sub(r", S = [^,]+", "", each.arm), []).append(each)
    return {arm: several for arm, several in found.items() if len({each.scale for each in several}) > 1}


def _values(runs: Sequence[MeasuredRun], section: str, number: str) -> dict[float, list[float]]:
    found: dict[float, list[float]] = {}
    for each in runs:
        value = each.numbers.get(section, {}).get(number)
        if value is not None and each.scale is not None:
            found.setdefault(each.scale, []).append(float(value))
    return found


def _ceiling(lines: Mapping[str, Sequence[MeasuredRun]]) -> tuple[str, dict[float, float]] | None:
    """The largest probability that S allows (Equation 5), for the number of classes of the runs."""
    limits = {each.scale: float(limit) for several in lines.values() for each in several
              if (limit := each.numbers["calibration"]["ceiling"]) is not None and each.scale is not None}
    return ("largest probability possible (Equation 5)", limits) if limits else None
