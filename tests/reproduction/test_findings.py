"""What several comparisons say about a claim."""
import numpy as np
import pytest

from keras_fixhead.reproduction.claims.findings import (
    EDGE,
    Finding,
    combined,
    corrected,
    counted,
    exact_text,
    measured_text,
    warning_text,
)
from keras_fixhead.reproduction.claims.verdict import (
    HELD,
    NOT_MEASURED,
    REFUTED,
    UNDECIDED,
    above,
    below,
    not_below,
    other_than,
)

LOW = {0: -1.0, 1: -1.2, 2: -0.7, 3: -0.6}  # p = 0.017 of a mean below -0.3


ABOVE = above()


def finding(values, label="one", expected=ABOVE, **more):
    return Finding(label, dict(enumerate(values)) if not isinstance(values, dict) else values, expected, **more)


def test_one_refutation_of_many_comparisons_must_withstand_the_correction_for_their_number():
    low = finding(LOW, "low", not_below(0.3))
    others = [finding([1.0, 1.1, 1.2], f"{number}", not_below(0.3)) for number in range(11)]

    assert low.verdict.state == REFUTED and 0.05 / 12 < low.verdict.p_refuted < 0.05
    assert combined([low]) == REFUTED and combined([low, *others]) == UNDECIDED
    assert corrected([low, *others], REFUTED) == [UNDECIDED] + [HELD] * 11


def test_an_existence_claim_needs_one_comparison_that_withstands_the_correction():
    high = finding({seed: -value for seed, value in LOW.items()}, "high", above(0.3))
    zeros = [finding([-1.0, 1.0, 0.1], f"{number}") for number in range(11)]

    assert combined([high], somewhere=True) == HELD and combined([high, *zeros], somewhere=True) == UNDECIDED


def test_simulated_claims_without_an_effect_are_refuted_in_at_most_five_percent():
    values = np.random.default_rng(0).normal(0, 1, (150, 8, 4))
    states = [combined([finding(list(row), f"{index}") for index, row in enumerate(claim)]) for claim in values]
    plain = [REFUTED in [finding(list(row)).verdict.state for row in claim] for claim in values]

    assert np.mean([state == REFUTED for state in states]) <= 0.05 < np.mean(plain)


def test_lines_that_stand_beside_others_do_not_count():
    beside = finding([-5.0, -5.1, -5.2], "beside", beside=True)

    assert combined([beside]) == NOT_MEASURED and counted([beside]) == []
    assert combined([beside, finding([1.0, 1.1, 1.2])]) == HELD


@pytest.mark.parametrize("reason", [{"void": (HELD,)}, {"unresolved": EDGE}])
def test_what_is_void_or_unresolved_decides_nothing(reason):
    assert finding([1.0, 1.1, 1.2], **reason).verdict.state == UNDECIDED
    assert combined([finding([1.0, 1.1, 1.2], **reason)], somewhere=True) == UNDECIDED


def test_a_difference_within_the_tolerance_is_said_to_be_lower():
    assert measured_text(finding([-0.35, -0.30, -0.25], expected=not_below(0.5))).endswith(
        "n = 3; lower, by less than the tolerance")
    assert measured_text(finding([1.0, 2.0, 3.0], minus={5: 1.0, 6: 1.5})).endswith("n = 3 and 2")
    for far in (other_than(0.5), below()):  # what is below 0 here is not within a tolerance
        assert measured_text(finding([-3.0, -3.1, -2.9], expected=far)).endswith("n = 3")


def test_a_number_of_seeds_that_cannot_decide_an_effect_of_the_papers_size_is_named():
    wide, narrow = [-1.0, 1.2, 0.3], [0.0, 0.2, 0.15]

    assert measured_text(finding(wide, paper=0.5)).endswith("3 seeds cannot decide an effect of the paper's size")
    assert measured_text(finding({0: 0.4}, paper=0.5)).endswith("1 seed cannot decide an effect of the paper's size")
    down = finding([-value for value in wide], paper=-0.5, expected=below(0))
    assert warning_text(down) == "3 seeds cannot decide an effect of the paper's size"
    assert "cannot decide" not in measured_text(finding(narrow, paper=0.5))
    outlier = finding([0.4, 0.4, 0.4, 0.4, 0.4, -0.7], paper=0.8)  # narrow enough, but not for the exact test
    assert warning_text(outlier) == "6 seeds cannot decide an effect of the paper's size"


def test_the_exact_test_stands_next_to_the_interval_with_the_smallest_p_it_can_reach():
    assert exact_text(finding([1.0, 2.0, 3.0])) == "[+1.00, +3.00]; p = 0.25 (at least 0.25)"
    assert exact_text(finding([1.0])) == exact_text(finding([1.0, 2.0], minus={0: 1.0})) == ""
