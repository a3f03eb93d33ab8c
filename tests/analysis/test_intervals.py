import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, t

from keras_fixhead.analysis.intervals import mean_interval, wilson_interval

Z = norm.ppf(0.975)


@pytest.mark.parametrize("successes, n", [(1, 10), (5, 10), (90, 100), (1, 10_000), (9_421, 10_000), (179, 180)])
def test_wilson_bounds_are_the_limits_of_the_score_test(successes, n):
    """Both solve (share - p)^2 = z^2 p (1 - p) / n."""
    share = successes / n

    def score(p):
        return (share - p) ** 2 - Z**2 * p * (1 - p) / n

    expected = brentq(score, 0, share, xtol=1e-15), brentq(score, share, 1, xtol=1e-15)
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=1e-7)  # z is written to seven digits


@pytest.mark.parametrize("n", [1, 10, 360, 10_000])
def test_wilson_bounds_for_0_and_n_successes(n):
    """Without successes, p (n + z^2) = z^2; with n successes, it is the mirror image."""
    none, all_ = wilson_interval(0, n), wilson_interval(n, n)

    assert none == pytest.approx((0, Z**2 / (n + Z**2)), abs=1e-7)
    assert all_ == pytest.approx((1 - none[1], 1), abs=1e-12)
    assert none[0] >= 0 and all_[1] <= 1


def test_higher_confidence_gives_a_wider_interval():
    low, high = wilson_interval(50, 100)
    lower, higher = wilson_interval(50, 100, z=2.576)

    assert lower < low < 0.5 < high < higher


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_the_interval_of_a_mean_follows_students_t(confidence):
    values = [0.1, 0.4, 0.2, 0.9, 0.35]
    expected = t.interval(confidence, len(values) - 1, loc=np.mean(values),
                          scale=np.std(values, ddof=1) / np.sqrt(len(values)))

    assert mean_interval(values, confidence) == pytest.approx(expected, abs=1e-12)
