"""Open-set scores and their measures, against closed forms and plain loops."""
import numpy as np
import pytest

from keras_fixhead.analysis.open_set import (
    all_scores,
    detection,
    energy_score,
    max_cosine_score,
    max_probability_score,
    nearest_neighbours_score,
    virtual_logit_score,
)
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def test_scores_by_hand():
    logits = np.array([[2.0, 1.0, 0.0]])
    total = np.exp(logits).sum()

    assert energy_score(logits)[0] == pytest.approx(np.log(total))
    assert max_probability_score(logits)[0] == pytest.approx(np.log(np.exp(2) / total))
    assert max_cosine_score([[0.0, -2.0]], [[0.0, 1.0], [1.0, 0.0]]).tolist() == [0.0]


@pytest.mark.parametrize("k", [1, 3, 99])
def test_neighbours_match_sorted_distances(k):
    features, known = DRAW.standard_normal((7, 4)), DRAW.standard_normal((20, 4))
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (features, known)]
    distances = np.sort(np.linalg.norm(unit[0][:, None] - unit[1][None], axis=2), axis=1)

    np.testing.assert_allclose(nearest_neighbours_score(features, known, k), -distances[:, min(k, 20) - 1], atol=1e-7)


def test_the_virtual_logit_is_the_length_outside_the_principal_space():
    """Known features vary along e1 and e2 only a little: what lies along e3 is outside."""
    known = DRAW.standard_normal((200, 3)) * [5.0, 3.0, 0.01]
    features, logits = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 2.0]]), np.zeros((2, 4))
    inside, outside = virtual_logit_score(features, logits, known, np.ones((200, 4)), dimensions=2)

    assert inside == pytest.approx(np.log(4), abs=0.5) and outside < inside - 100


def test_measures_match_counts_over_all_pairs_including_ties():
    known, unknown = DRAW.integers(0, 6, 60).astype(float), DRAW.integers(-2, 4, 40).astype(float)
    pairs = known[:, None] - unknown[None]
    found = detection(known, unknown)
    lowest = min(threshold for threshold in np.unique(unknown) if (unknown <= threshold).mean() >= 0.95)

    assert found["auroc"] == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert found["fpr_at_95"] == pytest.approx((known <= lowest).mean())
    assert 0 < found["aupr_unknown"] < 1 and 0 < found["aupr_known"] < 1


def test_a_score_that_says_nothing_has_an_auroc_of_one_half():
    found = detection(np.ones(30), np.ones(10))

    assert found == pytest.approx({"auroc": 0.5, "aupr_unknown": 0.25, "aupr_known": 0.75, "fpr_at_95": 1.0})


def test_the_names_of_scores_do_not_depend_on_the_images():
    features, logits = DRAW.standard_normal((9, 4)), DRAW.standard_normal((9, 3))
    found = all_scores(features, logits, DRAW.standard_normal((3, 4)), (features, logits))

    assert set(found) == {"max_cosine", "max_logit", "max_probability", "energy", "nearest_neighbours", "virtual_logit"}
    assert all(each.shape == (9,) for each in found.values())


@pytest.mark.parametrize("call, message", [
    (lambda: nearest_neighbours_score(np.eye(2), np.eye(2), 0), "k must be at least 1, got 0"),
    (lambda: virtual_logit_score(np.eye(2), np.eye(2), np.eye(2), np.eye(2), 2), r"must be in \[0, 2\), got 2"),
    (lambda: energy_score([[np.nan]]), "not finite"), (lambda: detection([], [1.0]), "known must have shape"),
    (lambda: detection([np.inf], [1.0]), "known has values that are not finite")])
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
