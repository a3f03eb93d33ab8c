"""Measures of results, and findings from one cell, or from one cell minus another, paired by seed."""
import math
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from keras_fixhead.analysis.confusion import confusion_correlation, errors_inside_groups
from keras_fixhead.analysis.geometry import nearness_of_groups, same_group
from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction.cells import Cell, cell
from keras_fixhead.reproduction.gpu_blocks import BEST, GPU_BLOCKS
from keras_fixhead.reproduction.results import Results, decide
from keras_fixhead.reproduction.verdict import POINTS, Expectation, Finding, above, not_below
from keras_fixhead.runs.result import Result

Measure = Callable[[Result], float]


def accuracy(result: Result) -> float:
    """Returns the accuracy on test images, in percent."""
    return 100 * result.accuracy()


def validation(result: Result) -> float:
    """Returns the accuracy on validation images, in percent."""
    return 100 * result.accuracy("validation")


def recorded(*names: str) -> Measure:
    """Returns a measure: a number in the result, found by nested names."""
    return lambda result: result.number(*names)


def evaluated(name: str) -> Measure:
    """Returns a measure: a named number of the evaluation on test images."""
    return recorded("evaluation", "test", name)


def corrupted(name: str) -> Measure:
    """Returns a measure: the mean accuracy under a corruption of the paper, in percent."""
    return lambda result: 100 * result.number("robustness", "paper", "mean", name)


def below_ceiling(largest: float) -> Measure:
    """Returns a measure: how far the largest softmax probability stays below its ceiling."""
    return lambda result: largest - result.number("largest_probability")


def group_nearness(result: Result) -> float:
    """Returns how much closer the class vectors of look-alike classes are than others."""
    return nearness_of_groups(result.matrices()["cosines"], _together(result))


def errors_inside(result: Result) -> float:
    """Returns the share of errors between look-alike classes."""
    return errors_inside_groups(result.matrices()["confusion"], _together(result))


def correlation(result: Result) -> float:
    """Returns the correlation of cosines between class vectors and errors."""
    matrices = result.matrices()
    return confusion_correlation(matrices["cosines"], matrices["confusion"])


def arm(dataset: str, head: str, fixed: bool, *, scale: float = 1.0, model: str = "resnet18", epochs: float = 30,
        **extra: Any) -> Cell:
    """Returns a cell of the `honest` recipe."""
    return cell({"dataset": dataset, "model": model, "head": head, "fixed": fixed, "scale": scale, "epochs": epochs,
                 "recipe": "honest", **extra})


def single(results: Results, label: str, one: Cell, measure: Measure, expected: Expectation, *, unit: str = POINTS,
           paper: float | None = None, note: str = "") -> Finding:
    """Returns the finding from one cell, including the number of runs that failed to converge."""
    return Finding(label, _each(results, one, measure), expected, unit, (one,), one.config.epochs, paper,
                   failures_text(results, one, note=note), failures(results, one))


def difference(results: Results, label: str, first: Cell, second: Cell, measure: Measure, expected: Expectation, *,
               unit: str = POINTS, paper: float | None = None, note: str = "") -> Finding:
    """Returns the finding from one cell minus another, paired by seed, with the runs that failed to converge."""
    cells = (first, second)
    values = paired_difference(_each(results, first, measure), _each(results, second, measure)).values
    return Finding(label, values, expected, unit, cells, first.config.epochs, paper,
                   failures_text(results, *cells, note=note), failures(results, *cells))


def gain(results: Results, label: str, measure: Measure, expected: Expectation, *, paper: float | None = None,
         unit: str = POINTS, **fields: Any) -> Finding:
    """Returns the finding from fixed minus learned class vectors."""
    return difference(results, label, arm(fixed=True, **fields), arm(fixed=False, **fields), measure, expected,
                      paper=paper, unit=unit)


def at_best_scale(results: Results, label: str, first: tuple[bool, float | None], second: tuple[bool, float | None],
                   measure: Measure, paper: float | None, *, unit: str = POINTS, tolerance: float | None = None,
                   epochs: int = 30) -> Finding:
    """Returns the finding from one arm at a scale minus another; None stands for the arm's best scale on validation.

    Args:
        first, second: (fixed, scale).
        paper: the paper's number.
        tolerance: tolerance in points; None if the difference must be above 0.
    """
    decisions = decide(results, GPU_BLOCKS)
    scales = {fixed: None if (one := decisions.scale(BEST, fixed)) is None else float(one) for fixed in (True, False)}
    (one, one_scale), (other, other_scale) = first, second
    one_scale, other_scale = one_scale or scales[one], other_scale or scales[other]
    expected = above() if tolerance is None else not_below(tolerance)
    if one_scale is None or other_scale is None:
        return Finding(label, {}, expected, unit, paper=paper, epochs=epochs,
                       cells=tuple(one for fixed in {one, other} for one in BEST.cells(fixed).values()))
    return difference(results, label, arm("cifar100", "cos", one, scale=one_scale, epochs=epochs),
                      arm("cifar100", "cos", other, scale=other_scale, epochs=epochs), measure, expected, paper=paper,
                      unit=unit, note=f"S = {one_scale:g} and {other_scale:g}")


def best(cells: Mapping[float, Cell], results: Results, seeds: int = 3) -> float | None:
    """Returns the key whose cell has the best mean validation accuracy; None while any cell lacks seeds.

    Runs that failed to converge count as measured, but never as the best.
    """
    if any(len(results.all_of(each)) < seeds for each in cells.values()):
        return None
    means = {number: fmean(each.accuracy("validation") for each in converged.values())
             for number, one in cells.items() if (converged := results.of(one))}
    return max(means, key=lambda number: means[number]) if means else None


def best_of_seed(results: Results, cells: Mapping[float, Cell], seed: int) -> float | None:
    """Returns the key whose run with this seed has the best validation accuracy; None while a run is missing."""
    if any(seed not in results.all_of(one) for one in cells.values()):
        return None
    scores = {rate: validation(converged[seed]) for rate, one in cells.items()
              if seed in (converged := results.of(one))}
    return max(scores, key=lambda rate: scores[rate]) if scores else None


def printed(value: float | str | None) -> float:
    """Returns a number printed in the paper, or NaN."""
    return value if isinstance(value, float) else math.nan


def minus(one: float | str | None, other: float | str | None) -> float:
    """Returns the difference of two numbers printed in the paper, or NaN."""
    return printed(one) - printed(other)


def failures(results: Results, *cells: Cell) -> tuple[int, ...]:
    """Returns the seeds at which a run of one of the cells failed to converge."""
    return tuple(sorted({seed for one in cells for seed, result in results.all_of(one).items()
                         if not result.converged}))


def failures_text(results: Results, *cells: Cell, note: str = "") -> str:
    """Returns a note, and how many runs of each cell failed to converge."""
    counted = [f"{failed} of {len(results.all_of(one))} runs of {one.label} failed to converge"
               for one in cells if (failed := len(results.all_of(one)) - len(results.of(one)))]
    return "; ".join(each for each in (note, ", ".join(counted)) if each)


def _each(results: Results, one: Cell, measure: Measure) -> dict[int, float]:
    return {seed: measure(result) for seed, result in results.of(one).items()}


def _together(result: Result) -> Any:
    return same_group(result.content["label_names"], DATASETS[result.config.dataset].similar)
