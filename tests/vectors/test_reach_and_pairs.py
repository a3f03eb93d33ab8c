import math

import numpy as np
import pytest
from scipy.optimize import nnls

from keras_fixhead.vectors import class_vectors, pairwise_cosines, reachable_cosine


def test_reachable_cosines_in_closed_form():
    """One positive entry of two: 3/5. All positive: 1. None: the largest entry over the length. An axis: 1 and 0."""
    vectors = [[3, -4], [1, 2], [-3, -4], [1, 0], [0, -1]]

    np.testing.assert_allclose(reachable_cosine(vectors), [0.6, 1, -0.6, 1, 0], atol=1e-15)


def test_the_reachable_cosine_is_that_of_the_nearest_non_negative_features():
    """Non-negative least squares finds the same optimum: f = argmin |w - f|, f >= 0, points to the best direction."""
    for vector in class_vectors("uniform", 20, 12, seed=3).astype(np.float64):
        features, _ = nnls(np.eye(12), vector)
        cosine = features @ vector / np.linalg.norm(features)
        assert reachable_cosine([vector])[0] == pytest.approx(cosine, abs=1e-7)  # length 1 to float32


def test_no_non_negative_features_come_nearer():
    vectors = class_vectors("cube", 8, 6, seed=3)
    features = np.abs(np.random.default_rng(0).standard_normal((20_000, 6)))
    features[np.random.default_rng(1).random(features.shape) < 0.5] = 0
    features[:, 0] += 1e-9
    cosines = features @ vectors.T / np.linalg.norm(features, axis=1, keepdims=True)

    assert (cosines.max(axis=0) <= reachable_cosine(vectors) + 1e-6).all()


def test_for_signs_it_is_the_root_of_the_share_of_positive_ones():
    vectors = class_vectors("rademacher", 50, 128, seed=0)

    np.testing.assert_allclose(reachable_cosine(vectors), np.sqrt((vectors > 0).mean(axis=1)), atol=1e-12)


def test_for_uniform_vectors_it_is_about_the_root_of_one_half():
    assert reachable_cosine(class_vectors("uniform", 2_000, 512)).mean() == pytest.approx(math.sqrt(0.5), abs=2e-3)


def test_it_needs_rows():
    with pytest.raises(ValueError, match=r"must have shape \(num_classes, dim\), got \(3,\)"):
        reachable_cosine([1, 2, 3])


def test_pairwise_cosines_are_those_of_the_upper_triangle_whatever_the_lengths():
    vectors = np.random.default_rng(0).standard_normal((4, 3)) * [[1], [10], [1e-3], [5]]
    expected = [vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
                for i in range(4) for j in range(i + 1, 4)]

    np.testing.assert_allclose(pairwise_cosines(vectors), expected, atol=1e-12)
