"""The rules that decide whether a claim is held, refuted or undecided."""
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_ind

from keras_fixhead.reproduction.claims.verdict import (
    HELD,
    NOT_MEASURED,
    REFUTED,
    STATES,
    UNDECIDED,
    above,
    below,
    combine,
    more_often,
    near,
    not_below,
    other_than,
    verdict,
)


@pytest.mark.parametrize("values, expected, state", [
    ([], above(0), NOT_MEASURED),
    ([30.0], above(0), UNDECIDED),  # one seed is not evidence
    ([30.0, 30.1], above(0), UNDECIDED),
    ([24.7, 26.4, 24.0], above(0), HELD),
    ([-9.2, -5.0, -9.5], above(0), REFUTED),
    ([5.0, -5.0, 1.0], above(0), UNDECIDED),
    ([1.0, 1.0, 1.0], above(0), HELD),
    ([0.0, 0.0, 0.0], above(0), UNDECIDED),  # not below 0 either
    ([-0.3, -0.25, -0.28], below(0), HELD),
    ([0.3, 0.2, 0.25], below(0), REFUTED),
    ([-0.1, 0.0, 0.1], not_below(0.5), HELD),
    ([-0.2, -0.21, -0.19], not_below(0.5), HELD),  # lower, but by less than the tolerance
    ([-0.35, -0.30, -0.25], not_below(0.5), HELD),
    ([-0.55, -0.35, -0.15], not_below(0.5), UNDECIDED),  # wholly below 0, but not below the tolerance
    ([-1.2, -1.3, -1.1], not_below(0.5), REFUTED),
    ([-0.5, 0.4, -0.6], not_below(0.5), UNDECIDED),
    ([0.94, 0.95, 0.96], near(0.95, 0.05), HELD),
    ([0.68, 0.69, 0.70], near(0.95, 0.05), REFUTED),
    ([0.85, 0.92, 0.95], near(0.95, 0.05), UNDECIDED),
    ([1.2, 1.3, 1.1], other_than(0.5), HELD),
    ([-1.2, -1.3, -1.1], other_than(0.5), HELD),
    ([0.2, 0.21, 0.19], other_than(0.5), REFUTED),  # not 0, but within the tolerance
    ([0.0, 1.0, 0.5], other_than(0.5), UNDECIDED),
    ([1.0] * 6, more_often(), HELD),
    ([1.0] * 5, more_often(), UNDECIDED),  # p = 0.0625
    ([1.0, 1.0, 1.0], more_often(), UNDECIDED),  # p = 0.25: no interval of width zero
    ([0.0] * 9, more_often(), UNDECIDED),
    ([-1.0] * 8 + [1.0, 0.0, 0.0], more_often(), REFUTED),
])
def test_a_verdict_follows_from_the_interval_of_the_mean(values, expected, state):
    assert verdict(values, expected).state == state


FIVE_OF_SIX = [1.0, 1.0, 1.0, 1.0, 1.0, -0.1]
"""Student's p of a mean above 0 is 0.007; the exact one, 0.0625."""


@pytest.mark.parametrize("values, expected, state", [
    (FIVE_OF_SIX, above(), UNDECIDED),
    ([-value for value in FIVE_OF_SIX], above(), UNDECIDED),
    ([0.33, 0.30, 0.51, 0.09, 0.37, 0.41], above(), HELD),  # six of six: p = 0.031
    ([value - 0.5 for value in FIVE_OF_SIX], not_below(0.5), UNDECIDED),  # a test of the differences plus 0.5
    ([-0.1, 0.2, -0.2, 0.1, -0.15, 0.05], not_below(0.5), HELD),  # all of them are above -0.5
    ([-0.5 - value for value in FIVE_OF_SIX], not_below(0.5), UNDECIDED),
    ([0.9 + 0.04 * value for value in FIVE_OF_SIX], near(0.95, 0.05), UNDECIDED),  # the lower end is not excluded
    ([1.0 - 0.04 * value for value in FIVE_OF_SIX], near(0.95, 0.05), UNDECIDED),  # nor the upper one
    ([0.94, 0.95, 0.96, 0.93, 0.97, 0.95], near(0.95, 0.05), HELD),
    ([0.9 - 0.04 * value for value in FIVE_OF_SIX], near(0.95, 0.05), UNDECIDED),
    ([0.68, 0.69, 0.70, 0.67, 0.71, 0.69], near(0.95, 0.05), REFUTED),
    ([0.5 + value for value in FIVE_OF_SIX], other_than(0.5), UNDECIDED),
    ([1.2, 1.3, 1.1, 1.2, 1.3, 1.1], other_than(0.5), HELD),
    ([0.5 - 0.4 * value for value in FIVE_OF_SIX], other_than(0.5), UNDECIDED),
    (FIVE_OF_SIX[1:], above(), HELD),  # five could never reach 5 %
])
def test_from_six_seeds_on_a_verdict_needs_the_exact_test_too(values, expected, state):
    assert verdict(values, expected).state == state


def test_the_exact_test_replaces_the_p_only_where_it_fails():
    """So that corrections for several comparisons go by Student's p of what both tests decide."""
    failed, passed = verdict(FIVE_OF_SIX, above()), verdict([1.0, 1.1, 0.9, 1.2, 0.8, 1.0], above())

    assert failed.p_held == 0.0625 and failed.interval == pytest.approx(
        tuple(ttest_1samp(FIVE_OF_SIX, 0).confidence_interval())) and failed.interval[0] > 0
    assert passed.p_held == pytest.approx(ttest_1samp([1.0, 1.1, 0.9, 1.2, 0.8, 1.0], 0).pvalue)
    assert verdict(FIVE_OF_SIX * 4, above()).state == HELD  # 24 values have too many signs to try


def _own_runs():
    sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
    import false_verdicts

    return dict(false_verdicts.measured())["the small studies in results/"]


DRAWS = {
    "normal": lambda generator, size: generator.normal(93, 0.3, size),
    "skewed": lambda generator, size: generator.lognormal(0, 1, size),
    "two modes": lambda generator, size: generator.integers(0, 2, size) + generator.normal(0, 0.02, size),
    "our own runs": lambda generator, size: generator.choice(_own_runs(), size),
}


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("n", [6, 10])
def test_the_same_arm_twice_is_decided_in_at_most_five_percent_whatever_its_distribution(draw, n):
    """Student's interval alone decides 5.7 % of ten seeds with two modes."""
    first, second = DRAWS[draw](np.random.default_rng(1), (2, 6000, n))
    states = [verdict(list(each), above()).state for each in first - second]

    assert 0 < np.mean([state in (HELD, REFUTED) for state in states]) <= 0.05


def test_three_seeds_need_a_p_below_four_percent():
    assert ttest_1samp([1.0, 2.0, 1.2], 0).pvalue == pytest.approx(0.0445, abs=1e-3)
    assert verdict([1.0, 2.0, 1.2], above()).state == UNDECIDED
    assert verdict([1.0, 1.8, 1.2], above()).state == HELD


def test_a_verdict_states_the_number_of_values_and_their_interval():
    found = verdict([1.0, 2.0, 3.0], above(0))

    assert (found.n, found.mean) == (3, 2.0)
    assert found.interval == pytest.approx((-0.484, 4.484), abs=1e-3)
    assert verdict([1.0], above(0)).interval is None


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=8))
def test_a_claim_and_its_opposite_are_never_both_held(values):
    one, other = verdict(values, above(0)).state, verdict([-value for value in values], above(0)).state

    assert {one, other} != {HELD} and one in STATES
    if one == HELD:
        assert other == REFUTED
        assert math.isfinite(verdict(values, above(0)).mean)


@pytest.mark.parametrize("states, everywhere, somewhere", [
    ([], NOT_MEASURED, NOT_MEASURED),
    ([NOT_MEASURED, NOT_MEASURED], NOT_MEASURED, NOT_MEASURED),
    ([HELD, NOT_MEASURED], HELD, HELD),
    ([HELD, UNDECIDED], UNDECIDED, HELD),
    ([HELD, REFUTED], REFUTED, HELD),
    ([REFUTED, UNDECIDED], REFUTED, UNDECIDED),
    ([REFUTED, NOT_MEASURED], REFUTED, UNDECIDED),
    ([REFUTED, REFUTED], REFUTED, UNDECIDED),  # another network may show what these do not
])
def test_comparisons_are_combined_as_the_claim_requires(states, everywhere, somewhere):
    assert combine(states) == everywhere
    assert combine(states, somewhere=True) == somewhere


def test_two_groups_that_are_not_paired_have_the_interval_of_welch():
    first, second = [3.0, 4.0, 5.0, 4.5], [1.0, 1.5, 0.5]
    found = verdict(first, above(0), second)
    expected = ttest_ind(first, second, equal_var=False)

    assert found.interval == pytest.approx(tuple(expected.confidence_interval()))
    assert found.n == 3 and found.state == HELD and found.p_held == pytest.approx(1.25 * expected.pvalue)
    assert verdict(first, above(0), [1.0]).state == UNDECIDED and verdict(first, above(0), []).state == NOT_MEASURED


@pytest.mark.parametrize("values", [[0.4, -0.2, 0.9, 0.3], [-2.0, -1.0, -1.5]])
def test_p_values_and_intervals_of_fewer_than_six_seeds_agree_with_the_t_test_at_four_percent(values):
    said, expected = verdict(values, above(0)), ttest_1samp(values, 0)
    p = said.p_held if expected.statistic > 0 else said.p_refuted

    assert p == pytest.approx(0.05 / 0.04 * expected.pvalue)
    assert said.interval == pytest.approx(tuple(expected.confidence_interval()))


def test_the_sign_of_a_difference_within_the_tolerance_is_reported():
    assert verdict([-0.35, -0.30, -0.25], not_below(0.5)).sign == "below 0"
    assert verdict([-0.35, 0.30, -0.25], not_below(5)).sign == ""
    assert verdict([0.35, 0.30, 0.25], not_below(0.5)).sign == "above 0"
