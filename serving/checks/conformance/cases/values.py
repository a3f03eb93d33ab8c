"""Numbers, text, bytes and booleans: from JSON to a tensor and back."""

from base64 import b64encode

from fixhead_serving.checks.conformance.case import Case, Expect
from fixhead_serving.checks.conformance.cases.build import DOCS, JSON, JSON_TEST, ask, error, outputs, predictions
from fixhead_serving.checks.conformance.models import INTEGERS

ADD_VALUE = f"{JSON}: AddValueToTensor"
WRITE = f"{JSON}: WriteDecimal; {JSON_TEST}: FromJsonSingleFloatTensorSixDigitPrecision"
NON_FINITE = f"{DOCS}: JSON conformance; {JSON_TEST}: MultipleNamedTensor, FromJsonSingleFloatTensorNonFinite"
BASE64 = f"{DOCS}: Encoding binary values; {JSON}: JsonDecodeBase64Object (absl::Base64Unescape)"
PREFIX = "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
LIMITS = {name: (-(2 ** (int(name[3:]) - 1)), 2 ** (int(name[3:]) - 1) - 1) for name in INTEGERS if name[0] == "i"}
LIMITS |= {name: (0, 2 ** int(name[4:]) - 1) for name in INTEGERS if name[0] == "u"}
NAN, INFINITY = float("nan"), float("inf")


def _type_error(name: str, signature: str, value: str, shown: str, kind: str, wanted: str) -> Case:
    text = f"JSON Value: {shown} Type: {kind} is not of expected type: {wanted}"
    return ask(name, signature, f'"inputs": [{value}]', error(text), f"{ADD_VALUE}; {JSON}: TypeError, JsonTypeString")


CASES: list[Case] = [
    # Floats
    ask(
        "whole numbers and decimals for floats",
        "float",
        '"instances": [1, 2.0, 3, 4, 5.003, 0.007, 0.0]',
        predictions([1.0, 2.0, 3.0, 4.0, 5.003, 0.007, 0.0]),
        f"{JSON_TEST}: MixedInputForFloatTensor",
    ),
    ask(
        "whole numbers and decimals for doubles",
        "double",
        '"instances": [1.0, 2, 3, 4, 0.662, 0, 0.0]',
        predictions([1.0, 2.0, 3.0, 4.0, 0.662, 0.0, 0.0]),
        f"{JSON_TEST}: MixedInputForDoubleTensor",
    ),
    ask(
        "a whole number beyond a float's precision",
        "double",
        '"instances": [1435774380]',
        predictions([1435774380.0]),
        f"{DOCS}: Floating Point Precision",
    ),
    ask(
        "a whole number is rounded to a float",
        "float",
        '"instances": [1435774380]',
        predictions([1435774336.0]),
        f"{DOCS}: Floating Point Precision; {JSON_TEST}: FloatTensorWithPrecisionLoss",
    ),
    ask(
        "a decimal is rounded to a float",
        "float",
        '"instances": [1435774380.0]',
        predictions([1435774336.0]),
        f"{JSON_TEST}: FloatTensorWithPrecisionLoss",
    ),
    ask(
        "more than a float holds is infinite",
        "float",
        '"instances": [1.7976931348623157e+308, -1.7976931348623157e308]',
        predictions([INFINITY, -INFINITY]),
        f"{JSON_TEST}: FloatTensorThatExceedsMaxReturnsInf",
    ),
    ask(
        "less than a float holds is zero",
        "float",
        '"instances": [2.2250738585072014e-308]',
        predictions([0.0]),
        f"{JSON_TEST}: FloatTensorThatExceedsMinReturnsZero",
    ),
    ask(
        "NaN and Infinity",
        "float",
        '"instances": [1.0, NaN, Infinity, -Infinity]',
        predictions([1.0, NAN, INFINITY, -INFINITY]),
        NON_FINITE,
    ),
    ask(
        "NaN and Infinity in columns",
        "double",
        '"inputs": [NaN, 2.0, -Infinity]',
        outputs([NAN, 2.0, -INFINITY]),
        NON_FINITE,
    ),
    ask(
        "NaN and Infinity are written bare",
        "float",
        '"inputs": [NaN, Infinity, -Infinity]',
        Expect(raw=r"NaN,\s*Infinity,\s*-Infinity"),
        NON_FINITE,
    ),
    ask(
        "Inf for Infinity",
        "float",
        '"inputs": [Inf, -Inf, -NaN]',
        outputs([INFINITY, -INFINITY, NAN]),
        "rapidjson v1.1.0 include/rapidjson/reader.h: ParseNumber (kParseNanAndInfFlag)",
    ),
    ask(
        "floats come back to the bit",
        "float",
        '"inputs": [0.1, 0.333333343, 16777217.5, 3.40282347e+38, 1.17549435e-38, 1.40129846e-45, 123456.789]',
        outputs([0.1, 0.333333343, 16777218.0, 3.40282347e38, 1.17549435e-38, 1.40129846e-45, 123456.789]),
        WRITE,
    ),
    ask(
        "doubles come back",
        "double",
        '"inputs": [0.1, 3.141592653589793, 1e300]',
        Expect(raw=r"3\.14159265358979\d*,\s*1(\.0*)?e\+?300\b"),
        f"{JSON}: WriteDecimal",
    ),
    ask("whole floats are written as decimals", "float", '"inputs": [3]', Expect(raw=r"\b3\.0\b"), WRITE),
    _type_error("text for a float", "float", '"x"', '"x"', "String", "float"),
    _type_error("a number in quotes for a float", "float", '"1.5"', '"1.5"', "String", "float"),
    _type_error("null for a float", "float", "null", "null", "Null", "float"),
    _type_error("true for a float", "float", "true", "true", "True", "float"),
    _type_error("false for a double", "double", "false", "false", "False", "double"),
    _type_error("an object for a float", "float", '{"a": 1}', '{\n    "a": 1\n}', "Object", "float"),
    _type_error("bytes for a float", "float", '{"b64": "aGVsbG8="}', '{\n    "b64": "aGVsbG8="\n}', "Object", "float"),
    ask(
        "text for a float in a row",
        "float",
        {"instances": ["x", "y"]},
        error(PREFIX + 'JSON Value: "x" Type: String is not of expected type: float'),
        "tensorflow_serving/model_servers/http_rest_api_handler_test.cc: PredictRequestErrors",
    ),
    ask(
        "a type that JSON has not",
        "half_input",
        {"inputs": [1.0]},
        error("Conversion of JSON Value: 1.0 to type: half", 501),
        f"{ADD_VALUE} (Unimplemented)",
    ),
    ask(
        "a type that JSON has not in a row",
        "half_input",
        {"instances": [1.0]},
        error(PREFIX.replace("INVALID_ARGUMENT", "UNIMPLEMENTED") + "Conversion of JSON Value: 1.0 to type: half"),
        f"{ADD_VALUE} (Unimplemented); {JSON}: FillTensorMapFromInstancesList",
    ),
    # Integers
    *(
        ask(f"limits of {name}", name, {"inputs": list(LIMITS[name])}, outputs(list(LIMITS[name])), ADD_VALUE)
        for name in INTEGERS
    ),
    _type_error("1.0 for int32", "int32", "1.0", "1.0", "Number", "int32"),
    _type_error("1e2 for int64", "int64", "1e2", "100.0", "Number", "int64"),
    _type_error("true for int32", "int32", "true", "true", "True", "int32"),
    _type_error("text for int32", "int32", '"1"', '"1"', "String", "int32"),
    _type_error("2**31 for int32", "int32", "2147483648", "2147483648", "Number", "int32"),
    _type_error("2**31 for int8", "int8", "2147483648", "2147483648", "Number", "int8"),
    _type_error("2**63 for int64", "int64", "9223372036854775808", "9223372036854775808", "Number", "int64"),
    _type_error("2**32 for uint32", "uint32", "4294967296", "4294967296", "Number", "uint32"),
    _type_error("-1 for uint32", "uint32", "-1", "-1", "Number", "uint32"),
    _type_error("-1 for uint64", "uint64", "-1", "-1", "Number", "uint64"),
    _type_error("2**64 for uint64", "uint64", "18446744073709551616", "18446744073709552000.0", "Number", "uint64"),
    ask(
        "300 and -1 for uint8 wrap",
        "uint8",
        {"inputs": [300, -1]},
        outputs([44, 255]),
        f"{ADD_VALUE} (add_int_val; TensorFlow casts it to a byte)",
    ),
    # Truth
    ask(
        "booleans",
        "bool",
        {"instances": [True, False]},
        predictions([False, True]),
        f"{DOCS}: JSON mapping; {ADD_VALUE}",
    ),
    _type_error("1 for a boolean", "bool", "1", "1", "Number", "bool"),
    _type_error("text for a boolean", "bool", '"true"', '"true"', "String", "bool"),
    # Text and bytes
    ask(
        "text",
        "text",
        {"instances": ["foo", "", 'a\u00e9\U0001f600"\\\n']},
        predictions(["foo", "", 'a\u00e9\U0001f600"\\\n']),
        f"{DOCS}: JSON mapping; {ADD_VALUE}",
    ),
    ask(
        "bytes as text",
        "text",
        {"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]},
        predictions(["hello", "world"]),
        f"{JSON_TEST}: SingleUnnamedTensorBase64Scalars",
    ),
    ask(
        "bytes in lists",
        "text_matrix",
        {"instances": [[{"b64": "aGVsbG8="}], [{"b64": "d29ybGQ="}]]},
        predictions([["hello"], ["world"]]),
        f"{JSON_TEST}: SingleUnnamedTensorBase64Lists",
    ),
    ask(
        "bytes by name",
        "text",
        {"instances": [{"x": {"b64": "aGVsbG8="}}]},
        predictions(["hello"]),
        f"{JSON_TEST}: SingleNamedTensorBase64",
    ),
    ask(
        "bytes and text in one list",
        "text",
        {"instances": ["foo", {"b64": "aGVsbG8="}]},
        predictions(["foo", "hello"]),
        f"{JSON}: FillTensorProto",
    ),
    ask(
        "an output named bytes",
        "bytes",
        {"instances": ["hello", "tf"]},
        predictions([{"b64": "aGVsbG8="}, {"b64": "dGY="}]),
        f"{DOCS}: Output of binary values; {JSON_TEST}: FromJsonSingleBytesTensor",
    ),
    ask(
        "every byte",
        "bytes",
        {"inputs": [{"b64": b64encode(bytes(range(256))).decode()}]},
        outputs([{"b64": b64encode(bytes(range(256))).decode()}]),
        BASE64,
    ),
    ask("base64 without padding", "text", {"inputs": [{"b64": "aGVsbG8"}]}, outputs(["hello"]), BASE64),
    ask("base64 with blanks", "text", {"inputs": [{"b64": " aGVs\nbG8= "}]}, outputs(["hello"]), BASE64),
    ask("base64 of nothing", "text", {"inputs": [{"b64": ""}]}, outputs([""]), BASE64),
    ask("no base64", "text", {"inputs": [{"b64": "a$b="}]}, error("Unable to base64 decode"), BASE64),
    ask("web-safe base64", "bytes", {"inputs": [{"b64": "_-8="}]}, error("Unable to base64 decode"), BASE64),
    ask(
        "no base64 in a row",
        "text",
        {"instances": [{"b64": "a$b="}]},
        error(PREFIX + "Unable to base64 decode"),
        BASE64,
    ),
    ask(
        "b64 that is no text",
        "text",
        {"inputs": [{"b64": 1}]},
        error('JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data'),
        f"{JSON}: Base64FormatError",
    ),
    ask(
        "b64 beside another key",
        "text",
        {"inputs": [{"b64": "aGVsbG8=", "a": 1}]},
        error('JSON Value: {\n    "b64": "aGVsbG8=",\n    "a": 1\n} not formatted correctly for base64 data'),
        f"{JSON}: IsValBase64Object, Base64FormatError",
    ),
    _type_error("a number for text", "text", "1", "1", "Number", "string"),
    _type_error("null for text", "text", "null", "null", "Null", "string"),
]
