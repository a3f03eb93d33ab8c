"""Paired bootstrap intervals of a difference between classifiers, over images, and over seeds and images."""
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
"""Random resamples of the images."""
ENOUGH_SEEDS = 6
"""Seeds from which an interval over seeds is reported on its own."""
SMALL_POINTS = 2.0
"""Below this many percentage points a difference is not decided by fewer seeds than `ENOUGH_SEEDS`."""
_BATCH = 50


@dataclass(frozen=True)
class Difference:
    """One classifier's accuracy minus another's on the same images, in percentage points.

    Attributes:
        mean: the difference.
        interval: its 95 % interval (BCa).
        n_images: number of images.
        n_seeds: number of seeds; None where single models are compared.
    """

    mean: float
    interval: tuple[float, float]
    n_images: int
    n_seeds: int | None = None

    @property
    def verdict(self) -> str:
        """'more robust', 'less robust', or 'undecided' with the reason."""
        if self.n_seeds is not None and self.n_seeds < ENOUGH_SEEDS and abs(self.mean) < SMALL_POINTS:
            return (f"undecided: {self.n_seeds} seeds do not decide a difference below {SMALL_POINTS:g} points; "
                    f"{ENOUGH_SEEDS} or more may")
        low, high = self.interval
        if low <= 0 <= high:
            return "undecided: the interval includes 0"
        return "more robust" if low > 0 else "less robust"

    def as_dict(self) -> dict[str, Any]:
        """Returns everything, ready for JSON."""
        return {"mean": self.mean, "interval": list(self.interval), "n_images": self.n_images, "n_seeds": self.n_seeds,
                "verdict": self.verdict}


def difference_over_images(first: NDArray[Any], second: NDArray[Any], *, seed: int = 0) -> Difference:
    """Returns how much more accurate one model is than another, with an interval over images.

    Args:
        first, second: whether each image is classified correctly, or the share of its corrupted forms that is; (N,).
        seed: seed of the resampling.

    Reference: Efron (1987), Better Bootstrap Confidence Intervals, JASA 82.

    Example:
        >>> right, wrong = np.ones(50), np.r_[np.zeros(20), np.ones(30)]
        >>> difference_over_images(right, wrong).mean, difference_over_images(right, wrong).verdict
        (40.0, 'more robust')
    """
    differences = 100 * (np.asarray(first, np.float64) - np.asarray(second, np.float64))
    return Difference(float(differences.mean()), _interval((differences,), np.mean, differences, seed, vectorized=True),
                      len(differences))


def difference_over_seeds(first: NDArray[Any], second: NDArray[Any], *, seed: int = 0) -> Difference:
    """Returns how much more accurate one arm is than another, with an interval over seeds and images.

    Seeds and images are resampled independently of each other: all seeds share the images.

    Args:
        first, second: as in `difference_over_images`, one row per seed, paired; (S, N).
        seed: seed of the resampling.

    Reference: Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> better, worse = (draw.random((6, 200)) < share for share in (0.9, 0.5))
        >>> difference_over_seeds(better, worse).verdict
        'more robust'
    """
    differences = 100 * (np.asarray(first, np.float64) - np.asarray(second, np.float64))
    seeds, images = differences.shape
    if seeds == 1:
        found = difference_over_images(first[0], second[0], seed=seed)
        return Difference(found.mean, found.interval, images, 1)

    def mean(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> float:
        return float(differences[rows].mean(axis=0)[columns].mean())

    interval = _interval((np.arange(seeds), np.arange(images)), mean, differences, seed, vectorized=False)
    return Difference(float(differences.mean()), interval, images, seeds)


def _interval(samples: tuple[NDArray[Any], ...], statistic: Any, differences: NDArray[np.float64], seed: int, *,
              vectorized: bool) -> tuple[float, float]:
    if np.ptp(differences) == 0:  # BCa is not defined without spread
        return float(differences.flat[0]), float(differences.flat[0])
    from scipy.stats import bootstrap  # two seconds to import

    found = bootstrap(samples, statistic, method="BCa", n_resamples=RESAMPLES, batch=_BATCH, vectorized=vectorized,
                      paired=False, random_state=np.random.default_rng(seed)).confidence_interval
    return float(found.low), float(found.high)
