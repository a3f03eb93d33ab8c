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
        words: what a positive and a negative difference are called.
        n_outside: number of images outside, where accuracies on two sets are compared.
    """

    mean: float
    interval: tuple[float, float]
    n_images: int
    n_seeds: int | None = None
    words: tuple[str, str] = ("more robust", "less robust")
    n_outside: int | None = None

    @property
    def verdict(self) -> str:
        """One of `words`, or 'undecided' with the reason."""
        if self.n_seeds is not None and self.n_seeds < ENOUGH_SEEDS and abs(self.mean) < SMALL_POINTS:
            return (f"undecided: {self.n_seeds} seeds do not decide a difference below {SMALL_POINTS:g} points; "
                    f"{ENOUGH_SEEDS} or more may")
        low, high = self.interval
        if low <= 0 <= high:
            return "undecided: the interval includes 0"
        return self.words[0] if low > 0 else self.words[1]

    def as_dict(self) -> dict[str, Any]:
        """Returns everything, ready for JSON."""
        return {"mean": self.mean, "interval": list(self.interval), "n_images": self.n_images, "n_seeds": self.n_seeds,
                "verdict": self.verdict, **({} if self.n_outside is None else {"n_outside": self.n_outside})}


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


def accuracy_drop(own: NDArray[Any], outside: NDArray[Any], *, seed: int = 0) -> Difference:
    """Returns how much less accurate a model is on an outside set than on its own test set, with an interval.

    Both sets of images are resampled, and the seeds, if there are several: all independently of each other, as all
    seeds share the images. The drop of one arm minus that of another, paired, is the drop of their differences, because
    a drop is linear: give `first_own - second_own` and `first_outside - second_outside`.

    Args:
        own: whether each image of the own test set is classified correctly, or a difference of that, (N,) or (S, N).
        outside: the same for the outside set, (M,) or (S, M).
        seed: seed of the resampling.

    Raises:
        ValueError: if they do not have the same number of seeds.

    Reference: Recht et al. (2019), Do ImageNet Classifiers Generalize to ImageNet?, for the quantity; Owen (2007), The
    pigeonhole bootstrap, for the interval.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> found = accuracy_drop(draw.random(1_000) < 0.9, draw.random(500) < 0.8)
        >>> round(found.mean, 1), found.verdict
        (11.8, 'drops')
    """
    first, second = (100 * np.atleast_2d(np.asarray(each, np.float64)) for each in (own, outside))
    if len(first) != len(second):
        raise ValueError(f"own has {len(first)} seeds, outside has {len(second)}.")
    seeds, words = len(first), ("drops", "rises")
    mean = float(first.mean() - second.mean())
    several = seeds if np.ndim(own) == 2 else None
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return Difference(mean, (mean, mean), first.shape[1], several, words, second.shape[1])
    if seeds == 1:
        def between(one: NDArray[Any], other: NDArray[Any], axis: int) -> NDArray[Any]:
            found: NDArray[Any] = one.mean(axis=axis) - other.mean(axis=axis)
            return found

        interval = _interval((first[0], second[0]), between, None, seed, vectorized=True)
    else:
        def drop(rows: NDArray[np.intp], columns: NDArray[np.intp], others: NDArray[np.intp]) -> float:
            return float(first[rows].mean(axis=0)[columns].mean() - second[rows].mean(axis=0)[others].mean())

        samples = (np.arange(seeds), np.arange(first.shape[1]), np.arange(second.shape[1]))
        interval = _interval(samples, drop, None, seed, vectorized=False)
    return Difference(mean, interval, first.shape[1], several, words, second.shape[1])


def _interval(samples: tuple[NDArray[Any], ...], statistic: Any, differences: NDArray[np.float64] | None, seed: int,
              *, vectorized: bool) -> tuple[float, float]:
    if differences is not None and np.ptp(differences) == 0:  # BCa is not defined without spread
        return float(differences.flat[0]), float(differences.flat[0])
    from scipy.stats import bootstrap  # two seconds to import

    found = bootstrap(samples, statistic, method="BCa", n_resamples=RESAMPLES, batch=_BATCH, vectorized=vectorized,
                      paired=False, random_state=np.random.default_rng(seed)).confidence_interval
    return float(found.low), float(found.high)
