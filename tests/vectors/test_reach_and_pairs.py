import math

import numpy as np
import pytest
from scipy.optimize import minimize, nnls
from scipy.special import logsumexp

from keras_fixhead.vectors import class_vectors, loss_optimum, pairwise_cosines, reachable_cosine


def test_reachable_cosines_in_closed_form():
    """One positive entry of two: 3/5. All positive: 1. None: largest entry / length. An axis: 1, or 0 if negative."""
    vectors = [[3, -4], [1, 2], [-3, -4], [1, 0], [0, -1]]

    np.testing.assert_allclose(reachable_cosine(vectors), [0.6, 1, -0.6, 1, 0], atol=1e-15)


def test_the_reachable_cosine_is_that_of_the_nearest_non_negative_features():
    """Non-negative least squares has the same optimum: f = argmin |w - f|, f >= 0, points in the best direction."""
    for vector in class_vectors("uniform", 20, 12, seed=3).astype(np.float64):
        features, _ = nnls(np.eye(12), vector)
        cosine = features @ vector / np.linalg.norm(features)
        assert reachable_cosine([vector])[0] == pytest.approx(cosine, abs=1e-7)  # length 1 in float32


def test_no_non_negative_features_come_closer():
    vectors = class_vectors("cube", 8, 6, seed=3)
    features = np.abs(np.random.default_rng(0).standard_normal((20_000, 6)))
    features[np.random.default_rng(1).random(features.shape) < 0.5] = 0
    features[:, 0] += 1e-9
    cosines = features @ vectors.T / np.linalg.norm(features, axis=1, keepdims=True)

    assert (cosines.max(axis=0) <= reachable_cosine(vectors) + 1e-6).all()


def test_for_signs_it_is_the_square_root_of_the_share_of_positive_signs():
    vectors = class_vectors("rademacher", 50, 128, seed=0)

    np.testing.assert_allclose(reachable_cosine(vectors), np.sqrt((vectors > 0).mean(axis=1)), atol=1e-12)


def test_for_uniform_vectors_it_is_about_sqrt_one_half():
    assert reachable_cosine(class_vectors("uniform", 2_000, 512)).mean() == pytest.approx(math.sqrt(0.5), abs=2e-3)


def test_a_lower_bound_below_zero_in_closed_form():
    """In two dimensions the best f is w itself if its negative entry is allowed, else (sqrt(1 - l^2), -l).

    Without a positive entry: (-3, -4) / 5 with both entries at least -0.1 wants (sqrt(0.99), -0.1); (-1, -1) / sqrt(2)
    with entries of at least -0.8 is itself allowed.
    """
    assert reachable_cosine([[3, -4]], lowest=-0.8) == pytest.approx(1)
    assert reachable_cosine([[3, -4]], lowest=-0.1) == pytest.approx(0.6 * math.sqrt(0.99) + 0.08)
    assert reachable_cosine([[-3, -4]], lowest=-0.1) == pytest.approx(-0.6 * math.sqrt(0.99) + 0.08)
    assert reachable_cosine([[-1, -1]], lowest=-0.8) == pytest.approx(1)


@pytest.mark.parametrize("lowest", [-0.05, -0.2, -0.5])
def test_no_features_above_the_bound_come_closer(lowest):
    """Against a general optimizer from several starting points, and monotonic in the bound."""
    vectors = class_vectors("uniform", 4, 6, seed=3).astype(np.float64)
    reach = reachable_cosine(vectors, lowest=lowest)
    for vector, expected in zip(vectors, reach, strict=True):
        starts = np.abs(np.random.default_rng(0).normal(size=(3, 6)))
        best = max(-minimize(lambda f, w=vector: -f @ w, start / np.linalg.norm(start), bounds=[(lowest, 1)] * 6,
                             constraints={"type": "eq", "fun": lambda f: f @ f - 1}).fun for start in starts)
        assert expected == pytest.approx(best, abs=1e-5)

    assert (reachable_cosine(vectors) <= reach).all()
    np.testing.assert_allclose(reachable_cosine(vectors, lowest=-1.0), 1)


@pytest.mark.parametrize("lowest", [0.1, float("nan"), -math.inf, True, "0", None])
def test_a_bound_that_is_not_negative_is_refused(lowest):
    with pytest.raises(ValueError, match="lowest must be 0 or a negative number, got"):
        reachable_cosine([[1, 2]], lowest=lowest)


def test_a_one_dimensional_array_is_refused():
    with pytest.raises(ValueError, match=r"must have shape \(num_classes, dim\), got \(3,\)"):
        reachable_cosine([1, 2, 3])


def test_pairwise_cosines_are_the_upper_triangle_for_any_lengths():
    vectors = np.random.default_rng(0).standard_normal((4, 3)) * [[1], [10], [1e-3], [5]]
    expected = [vectors[i] @ vectors[j] / np.linalg.norm(vectors[i]) / np.linalg.norm(vectors[j])
                for i in range(4) for j in range(i + 1, 4)]

    np.testing.assert_allclose(pairwise_cosines(vectors), expected, atol=1e-12)


# the features that minimize the loss


@pytest.mark.parametrize("scale", [0.5, 1.0, 10.0, 30.0])
@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_for_orthonormal_class_vectors_the_optimum_is_the_same_at_every_scale(num_classes, scale):
    optimum = loss_optimum(np.eye(num_classes), scale, signed_features=True)
    own, others = math.sqrt((num_classes - 1) / num_classes), -1 / math.sqrt(num_classes * (num_classes - 1))

    np.testing.assert_allclose(optimum.cosine, own, atol=1e-4)
    expected = np.log1p((num_classes - 1) * math.exp(scale * (others - own)))
    np.testing.assert_allclose(optimum.loss, expected, rtol=1e-6)
    np.testing.assert_allclose(optimum.probability, np.exp(-optimum.loss))


def best_by_search(vectors, own, scale, signed):
    """Returns ln(sum of e^logit over other classes) - own logit, minimized by the best of four BFGS searches."""
    def gap(free):
        features = free if signed else np.maximum(free, 0)
        logits = scale * vectors @ features / max(np.linalg.norm(features), 1e-12)
        return logsumexp(np.delete(logits, own)) - logits[own]

    draw = np.random.default_rng(own)
    return min(minimize(gap, vectors[own] * 2 + draw.normal(size=len(vectors[0]))).fun for _ in range(4))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("scale", [1.0, 10.0, 64.0])
def test_no_search_finds_a_smaller_loss(scale, signed):
    vectors = class_vectors("uniform", 6, 10, 4).astype(np.float64)
    optimum = loss_optimum(vectors, scale, signed_features=signed)
    for own in range(6):
        gap = optimum.loss[own] + math.log(-math.expm1(-optimum.loss[own])) if optimum.loss[own] > 1e-8 else math.log(
            optimum.loss[own])
        assert gap <= best_by_search(vectors, own, scale, signed) + 1e-5


@pytest.mark.parametrize("dim, num_classes, scale, signed, cosine, loss", [
    (128, 10, 1, False, 0.660, 1.677), (128, 100, 1, False, 0.692, 3.915), (512, 200, 1, False, 0.692, 4.608),
    (512, 10, 1, True, 0.949, 1.421), (512, 100, 1, True, 0.995, 3.615), (1280, 200, 1, True, 0.997, 4.305),
])
def test_it_agrees_with_values_computed_for_other_draws(dim, num_classes, scale, signed, cosine, loss):
    """Values from another program for ten classes of another draw; their mean has sd 0.05 / sqrt(10) at d = 128."""
    optimum = loss_optimum(class_vectors("uniform", num_classes, dim), scale, signed_features=signed)

    assert optimum.cosine[:10].mean() == pytest.approx(cosine, abs=0.05)
    assert optimum.loss.mean() == pytest.approx(loss, abs=0.04)


def test_non_negative_features_stay_within_their_reach():
    vectors = class_vectors("uniform", 20, 16, 2)
    optimum = loss_optimum(vectors, 10.0)

    assert (optimum.cosine <= reachable_cosine(vectors) + 1e-12).all()
    assert (optimum.loss >= loss_optimum(vectors, 10.0, signed_features=True).loss).all()


def test_a_class_vector_without_positive_entries_has_an_optimum():
    optimum = loss_optimum([[-1.0, -2.0], [1.0, 0.0]], 2.0)

    assert np.isfinite(optimum.loss).all() and optimum.cosine[0] == pytest.approx(-2 / math.sqrt(5))


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_an_invalid_scale_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be a positive number"):
        loss_optimum(np.eye(3), scale)
