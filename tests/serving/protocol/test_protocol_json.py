"""JSON: errors in the words of RapidJSON, and quoted values."""

import pytest
from decoding import SCALAR, decode
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.protocol import Refusal, parse_predict
from fixhead_serving.protocol.json_text import quote


@pytest.mark.parametrize(
    "body, text",
    [
        (b"?", "Invalid value. at offset: 0"),
        (b"instances = [1, 2]", "Invalid value. at offset: 0"),
        (b"{", "Missing a name for object member. at offset: 1"),
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": 1, }', "Missing a name for object member. at offset: 9"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": }', "Invalid value. at offset: 6"),
        (b'{"a": 1', "Missing a comma or '}' after an object member. at offset: 7"),
        (b'{"a": {"[": [1]} 2}', "Missing a comma or '}' after an object member. at offset: 17"),
        (b'{"a": [1 2]}', "Missing a comma or ']' after an array element. at offset: 9"),
        (b'{"a": [1, ]}', "Invalid value. at offset: 10"),
        (b'{"a": [1,', "Invalid value. at offset: 9"),
        (b'{"a": "b', "Missing a closing quotation mark in string. at offset: 8"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\n"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\\u12g4"}', "Incorrect hex digit after \\u escape in string. at offset: 7"),
        (b'{"a": "\\ud800\\u0041"}', "The surrogate pair in string is invalid. at offset: 7"),
        (b'{"a": 1.}', "Miss fraction part in number. at offset: 8"),
        (b'{"a": 1e+}', "Miss exponent in number. at offset: 9"),
        (b'{"a": 01}', "Missing a comma or '}' after an object member. at offset: 7"),
    ],
)
def test_invalid_json_is_described_like_in_rapidjson(body, text):
    # rapidjson 1.1.0: include/rapidjson/error/en.h, GetParseError_En; reader.h, HandleError and ParseStringToStream
    with pytest.raises(Refusal) as caught:
        parse_predict(body)

    assert str(caught.value) == f"JSON Parse error: {text}"


def test_json_may_start_with_a_byte_order_mark_and_have_anything_after_it():
    assert decode(b'\xef\xbb\xbf {"inputs": 1} \xff', SCALAR).arrays["x"] == 1


@pytest.mark.parametrize(
    "value, text",
    [
        ({}, "{}"),
        ([], "[]"),
        ({"a": [{"b": None}, True]}, '{\n    "a": [{\n            "b": null\n        }, true]\n}'),
        ('a"\\/\b\x01é', '"a\\"\\\\/\\b\\u0001é"'),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (123.456, "123.456"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
        (-(2**63), "-9223372036854775808"),
        ([1.0, float("nan"), 2], "[1.0, "),
    ],
)
def test_values_are_quoted_in_the_layout_of_rapidjson(value, text):
    # rapidjson 1.1.0: prettywriter.h, PrettyPrefix; internal/dtoa.h, Prettify; writer.h, WriteString
    assert quote(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_quoted_double_round_trips(value):
    assert float(quote(value)) == value
