"""Features in a plane: as they are in two dimensions, by PCA otherwise; t-SNE keeps neighbours together."""
import numpy as np
import pytest

from keras_fixhead.analysis.projection import neighbour_embedding, principal_projection, turn
from keras_fixhead.errors import ArgumentError

DRAW = np.random.default_rng(0)


def test_a_plane_in_many_dimensions_is_found_with_all_of_its_variance():
    basis = np.linalg.qr(DRAW.standard_normal((7, 2)))[0]
    flat = DRAW.standard_normal((50, 2)) * [3.0, 1.0]
    points, vectors, share = principal_projection(flat @ basis.T, basis.T)

    assert share == pytest.approx(1) and points.shape == (50, 2) and vectors.shape == (2, 2)
    assert abs(vectors[0] @ vectors[1]) < 1e-9  # the origin stays where it is, so angles in the plane are kept
    distances = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (points, flat)]
    np.testing.assert_allclose(*distances, atol=1e-9)


def test_the_layout_keeps_two_far_groups_apart_and_repeats():
    features = np.concatenate([DRAW.normal([5, 0, 0], 0.1, (8, 3)), DRAW.normal([0, 5, 0], 0.1, (8, 3))])
    points = neighbour_embedding(features, seed=1)
    near = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(near, np.inf)

    assert ((near.argmin(axis=1) < 8) == (np.arange(16) < 8)).mean() > 0.95
    np.testing.assert_array_equal(points, neighbour_embedding(features, seed=1))


def test_wrong_arguments_are_refused():
    with pytest.raises(ArgumentError, match="one dimension"):
        principal_projection(np.ones((3, 1)), np.ones((2, 1)))
    with pytest.raises(ArgumentError, match="at least 5 images, got 4"):
        neighbour_embedding(np.ones((4, 2)))
    assert turn([[0.0, 1.0], [-1.0, 0.0]]).tolist() == [90, 180]
