"""Bounds on cosines, and the largest cosine of given vectors."""
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import KINDS, bounds, class_vectors, cosine_bound, max_cosine, pairwise_cosines, welch_bound

pytestmark = pytest.mark.filterwarnings("ignore:Kind 'optimized' gives:keras_fixhead.errors.FixheadWarning")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_no_vectors_beat_the_bounds(kind, data, seed):
    dim = data.draw(st.sampled_from([2, 4, 8, 12]) if kind == "hadamard" else st.integers(2, 12))
    limit = KINDS[kind].largest
    num_classes = data.draw(st.integers(2, 40 if limit is None else min(40, limit(dim))))
    vectors = class_vectors(kind, num_classes, dim, seed)

    assert max_cosine(vectors) >= cosine_bound(num_classes, dim) - 1e-6
    assert np.abs(pairwise_cosines(vectors)).max() >= welch_bound(num_classes, dim) - 1e-6


@pytest.mark.parametrize("kind, num_classes, dim", [("simplex", 2, 3), ("simplex", 9, 8), ("orthoplex", 10, 8),
                                                    ("orthoplex", 16, 8)])
def test_simplex_and_orthoplex_meet_the_bound(kind, num_classes, dim):
    assert max_cosine(class_vectors(kind, num_classes, dim)) == pytest.approx(cosine_bound(num_classes, dim), abs=1e-6)


def test_the_bound_never_exceeds_known_optimal_codes_and_never_decreases():
    """The 16 Clebsch points in 5 dimensions (s = 1/5), the 27 Schlaefli points in 6 (1/4), and 56 in 7 (1/3)."""
    for num_classes, dim, cosine in ((16, 5, 1 / 5), (27, 6, 1 / 4), (56, 7, 1 / 3)):
        assert cosine_bound(num_classes, dim) <= cosine + 1e-12
    for dim in (3, 8, 128):
        values = [cosine_bound(num_classes, dim) for num_classes in range(2, 40 * dim, max(1, dim // 4))]
        assert values == sorted(values)


def test_the_root_satisfies_the_levenshtein_equation():
    for num_classes, dim in ((300, 128), (20, 8), (30, 8)):
        s = cosine_bound(num_classes, dim)
        assert dim * (1 - s) * (2 + (dim + 1) * s) / (1 - dim * s * s) == pytest.approx(num_classes)
    # beyond d (d + 3) / 2 classes the root stays at the end of its range
    assert cosine_bound(10**6, 8) == cosine_bound(45, 8) == pytest.approx((math.sqrt(11) - 1) / 10)


def test_bounds_in_the_plane_and_on_a_line():
    assert cosine_bound(3, 2) == -0.5 and cosine_bound(4, 2) == 0.0
    assert cosine_bound(6, 2) <= math.cos(math.pi / 3)
    assert cosine_bound(2, 1) == -1.0 and cosine_bound(3, 1) == 1.0


def test_a_simplex_of_dim_plus_1_classes_meets_the_welch_bound():
    for dim in (2, 7, 20):
        cosines = pairwise_cosines(class_vectors("simplex", dim + 1, dim))
        assert np.abs(cosines).max() == pytest.approx(welch_bound(dim + 1, dim), abs=1e-6)
    assert welch_bound(8, 8) == 0.0


@pytest.mark.parametrize("elements", [1, 30, 61, 10**6])
def test_the_largest_cosine_does_not_depend_on_chunks(elements, monkeypatch):
    monkeypatch.setattr(bounds, "_CHUNK_ELEMENTS", elements)
    vectors = np.random.default_rng(0).normal(size=(30, 4)) * np.linspace(1, 9, 30)[:, None]

    assert max_cosine(vectors) == pytest.approx(pairwise_cosines(vectors).max())


def test_one_vector_has_no_pair_and_no_bound():
    with pytest.raises(ArgumentError, match="class_vectors must have at least 2 rows"):
        max_cosine([[1.0, 0.0]])
    for bound in (cosine_bound, welch_bound):
        with pytest.raises(ArgumentError, match="at least 2 classes and 1 dimension, got 1 and 3"):
            bound(1, 3)
