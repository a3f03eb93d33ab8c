import numpy as np

from keras_fixhead.vectors import class_vectors, cube
from keras_fixhead.vectors.hashing import CUBE_STREAM, stream_key, words

BORDERS = np.array([0, 1, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1,
                    *(-(-k * 2**32 // 200) - below for k in range(1, 200) for below in (0, 1))], np.uint32)


def test_integers_match_the_floor_formula_in_big_integers():
    drawn = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    for bits in (drawn, BORDERS):
        assert cube._integers(bits).tolist() == [int(word) * 200 // 2**32 - 100 for word in bits]


def test_vectors_are_the_normalized_integer_points():
    bits = words(stream_key(5, CUBE_STREAM), np.arange(20), np.arange(33))
    points = np.array([[int(word) * 200 // 2**32 - 100 for word in row] for row in bits], np.float64)
    expected = points / np.linalg.norm(points, axis=1, keepdims=True)

    np.testing.assert_allclose(class_vectors("cube", 20, 33, 5), expected, atol=6e-8)  # half a float32 rounding
    assert points.min() >= -100 and points.max() <= 99


def test_integers_are_equally_frequent():
    """chi^2 of 200 values has mean 199 and sd sqrt(2 x 199) = 20: within 5 sd."""
    values = cube._integers(words(stream_key(1, CUBE_STREAM), np.arange(2_000), np.arange(100))).ravel()
    counts = np.bincount(values + 100, minlength=200)
    expected = len(values) / 200

    assert len(counts) == 200
    assert abs(((counts - expected) ** 2 / expected).sum() - 199) < 100


def test_the_origin_becomes_the_first_unit_vector(monkeypatch):
    monkeypatch.setattr(cube, "_integers", lambda bits: np.zeros(bits.shape, np.int32))

    np.testing.assert_array_equal(class_vectors("cube", 2, 3), [[1, 0, 0], [1, 0, 0]])


def test_one_dimension_has_two_directions():
    assert set(class_vectors("cube", 1_000, 1).ravel().tolist()) == {-1.0, 1.0}
