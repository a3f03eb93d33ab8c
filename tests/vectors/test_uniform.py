import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import kstest

from keras_fixhead.vectors import class_vectors
from keras_fixhead.vectors.hashing import UNIFORM_STREAM, stream_key, words
from keras_fixhead.vectors.uniform import normal_quantile

EDGE = (np.arange(1000) + 0.5) / 2**32


@pytest.mark.parametrize("p", [
    EDGE,
    1 - EDGE,
    (np.random.default_rng(0).integers(0, 2**32, 200_000) + 0.5) / 2**32,
    np.array([0.075, 0.925, 0.5]) + np.array([-1e-9, 0, 1e-9])[:, None],  # where the branches meet
], ids=["lower edge", "upper edge", "inside", "joints"])
def test_the_normal_quantile_matches_scipy(p):
    # 5e-15: a few roundings of values up to 6.4
    np.testing.assert_allclose(normal_quantile(p.ravel()), ndtri(p.ravel()), rtol=0, atol=5e-15)


def test_the_normal_quantile_is_antisymmetric_about_one_half():
    p = (np.random.default_rng(1).integers(0, 2**31, 10_000) + 0.5) / 2**32

    np.testing.assert_array_equal(normal_quantile(1 - p), -normal_quantile(p))


def test_vectors_are_normalized_normal_quantiles_of_the_words():
    bits = words(stream_key(5, UNIFORM_STREAM), np.arange(20), np.arange(33))
    normal = ndtri((bits + 0.5) / 2**32)
    expected = normal / np.linalg.norm(normal, axis=1, keepdims=True)

    np.testing.assert_allclose(class_vectors("uniform", 20, 33, 5), expected, atol=6e-8)  # half a float32 rounding


def test_a_coordinate_is_distributed_as_on_the_sphere():
    """In 3 dimensions, each coordinate of a uniform point on the sphere is uniform on [-1, 1] (Archimedes).

    p > 1e-4 for one fixed seed: 1 of 10,000 seeds would fail.
    """
    drawn = class_vectors("uniform", 100_000, 3, seed=4)
    for axis in range(3):
        assert kstest(drawn[:, axis], "uniform", args=(-1, 2)).pvalue > 1e-4


def test_directions_are_not_biased():
    """The mean of n unit vectors has an expected squared length of 1/n, with sd sqrt(2/d)/n: below 1 + 5 sd."""
    n, dim = 5_000, 64
    drawn = class_vectors("uniform", n, dim, seed=8).astype(np.float64)

    assert (drawn.mean(axis=0) ** 2).sum() * n < 1 + 5 * np.sqrt(2 / dim)
