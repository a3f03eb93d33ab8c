"""Confusions against similarity: both conventions, ceilings and p-values."""
import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from keras_fixhead.analysis.geometry import cosine_matrix, different_pairs
from keras_fixhead.analysis.similarity import confusion_similarity, tie_ceiling
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def draw(num_classes, errors=3):
    return cosine_matrix(DRAW.standard_normal((num_classes, 5))), DRAW.poisson(errors, (num_classes, num_classes))


@pytest.mark.parametrize("num_classes, errors", [(4, 20), (10, 2), (200, 0.1)])
def test_both_conventions_match_scipy(num_classes, errors):
    cosines, confusion = draw(num_classes, errors)
    pairs, upper = different_pairs(num_classes), np.triu_indices(num_classes, k=1)
    ordered, unordered = (confusion_similarity(cosines, confusion, unordered=each, permutations=0)
                          for each in (False, True))

    assert ordered["correlation"] == pytest.approx(spearmanr(cosines.round(12)[pairs], confusion[pairs]).statistic)
    assert unordered["correlation"] == pytest.approx(
        spearmanr(cosines[upper], (confusion + confusion.T)[upper]).statistic)
    assert (ordered["pairs"], unordered["pairs"]) == (pairs.sum(), pairs.sum() // 2)
    assert ordered["correlation"] <= ordered["ceiling"] and unordered["correlation"] <= unordered["ceiling"]


@pytest.mark.parametrize("unordered", [False, True])
def test_the_ceiling_is_the_best_of_all_orders(unordered):
    """With four classes there are six pairs and 720 orders of distinct similarities: all are tried."""
    for _ in range(2):
        confusion = DRAW.poisson(1.0, (4, 4))
        rows, columns = np.triu_indices(4, k=1)
        best = -1.0
        for order in itertools.permutations(range(6)):
            similarity = np.eye(4)
            similarity[rows, columns] = similarity[columns, rows] = np.array(order) / 10
            found = confusion_similarity(similarity, confusion, unordered=unordered, permutations=0)["correlation"]
            best = max(best, found or -1)

        assert tie_ceiling(confusion, unordered=unordered) == pytest.approx(best)


def test_the_p_value_permutes_classes():
    """Errors that follow the similarity are as rare as the smallest p-value; independent ones are not rare."""
    cosines, independent = draw(12)
    follows = np.round(1000 * (cosines + 1)).astype(int)

    assert confusion_similarity(cosines, follows, permutations=99)["p_value"] == 0.01
    by_chance = [confusion_similarity(cosines, DRAW.poisson(3, (12, 12)), permutations=49, seed=seed)["p_value"]
                 for seed in range(40)]
    assert 0.3 < np.mean(by_chance) < 0.7 and independent.shape == (12, 12)


@pytest.mark.parametrize("confusion", [np.diag([5, 5, 5]), np.full((3, 3), 2), np.zeros((3, 3), int)],
                         ids=["no errors", "equal errors", "an empty matrix"])
def test_without_differences_in_errors_there_is_no_correlation(confusion):
    found = confusion_similarity(cosine_matrix(DRAW.standard_normal((3, 4))), confusion)

    assert (found["correlation"], found["ceiling"], found["p_value"]) == (None, None, None)


def test_equal_similarities_have_no_correlation():
    assert confusion_similarity(np.full((3, 3), -0.5), DRAW.poisson(3, (3, 3)))["correlation"] is None


def test_two_classes_have_no_unordered_correlation():
    assert confusion_similarity(np.eye(2), [[5, 1], [2, 5]], unordered=True)["correlation"] is None


@pytest.mark.parametrize("similarity, message", [(np.eye(2), "got \\(2, 2\\) and \\(3, 3\\)"),
                                                 (np.full((3, 3), np.nan), "not finite")])
def test_wrong_arguments_are_refused(similarity, message):
    with pytest.raises(ArgumentError, match=message):
        confusion_similarity(similarity, np.ones((3, 3)))
