import json
from base64 import b64encode

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixhead_serving.protocol import (
    Refusal,
    Route,
    Signature,
    TensorSpec,
    decode_inputs,
    encode_outputs,
    error_body,
    examples_refusal,
    metadata_body,
    parse_examples,
    parse_predict,
    parse_route,
    status_body,
)
from fixhead_serving.protocol.json_text import quote
from fixhead_serving.protocol.tensors import read, walk

IMAGES = Signature({"images": TensorSpec("DT_FLOAT", (None, 2, 3))}, {})
PAIR = Signature({"a": TensorSpec("DT_FLOAT", (None,)), "b": TensorSpec("DT_INT32", (None, 2))}, {})
TEXT = Signature({"image_bytes": TensorSpec("DT_STRING", (None,))}, {})
SCALAR = Signature({"x": TensorSpec("DT_FLOAT", ())}, {})
ANY_SIZE = Signature({"x": TensorSpec("DT_FLOAT", (None, None))}, {})


def of_type(dtype, rank=1):
    return Signature({"x": TensorSpec(dtype, (None,) * rank)}, {})


SIGNATURES = [IMAGES, PAIR, TEXT, SCALAR, ANY_SIZE, of_type("DT_UINT8"), of_type("DT_BOOL"), of_type("DT_HALF")]


def decode(body, signature):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_inputs(parse_predict(body).document, signature)


# Routes


@pytest.mark.parametrize(
    "method, path, route",
    [
        ("GET", "/v1/models/m", Route("status", "m")),
        ("GET", "/v1/models/m/versions/3", Route("status", "m", version=3)),
        ("GET", "/v1/models/m/labels/stable", Route("status", "m", label="stable")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/versions/3/metadata", Route("metadata", "m", version=3)),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/metadata", Route("status", "metadata")),
        ("GET", "/v1/models/m?x=1", Route("status", "m?x=1")),
        ("GET", "/v1/models/a%20b%2Fc", Route("status", "a b/c")),
        ("GET", "/v1/models/m/versions/007", Route("status", "m", version=7)),
        ("GET", "/v1/models/m/versions/9223372036854775807", Route("status", "m", version=2**63 - 1)),
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/V1/MODELS/M:predict", Route("predict", "M")),
        ("POST", "/v1/models/m/versions/2:classify", Route("classify", "m", version=2)),
        ("POST", "/v1/models/m/labels/b%21:regress", Route("regress", "m", label="b!")),
    ],
)
def test_a_request_line_becomes_a_route(method, path, route):
    assert parse_route(method, path) == route


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/v1/models/m"),
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m:explain"),
        ("POST", "/v1/models/m:predict?x=1"),
        ("POST", "/v1/models/m:predict\n"),
        ("GET", "/v1/models/m/metadata?x=1"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/models/m/versions/abc"),
        ("GET", "/v1/models/m/versions/-1"),
        ("GET", "/v1/models/m/versions/\u0661"),
        ("GET", "/v1/model\u017f/m"),
        ("HEAD", "/v1/models/m"),
        ("PUT", "/v1/models/m:predict"),
        ("DELETE", "/v1/models/m"),
        ("GET", "/v1/"),
    ],
)
def test_any_other_request_line_is_malformed(method, path):
    with pytest.raises(Refusal) as caught:
        parse_route(method, path)

    assert (caught.value.status, str(caught.value)) == (400, f"Malformed request: {method} {path}")


@pytest.mark.parametrize("digits", ["9223372036854775808", "9" * 5000])
def test_a_version_beyond_int64_is_refused(digits):
    with pytest.raises(Refusal, match=f"^Failed to convert version: {digits} to numeric.$"):
        parse_route("GET", f"/v1/models/m/versions/{digits}")


def test_a_list_of_models_is_not_offered():
    with pytest.raises(Refusal, match=r"^Missing model name in request\.$"):
        parse_route("GET", "/v1/models")


# Requests that are fine


def test_row_format_stacks_the_elements():
    inputs = decode({"instances": [[[1, 2, 3], [4, 5, 6]], [[0.5, 0, -1], [1e-30, 1, 2]]]}, IMAGES)

    assert inputs.row
    expected = np.array([[[1, 2, 3], [4, 5, 6]], [[0.5, 0, -1], [1e-30, 1, 2]]], np.float32)
    np.testing.assert_array_equal(inputs.arrays["images"], expected, strict=True)


def test_row_format_takes_named_elements_for_one_input_and_for_several():
    one = decode({"instances": [{"images": [[1, 2, 3], [4, 5, 6]]}]}, IMAGES).arrays
    several = decode({"instances": [{"a": 1, "b": [2, 3]}, {"b": [4, 5], "a": 6}]}, PAIR).arrays

    assert one["images"].shape == (1, 2, 3)
    np.testing.assert_array_equal(several["a"], np.array([1, 6], np.float32), strict=True)
    np.testing.assert_array_equal(several["b"], np.array([[2, 3], [4, 5]], np.int32), strict=True)


def test_columnar_format_takes_bare_and_named_values_and_ignores_unknown_names():
    bare = decode({"inputs": [[1, 2], [3, 4]], "ignored": {}}, ANY_SIZE)
    named = decode({"inputs": {"a": [1], "b": [[2, 3]], "c": "ignored"}}, PAIR)
    scalar = decode({"inputs": 2.5}, SCALAR)

    assert not bare.row and bare.arrays["x"].tolist() == [[1, 2], [3, 4]]
    assert sorted(named.arrays) == ["a", "b"]
    assert scalar.arrays["x"].shape == () and scalar.arrays["x"] == 2.5


def test_bytes_after_the_document_are_ignored():
    assert decode(b' {"inputs": [[1]]} ] garbage \x00', ANY_SIZE).arrays["x"].tolist() == [[1]]


def test_bare_nan_and_infinity_are_read():
    array = decode(b'{"inputs": [[NaN, Infinity, -Infinity, 1]]}', ANY_SIZE).arrays["x"]

    np.testing.assert_array_equal(array, np.array([[np.nan, np.inf, -np.inf, 1]], np.float32), strict=True)


@pytest.mark.parametrize("text", ["/+8=", "/+8", " /+\n8 = ", "/\t+8"])
def test_base64_may_have_blanks_and_lack_padding(text):
    assert decode({"instances": [{"b64": text}]}, TEXT).arrays["image_bytes"].tolist() == [b"\xff\xef"]


def test_plain_text_is_taken_as_it_is_and_keeps_zero_bytes():
    encoded = b64encode(b"\x00x\x00").decode()
    array = decode({"inputs": ["a\u00e9", "", {"b64": encoded}, {"b64": ""}]}, TEXT).arrays["image_bytes"]

    assert array.tolist() == ["a\u00e9".encode(), b"", b"\x00x\x00", b""]


def test_signature_name_is_serving_default_unless_given():
    assert parse_predict(b"{}").signature_name == "serving_default"
    assert parse_predict(b'{"signature_name": ""}').signature_name == "serving_default"
    assert parse_predict(b'{"signature_name": "features"}').signature_name == "features"


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64])
def test_integers_reach_the_limits_of_their_type(dtype):
    limits = np.iinfo(dtype)
    values = [int(limits.min), int(limits.max)]
    array = decode({"inputs": values}, of_type(f"DT_{np.dtype(dtype).name.upper()}")).arrays["x"]

    assert array.dtype == dtype and array.tolist() == values


# Requests that are not

PREFIX = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
TOO_BIG = "JSON Parse error: Number too big to be stored in double."
REFUSED = [
    ("nothing", b"", IMAGES, 400, "JSON Parse error: The document is empty"),
    ("blanks", b" \n", IMAGES, 400, "JSON Parse error: The document is empty. at offset: 2"),
    ("a zero byte", b" \x00{}", IMAGES, 400, "JSON Parse error: The document is empty. at offset: 1"),
    ("broken JSON", b'{"inputs": ?}', IMAGES, 400, "JSON Parse error: Invalid value. at offset: 11"),
    ("offsets count bytes", '{"é": ?}'.encode(), IMAGES, 400, "JSON Parse error: Invalid value. at offset: 7"),
    ("not UTF-8", b'{"a": "\xff"}', IMAGES, 400, "JSON Parse error: Invalid encoding in string. at offset: 7"),
    ("too deep", b'{"inputs": ' + b"[" * 100_000, IMAGES, 400, "JSON Parse error: The document is nested too deeply."),
    ("deep", b'{"inputs": ' + b"[" * 800 + b"]" * 800 + b"}", IMAGES, 400, "Encountered lists nested 800 deep."),
    (
        "deep rows",
        b'{"instances": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}",
        IMAGES,
        400,
        PREFIX.format(0) + "Encountered lists nested 64 deep.",
    ),
    ("deep and quoted", b'{"instances": {"a": ' + b"[" * 800 + b"]" * 800 + b"}}", IMAGES, 400, "JSON Value: {"),
    ("a huge exponent", b'{"1e999": 1, "inputs": 1e999}', SCALAR, 400, f"{TOO_BIG} at offset: 23"),
    ("a very long integer", b'{"inputs": ' + b"9" * 5000 + b"}", SCALAR, 400, TOO_BIG),
    ("a list", [1], IMAGES, 400, "JSON Value: [1] Is not object"),
    (
        "signature_name is no text",
        {"signature_name": 1},
        IMAGES,
        400,
        (
            "JSON Value: {\n    \"signature_name\": 1\n} not formatted correctly. 'signature_name' key must be a "
            "string value."
        ),
    ),
    ("neither key", {}, IMAGES, 400, "Missing 'inputs' or 'instances' key"),
    (
        "both keys",
        {"inputs": 1, "instances": [1]},
        IMAGES,
        400,
        (
            'JSON Value: {\n    "inputs": 1,\n    "instances": [1]\n} Not formatted correctly expecting only one of '
            "'inputs' or 'instances' keys to exist "
        ),
    ),
    (
        "instances is no list",
        {"instances": 1},
        IMAGES,
        400,
        "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array",
    ),
    (
        "no instances",
        {"instances": []},
        IMAGES,
        400,
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    (
        "a bare list for two inputs",
        {"instances": [1]},
        PAIR,
        400,
        (
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        ),
    ),
    (
        "a bare value for two inputs",
        {"inputs": [1]},
        PAIR,
        400,
        "inputs is a plain value/list, but expecting an object",
    ),
    (
        "an unknown name in a row",
        {"instances": [{"a": 1, "b": [1, 2]}, {"foo": 1}]},
        PAIR,
        400,
        (
            "Failed to process element: 1 key: foo of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: foo"
        ),
    ),
    (
        "a missing name in a row",
        {"instances": [{"a": 1}]},
        PAIR,
        400,
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b",
    ),
    ("a missing name", {"inputs": {"b": [[1, 2]]}}, PAIR, 400, "Missing named input: a in 'inputs' object."),
    (
        "objects, then a value",
        {"instances": [{"x": 1}, 1]},
        of_type("DT_FLOAT"),
        400,
        "Expecting object but got list at",
    ),
    ("a value, then objects", {"instances": [1, {"x": 1}]}, of_type("DT_FLOAT"), 400, "Expecting value/list but got"),
    (
        "a ragged element",
        {"instances": [[[1, 2, 3], [1, 2]]]},
        IMAGES,
        400,
        PREFIX.format(0) + "Encountered list at unexpected size: 2 at level: 1 expected size: 3",
    ),
    (
        "elements of unlike size",
        {"instances": [[1, 2, 3], [1, 2]]},
        ANY_SIZE,
        400,
        PREFIX.format(1) + "Expecting tensor size: 3 but got: 2",
    ),
    (
        "elements of unlike shape",
        {"instances": [[[1, 2, 3], [1, 2, 3]], [[1, 2], [1, 2], [1, 2]]]},
        IMAGES,
        400,
        PREFIX.format(1) + "Expecting shape [2,3] but got: [3,2]",
    ),
    (
        "one unlike element among thousands",
        {"instances": [[1, 2]] * 3000 + [[1]] + [[1, 2]] * 3000},
        ANY_SIZE,
        400,
        PREFIX.format(3000) + "Expecting tensor size: 2 but got: 1",
    ),
    (
        "a wrong value under a name",
        {"instances": [{"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2.5]}]},
        PAIR,
        400,
        (
            "Failed to process element: 1 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 2.5 Type: "
            "Number is not of expected type: int32"
        ),
    ),
    (
        "a value too high up",
        {"inputs": [[1, 2], 1]},
        ANY_SIZE,
        400,
        "JSON Value: 1 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    (
        "a list too deep",
        {"inputs": [1, [2]]},
        of_type("DT_FLOAT"),
        400,
        "Encountered list at unexpected level: 1 expected",
    ),
    ("text for a float", {"inputs": "x"}, SCALAR, 400, 'JSON Value: "x" Type: String is not of expected type: float'),
    ("null for a float", {"inputs": None}, SCALAR, 400, "JSON Value: null Type: Null is not of expected type: float"),
    ("truth for a float", {"inputs": True}, SCALAR, 400, "JSON Value: true Type: True is not of expected type: float"),
    ("bytes for a float", {"inputs": {"b64": "aa"}}, SCALAR, 400, 'JSON Value: {\n    "b64": "aa"\n} Type: Object is'),
    (
        "number for truth",
        {"inputs": [1]},
        of_type("DT_BOOL"),
        400,
        "JSON Value: 1 Type: Number is not of expected type: bool",
    ),
    ("truth for an integer", {"inputs": [True]}, of_type("DT_INT32"), 400, "JSON Value: true Type: True is not of"),
    (
        "1.0 for an integer",
        {"inputs": [1.0]},
        of_type("DT_UINT8"),
        400,
        "JSON Value: 1.0 Type: Number is not of expected type: uint8",
    ),
    (
        "300 for a byte",
        {"inputs": [300]},
        of_type("DT_UINT8"),
        400,
        "JSON Value: 300 Type: Number is not of expected type: uint8",
    ),
    ("-1 for a byte", {"inputs": [-1]}, of_type("DT_UINT8"), 400, "JSON Value: -1 Type: Number is not of"),
    ("2**63 for int64", {"inputs": [2**63]}, of_type("DT_INT64"), 400, "JSON Value: 9223372036854775808 Type: Number"),
    ("2**64 for uint64", {"inputs": [2**64]}, of_type("DT_UINT64"), 400, "JSON Value: 18446744073709552000.0 Type:"),
    ("a number for text", {"inputs": [1]}, TEXT, 400, "JSON Value: 1 Type: Number is not of expected type: string"),
    ("no base64", {"inputs": [{"b64": "?"}]}, TEXT, 400, "Unable to base64 decode"),
    ("web-safe base64", {"instances": [{"b64": "_-8="}]}, TEXT, 400, PREFIX.format(0) + "Unable to base64 decode"),
    ("base64 that is not ASCII", {"inputs": [{"b64": "éé"}]}, TEXT, 400, "Unable to base64 decode"),
    (
        "an object that is no base64",
        {"inputs": [{"b64": 1}]},
        TEXT,
        400,
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
    ),
    (
        "half a surrogate pair",
        {"inputs": ["\ud800"]},
        TEXT,
        400,
        "JSON Parse error: The surrogate pair in string is invalid. at offset: 13",
    ),
    ("base64 half padded", {"inputs": [{"b64": "/w="}]}, TEXT, 400, "Unable to base64 decode"),
    ("an input of 16 bits", {"inputs": [1]}, of_type("DT_HALF"), 501, "Conversion of JSON Value: 1 to type: half"),
    (
        "16 bits in a row",
        {"instances": [1]},
        of_type("DT_HALF"),
        400,
        PREFIX.format(0).replace("INVALID_ARGUMENT", "UNIMPLEMENTED") + "Conversion of JSON Value: 1 to type: half",
    ),
    (
        "the first fault of several, in the order of the elements",
        {"instances": [{"b": ["x", 1], "a": "y"}, 1]},
        PAIR,
        400,
        (
            "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"x\" Type: "
            "String is not of expected type: int32"
        ),
    ),
    (
        "the first fault of several, in the order of the values",
        {"inputs": [[[1, 2, "x"], [1, 2]], [[1, 2, 3]]]},
        IMAGES,
        400,
        'JSON Value: "x" Type: String is not of expected type: float',
    ),
    ("a signature without inputs", {"inputs": 1}, Signature({}, {}), 400, "Failed to get input map for signature: DE"),
    (
        "wrong rank",
        {"inputs": [1, 2]},
        IMAGES,
        400,
        "Shape of input images [2] is not compatible with expected shape [?,2,3].",
    ),
    ("a scalar", {"inputs": 1}, IMAGES, 400, "Shape of input images [] is not compatible with expected shape [?,2,3]."),
    ("bare numbers", {"instances": [1.0]}, IMAGES, 400, "Shape of input images [1] is not compatible with"),
    ("wrong size", {"inputs": [[[1, 2], [3, 4]]]}, IMAGES, 400, "Shape of input images [1,2,2] is not compatible with"),
    (
        "a batch for a scalar",
        {"instances": [1]},
        SCALAR,
        400,
        "Shape of input x [1] is not compatible with expected shape [].",
    ),
    (
        "an empty batch",
        {"inputs": []},
        IMAGES,
        400,
        "Input images is empty: its shape is [0]. Send at least one value.",
    ),
    ("empty elements", {"instances": [[], []]}, ANY_SIZE, 400, "Input x is empty: its shape is [2,0]."),
]


@pytest.mark.parametrize(
    "body, signature, status, text", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_bad_request_is_refused_with_status_and_text(body, signature, status, text):
    with pytest.raises(Refusal) as caught:
        decode(body, signature)

    assert caught.value.status == status
    assert str(caught.value).startswith(text)
    assert set(json.loads(error_body(str(caught.value)))) == {"error"}


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
def test_broken_json_is_described_as_rapidjson_does(body, text):
    # rapidjson 1.1.0: include/rapidjson/error/en.h, GetParseError_En; reader.h, HandleError and ParseStringToStream
    with pytest.raises(Refusal) as caught:
        parse_predict(body)

    assert str(caught.value) == f"JSON Parse error: {text}"


def test_json_may_begin_with_a_byte_order_mark_and_end_in_anything():
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
def test_values_are_quoted_in_rapidjsons_layout(value, text):
    # rapidjson 1.1.0: prettywriter.h, PrettyPrefix; internal/dtoa.h, Prettify; writer.h, WriteString
    assert quote(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_quoted_double_reads_back_as_the_same(value):
    assert float(quote(value)) == value


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
def test_the_fast_and_the_careful_way_agree(value, dtype, whole, many):
    value = [[[int(x) if whole and np.isfinite(x) else x for x in row] for row in rows] for rows in value]
    if many:
        value *= 200 // max(1, len(value))  # enough of them are read in another way than a few
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
def test_one_stray_value_among_many_numbers_is_never_taken_for_one(stray, place):
    value = [[[0.5, 1.5], [2.5, 3.5]] for _ in range(400)]
    value[place][place][place] = stray

    assert read(value, "DT_FLOAT") is None
    with pytest.raises(Refusal):
        walk(value, "DT_FLOAT")


def test_a_quoted_value_is_cut():
    with pytest.raises(Refusal) as caught:
        decode({"instances": 1, "junk": ["x" * 50] * 100_000}, IMAGES)

    assert len(str(caught.value)) < 400


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
def test_json_is_read_as_by_python_and_what_follows_it_ignored(document, rest):
    document.pop("signature_name", None)

    assert parse_predict(json.dumps(document).encode() + rest).document == document


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES, max_size=3))
def test_a_short_quote_is_json_of_the_same_value(document):
    quoted = quote(document)

    if len(quoted.encode()) < 256 and "Infinity" not in json.dumps(document):
        assert json.loads(quoted) == document


@settings(deadline=None)
@given(st.sampled_from(["GET", "POST", "PUT"]), st.text(max_size=30))
def test_random_paths_are_routes_or_refused(method, rest):
    for path in (rest, f"/v1/models/{rest}"):
        try:
            parse_route(method, path)
        except Refusal as refusal:
            assert refusal.status == 400


def decode_or_refuse(body, signature):
    try:
        arrays = decode(body, signature).arrays
    except Refusal as refusal:
        assert refusal.status in (400, 501)
        json.loads(error_body(str(refusal)))
    else:
        for name, spec in signature.inputs.items():
            assert arrays[name].ndim == len(spec.shape) and arrays[name].size


# Classify and regress


@pytest.mark.parametrize(
    "document, text",
    [
        ({"signature_name": ["hello"], "examples": [{}]}, "'signature_name' key must be a string value."),
        ({}, "When method is classify, key 'examples' is expected and was not found"),
        ({"context": [], "examples": 1}, "Example must be JSON object but got JSON Array"),
        ({"examples": {"names": []}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [[{}]]}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"names": [10, None]}]}, "Feature: names has element with unexpected JSON type: Null"),
        ({"examples": [{"names": [10, 10.0]}]}, "Unexpected element type in feature: names expecting type: int64"),
        ({"examples": [{"names": ["a", 1]}]}, "Unexpected element type in feature: names expecting type: bytes"),
        ({"examples": [{"names": {"test": 10}}]}, "Feature: names has element with unexpected JSON type: Object"),
        ({"examples": [{"names": [[10], 20]}]}, "Feature: names has element with unexpected JSON type: Array"),
        ({"examples": [{"n": [20, 2**64 - 13]}]}, "Feature: n has uint64_t element. Only int64_t is supported."),
        ({"examples": [{"n": {"b64": "?"}}]}, "Unable to base64 decode"),
    ],
)
def test_examples_are_checked_as_tensorflow_serving_does(document, text):
    # tensorflow_serving/util/json_tensor_test.cc: ClassifyRegressRequestTest, JsonErrors
    with pytest.raises(Refusal) as caught:
        parse_examples(json.dumps(document).encode())

    assert str(caught.value).endswith(text)


def test_a_model_that_takes_no_examples_says_why():
    one = {"y": TensorSpec("DT_FLOAT", (None,))}
    signatures = {"pair": Signature(PAIR.inputs, one), "x": Signature(SCALAR.inputs, one), "none": Signature(one, {})}
    signatures["examples"] = Signature({"inputs": TensorSpec("DT_STRING", (None,))}, one)

    for action, name, text in [
        ("classify", "missing", "No signature was found with the name: missing"),
        ("classify", "pair", "Expected one input Tensor."),
        ("classify", "none", "Expected one or two output Tensors, found 0"),
        ("regress", "none", "Expected one output Tensor."),
        ("classify", "x", "No classification inputs found in SignatureDef: "),
        ("regress", "x", "No regression inputs found in SignatureDef: "),
        ("regress", "examples", "This server answers ':predict' only."),
    ]:
        assert str(examples_refusal(action, name, signatures)).startswith(text)
    assert parse_examples(b'{"examples": [{"a": 1, "b": [true, 2], "c": "x", "d": [1.5]}]}').signature_name


# Answers


def test_row_answers_are_objects_and_an_only_output_is_bare():
    outputs = {"p": np.float32([[0.5, 1], [0, 2]]), "label": np.array([b"cat", "\u00e9".encode()], object)}

    assert json.loads(encode_outputs(outputs, row=True)) == {
        "predictions": [{"p": [0.5, 1.0], "label": "cat"}, {"p": [0.0, 2.0], "label": "\u00e9"}]
    }
    assert json.loads(encode_outputs({"p": outputs["p"]}, row=True)) == {"predictions": [[0.5, 1.0], [0.0, 2.0]]}


def test_columnar_answers_are_an_object_and_an_only_output_is_bare():
    outputs = {"n": np.int64([1, 2]), "ok": np.array([True, False]), "one": np.array(1.5, np.float32)}

    assert json.loads(encode_outputs(outputs, row=False)) == {"outputs": {"n": [1, 2], "ok": [True, False], "one": 1.5}}
    assert json.loads(encode_outputs({"n": outputs["n"]}, row=False)) == {"outputs": [1, 2]}


def test_outputs_named_bytes_are_base64():
    array = np.array([[b"\xff", b"a\x00"]], object)

    answer = json.loads(encode_outputs({"raw_bytes": array, "n": np.int32([1])}, row=True))
    assert answer == {"predictions": [{"raw_bytes": [{"b64": "/w=="}, {"b64": "YQA="}], "n": 1}]}


def test_text_that_is_not_utf8_has_no_json():
    with pytest.raises(Refusal, match="Output raw is text that is not UTF-8") as caught:
        encode_outputs({"raw": np.array([b"\xff"], object)}, row=True)
    assert caught.value.status == 400


@pytest.mark.parametrize("row", [True, False])
@settings(deadline=None)
@given(values=st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_float32_survives_to_the_bit(row, values):
    array = np.array(values, np.float32)
    answer = json.loads(encode_outputs({"x": array}, row=row))

    np.testing.assert_array_equal(np.array(answer["predictions" if row else "outputs"]).astype(np.float32), array)


def test_nan_and_infinity_are_written_bare():
    array = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)

    assert encode_outputs({"x": array}, row=True) == b'{"predictions":[NaN,Infinity,-Infinity,1.0]}'


@pytest.mark.parametrize(
    "outputs, text",
    [
        (
            {"x": np.float32([1, 2]), "labels": np.float32([1] * 5)},
            "Tensor name: labels has inconsistent batch size: 5 expecting: 2",
        ),
        ({"x": np.float32(1)}, "Tensor name: x has no shape information "),
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"x": np.uint16([1])}, "Failed to write JSON value for tensor type: uint16"),
        ({"x": np.float16([1])}, "Failed to write JSON value for tensor type: half"),
        ({"x": np.complex64([1])}, "Failed to write JSON value for tensor type: complex64"),
    ],
)
def test_outputs_that_have_no_row_format_are_refused(outputs, text):
    with pytest.raises(Refusal) as caught:
        encode_outputs(outputs, row=True)

    assert (caught.value.status, str(caught.value)) == (400, text)


def test_status_and_metadata_have_the_shape_of_tensorflow_serving():
    signature = Signature(
        {"images": TensorSpec("DT_FLOAT", (None, 2), "in:0")}, {"y": TensorSpec("DT_STRING", None, "out:0")}
    )

    assert json.loads(status_body({1: "AVAILABLE"})) == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert json.loads(metadata_body("m", 1, {"serving_default": signature})) == {
        "model_spec": {"name": "m", "signature_name": "", "version": "1"},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {
                            "images": {
                                "dtype": "DT_FLOAT",
                                "tensor_shape": {
                                    "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
                                    "unknown_rank": False,
                                },
                                "name": "in:0",
                            }
                        },
                        "outputs": {
                            "y": {
                                "dtype": "DT_STRING",
                                "tensor_shape": {"dim": [], "unknown_rank": True},
                                "name": "out:0",
                            }
                        },
                        "method_name": "tensorflow/serving/predict",
                        "defaults": {},
                    }
                }
            }
        },
    }
