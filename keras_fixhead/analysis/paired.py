"""The paired difference of two arms: values per seed in, mean and interval out."""
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_fixhead.analysis.bootstrap import bca_interval
from keras_fixhead.analysis.exact import EXHAUSTIVE, sign_flip_test, smallest_p
from keras_fixhead.analysis.intervals import mean_interval


@dataclass(frozen=True)
class PairedDifference:
    """One arm minus another, over the seeds that both have.

    Attributes:
        values: seed -> difference, in the unit of the measured values.
    """

    values: Mapping[int, float]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float | None:
        """Mean over seeds; None without a common seed."""
        return statistics.fmean(self.values.values()) if self.values else None

    @property
    def std(self) -> float | None:
        """Standard deviation over seeds; None for fewer than two seeds."""
        return statistics.stdev(self.values.values()) if self.n > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % interval of the mean; None for fewer than two seeds."""
        return mean_interval(list(self.values.values())) if self.n > 1 else None

    @property
    def bca(self) -> tuple[float, float] | None:
        """The 95 % BCa bootstrap interval of the mean; None for fewer than two seeds."""
        return bca_interval(list(self.values.values())) if self.n > 1 else None

    @property
    def sign_flip_p(self) -> float | None:
        """The p of the exact sign-flip test of a mean of 0; None without seeds, or for too many to try all signs."""
        return sign_flip_test(list(self.values.values())) if 1 <= self.n <= EXHAUSTIVE else None

    def as_dict(self) -> dict[str, Any]:
        """Returns the values with their mean, standard deviation, intervals and exact test, ready for JSON."""
        interval, bca = self.interval, self.bca
        return {"values": list(self.values.values()), "n": self.n, "mean": self.mean, "std": self.std,
                "interval_95": None if interval is None else list(interval),
                "bca_95": None if bca is None else list(bca),
                "sign_flip_p": self.sign_flip_p, "smallest_p": smallest_p(self.n) if self.n else None}


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> PairedDifference:
    """Returns the first arm minus the second, paired by seed.

    Args:
        first: seed -> measured value.
        second: the same for the arm to compare with. Seeds that only one arm has are left out.

    Example:
        >>> found = paired_difference({0: 80.0, 1: 82.0, 2: 81.0}, {0: 70.0, 1: 75.0, 3: 90.0})
        >>> found.values, found.mean
        ({0: 10.0, 1: 7.0}, 8.5)
    """
    return PairedDifference({seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())})
