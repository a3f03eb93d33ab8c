"""Any input is decoded or refused."""
import json

from decoding import ANY_SIZE, IMAGES, PAIR, SCALAR, TEXT, decode, of_type
from hypothesis import given, settings
from hypothesis import strategies as st

from fixhead_serving.protocol import Refusal, error_body, parse_predict
from fixhead_serving.protocol.json_text import quote
from fixhead_serving.server.refusals import InvalidRequest
from fixhead_serving.server.request_checks import check_shapes

SIGNATURES = [IMAGES, PAIR, TEXT, SCALAR, ANY_SIZE, of_type("DT_UINT8"), of_type("DT_BOOL"), of_type("DT_HALF")]


def decode_or_refuse(body, signature):
    try:
        arrays = decode(body, signature).arrays
        check_shapes(arrays, signature)
    except Refusal as refusal:
        assert refusal.status in (400, 501)
        json.loads(error_body(str(refusal)))
    except InvalidRequest as refusal:
        json.loads(error_body(refusal.what))
    else:
        for name, spec in signature.inputs.items():
            assert arrays[name].ndim == len(spec.shape) and arrays[name].size


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200), st.sampled_from(SIGNATURES))
def test_random_bytes_are_decoded_or_refused(body, signature):
    decode_or_refuse(body, signature)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "x", "images", "b64"]), inner, max_size=3)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"instances": VALUES | st.lists(VALUES), "inputs": VALUES, "signature_name": VALUES}
    ),
    st.sampled_from(SIGNATURES),
)
def test_random_json_is_decoded_or_refused(document, signature):
    decode_or_refuse(json.dumps(document).encode(), signature)


VALID = st.sampled_from(
    [
        (b'{"instances": [[[1.0, 2, 3], [4, 5, 6]], [[0.5, NaN, -1], [1e-30, 1, 2]]]}', IMAGES),
        (b'{"signature_name": "x", "instances": [{"a": 1, "b": [2, 3]}, {"b": [4, 5], "a": 6.5}]}', PAIR),
        (b'{"inputs": {"a": [1], "b": [[2, 3]], "c": null}}', PAIR),
        (b'{"inputs": ["a\\u00e9\\ud83d\\ude00", {"b64": "/+8="}]}', TEXT),
    ]
)
DAMAGE = st.lists(
    st.tuples(
        st.integers(0, 100),
        st.integers(0, 3),
        st.sampled_from([b"", b"[", b"]", b'"', b"1e999", b"\\u", b"\xff"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=500, deadline=None)
@given(VALID, DAMAGE)
def test_damaged_requests_are_decoded_or_refused(valid, damage):
    body, signature = valid
    for at, cut, piece in damage:
        body = body[:at] + piece + body[at + cut :]
    decode_or_refuse(body, signature)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3), st.sampled_from([b"", b" ", b"]", b"\xff"]))
def test_json_is_read_like_by_python_and_the_rest_is_ignored(document, rest):
    document.pop("signature_name", None)

    assert parse_predict(json.dumps(document).encode() + rest).document == document


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3))
def test_a_short_quote_is_json_of_the_same_value(document):
    quoted = quote(document)

    if len(quoted.encode()) < 256 and "Infinity" not in json.dumps(document):
        assert json.loads(quoted) == document
