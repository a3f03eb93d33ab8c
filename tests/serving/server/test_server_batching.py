import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.server.batching import count_rows, merge, merge_key, mergeable_signatures, split
from fixhead_serving.specs import Signature, TensorSpec


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_each_request_gets_its_own_rows_back(rows):
    draw = np.random.default_rng(0)
    requests = [{"x": draw.normal(size=(count, 2)), "s": np.full(count, b"a\0", object)} for count in rows]

    assert len({merge_key(request) for request in requests}) == 1
    merged = merge(requests)
    parts = split({"y": 2 * merged["x"], "s": merged["s"]}, [count_rows(request) for request in requests])
    for request, part in zip(requests, parts, strict=True):
        np.testing.assert_array_equal(part["y"], 2 * request["x"], strict=True)
        np.testing.assert_array_equal(part["s"], request["s"], strict=True)


def test_inputs_with_different_shapes_types_or_names_have_different_keys():
    requests = [{"x": np.zeros((1, 2))}, {"x": np.zeros((1, 3))}, {"x": np.zeros((1, 2), np.float32)},
                {"y": np.zeros((1, 2))}, {"x": np.zeros((1, 2, 1))}]  # fmt: skip

    assert len({merge_key(request) for request in requests}) == len(requests)


def test_inputs_without_a_common_batch_size_cannot_be_merged():
    assert count_rows({"x": np.zeros(2), "y": np.zeros(3)}) is None
    assert count_rows({"x": np.zeros(())}) is None
    assert count_rows({"x": np.zeros((2, 9)), "y": np.zeros(2)}) == 2


def test_outputs_without_a_row_per_request_are_not_split():
    assert split({"y": np.zeros(3), "constant": np.zeros(7)}, [1, 2]) is None
    assert split({"y": np.zeros(())}, [1]) is None


def test_only_signatures_with_variable_batch_sizes_throughout_are_merged():
    free, fixed, scalar = TensorSpec("DT_FLOAT", (None, 3)), TensorSpec("DT_FLOAT", (1, 3)), TensorSpec("DT_FLOAT", ())
    unknown = TensorSpec("DT_FLOAT", None)
    signatures = {
        "free": Signature({"x": free}, {"y": free}),
        "fixed in": Signature({"x": free, "z": fixed}, {"y": free}),
        "fixed out": Signature({"x": free}, {"y": fixed}),
        "scalar": Signature({"x": free}, {"y": scalar}),
        "unknown": Signature({"x": unknown}, {"y": free}),
        "none": Signature({}, {"y": free}),
    }

    assert mergeable_signatures(signatures) == {"free"}
