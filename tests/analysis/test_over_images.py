import numpy as np
import pytest

from keras_fixhead.analysis.over_images import Difference, difference_over_images, difference_over_seeds

DRAW = np.random.default_rng(0)
EQUAL = DRAW.random((6, 400)) < 0.7


def test_the_interval_over_images_is_near_the_normal_one():
    """For 800 paired differences BCa is close to mean +- 1.96 standard errors."""
    first, second = DRAW.random(800) < 0.8, DRAW.random(800) < 0.7
    differences = 100 * (first.astype(float) - second)
    found = difference_over_images(first, second)
    error = differences.std(ddof=1) / np.sqrt(800)

    assert found.mean == pytest.approx(differences.mean())
    assert found.interval == pytest.approx((differences.mean() - 1.96 * error, differences.mean() + 1.96 * error),
                                           abs=0.25 * error)
    assert found.interval == difference_over_images(first, second).interval  # the resampling has a seed


def test_seeds_that_differ_widen_the_interval_over_seeds_and_images():
    """Differences of 0 and 40 points by seed: the standard error over six seeds is 20 / sqrt(6) = 8 points."""
    better = EQUAL.copy()
    better[::2] |= DRAW.random((3, 400)) < 0.8
    over_both = difference_over_seeds(better, EQUAL)
    over_images = difference_over_images(better.mean(axis=0), EQUAL.mean(axis=0))

    assert over_both.mean == pytest.approx(over_images.mean)
    assert np.ptp(over_both.interval) > 2 * np.ptp(over_images.interval)


@pytest.mark.parametrize("difference, verdict", [
    (Difference(1.5, (0.5, 2.5), 100, 3),
     "undecided: 3 seeds do not decide a difference below 2 points; 6 or more may"),
    (Difference(1.5, (0.5, 2.5), 100, 6), "more robust"),
    (Difference(-3.0, (-4.0, -2.0), 100, 3), "less robust"),
    (Difference(1.5, (0.5, 2.5), 100), "more robust"),
    (Difference(5.0, (-1.0, 9.0), 100, 8), "undecided: the interval includes 0"),
])
def test_a_verdict_needs_an_interval_without_0_and_six_seeds_for_small_differences(difference, verdict):
    assert difference.verdict == verdict == difference.as_dict()["verdict"]


def test_equal_models_differ_by_nothing_and_one_seed_is_compared_over_images():
    same = difference_over_seeds(EQUAL, EQUAL)
    assert same.interval == (0.0, 0.0) and same.verdict == "undecided: the interval includes 0"
    assert difference_over_seeds(EQUAL[:1], ~EQUAL[:1]).n_seeds == 1
