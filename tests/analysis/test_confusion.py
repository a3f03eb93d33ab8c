"""Confusion matrices and their correlation with the cosines between class vectors."""
import numpy as np

from keras_fixhead.analysis.confusion import (
    balanced_accuracy,
    class_recalls,
    confusion_matrix,
    never_predicted,
)
from keras_fixhead.analysis.similarity import confusion_similarity, tie_ceiling

DRAW = np.random.default_rng(0)


def correlation(cosines, confusion, ordered=True):
    return confusion_similarity(cosines, confusion, unordered=not ordered, permutations=0)["correlation"]


def test_a_confusion_matrix_counts_by_class_and_prediction():
    labels, predicted = DRAW.integers(0, 4, 500), DRAW.integers(0, 4, 500)
    matrix = confusion_matrix(labels, predicted, 4)
    for row in range(4):
        for column in range(4):
            assert matrix[row, column] == ((labels == row) & (predicted == column)).sum()


def test_recalls_equal_the_share_of_right_images_of_each_class():
    labels, predicted = DRAW.integers(0, 5, 300), DRAW.integers(0, 5, 300)
    matrix = confusion_matrix(labels, predicted, 5)
    expected = [(predicted[labels == each] == each).mean() for each in range(5)]

    np.testing.assert_allclose(class_recalls(matrix), expected)
    np.testing.assert_allclose(balanced_accuracy(matrix), np.mean(expected))
    assert never_predicted(matrix) == []


def test_a_class_without_images_has_no_recall_and_is_not_missed():
    matrix = np.array([[8, 0, 0, 2], [4, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 6]])

    np.testing.assert_array_equal(class_recalls(matrix), [0.8, 0, np.nan, 1])
    assert balanced_accuracy(matrix) == np.mean([0.8, 0, 1]) and never_predicted(matrix) == [1]


def test_the_bound_is_reached_if_only_the_nearest_pairs_have_errors():
    """Different error counts, only on the nearest pairs, have the highest correlation that ties allow."""
    m = 12
    cosines = np.zeros((m, m))
    cosines[np.triu_indices(m, 1)] = np.arange(m * (m - 1) // 2)
    cosines += cosines.T
    confusion = np.where(cosines > 40, cosines - 40, 0).astype(int)
    confusion = np.triu(confusion) + np.tril(confusion) // 2  # not as many errors in both directions
    zeros = (np.triu(confusion + confusion.T, 1)[np.triu_indices(m, 1)] == 0).mean()

    for ordered in (True, False):
        assert abs(correlation(cosines, confusion, ordered)
                   - tie_ceiling(confusion, unordered=not ordered)) < 1e-3
    assert abs(tie_ceiling(confusion, unordered=True) - np.sqrt(1 - zeros**3)) < 2e-3  # the only ties


def test_no_cosines_exceed_the_bound_which_knows_of_ties_and_symmetry():
    for seed in range(20):
        draw = np.random.default_rng(seed)
        confusion = draw.poisson(0.5, (7, 7))
        best = max(correlation(cosines + cosines.T, confusion)
                   for cosines in draw.normal(size=(50, 7, 7)))
        pairs = ~np.eye(7, dtype=bool)
        zeros = (confusion[pairs] == 0).mean()

        assert best <= tie_ceiling(confusion) <= np.sqrt(1 - zeros**3) + 1e-9
