"""The rules by which measured values decide a claim: held, refuted, undecided at this n, or not measured.

There is one value per seed. The interval is Student's 95 % interval of their mean. With fewer than `ENOUGH` seeds,
nothing is decided: one seed is an anecdote, and the interval of two is almost unbounded. There is no correction for the
number of claims.
"""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.reproduction.cells import Cell

HELD, REFUTED, UNDECIDED, NOT_MEASURED = "held", "refuted", "undecided at this n", "not measured"
STATES = (HELD, REFUTED, UNDECIDED, NOT_MEASURED)
ENOUGH = 3
"""Number of seeds from which a comparison is decided."""
POINTS, COSINE, SHARE, DECADES = "points", "cosine", "share", "decades"


@dataclass(frozen=True)
class Expectation:
    """Where a claim expects a mean to lie: the range in which the claim is held, and those in which it is refuted.

    Attributes:
        low, high: the claim is held if the whole interval lies in [low, high].
        wrong_below, wrong_above: the claim is refuted if the whole interval lies below `wrong_below` or above
            `wrong_above`.
        text: the rule as text.
    """

    low: float
    high: float
    wrong_below: float
    wrong_above: float
    text: str


def above(number: float = 0.0) -> Expectation:
    """Returns the expectation that a mean is above a number: held above it, refuted below it."""
    return Expectation(number, math.inf, number, math.inf, f"above {number:g}")


def below(number: float = 0.0) -> Expectation:
    """Returns the expectation that a mean is below a number: held below it, refuted above it."""
    return Expectation(-math.inf, number, -math.inf, number, f"below {number:g}")


def not_below(tolerance: float) -> Expectation:
    """Returns the expectation of about zero or more: held above minus the tolerance, refuted below 0 otherwise."""
    return Expectation(-tolerance, math.inf, 0.0, math.inf, f"above {-tolerance:g}")


def near(number: float, tolerance: float) -> Expectation:
    """Returns the expectation that a mean equals a number within a tolerance: held inside, refuted outside."""
    low, high = number - tolerance, number + tolerance
    return Expectation(low, high, low, high, f"{low:g} to {high:g}")


@dataclass(frozen=True)
class Verdict:
    """The verdict on the values of several seeds: one of `STATES`, n, their mean, and its 95 % interval for n >= 2."""

    state: str
    n: int
    mean: float | None
    interval: tuple[float, float] | None


def verdict(values: Sequence[float], expected: Expectation) -> Verdict:
    """Returns the verdict on the values of several seeds.

    Args:
        values: one per seed; empty if nothing was measured.
        expected: where the claim expects their mean to lie.

    Example:
        >>> verdict([24.7, 26.4, 24.0], above(0)).state
        'held'
        >>> verdict([24.7], above(0)).state
        'undecided at this n'
    """
    if not values:
        return Verdict(NOT_MEASURED, 0, None, None)
    mean = fmean(values)
    interval = mean_interval(values) if len(values) > 1 else None
    if interval is None or len(values) < ENOUGH:
        return Verdict(UNDECIDED, len(values), mean, interval)
    low, high = interval
    if expected.low < low and high < expected.high:
        state = HELD
    elif high <= expected.wrong_below or low >= expected.wrong_above:
        state = REFUTED
    else:
        state = UNDECIDED
    return Verdict(state, len(values), mean, interval)


def combine(states: Sequence[str], *, somewhere: bool = False) -> str:
    """Returns the state of a claim from those of its comparisons; comparisons that were not measured do not count.

    Args:
        states: one per comparison.
        somewhere: whether the claim is about some comparison and not about every one.

    Example:
        >>> combine(["held", "refuted"]), combine(["held", "refuted"], somewhere=True)
        ('refuted', 'held')
    """
    measured = [state for state in states if state != NOT_MEASURED]
    if not measured:
        return NOT_MEASURED
    if somewhere:
        return HELD if HELD in measured else REFUTED if set(states) == {REFUTED} else UNDECIDED
    return REFUTED if REFUTED in measured else HELD if set(measured) == {HELD} else UNDECIDED


@dataclass(frozen=True)
class Finding:
    """One comparison: values of several seeds, and where the claim expects their mean to lie.

    Attributes:
        label: what is compared.
        values: seed -> value; empty if nothing was measured.
        expected: where the claim expects the mean to lie.
        unit: unit of the values.
        cells: the cells that have to be run for it.
        epochs: epochs of those runs; among findings with the same label, the longest decisive training counts.
        paper: the paper's number, if it prints one.
        note: anything else worth knowing.
        failed: seeds that were run but have no value because a run failed to converge.
    """

    label: str
    values: Mapping[int, float]
    expected: Expectation
    unit: str = POINTS
    cells: tuple[Cell, ...] = ()
    epochs: float = 30
    paper: float | None = None
    note: str = ""
    failed: tuple[int, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The verdict on the values; if every run failed to converge, nothing is decided."""
        if not self.values and self.failed:
            return Verdict(UNDECIDED, 0, None, None)
        return verdict(list(self.values.values()), self.expected)


def deciding(findings: Sequence[Finding]) -> list[Finding]:
    """Returns one finding per label: the longest measured training, or one whose runs failed, or the first."""
    best: dict[str, Finding] = {}
    for each in findings:
        before = best.get(each.label)
        if before is None or _weight(each) > _weight(before):
            best[each.label] = each
    return list(best.values())


def combined(findings: Sequence[Finding], *, somewhere: bool = False) -> str:
    """Returns the state of a claim from all its findings; `NOT_MEASURED` if there are none.

    Findings with fewer than `ENOUGH` seeds do not count if others have enough: additional measurements must not undo a
    decision. To decide that a claim holds nowhere, however, all of them count.
    """
    if not findings:
        return NOT_MEASURED
    found = deciding(findings)
    enough = [each for each in found if each.verdict.n >= ENOUGH]
    counted = found if somewhere else enough or found
    return combine([each.verdict.state for each in counted], somewhere=somewhere)


def _weight(each: Finding) -> tuple[bool, bool, bool, float]:
    run = bool(each.values or each.failed)
    return len(each.values) >= ENOUGH, bool(each.values), run, each.epochs if run else 0
