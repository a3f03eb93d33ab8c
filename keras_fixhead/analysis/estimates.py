"""A mean, or a difference of two means, with its uncertainty: Student's t, paired or not."""
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error.

    Attributes:
        mean: the estimate.
        error: its standard error.
        freedom: degrees of freedom of its t distribution.
    """

    mean: float
    error: float
    freedom: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Returns the interval that covers the true mean with this probability."""
        from scipy.special import stdtrit  # the quantiles of Student's t; slow to import

        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return self.mean - half, self.mean + half

    def p_above(self, bound: float) -> float:
        """Returns the one-sided p of 'the true mean is above `bound`': how likely such a mean is if it is the bound."""
        return self._p(self.mean - bound)

    def p_below(self, bound: float) -> float:
        """Returns the one-sided p of 'the true mean is below `bound`'."""
        return self._p(bound - self.mean)

    def _p(self, distance: float) -> float:
        from scipy.special import stdtr  # its cumulative distribution, whose two tails are equal

        if math.isinf(distance):
            return 0.0 if distance > 0 else 1.0
        if self.error == 0:
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.freedom, -distance / self.error))


def mean_estimate(values: Sequence[float]) -> Estimate:
    """Returns the estimate of a mean, for values that are independent and nearly normal.

    Args:
        values: at least two numbers.

    Example:
        >>> [round(bound, 3) for bound in mean_estimate([1.0, 2.0, 3.0]).interval()]
        [-0.484, 4.484]
    """
    return Estimate(statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values)), len(values) - 1)


def difference_estimate(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Returns the estimate of the first mean minus the second, for values that are not paired, by Welch's formula.

    Args:
        first, second: at least two numbers each.

    Reference: Welch (1947), Biometrika 34.

    Example:
        >>> found = difference_estimate([1.0, 2.0, 3.0], [0.0, 4.0])
        >>> found.mean, round(found.freedom, 3)
        (0.0, 1.17)
    """
    parts = [statistics.variance(values) / len(values) for values in (first, second)]
    squares = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (first, second), strict=True))
    freedom = sum(parts) ** 2 / squares if squares else min(len(first), len(second)) - 1
    return Estimate(statistics.fmean(first) - statistics.fmean(second), math.sqrt(sum(parts)), freedom)
