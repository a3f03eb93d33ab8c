"""Bootstrap intervals compared with SciPy, and with cases that are known."""
import numpy as np
import pytest
from scipy.stats import bootstrap, trim_mean

from keras_fixhead.analysis.bootstrap import bca_interval, interquartile_interval, interquartile_mean

VALUES = [0.3, -0.1, 0.8, 0.45, 0.2, 1.9]


@pytest.mark.parametrize("n", [4, 6, 14])
def test_bca_equals_scipys_with_many_resamples(n):
    """Resamples of up to ten values are counted; those of more are drawn, as SciPy draws them."""
    values = np.random.default_rng(n).gamma(2, 1, n)
    expected = bootstrap((values,), np.mean, method="BCa", n_resamples=40_000, rng=0).confidence_interval

    assert bca_interval(list(values)) == pytest.approx(tuple(expected), abs=0.04 * np.ptp(values))


def test_bca_is_the_same_for_any_order_and_follows_a_change_of_scale():
    low, high = bca_interval(VALUES)

    assert bca_interval(VALUES[::-1]) == pytest.approx((low, high))
    assert bca_interval([10 - 2 * value for value in VALUES]) == pytest.approx((10 - 2 * high, 10 - 2 * low), abs=0.05)
    assert low < np.mean(VALUES) < high and bca_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)


def test_the_interquartile_mean_is_the_trimmed_mean_of_all_scores():
    scores = np.random.default_rng(1).normal(size=(5, 6))

    assert interquartile_mean(scores.tolist()) == pytest.approx(trim_mean(scores, 0.25, axis=None))


def test_the_interval_of_the_interquartile_mean_resamples_within_data_sets():
    far_apart = [[0.01, 0.1, 0.23, 0.17, 0.05], [100.02, 100.1, 100.21, 100.16, 100.3]]
    low, high = interquartile_interval(far_apart)

    assert 0 < high - low < 0.3  # resampling across sets would move it by tens
    assert interquartile_interval(far_apart) == (low, high)
    assert interquartile_interval(far_apart, seed=1) == pytest.approx((low, high), abs=0.02)
