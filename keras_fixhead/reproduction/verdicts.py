"""What measured values say about a claim: held, refuted, undecided at this n, or not measured. Rules, and nothing else.

Each value is of one seed. The interval is Student's 95 % interval of their mean. Below `ENOUGH` seeds nothing is
decided: one seed is an anecdote, and two give an interval that is next to unbounded. No correction is made for the
number of claims.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from keras_fixhead.analysis.intervals import mean_interval

HELD, REFUTED, UNDECIDED, NOT_MEASURED = "held", "refuted", "undecided at this n", "not measured"
STATES = (HELD, REFUTED, UNDECIDED, NOT_MEASURED)
ENOUGH = 3


@dataclass(frozen=True)
class Expectation:
    """Where a claim says that a mean lies: a range, and the range in which the claim is wrong.

    Attributes:
        low, high: the claim is held if the whole interval lies in [low, high].
        wrong_below, wrong_above: it is refuted if the whole interval lies below the one or above the other.
        text: the rule in words.
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
    """Returns the expectation that a mean is a number, within a tolerance: held inside, refuted outside."""
    low, high = number - tolerance, number + tolerance
    return Expectation(low, high, low, high, f"{low:g} to {high:g}")


@dataclass(frozen=True)
class Verdict:
    """What values of several seeds say: one of `STATES`, n, their mean and its 95 % interval (from two values on)."""

    state: str
    n: int
    mean: float | None
    interval: tuple[float, float] | None


def verdict(values: Sequence[float], expected: Expectation) -> Verdict:
    """Returns what the values of several seeds say about an expectation.

    Args:
        values: one a seed; none where nothing was measured.
        expected: where the claim says that their mean lies.

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
    """Returns what the states of a claim's cells say of the claim; cells that are not measured say nothing.

    Args:
        states: one a cell that the claim is about.
        somewhere: whether the claim is that it is so in some cell, and not in each.

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
