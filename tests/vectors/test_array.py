"""A user's own class vectors."""
import numpy as np
import pytest

from keras_fixhead import vectors
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import array_vectors, vectors_digest

ROWS = np.random.default_rng(0).normal(size=(4, 6))


@pytest.mark.parametrize("rows", [ROWS, ROWS.tolist(), ROWS.astype("float32"), ROWS.astype("float16"),
                                  (100 * ROWS).astype(int), np.asfortranarray(ROWS)])
def test_rows_are_scaled_to_length_1_and_keep_their_direction(rows):
    found = array_vectors(rows)
    exact = np.asarray(rows, np.float64)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact / np.linalg.norm(exact, axis=1, keepdims=True), atol=1e-7)


def test_rows_of_any_length_are_accepted():
    huge = ROWS * np.array([[1e300], [1e-300], [1.0], [5e-310]])

    np.testing.assert_allclose(array_vectors(huge)[:3], array_vectors(ROWS)[:3], atol=1e-7)
    assert np.linalg.norm(array_vectors(huge)[3]) == pytest.approx(1)


def test_scaling_by_a_power_of_two_does_not_change_the_digest():
    assert vectors_digest(array_vectors(ROWS * 1024)) == vectors_digest(array_vectors(ROWS))


def test_the_callers_array_is_not_modified():
    rows = ROWS.copy()
    array_vectors(rows)[:] = 0

    np.testing.assert_array_equal(rows, ROWS)


def changed(row, value):
    rows = ROWS.copy()
    rows[row] = value
    return rows


@pytest.mark.parametrize("rows, message", [
    (ROWS[0], r"must have shape \(num_classes, dim\) with 2 classes or more, got \(6,\)"),
    (ROWS[:1], r"with 2 classes or more, got \(1, 6\)"),
    (ROWS[None], r"got \(1, 4, 6\)"),
    (ROWS[:, :0], r"got \(4, 0\)"),
    (changed(2, np.nan), "not finite, first in row 2"),
    (changed(1, np.inf), "not finite, first in row 1"),
    (changed(3, 0), "Row 3 of class_vectors is zero, so it has no direction"),
    (changed(2, 2 * ROWS[1]), "Rows 1 and 2 of class_vectors have the same direction"),
    ([["a", "b"], ["c", "d"]], "must be an array of numbers"),
    ([[1, 2], [3]], "must be an array of numbers"),
])
def test_invalid_class_vectors_are_refused_in_one_line(rows, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        array_vectors(rows)

    assert "\n" not in str(caught.value)


def test_very_many_rows_are_checked_in_parts_with_the_same_result(monkeypatch):
    rows = np.random.default_rng(1).normal(size=(50, 7))
    whole = array_vectors(rows)
    monkeypatch.setattr(vectors, "_PART_ELEMENTS", 20)

    np.testing.assert_array_equal(array_vectors(rows), whole)
    for changes, message in (({31: 0.0}, "Row 31 of"), ({40: np.nan}, "first in row 40"),
                             ({9: -rows[1], 20: rows[5], 30: 3 * rows[2], 40: 3 * rows[2]}, "Rows 2 and 30 of")):
        with pytest.raises(ArgumentError, match=message):
            array_vectors([changes.get(number, row) + np.zeros(7) for number, row in enumerate(rows)])


def test_the_two_zeros_are_one_direction():
    with pytest.raises(ArgumentError, match="Rows 0 and 1 of"):
        array_vectors([[1.0, 0.0], [1.0, -0.0]])


def test_opposite_rows_are_distinct_classes():
    assert array_vectors([[1, 2], [-1, -2]]).shape == (2, 2)
