"""Exact tests and Holm's correction, compared with SciPy and closed forms."""
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from keras_fixhead.analysis.exact import SignFlips, holm, sign_flip_test, sign_test, smallest_p


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_sign_test_is_the_binomial_test(wins, losses):
    expected = binomtest(wins, wins + losses).pvalue if wins + losses else 1.0

    assert sign_test(wins, losses) == pytest.approx(expected)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_sign_flip_test_is_the_exact_permutation_test_of_paired_samples(n):
    values = np.random.default_rng(n).normal(0.6, 1, n)
    expected = permutation_test((values, np.zeros(n)), lambda a, b: np.mean(a - b), permutation_type="samples",
                                n_resamples=np.inf).pvalue

    assert sign_flip_test(list(values)) == pytest.approx(expected)


@pytest.mark.parametrize("bound", [-0.5, 0.0, 0.4])
def test_sign_flips_test_a_mean_against_any_number_and_both_sides(bound):
    values = np.random.default_rng(4).normal(0.6, 1, 8)
    above, below = (permutation_test((values - bound, np.zeros(8)), lambda a, b: np.mean(a - b), alternative=side,
                                     permutation_type="samples", n_resamples=np.inf).pvalue
                    for side in ("greater", "less"))
    found = SignFlips(list(values))

    assert found.p_above(bound) == pytest.approx(above if values.mean() > bound else 1.0)
    assert found.p_below(bound) == pytest.approx(below if values.mean() < bound else 1.0)
    assert found.p_above(-np.inf) == found.p_below(np.inf) == 0 and found.p_above(np.inf) == 1


def test_rounding_does_not_make_equal_sums_unequal():
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1.0  # a sum of 0 but for rounding
    assert sign_flip_test([0.1, 0.7, 0.2, -0.1]) == sign_flip_test([1, 7, 2, -1]) == 0.375


def test_values_of_one_sign_reach_the_smallest_possible_p():
    for n in (1, 2, 3, 6):
        assert sign_flip_test([0.1 * (1 + i) for i in range(n)]) == smallest_p(n)
    assert smallest_p(3) == 0.25 and smallest_p(6) == 0.03125
    with pytest.raises(ValueError, match="1 to 20 values, got 21"):
        sign_flip_test([1.0] * 21)


def test_the_sign_flip_test_is_wrong_in_at_most_five_percent_of_symmetric_samples():
    values = np.random.default_rng(0).standard_t(2, (400, 6))
    assert np.mean([sign_flip_test(list(each)) < 0.05 for each in values]) <= 0.05


def test_holm_controls_the_family_and_never_changes_the_order():
    values = [0.03, 0.001, 0.02, 0.5]
    corrected = holm(values)

    assert corrected == pytest.approx([0.06, 0.004, 0.06, 0.5]) and holm([]) == []
    for one, other in itertools.pairwise(sorted(range(4), key=values.__getitem__)):
        assert corrected[one] <= corrected[other]
