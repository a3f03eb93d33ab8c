"""Bootstrap intervals: BCa of a mean, and the interquartile mean over several data sets with stratified resampling.

For few values, all resamples are counted instead of drawn. Otherwise draws come from the counter-based hash, so that an
interval is the same everywhere.
"""
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.hashing import BOOTSTRAP_STREAM, stream_key, words

RESAMPLES = 20_000
"""Random resamples of an interval."""
COUNTABLE = 100_000
"""Largest number of different resamples that are counted."""


def bca_interval(values: Sequence[float], confidence: float = 0.95, *, seed: int = 0) -> tuple[float, float]:
    """Returns the bias-corrected and accelerated bootstrap interval of a mean.

    With fewer than about ten values it is too narrow: the bootstrap does not know how little such a sample says about
    the spread. It is shown next to Student's interval, which does, but assumes nearly normal values.

    Args:
        values: at least two numbers.
        confidence: probability that the interval is meant to cover the mean.
        seed: of the resamples, if there are too many to count.

    Reference: Efron (1987), Journal of the American Statistical Association 82.

    Example:
        >>> [round(bound, 3) for bound in bca_interval([1.0, 2.0, 3.0, 7.0])]
        [1.5, 6.0]
    """
    from scipy.special import ndtr, ndtri  # the normal distribution and its quantiles; slow to import

    sample = np.asarray(values, np.float64)
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    means, weights = _resampled_means(sample, seed)
    order = np.argsort(means)
    means, cumulated = means[order], np.cumsum(weights[order])
    below = float(weights[order][means < sample.mean() - 1e-12].sum())
    same = float(weights[order][np.abs(means - sample.mean()) <= 1e-12].sum())
    bias = float(ndtri(below + same / 2))
    deviations = sample.mean() - (sample.sum() - sample) / (len(sample) - 1)  # of the means without one value
    acceleration = float((deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5))
    bounds = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        z = bias + float(ndtri(tail))
        share = float(ndtr(bias + z / (1 - acceleration * z)))
        bounds.append(float(means[min(int(np.searchsorted(cumulated, share - 1e-12)), len(means) - 1)]))
    return bounds[0], bounds[1]


def interquartile_mean(scores: Sequence[Sequence[float]]) -> float:
    """Returns the mean of the middle half of all scores, whatever data set they are from.

    Args:
        scores: one sequence per data set, one number per seed.

    Reference: Agarwal et al. (2021), arXiv:2108.13264.

    Example:
        >>> interquartile_mean([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 100.0]])
        3.5
    """
    return float(_middle_mean(np.concatenate([np.asarray(each, np.float64) for each in scores])[None])[0])


def interquartile_interval(scores: Sequence[Sequence[float]], confidence: float = 0.95, *,
                           seed: int = 0) -> tuple[float, float]:
    """Returns the percentile interval of the interquartile mean; seeds are resampled within each data set.

    Args:
        scores: one sequence per data set, one number per seed.
        confidence: probability that the interval is meant to cover it.
        seed: of the resamples.

    Example:
        >>> interquartile_interval([[1.0, 1.0], [2.0, 2.0]])
        (1.5, 1.5)
    """
    drawn = [np.asarray(each, np.float64)[_indices(len(each), seed, stratum)] for stratum, each in enumerate(scores)]
    found = np.quantile(_middle_mean(np.concatenate(drawn, axis=1)), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(found[0]), float(found[1])


def _middle_mean(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each row without a quarter of its values at either end."""
    cut = rows.shape[1] // 4
    middle: NDArray[np.float64] = np.sort(rows, axis=1)[:, cut:rows.shape[1] - cut].mean(axis=1)
    return middle


def _resampled_means(sample: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the means of resamples and their probabilities: of all resamples, if they can be counted."""
    n = len(sample)
    if math.comb(2 * n - 1, n) > COUNTABLE:
        means = sample[_indices(n, seed, 0)].mean(axis=1)
        return means, np.full(RESAMPLES, 1 / RESAMPLES)
    sets = np.array(list(itertools.combinations_with_replacement(range(n), n)))  # (different resamples, n)
    counts = np.stack([(sets == index).sum(axis=1) for index in range(n)], axis=1)
    factorials = np.array([math.factorial(k) for k in range(n + 1)], np.float64)
    orders = math.factorial(n) / factorials[counts].prod(axis=1)
    return counts @ sample / n, orders / float(n) ** n


def _indices(n: int, seed: int, stratum: int) -> NDArray[np.intp]:
    """Returns the indices of resamples, shape (RESAMPLES, n)."""
    drawn = words(stream_key(seed, BOOTSTRAP_STREAM, stratum), np.arange(RESAMPLES), np.arange(n))
    return ((drawn.astype(np.uint64) * np.uint64(n)) >> np.uint64(32)).astype(np.intp)
