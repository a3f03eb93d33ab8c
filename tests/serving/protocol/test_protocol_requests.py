"""Valid predict requests, and a table of invalid ones."""
import json
from base64 import b64encode

import numpy as np
import pytest
from decoding import ANY_SIZE, IMAGES, PAIR, SCALAR, TEXT, decode, of_type

from fixhead_serving.protocol import Refusal, error_body, parse_predict
from fixhead_serving.specs import Signature


def test_row_format_stacks_the_elements():
    inputs = decode({"instances": [[[1, 2, 3], [4, 5, 6]], [[0.5, 0, -1], [1e-30, 1, 2]]]}, IMAGES)

    assert inputs.row
    expected = np.array([[[1, 2, 3], [4, 5, 6]], [[0.5, 0, -1], [1e-30, 1, 2]]], np.float32)
    np.testing.assert_array_equal(inputs.arrays["images"], expected, strict=True)


def test_row_format_accepts_named_elements_for_one_or_several_inputs():
    one = decode({"instances": [{"images": [[1, 2, 3], [4, 5, 6]]}]}, IMAGES).arrays
    several = decode({"instances": [{"a": 1, "b": [2, 3]}, {"b": [4, 5], "a": 6}]}, PAIR).arrays

    assert one["images"].shape == (1, 2, 3)
    np.testing.assert_array_equal(several["a"], np.array([1, 6], np.float32), strict=True)
    np.testing.assert_array_equal(several["b"], np.array([[2, 3], [4, 5]], np.int32), strict=True)


def test_columnar_format_accepts_bare_and_named_values_and_ignores_unknown_names():
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
def test_base64_may_contain_spaces_and_lack_padding(text):
    assert decode({"instances": [{"b64": text}]}, TEXT).arrays["image_bytes"].tolist() == [b"\xff\xef"]


def test_plain_text_is_used_unchanged_with_its_zero_bytes():
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
        "signature_name is not a string",
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
        "instances is not a list",
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
        "elements of different sizes",
        {"instances": [[1, 2, 3], [1, 2]]},
        ANY_SIZE,
        400,
        PREFIX.format(1) + "Expecting tensor size: 3 but got: 2",
    ),
    (
        "elements of different shapes",
        {"instances": [[[1, 2, 3], [1, 2, 3]], [[1, 2], [1, 2], [1, 2]]]},
        IMAGES,
        400,
        PREFIX.format(1) + "Expecting shape [2,3] but got: [3,2]",
    ),
    (
        "one differing element among thousands",
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
        "a value at too high a level",
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
    ("true for a float", {"inputs": True}, SCALAR, 400, "JSON Value: true Type: True is not of expected type: float"),
    ("bytes for a float", {"inputs": {"b64": "aa"}}, SCALAR, 400, 'JSON Value: {\n    "b64": "aa"\n} Type: Object is'),
    (
        "a number for true",
        {"inputs": [1]},
        of_type("DT_BOOL"),
        400,
        "JSON Value: 1 Type: Number is not of expected type: bool",
    ),
    ("true for an integer", {"inputs": [True]}, of_type("DT_INT32"), 400, "JSON Value: true Type: True is not of"),
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
    ("invalid base64", {"inputs": [{"b64": "?"}]}, TEXT, 400, "Unable to base64 decode"),
    ("web-safe base64", {"instances": [{"b64": "_-8="}]}, TEXT, 400, PREFIX.format(0) + "Unable to base64 decode"),
    ("base64 that is not ASCII", {"inputs": [{"b64": "éé"}]}, TEXT, 400, "Unable to base64 decode"),
    (
        "an object that is not base64",
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
        "the first of several faults, in element order",
        {"instances": [{"b": ["x", 1], "a": "y"}, 1]},
        PAIR,
        400,
        (
            "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"x\" Type: "
            "String is not of expected type: int32"
        ),
    ),
    (
        "the first of several faults, in value order",
        {"inputs": [[[1, 2, "x"], [1, 2]], [[1, 2, 3]]]},
        IMAGES,
        400,
        'JSON Value: "x" Type: String is not of expected type: float',
    ),
    ("a signature without inputs", {"inputs": 1}, Signature({}, {}), 400, "Failed to get input map for signature: DE"),
]


@pytest.mark.parametrize(
    "body, signature, status, text", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_bad_request_is_refused_with_status_and_message(body, signature, status, text):
    with pytest.raises(Refusal) as caught:
        decode(body, signature)

    assert caught.value.status == status
    assert str(caught.value).startswith(text)
    assert set(json.loads(error_body(str(caught.value)))) == {"error"}
