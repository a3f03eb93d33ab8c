"""Confusion matrices and their correlation with the cosines between class vectors."""
import numpy as np

from keras_fixhead.analysis.confusion import confusion_correlation, confusion_matrix, correlation_bound

DRAW = np.random.default_rng(0)


def test_a_confusion_matrix_counts_by_class_and_prediction():
    labels, predicted = DRAW.integers(0, 4, 500), DRAW.integers(0, 4, 500)
    matrix = confusion_matrix(labels, predicted, 4)
    for row in range(4):
        for column in range(4):
            assert matrix[row, column] == ((labels == row) & (predicted == column)).sum()


def test_the_bound_is_reached_if_only_the_nearest_pairs_have_errors():
    """Different error counts, only on the nearest pairs, have the highest correlation that ties allow."""
    m = 12
    cosines = np.arange(m * m, dtype=float).reshape(m, m)
    confusion = np.where(cosines > 100, cosines - 100, 0).astype(int)

    assert abs(confusion_correlation(cosines, confusion) - correlation_bound(confusion)) < 1e-3
