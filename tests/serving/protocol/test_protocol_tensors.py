"""Nested lists as arrays."""

import numpy as np
import pytest
from decoding import IMAGES, decode, of_type
from hypothesis import given, settings
from hypothesis import strategies as st

from fixhead_serving.protocol import Refusal
from fixhead_serving.protocol.tensors import read, walk


@pytest.mark.parametrize("value", [2**24 + 1, 1435774380, 1435774380.0, -(2**63), 1e39, -1e39, 1e-50, 2**64 - 1])
def test_numbers_are_rounded_to_floats_and_never_refused(value):
    # tensorflow_serving/util/json_tensor_test.cc: FloatTensorWithPrecisionLoss, FloatTensorThatExceedsMaxReturnsInf
    array = decode({"instances": [value, 0.5]}, of_type("DT_FLOAT")).arrays["x"]

    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(array, np.array([value, 0.5], np.float64).astype(np.float32), strict=True)


NUMBERS = st.integers(-(2**40), 2**40) | st.floats(width=32)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=3, max_size=3)),
    st.sampled_from(["DT_FLOAT", "DT_DOUBLE", "DT_INT32", "DT_INT64"]),
    st.booleans(),
    st.booleans(),
)
def test_the_fast_and_the_slow_path_agree(value, dtype, whole, many):
    value = [[[int(x) if whole and np.isfinite(x) else x for x in row] for row in rows] for rows in value]
    if many:
        value *= 200 // max(1, len(value))  # many values take another path than a few
    array = read(value, dtype)
    try:
        shape = walk(value, dtype)
    except Refusal:
        assert array is None
    else:
        assert array.shape == shape
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(array, np.array(value).reshape(shape).astype(array.dtype))


@pytest.mark.parametrize("stray", [True, None, "1.5", [1.5], {}, {"b64": "aa"}, [], "g" * 8])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_stray_value_among_many_numbers_is_never_taken_for_a_number(stray, place):
    value = [[[0.5, 1.5], [2.5, 3.5]] for _ in range(400)]
    value[place][place][place] = stray

    assert read(value, "DT_FLOAT") is None
    with pytest.raises(Refusal):
        walk(value, "DT_FLOAT")


def test_a_long_quoted_value_is_truncated():
    with pytest.raises(Refusal) as caught:
        decode({"instances": 1, "junk": ["x" * 50] * 100_000}, IMAGES)

    assert len(str(caught.value)) < 400
