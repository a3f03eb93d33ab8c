"""Calibration against closed forms, and where peers differ: confidence 1, ties, empty bins, perfect classifiers."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.analysis.calibration import (
    TEMPERATURES,
    adaptive_reliability,
    brier_score,
    fit_temperature,
    log_softmax,
    negative_log_likelihood,
    probability_ceiling,
    reliability,
)
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def two_classes(confidences):
    return np.stack([confidences, 1 - np.asarray(confidences)], axis=1)


def test_the_calibration_error_equals_a_sum_over_bins_by_hand():
    """Bins (0.5, 0.6] and (0.9, 1.0] of ten: gaps |1/2 - 0.56| and |2/3 - 0.95|, weighted 2/5 and 3/5."""
    probabilities = two_classes([0.55, 0.57, 0.9 + 1e-9, 0.95, 1.0])
    labels = np.array([0, 1, 0, 1, 0])
    found = reliability(probabilities, labels, bins=10)

    assert found.count.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 0, 3]
    assert found.error == pytest.approx(2 / 5 * abs(0.5 - 0.56) + 3 / 5 * abs(2 / 3 - 2.85 / 3), abs=1e-8)
    assert found.largest_gap == pytest.approx(0.95 - 2 / 3, abs=1e-8)


def test_confidence_1_is_in_the_last_bin_and_a_border_belongs_to_the_lower_one():
    found = reliability(two_classes([1.0, 0.8]), np.array([0, 0]), bins=5)

    assert found.count.tolist() == [0, 0, 0, 1, 1] and len(found.count) == 5
    assert found.as_dict()["accuracy"] == [None, None, None, 1.0, 1.0]


@pytest.mark.parametrize("num_classes", [2, 10, 200])
def test_uniform_probabilities_have_the_gap_between_accuracy_and_one_over_m(num_classes):
    probabilities = np.full((300, num_classes), 1 / num_classes)
    labels = np.arange(300) % num_classes  # all ties: the first class is predicted
    accuracy = float((labels == 0).mean())

    for bins in (reliability(probabilities, labels), adaptive_reliability(probabilities, labels)):
        assert bins.error == pytest.approx(abs(accuracy - 1 / num_classes), abs=1e-12)
        assert (bins.count > 0).sum() == 1


def test_adaptive_bins_have_equal_numbers_of_images_and_no_order():
    confidences, labels = DRAW.uniform(0.5, 1, 150), DRAW.integers(0, 2, 150)
    found = adaptive_reliability(two_classes(confidences), labels, bins=15)
    order = DRAW.permutation(150)

    assert found.count.tolist() == [10] * 15
    assert adaptive_reliability(two_classes(confidences[order]), labels[order]).error == pytest.approx(found.error)


def test_scores_match_their_definitions():
    logits, labels = DRAW.standard_normal((40, 5)), DRAW.integers(0, 5, 40)
    probabilities = np.exp(log_softmax(logits))
    one_hot = np.eye(5)[labels]

    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-12)
    assert negative_log_likelihood(logits, labels) == pytest.approx(-np.log((probabilities * one_hot).sum(1)).mean())
    assert brier_score(probabilities, labels) == pytest.approx(((probabilities - one_hot) ** 2).sum(1).mean())


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 20), st.integers(0, 2**32 - 1))
def test_a_temperature_undoes_a_factor_on_the_logits(factor, seed):
    """Labels are drawn from the softmax of the logits, so T is near 1; a factor on the logits multiplies it."""
    draw = np.random.default_rng(seed)
    logits = 2 * draw.standard_normal((200, 3))
    labels = (np.exp(log_softmax(logits)).cumsum(axis=1) < draw.random((200, 1))).sum(axis=1)
    own = fit_temperature(logits, labels)

    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * own, rel=1e-6)


def test_the_fitted_temperature_has_the_smallest_cross_entropy():
    logits, labels = 3 * DRAW.standard_normal((300, 4)), DRAW.integers(0, 4, 300)
    best = fit_temperature(logits[:, :4], labels)
    losses = [negative_log_likelihood(logits / (best * factor), labels) for factor in (0.9, 1.0, 1.1)]

    assert losses[1] <= min(losses[0], losses[2])


def test_a_temperature_stays_in_its_range_for_classifiers_that_are_always_right_or_worse_than_chance():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]])

    assert fit_temperature(logits, np.array([0, 1])) == TEMPERATURES[0]
    assert fit_temperature(logits, np.array([1, 0])) == TEMPERATURES[1]


def test_the_ceiling_is_that_of_equation_5():
    assert [round(probability_ceiling(m, 1.0), 4) for m in (10, 100, 200)] == [0.4509, 0.0695, 0.0358]
    assert probability_ceiling(200, 20.0) > 1 - 1e-14


@pytest.mark.parametrize("call", [
    lambda: reliability([[np.nan, 1.0]], [0]), lambda: brier_score([[np.inf, 1.0]], [0]),
    lambda: fit_temperature([[np.nan, 1.0]], [0]), lambda: log_softmax([[np.inf, 1.0]])])
def test_values_that_are_not_finite_are_refused(call):
    with pytest.raises(ArgumentError, match="not finite, first in row 0"):
        call()


@pytest.mark.parametrize("labels, message", [([2], r"in \[0, 2\), got 2"), ([-1], "got -1"), ([0.0], "integers"),
                                             ([0, 1], "1 integers")])
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ArgumentError, match=message):
        reliability([[0.5, 0.5]], labels)


def test_numbers_that_are_no_probabilities_are_refused():
    with pytest.raises(ArgumentError, match=r"must be in \[0, 1\], got -2 to 3"):
        reliability([[3.0, -2.0]], [0])
