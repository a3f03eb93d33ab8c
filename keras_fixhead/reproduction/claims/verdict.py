"""The rules by which measured values decide a comparison: held, refuted, undecided at this n, or not measured.

There is one value per seed. The interval is Student's 95 % interval of their mean, or Welch's for two groups of seeds
that are not paired; outcomes that are counted have an exact sign test instead. With fewer than `ENOUGH` seeds,
nothing is decided: one seed is an anecdote, and the interval of two is almost unbounded.

Student's interval is exact for normal values only. From six seeds on, which can reach p < 0.05 in the exact sign-flip
test, a verdict on paired values needs that too: then an arm compared with itself is decided in at most 5 % of cases,
however its values are distributed. Fewer seeds have Student's test alone, which needs p < 0.04 then: at 0.05
it is wrong in more than 5 % if values are not normal. Groups that are not paired have Student's test alone as well.
"""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from keras_fixhead.analysis.estimates import Estimate, difference_estimate, mean_estimate
from keras_fixhead.analysis.exact import EXHAUSTIVE, SignFlips, sign_test, smallest_p

HELD, REFUTED, UNDECIDED, NOT_MEASURED = "held", "refuted", "undecided at this n", "not measured"
STATES = (HELD, REFUTED, UNDECIDED, NOT_MEASURED)
"""What a comparison or a claim can be."""
ENOUGH = 3
"""Number of seeds from which a comparison is decided."""
ALPHA = 0.05
ALPHA_OF_FEW = 0.04
"""Level of Student's test for numbers of seeds that cannot reach `ALPHA` in the exact test."""


@dataclass(frozen=True)
class Expectation:
    """Where a claim expects a mean to lie: the range in which the claim is held, and those in which it is refuted.

    Attributes:
        low, high: the claim is held if the whole interval lies in [low, high].
        wrong_below, wrong_above: the claim is refuted if the whole interval lies below `wrong_below` or above
            `wrong_above`.
        text: the rule as text.
        counted: whether only the signs of the values count, because they are differences of outcomes that are counted.
        outside: whether it is the other way round: the claim is held outside of [low, high], and refuted inside.
    """

    low: float
    high: float
    wrong_below: float
    wrong_above: float
    text: str
    counted: bool = False
    outside: bool = False

    @property
    def one_sided(self) -> bool:
        """Whether the claim is that a mean is above, or below, a number."""
        return not self.outside and math.isinf(self.low) != math.isinf(self.high)

    @property
    def tolerant(self) -> bool:
        """Whether a mean that is a little below 0 is expected too."""
        return self.one_sided and -math.inf < self.low < 0


def above(number: float = 0.0) -> Expectation:
    """Returns the expectation that a mean is above a number: held above it, refuted below it."""
    return Expectation(number, math.inf, number, math.inf, f"above {number:g}")


def below(number: float = 0.0) -> Expectation:
    """Returns the expectation that a mean is below a number: held below it, refuted above it."""
    return Expectation(-math.inf, number, -math.inf, number, f"below {number:g}")


def not_below(tolerance: float) -> Expectation:
    """Returns the expectation of about zero or more: held above minus the tolerance, refuted below it.

    A difference may be held and yet negative; `Verdict.sign` tells.
    """
    return Expectation(-tolerance, math.inf, -tolerance, math.inf, f"above {-tolerance:g}")


def near(number: float, tolerance: float) -> Expectation:
    """Returns the expectation that a mean equals a number within a tolerance: held inside, refuted outside."""
    low, high = number - tolerance, number + tolerance
    return Expectation(low, high, low, high, f"{low:g} to {high:g}")


def other_than(tolerance: float) -> Expectation:
    """Returns the expectation that a mean is not about 0: held outside of the tolerance, refuted inside."""
    return Expectation(-tolerance, tolerance, -tolerance, tolerance, f"not within {tolerance:g} of 0", outside=True)


def more_often() -> Expectation:
    """Returns the expectation that an outcome is more frequent in one arm than in the other, by an exact sign test."""
    return Expectation(0.0, math.inf, 0.0, math.inf, "more often (sign test)", counted=True)


@dataclass(frozen=True)
class Verdict:
    """The verdict on the values of several seeds.

    Attributes:
        state: one of `STATES`.
        n: number of seeds; of the smaller group, if there are two.
        mean: their mean, or the difference of the groups' means.
        interval: its 95 % interval for n >= 2; None for outcomes that are counted.
        p_held, p_refuted: two-sided p values; the verdict is held, or refuted, below 0.05. They are Student's, unless
            the sign-flip test is needed and has a p of 0.05 or more; with fewer than six seeds, 1.25 times Student's,
            so that those too are compared with 0.05.
        sign: 'above 0' or 'below 0' if the interval excludes 0, else ''.
    """

    state: str
    n: int
    mean: float | None
    interval: tuple[float, float] | None
    p_held: float = 1.0
    p_refuted: float = 1.0
    sign: str = ""


def verdict(values: Sequence[float], expected: Expectation, minus: Sequence[float] | None = None) -> Verdict:
    """Returns the verdict on the values of several seeds.

    Args:
        values: one per seed; empty if nothing was measured.
        expected: where the claim expects their mean to lie.
        minus: a second group, not paired with the first: the verdict is on the first mean minus the second.

    Example:
        >>> verdict([24.7, 26.4, 24.0], above(0)).state
        'held'
        >>> verdict([24.7], above(0)).state
        'undecided at this n'
        >>> narrow = verdict([-0.35, -0.30, -0.25], not_below(0.5))
        >>> narrow.state, narrow.sign
        ('held', 'below 0')
    """
    groups = [values] if minus is None else [values, minus]
    n = min(map(len, groups))
    if not n:
        return Verdict(NOT_MEASURED, 0, None, None)
    mean = fmean(values) - (fmean(minus) if minus else 0.0)
    if expected.counted:
        return _counted(values, mean)
    if n == 1:
        return Verdict(UNDECIDED, n, mean, None)
    found = mean_estimate(values) if minus is None else difference_estimate(values, minus)
    low, high = found.interval()
    sign = "above 0" if low > 0 else "below 0" if high < 0 else ""
    if n < ENOUGH:
        return Verdict(UNDECIDED, n, mean, (low, high), sign=sign)
    p_held, p_refuted = _p_values(found, expected)
    if smallest_p(n) >= ALPHA:
        p_held, p_refuted = (min(1.0, p * ALPHA / ALPHA_OF_FEW) for p in (p_held, p_refuted))
    elif minus is None and min(p_held, p_refuted) < ALPHA and n <= EXHAUSTIVE:
        exact = _p_values(SignFlips(values), expected)
        p_held, p_refuted = (max(p, q) if q >= ALPHA else p for p, q in zip((p_held, p_refuted), exact, strict=True))
    state = HELD if p_held < ALPHA else REFUTED if p_refuted < ALPHA else UNDECIDED
    return Verdict(state, n, mean, (low, high), p_held, p_refuted, sign)


def _p_values(found: Estimate | SignFlips, expected: Expectation) -> tuple[float, float]:
    """The two-sided p of a mean where the claim is held, and of one where it is refuted."""
    inside, outside = _p_inside(found, expected), _p_outside(found, expected)
    return (outside, inside) if expected.outside else (inside, outside)


def _p_inside(found: Estimate | SignFlips, expected: Expectation) -> float:
    """The two-sided p of a mean inside [low, high]: both ends must be excluded."""
    return min(1.0, 2 * max(found.p_above(expected.low), found.p_below(expected.high)))


def _p_outside(found: Estimate | SignFlips, expected: Expectation) -> float:
    """The two-sided p of a mean below `wrong_below` or above `wrong_above`: one is enough."""
    return min(1.0, 2 * min(found.p_below(expected.wrong_below), found.p_above(expected.wrong_above)))


def _counted(values: Sequence[float], mean: float) -> Verdict:
    wins, losses = sum(value > 0 for value in values), sum(value < 0 for value in values)
    p = sign_test(wins, losses)
    p_held, p_refuted = (p, 1.0) if wins > losses else (1.0, p) if losses > wins else (1.0, 1.0)
    state = HELD if p_held < ALPHA else REFUTED if p_refuted < ALPHA else UNDECIDED  # fewer than six cannot decide
    return Verdict(state, len(values), mean, None, p_held, p_refuted)


def combine(states: Sequence[str], *, somewhere: bool = False) -> str:
    """Returns the state of a claim from those of its comparisons; comparisons that were not measured do not count.

    A claim about some comparison is never refuted: what was not found here may be found in another network.

    Args:
        states: one per comparison.
        somewhere: whether the claim is about some comparison and not about every one.

    Example:
        >>> combine(["held", "refuted"]), combine(["held", "refuted"], somewhere=True)
        ('refuted', 'held')
        >>> combine(["refuted", "refuted"], somewhere=True)
        'undecided at this n'
    """
    measured = [state for state in states if state != NOT_MEASURED]
    if not measured:
        return NOT_MEASURED
    if somewhere:
        return HELD if HELD in measured else UNDECIDED
    return REFUTED if REFUTED in measured else HELD if set(measured) == {HELD} else UNDECIDED


def seeds_in_order(values: Mapping[int, float]) -> list[float]:
    """Returns the values of seeds, by seed."""
    return [values[seed] for seed in sorted(values)]
