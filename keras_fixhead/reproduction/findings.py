"""What the results at hand say of each claim: comparisons of cells, paired by seed, each with its verdict."""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_fixhead.reproduction.cells import Cell, cell
from keras_fixhead.reproduction.results import Result, Results
from keras_fixhead.reproduction.verdicts import ENOUGH, NOT_MEASURED, UNDECIDED, Expectation, Verdict, combine, verdict

Measure = Callable[[Result], float]

POINTS, COSINE, SHARE, DECADES = "points", "cosine", "share", "decades"


@dataclass(frozen=True)
class Finding:
    """One comparison: values of several seeds, and where the claim says that their mean lies.

    Attributes:
        label: what is compared.
        values: seed -> value; empty where nothing is measured.
        expected: where the claim says that the mean lies.
        unit: of the values.
        cells: what has to be run for it.
        epochs: of those runs; of findings with one label the longest training that decides is taken.
        paper: the paper's number for it, if it prints one.
        note: what else is to be known.
        failed: seeds that were run and have no value, as a run of theirs failed to converge.
    """

    label: str
    values: Mapping[int, float]
    expected: Expectation
    unit: str = POINTS
    cells: tuple[Cell, ...] = ()
    epochs: int = 30
    paper: float | None = None
    note: str = ""
    failed: tuple[int, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the values say; where all that was run failed to converge, nothing is decided."""
        if not self.values and self.failed:
            return Verdict(UNDECIDED, 0, None, None)
        return verdict(list(self.values.values()), self.expected)


def arm(dataset: str, head: str, fixed: bool, *, scale: float = 1.0, model: str = "resnet18", epochs: int = 30,
        **extra: Any) -> Cell:
    """Returns a cell of the `honest` recipe."""
    return cell({"dataset": dataset, "model": model, "head": head, "fixed": fixed, "scale": scale, "epochs": epochs,
                 "recipe": "honest", **extra})


def accuracy(result: Result) -> float:
    """Returns the accuracy on test images in percent."""
    return result.accuracy()


def validation(result: Result) -> float:
    """Returns the accuracy on validation images in percent."""
    return result.accuracy("validation")


def evaluated(name: str) -> Measure:
    """Returns a measure: a figure of the evaluation on test images, by its name."""
    return lambda result: result.evaluation(name)


def recorded(*names: str) -> Measure:
    """Returns a measure: a number of the result's file, by its names from the outermost in."""

    def measure(result: Result) -> float:
        value: Any = result.content
        for name in names:
            value = value[name]
        return float(value)

    return measure


def each_of(results: Results, one: Cell, measure: Measure) -> dict[int, float]:
    """Returns seed -> measure of the runs of a cell."""
    return {seed: measure(result) for seed, result in results.of(one).items()}


def paired(results: Results, first: Cell, second: Cell, measure: Measure) -> dict[int, float]:
    """Returns seed -> measure of the first cell minus that of the second, over the seeds that both have."""
    ones, others = results.of(first), results.of(second)
    return {seed: measure(ones[seed]) - measure(others[seed]) for seed in ones if seed in others}


def failures(results: Results, *cells: Cell) -> tuple[int, ...]:
    """Returns the seeds at which a run of one of the cells failed to converge."""
    return tuple(sorted({seed for one in cells for seed, result in results.all_of(one).items()
                         if not result.converged}))


def failures_text(results: Results, *cells: Cell, note: str = "") -> str:
    """Returns a note, and how many runs of each cell failed to converge."""
    counted = [f"{failed} of {len(results.all_of(one))} runs of {one.label} failed to converge"
               for one in cells if (failed := len(results.all_of(one)) - len(results.of(one)))]
    return "; ".join(each for each in (note, ", ".join(counted)) if each)


def single(results: Results, label: str, one: Cell, measure: Measure, expected: Expectation, *, unit: str = POINTS,
           paper: float | None = None, note: str = "") -> Finding:
    """Returns the finding of one cell; runs that failed to converge are counted in it."""
    return Finding(label, each_of(results, one, measure), expected, unit, (one,), one.config.epochs, paper,
                   failures_text(results, one, note=note), failures(results, one))


def difference(results: Results, label: str, first: Cell, second: Cell, measure: Measure, expected: Expectation, *,
               unit: str = POINTS, paper: float | None = None, note: str = "") -> Finding:
    """Returns the finding of one cell minus another, paired by seed; runs that failed to converge are counted in it."""
    cells = (first, second)
    return Finding(label, paired(results, *cells, measure), expected, unit, cells, first.config.epochs, paper,
                   failures_text(results, *cells, note=note), failures(results, *cells))


def gain(results: Results, label: str, measure: Measure, expected: Expectation, *, paper: float | None = None,
         unit: str = POINTS, **fields: Any) -> Finding:
    """Returns the finding of fixed minus learned class vectors."""
    return difference(results, label, arm(fixed=True, **fields), arm(fixed=False, **fields), measure, expected,
                      paper=paper, unit=unit)


def deciding(findings: Sequence[Finding]) -> list[Finding]:
    """Returns one finding a label: the measured one with the longest training; then one of failed runs; the first."""
    best: dict[str, Finding] = {}
    for each in findings:
        before = best.get(each.label)
        if before is None or _weight(each) > _weight(before):
            best[each.label] = each
    return list(best.values())


def combined(findings: Sequence[Finding], *, somewhere: bool = False) -> str:
    """Returns what findings say of a claim together; `NOT_MEASURED` if there are none.

    Findings of fewer than `ENOUGH` seeds do not count where others have them: measuring more must not take back what is
    decided. That a claim is so nowhere, though, needs all of them.
    """
    if not findings:
        return NOT_MEASURED
    found = deciding(findings)
    enough = [each for each in found if each.verdict.n >= ENOUGH]
    counted = found if somewhere else enough or found
    return combine([each.verdict.state for each in counted], somewhere=somewhere)


def _weight(each: Finding) -> tuple[bool, bool, bool, int]:
    run = bool(each.values or each.failed)
    return len(each.values) >= ENOUGH, bool(each.values), run, each.epochs if run else 0
