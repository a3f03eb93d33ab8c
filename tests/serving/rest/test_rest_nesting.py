import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.rest.nesting import nested_deeper

VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.text(alphabet='[]{}"\\x'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('[]{}"\\x', max_size=3), inner, max_size=3),
    max_leaves=20,
)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans())
def test_the_depth_matches_the_parsed_value_whatever_its_strings_contain(value, ascii_only):
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    depth = depth_of(value)

    assert not nested_deeper(body, max(depth, 1))
    if depth > 1:
        assert nested_deeper(body, depth - 1)


@pytest.mark.parametrize("depth", [1, 33, 40, 300])
def test_brackets_in_strings_hide_nothing(depth):
    value = 1
    for _ in range(depth):
        value = ["]", value, "["]  # counted together, the brackets of the text are balanced
    body = json.dumps(value).encode()

    assert nested_deeper(body, 32) is (depth > 32)


@given(st.binary() | st.text(alphabet='[]{}"\\,x').map(str.encode), st.integers(1, 5))
def test_any_bytes_have_a_depth_and_for_json_it_is_correct(body, limit):
    answer = nested_deeper(body, limit)
    try:
        value = json.loads(body)
    except ValueError:
        return
    assert answer is (depth_of(value) > limit)


@pytest.mark.parametrize("piece", [b"[", b'"', b'\\"', b'{"a":', b'"[",', b"[]", b'["\\\\",'])
def test_the_time_is_linear_in_the_size(piece):
    start = time.process_time()
    nested_deeper(piece * (2 * 2**20 // len(piece)), 32)

    assert time.process_time() - start < 5  # a quadratic algorithm would take hours
