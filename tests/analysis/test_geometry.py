"""Cosines of features and class vectors, compared with closed forms."""
import numpy as np
import pytest

from keras_fixhead.analysis.geometry import (
    BINS,
    cosine_histograms,
    cosine_matrix,
    image_cosines,
    largest_probability,
    own_predicted_wrong,
    separation,
)
from keras_fixhead.vectors import pairwise_cosines

DRAW = np.random.default_rng(0)


def test_cosines_match_pairwise_ones_computed_by_hand():
    features, vectors = DRAW.standard_normal((7, 5)).astype(np.float32), DRAW.standard_normal((3, 5))
    cosines = image_cosines(features, vectors)
    for i, f in enumerate(features.astype(float)):
        for j, w in enumerate(vectors):
            assert cosines[i, j] == pytest.approx(f @ w / np.sqrt(f @ f) / np.sqrt(w @ w))


def test_zero_features_have_cosine_0_and_not_nan():
    assert image_cosines(np.zeros((1, 3), np.float32), np.eye(3)).tolist() == [[0.0, 0.0, 0.0]]


def test_the_cosine_matrix_has_the_pairwise_cosines():
    vectors = DRAW.standard_normal((6, 4))
    np.testing.assert_allclose(cosine_matrix(vectors)[np.triu_indices(6, k=1)], pairwise_cosines(vectors), atol=1e-12)


def test_the_nearest_wrong_class_is_never_the_true_class():
    cosines, labels = DRAW.uniform(-1, 1, (50, 4)), DRAW.integers(0, 4, 50)
    found = own_predicted_wrong(cosines, labels, cosines.argmax(axis=1))
    for row, label in enumerate(labels):
        assert found["nearest_wrong"][row] == max(c for k, c in enumerate(cosines[row]) if k != label)
        assert found["own"][row] == cosines[row, label] and found["predicted"][row] == cosines[row].max()


def test_histograms_count_every_image_even_beyond_1_by_rounding():
    cosines = np.array([[1.0 + 1e-9, -1.0 - 1e-9], [0.0, 0.5]])
    found = cosine_histograms(cosines, np.array([0, 1]), np.array([0, 1]))

    for name in ("own", "predicted", "nearest_wrong"):
        assert len(found[name]) == BINS and sum(found[name]) == 2
    assert found["own"][-1] == 1 and found["nearest_wrong"][0] == 1


def test_separation_by_hand():
    """Unit embeddings at +-30 degrees around 0 and at 90 have the means (cos 30, 0) and (0, 1).

    Within: two embeddings are sin 30 = 0.5 away from their mean, one is equal to it: (0.25 + 0.25 + 0) / 3. Between:
    each mean is half the distance of the two means away from their midpoint: (3/4 + 1) / 4.
    """
    angles = np.deg2rad([30, -30, 90])
    features = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    found = separation(features, np.array([5, 5, 7]))

    assert found["within_to_between"] == pytest.approx((0.5 / 3) / (1.75 / 4))
    assert found["class_means_mean_cosine"] == found["class_means_max_cosine"] == pytest.approx(0)
    assert found["own_mean_cosine"] == pytest.approx((2 * np.cos(np.deg2rad(30)) + 1) / 3)


def test_the_largest_probability_matches_softmax_and_does_not_overflow():
    logits = np.array([[1000.0, 1000.0], [0.0, 1.0]], np.float32)
    assert largest_probability(logits) == pytest.approx(np.e / (1 + np.e))
