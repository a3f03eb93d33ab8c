"""Orthogonal, Hadamard, simplex, orthoplex, hypercube and optimized class vectors and their closed forms."""
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from keras_fixhead.errors import ArgumentError, FixheadWarning
from keras_fixhead.vectors import class_vectors, cosine_bound, max_cosine, pairwise_cosines, reachable_cosine
from keras_fixhead.vectors.hadamard import hadamard_matrix, has_hadamard
from keras_fixhead.vectors.optimized import optimized_vectors
from keras_fixhead.vectors.orthogonal import ordered_sum, orthonormal_rows

# orthogonal


@pytest.mark.parametrize("rows, dim", [(1, 1), (3, 3), (10, 64), (200, 200)])
def test_rows_are_orthonormal_to_the_last_digits(rows, dim):
    found = orthonormal_rows(rows, dim, seed=1)

    np.testing.assert_allclose(found @ found.T, np.eye(rows), atol=4e-15)


def test_directions_are_uniform():
    """For a Haar matrix, q_ij^2 is Beta(1/2, (d - 1)/2) for all i, j. 600 seeds; p < 1e-4 has probability 1e-4."""
    matrices = np.stack([orthonormal_rows(3, 5, seed=seed) for seed in range(600)])
    law = stats.beta(0.5, 2.0).cdf

    for place in ((0, 0), (1, 3), (2, 4)):
        entries = matrices[:, *place]
        assert stats.kstest(entries**2, law).pvalue > 1e-4
        assert abs((entries > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(600)  # both signs: plain QR gives only one


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=70))
def test_an_ordered_sum_equals_the_sum(terms):
    # rounding: log2(70) levels of additions, each off by half a unit in the last place of at most 70e6
    assert float(ordered_sum(np.array(terms))) == pytest.approx(math.fsum(terms), abs=1e-6)


# hadamard


def test_every_supported_order_gives_a_hadamard_matrix():
    orders = [order for order in range(1, 200) if has_hadamard(order)] + [1280]
    for order in orders:
        matrix = hadamard_matrix(order).astype(np.int64)
        assert set(np.unique(matrix)) <= {-1, 1}
        np.testing.assert_array_equal(matrix @ matrix.T, order * np.eye(order))


def test_the_orders_are_1_2_and_multiples_of_4_except_52_below_92():
    """52 = 2 (5^2 + 1) needs Paley's second construction over a prime power, which is not supported."""
    found = [order for order in range(1, 92) if has_hadamard(order)]

    assert found == [1, 2] + [order for order in range(4, 92, 4) if order != 52]
    assert all(has_hadamard(order) for order in (512, 1280, 2048, 4608, 11520))  # features of the paper's models


def test_seeds_choose_rows_and_column_signs():
    one, other = (class_vectors("hadamard", 64, 64, seed) for seed in (0, 1))

    np.testing.assert_array_equal(np.abs(one), np.full((64, 64), 0.125))
    assert len(np.unique(np.sign(one[0] * other[0]))) == 2
    # without the column signs, all seeds have the rows of one matrix in different orders
    by_rows = {tuple(row) for row in np.sign(one * np.sign(one[0]))}
    assert len(by_rows) == 64


def test_an_unsupported_order_is_refused_with_its_neighbors():
    with pytest.raises(ArgumentError, match=r"order 130 can be constructed here\. The nearest orders are 128 and 132;"):
        class_vectors("hadamard", 10, 130)
    with pytest.raises(ArgumentError, match="order 3"):
        hadamard_matrix(3)


# simplex, orthoplex, hypercube


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("num_classes, dim", [(2, 1), (2, 5), (4, 3), (4, 4), (10, 128), (129, 128), (100, 99)])
def test_all_cosines_of_a_simplex_are_equal(num_classes, dim, rotate):
    vectors = class_vectors("simplex", num_classes, dim, 3, rotate=rotate)

    np.testing.assert_allclose(pairwise_cosines(vectors), -1 / (num_classes - 1), atol=3e-7)
    np.testing.assert_allclose(vectors.astype(np.float64).sum(axis=0), 0, atol=1e-6)
    assert class_vectors("simplex", 1, dim, 3, rotate=rotate).shape == (1, dim)


@pytest.mark.parametrize("num_classes", [10, 100, 200])
def test_non_negative_features_nearly_reach_an_unrotated_simplex(num_classes):
    vectors = class_vectors("simplex", num_classes, num_classes, rotate=False)

    np.testing.assert_allclose(reachable_cosine(vectors), math.sqrt((num_classes - 1) / num_classes), atol=1e-6)


@pytest.mark.parametrize("rotate", [True, False])
def test_an_orthoplex_has_the_axes_followed_by_their_negatives(rotate):
    vectors = class_vectors("orthoplex", 12, 6, 3, rotate=rotate)

    np.testing.assert_array_equal(vectors[6:], -vectors[:6])
    np.testing.assert_allclose(vectors[:6] @ vectors[:6].T, np.eye(6), atol=1e-6)
    if not rotate:
        np.testing.assert_array_equal(reachable_cosine(vectors), [1] * 6 + [0] * 6)
        assert not np.signbit(vectors[vectors == 0]).any()


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("num_classes, dim", [(2, 1), (3, 2), (10, 128), (100, 7), (128, 7)])
def test_hypercube_cosines_count_differing_bits(num_classes, dim, rotate):
    bits = max(1, math.ceil(math.log2(num_classes)))
    different = [(i ^ j).bit_count() for i in range(num_classes) for j in range(i + 1, num_classes)]
    vectors = class_vectors("hypercube", num_classes, dim, 3, rotate=rotate)

    np.testing.assert_allclose(pairwise_cosines(vectors), 1 - 2 * np.array(different) / bits, atol=5e-7)


# optimized


@pytest.mark.parametrize("num_classes, known", [(2, "simplex"), (9, "simplex"), (10, "orthoplex"), (16, "orthoplex")])
def test_a_known_optimum_is_returned_and_reported(num_classes, known):
    with pytest.warns(FixheadWarning, match=f"uses the {known} for {num_classes} classes in 8 dimensions"):
        found = class_vectors("optimized", num_classes, 8, 3)

    np.testing.assert_array_equal(found, class_vectors(known, num_classes, 8, 3))


def test_twelve_vectors_in_3_dimensions_form_an_icosahedron():
    """Nearest neighbors have cosine 1 / sqrt(5), the optimum known since Fejes Toth (1943)."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert max_cosine(class_vectors("optimized", 12, 3)) == pytest.approx(1 / math.sqrt(5), abs=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_optimized_vectors_are_farther_apart_than_drawn_ones_within_the_bound(seed):
    found = max_cosine(class_vectors("optimized", 100, 16, seed))

    assert cosine_bound(100, 16) <= found < 0.6 * max_cosine(class_vectors("uniform", 100, 16, seed))


def test_a_caller_may_modify_its_copy():
    first = optimized_vectors(5, 2, seed=0)
    kept = first.copy()
    first[:] = 0

    np.testing.assert_array_equal(optimized_vectors(5, 2, seed=0), kept)
