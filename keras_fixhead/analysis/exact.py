"""Exact tests that assume no distribution, and Holm's correction for the number of tests."""
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EXHAUSTIVE = 20
"""Number of values up to which all signs are tried; more are refused."""


def sign_test(wins: int, losses: int) -> float:
    """Returns the two-sided p of as unequal a count of wins and losses, if both are equally likely; ties do not count.

    For paired outcomes that are yes or no, this is McNemar's exact test.

    Example:
        >>> sign_test(6, 0), sign_test(3, 0), sign_test(0, 0)
        (0.03125, 0.25, 1.0)
    """
    n = wins + losses
    tail: float = sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n
    return min(1.0, 2 * tail)


def sign_flip_test(values: Sequence[float]) -> float:
    """Returns the two-sided p of the mean of paired differences, over all choices of their signs.

    It assumes only that, without an effect, a difference is as likely as its negative.

    Raises:
        ValueError: for more than `EXHAUSTIVE` values, or none.

    Example:
        >>> sign_flip_test([1.0, 2.0, 3.0]), sign_flip_test([1.0, -1.0])
        (0.25, 1.0)
    """
    if not 1 <= len(values) <= EXHAUSTIVE:
        raise ValueError(f"A sign-flip test takes 1 to {EXHAUSTIVE} values, got {len(values)}.")
    first, *others = values
    sums = np.array([first], np.float64)  # its sign is kept: with all signs changed, a sum has the same size
    for value in others:
        sums = np.concatenate([sums + value, sums - value])
    rounding = 1e-12 * math.fsum(map(abs, values))  # sums of the same numbers in another order are not less extreme
    return float(np.mean(np.abs(sums) >= abs(math.fsum(values)) - rounding))


@dataclass(frozen=True)
class SignFlips:
    """Sign-flip tests of a mean against any number, with the same methods as `estimates.Estimate`.

    They assume only that a value is as likely to be above the true mean as to be as far below it.

    Attributes:
        values: 1 to `EXHAUSTIVE` numbers.

    Example:
        >>> SignFlips([1.0, 2.0, 3.0]).p_above(0.0), SignFlips([1.0, 2.0, 3.0]).p_below(0.0)
        (0.125, 1.0)
    """

    values: Sequence[float]

    def p_above(self, bound: float) -> float:
        """Returns the one-sided p of 'the true mean is above `bound`'; 1 if the mean of the values is not."""
        return self._p([value - bound for value in self.values])

    def p_below(self, bound: float) -> float:
        """Returns the one-sided p of 'the true mean is below `bound`'; 1 if the mean of the values is not."""
        return self._p([bound - value for value in self.values])

    def _p(self, distances: Sequence[float]) -> float:
        total = math.fsum(distances)
        if math.isinf(total):
            return 0.0 if total > 0 else 1.0
        return sign_flip_test(distances) / 2 if total > 0 else 1.0


def smallest_p(n: int) -> float:
    """Returns the smallest p that a two-sided sign or sign-flip test of n pairs can reach.

    Example:
        >>> smallest_p(3), smallest_p(6)
        (0.25, 0.03125)
    """
    return min(1.0, 2.0 ** (1 - n))


def holm(values: Sequence[float]) -> list[float]:
    """Returns p values corrected for their number: compared with 0.05, one is wrong in at most 5 % of families.

    Reference: Holm (1979), Scandinavian Journal of Statistics 6.

    Example:
        >>> holm([0.01, 0.04, 0.02])
        [0.03, 0.04, 0.04]
    """
    corrected = [1.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=lambda each: values[each])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected
