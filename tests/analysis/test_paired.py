"""Paired differences computed by hand."""
import pytest
from scipy.stats import ttest_rel

from keras_fixhead.analysis.paired import paired_difference


def test_only_common_seeds_are_paired_in_any_order():
    found = paired_difference({3: 5.0, 0: 80.0, 1: 82.0}, {1: 75.0, 0: 70.0, 2: 1.0})

    assert list(found.values.items()) == [(0, 10.0), (1, 7.0)]
    assert (found.n, found.mean, found.std) == (2, 8.5, pytest.approx(4.5**0.5))


def test_the_interval_matches_the_paired_t_test():
    first, second = {0: 74.7, 1: 76.4, 2: 74.0, 3: 71.0}, {0: 50.0, 1: 50.0, 2: 51.0, 3: 48.5}
    found = paired_difference(first, second)
    expected = ttest_rel(list(first.values()), list(second.values())).confidence_interval(0.95)

    assert found.interval == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.as_dict()["interval_95"] == list(found.interval)


def test_one_seed_has_no_interval_and_no_seeds_have_no_mean():
    one, none = paired_difference({0: 2.0}, {0: 1.0}), paired_difference({0: 2.0}, {1: 1.0})

    assert (one.n, one.mean, one.std, one.interval) == (1, 1.0, None, None)
    assert none.as_dict() == {"values": [], "n": 0, "mean": None, "std": None, "interval_95": None, "bca_95": None,
                              "sign_flip_p": None, "smallest_p": None}
    assert (one.bca, one.sign_flip_p) == (None, 1.0)


def test_both_intervals_and_the_exact_test_stand_next_to_each_other():
    found = paired_difference({seed: 1.0 + seed / 10 for seed in range(6)}, dict.fromkeys(range(6), 0.0)).as_dict()

    assert found["sign_flip_p"] == found["smallest_p"] == 0.03125
    assert found["bca_95"][0] > 1 and found["interval_95"][0] < found["bca_95"][0]
