"""Orders, pairs and the law of cosines of class vectors."""
import numpy as np
import pytest

from keras_fixhead.analysis.class_vectors import (
    clustered_order,
    cosine_density,
    cosine_law,
    group_test,
    named_pairs,
    nearest_pairs,
    randomness_test,
)
from keras_fixhead.analysis.geometry import cosine_matrix
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import class_vectors

DRAW = np.random.default_rng(0)


def test_clustering_puts_classes_of_one_block_next_to_each_other():
    group_of = DRAW.integers(0, 4, 40)
    cosines = np.where(group_of[:, None] == group_of, 0.8, 0.0) + np.diag(np.full(40, 0.2))
    order = clustered_order(cosines)

    assert sorted(order) == list(range(40))
    assert (np.diff(group_of[order]) != 0).sum() == 3


@pytest.mark.parametrize("num_classes", [1, 2, 3])
def test_few_classes_have_an_order(num_classes):
    assert sorted(clustered_order(np.eye(num_classes))) == list(range(num_classes))


@pytest.mark.parametrize("dim", [2, 3, 17])
def test_the_law_of_cosines_is_the_integral_of_its_density_and_that_of_drawn_directions(dim):
    """Of 20,000 drawn pairs, the share up to a cosine is within 4 standard errors (0.014) of the law."""
    grid = np.linspace(-0.9, 0.9, 20_001)
    density = cosine_density(grid, dim)
    integral = float(((density[1:] + density[:-1]) / 2 * np.diff(grid)).sum())
    assert integral == pytest.approx(float(cosine_law(0.9, dim) - cosine_law(-0.9, dim)), abs=1e-6)

    one, other = DRAW.standard_normal((2, 20_000, dim))
    cosines = (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    for value in (-0.5, 0.0, 0.3):
        assert (cosines <= value).mean() == pytest.approx(float(cosine_law(value, dim)), abs=0.015)


def test_uniform_class_vectors_pass_the_test_of_randomness_and_structured_ones_do_not():
    assert randomness_test(class_vectors("uniform", 20, 32, seed=1), draws=99)["p_value"] > 0.05
    assert randomness_test(class_vectors("simplex", 20, 32), draws=99)["p_value"] == 0.01


def test_pairs_are_named_and_ranked():
    cosines = np.array([[1, 0.1, 0.9], [0.1, 1, 0.5], [0.9, 0.5, 1]])
    names = ["boy", "apple", "girl"]

    assert nearest_pairs(cosines, names, 2) == [{"classes": ["boy", "girl"], "cosine": 0.9},
                                                {"classes": ["apple", "girl"], "cosine": 0.5}]
    assert named_pairs(cosines, names, [("boy", "girl"), ("apple", "orange"), ("boy", "apple")]) == [
        {"classes": ["boy", "girl"], "cosine": 0.9, "rank": 1, "of": 3},
        {"classes": ["boy", "apple"], "cosine": 0.1, "rank": 3, "of": 3}]


def test_a_group_test_permutes_classes():
    """Vectors that share a direction inside a group are nearer; without one, p-values are spread over (0, 1]."""
    together = np.kron(np.eye(5, dtype=bool), np.ones((4, 4), bool)) & ~np.eye(20, dtype=bool)
    vectors = DRAW.standard_normal((20, 8)) + np.repeat(DRAW.standard_normal((5, 8)), 4, axis=0)
    found = group_test(cosine_matrix(vectors), together, permutations=199)
    draws = [cosine_matrix(DRAW.standard_normal((20, 8))) for _ in range(40)]
    by_chance = [group_test(each, together, permutations=49)["p_value"] for each in draws]

    assert found["p_value"] == 1 / 200 and found["difference"] == pytest.approx(found["within"] - found["across"])
    assert 0.3 < np.mean(by_chance) < 0.7


def test_wrong_arguments_are_refused():
    with pytest.raises(ArgumentError, match="at least one pair"):
        group_test(np.eye(3), np.zeros((3, 3), bool))
    with pytest.raises(ArgumentError, match="at least 2 dimensions, got 1"):
        cosine_law([0.5], 1)
