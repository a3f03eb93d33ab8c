"""Angles and cosines of features, compared with closed forms."""
import numpy as np
import pytest

from keras_fixhead.analysis.compactness import class_angles, compactness, degrees, mean_similarity, separability
from keras_fixhead.errors import ArgumentError


def test_compactness_by_hand():
    """Two images: cosines to the class vectors e1, e2 are (0.8, 0.6), right, and (0.6, 0.8), wrong."""
    found = compactness([[4.0, 3.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 2.0]], [0, 0], [0, 1])

    assert found == pytest.approx({"own": 0.7, "predicted": 0.8, "predicted_if_right": 0.8, "predicted_if_wrong": 0.8,
                                   "nearest_wrong": 0.7, "margin": 0.0})


def test_angles_of_a_fan_by_hand():
    """Classes at 0 and 10 degrees, and at 90: means at 5 and 90 degrees."""
    angles = np.radians([0.0, 10.0, 90.0])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1) * [[1.0], [5.0], [2.0]]
    found = class_angles(features, [3, 3, 7])

    np.testing.assert_allclose(found["to_own_mean"], [5, 5, 0], atol=1e-5)
    np.testing.assert_allclose(found["to_nearest_other_mean"], [90, 80, 85], atol=1e-5)
    np.testing.assert_allclose(found["between_means"], [85], atol=1e-5)
    whole = separability(features, [3, 3, 7])
    assert whole["angle_ratio"] == pytest.approx(10 / 3 / 85) and whole["nearest_mean_accuracy"] == 1.0


def test_a_single_class_has_a_spread_but_no_separation():
    found = separability([[1.0, 0.0], [0.0, 1.0]], [2, 2])

    assert found["intra_class_angle"] == pytest.approx(45)
    assert found["inter_class_angle"] is None and found["nearest_mean_accuracy"] is None


def test_an_empty_class_is_similar_to_nothing_and_a_class_may_have_one_image():
    found = mean_similarity([[1.0, 0.0], [1.0, 1.0]], [0, 2], 4)

    np.testing.assert_allclose(found[[0, 2]][:, [0, 2]], [[1, 0.5**0.5], [0.5**0.5, 1]])
    assert found[1].tolist() == [0, 1, 0, 0]


def test_degrees_accept_cosines_that_rounding_has_put_out_of_range():
    assert degrees([1 + 1e-9, -1 - 1e-9]).tolist() == [0, 180]


@pytest.mark.parametrize("call", [
    lambda bad: compactness(bad, np.eye(2), [0], [0]), lambda bad: compactness(np.ones((1, 2)), bad, [0], [0]),
    lambda bad: separability(bad, [0]), lambda bad: mean_similarity(bad, [0], 2)])
def test_values_that_are_not_finite_are_refused(call):
    with pytest.raises(ArgumentError, match="not finite"):
        call(np.array([[np.nan, 1.0]]))
