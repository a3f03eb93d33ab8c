import numpy as np
import pytest

from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.evaluation import summarize

DRAW = np.random.default_rng(0)


def test_measures_by_hand():
    """Two features of length 2 and 1 in the plane, with three class vectors at 0, 90 and 180 degrees.

    The first feature points to class 0 and has label 0: own cosine 1, nearest wrong one 0. The second points to
    class 1 and has label 2: own cosine 0, predicted 1, nearest wrong 1.
    """
    features = np.array([[2, 0], [0, 1]], np.float32)
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    logits = np.array([[1, 0, -1], [0, 1, 0]], np.float32)
    found = summarize(features, logits, vectors, np.array([0, 2], np.int32))
    total = np.log(np.e + 1 + 1 / np.e) - 1, np.log(np.e + 2)

    assert (found.n, found.accuracy) == (2, 0.5)
    assert (found.accuracy_low, found.accuracy_high) == wilson_interval(1, 2)
    assert found.cross_entropy == pytest.approx(np.mean(total), rel=1e-6)
    assert found.own_cosine == pytest.approx((1 + 0) / 2)
    assert found.predicted_cosine == pytest.approx(1)
    assert found.nearest_wrong_cosine == pytest.approx((0 + 1) / 2)
    assert found.feature_norm == pytest.approx(1.5)


def test_cosines_do_not_depend_on_norms_and_are_0_for_zero_features():
    features = DRAW.normal(size=(20, 8)).astype("float32")
    vectors = DRAW.normal(size=(5, 8)).astype("float32")
    labels = DRAW.integers(0, 5, 20)
    logits = features @ vectors.T
    one, longer = summarize(features, logits, vectors, labels), summarize(features * 9, logits, vectors * 3, labels)

    assert longer.own_cosine == pytest.approx(one.own_cosine, abs=1e-6)
    assert longer.nearest_wrong_cosine == pytest.approx(one.nearest_wrong_cosine, abs=1e-6)
    assert longer.feature_norm == pytest.approx(9 * one.feature_norm, rel=1e-6)
    assert summarize(features * 0, logits, vectors, labels).own_cosine == 0


def test_recalls_are_those_of_each_class_with_images():
    """Class 0 has two images, one right; class 1 has one, wrong; class 2 has none; class 3 has one, right."""
    labels, predicted = np.array([0, 0, 1, 3]), np.array([0, 3, 0, 3])
    found = summarize(np.ones((4, 4), np.float32), np.eye(4, dtype=np.float32)[predicted], np.eye(4, dtype=np.float32),
                      labels)

    assert found.recalls == [0.5, 0.0, None, 1.0] and found.balanced_accuracy == 0.5
    assert found.never_predicted == [1] and found.accuracy == 0.5


def test_recalls_of_very_many_classes_are_not_listed():
    logits = np.zeros((1, 1_001), np.float32)
    found = summarize(np.ones((1, 3), np.float32), logits, np.ones((1_001, 3), np.float32), np.array([0]))

    assert (found.recalls, found.never_predicted, found.balanced_accuracy) == ([], [], 1.0)


def test_large_logits_have_a_finite_cross_entropy():
    logits = np.array([[1e4, 0]], np.float32)
    found = summarize(np.ones((1, 2), np.float32), logits, np.eye(2, dtype=np.float32), np.array([1]))

    assert found.cross_entropy == pytest.approx(1e4)


def test_top_5_counts_labels_among_the_five_largest_logits():
    """Label 0 of 100 classes has 0, 4, 5 and 99 larger logits."""
    logits = np.zeros((4, 100), np.float32)
    for row, larger in enumerate((0, 4, 5, 99)):
        logits[row, 1 : 1 + larger] = 1
    vectors = np.eye(100, dtype=np.float32)
    found = summarize(np.ones((4, 100), np.float32), logits, vectors, np.zeros(4, np.int32))
    few = summarize(np.ones((4, 10), np.float32), logits[:, :10], vectors[:10, :10], np.zeros(4, np.int32))

    assert found.top5 == 0.5 and few.top5 is None
