"""JSON syntax, quoting of values, compressed bodies, classify and regress."""

import gzip
import json

from fixhead_serving.checks.conformance.case import Case, Expect
from fixhead_serving.checks.conformance.cases.build import (
    CLASSIFIER,
    HANDLER,
    HANDLER_TEST,
    JSON,
    JSON_TEST,
    MODEL,
    NET_REQUEST,
    NET_REQUEST_TEST,
    PARSE_TEXTS,
    READER,
    REGRESSOR,
    ask,
    error,
    error_has,
    outputs,
    post,
    predictions,
)

ONE = json.dumps({"instances": [1.0]}).encode()
STATES = f"{JSON}: ParseJson; {READER}: HandleError; {PARSE_TEXTS}"
STRINGS = f"{JSON}: ParseJson; {READER}: ParseStringToStream; {PARSE_TEXTS}"
NUMBERS = f"{JSON}: ParseJson; {READER}: ParseNumber; {PARSE_TEXTS}"
EXAMPLES = f"{JSON_TEST}: ClassifyRegressRequestTest JsonErrors"
GZIP = {"Content-Encoding": "gzip"}


def _broken(name: str, body: bytes, text: str, source: str = STATES) -> Case:
    return post(name, body, error(f"JSON Parse error: {text}"), source)


def _classify(name: str, document: object, expect: Expect, source: str, path: str = f"{MODEL}:classify") -> Case:
    return post(name, document, expect, source, path=path)


CASES: list[Case] = [
    _broken("blanks alone", b" \n ", "The document is empty. at offset: 3"),
    post(
        "no JSON",
        b"instances = [1, 2]",
        error_has("JSON Parse error: Invalid value"),
        f"{HANDLER_TEST}: PredictRequestErrors",
    ),
    _broken("an object cut short", b"{", "Missing a name for object member. at offset: 1"),
    _broken(
        "a comma at the end of an object", b'{"instances": [1.0],}', "Missing a name for object member. at offset: 20"
    ),
    _broken(
        "a name without a colon", b'{"instances" [1.0]}', "Missing a colon after a name of object member. at offset: 13"
    ),
    _broken(
        "no comma between members",
        b'{"instances": [1.0] "a": 1}',
        "Missing a comma or '}' after an object member. at offset: 20",
    ),
    _broken(
        "no comma between elements",
        b'{"instances": [1.0 2.0]}',
        "Missing a comma or ']' after an array element. at offset: 19",
    ),
    _broken("a comma at the end of a list", b'{"instances": [1.0,]}', "Invalid value. at offset: 19"),
    _broken("a list cut short", b'{"instances": [1.0', "Missing a comma or ']' after an array element. at offset: 18"),
    _broken("offsets count bytes", '{"\u00e9": ?}'.encode(), "Invalid value. at offset: 7"),
    _broken("an unknown escape", b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7", STRINGS),
    _broken("a line break in a string", b'{"a": "\n"}', "Invalid escape character in string. at offset: 7", STRINGS),
    _broken(
        "an escape that is not hexadecimal",
        b'{"a": "\\u12g4"}',
        "Incorrect hex digit after \\u escape in string. at offset: 7",
        STRINGS,
    ),
    _broken(
        "half a surrogate pair", b'{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: 7", STRINGS
    ),
    _broken("a string cut short", b'{"a": "b', "Missing a closing quotation mark in string. at offset: 8", STRINGS),
    _broken("no fraction", b'{"a": 1.}', "Miss fraction part in number. at offset: 8", NUMBERS),
    _broken("no exponent", b'{"a": 1e}', "Miss exponent in number. at offset: 8", NUMBERS),
    _broken(
        "more than a double holds",
        b'{"instances": [1e999]}',
        "Number too big to be stored in double. at offset: 15",
        NUMBERS,
    ),
    post("a zero before a number", b'{"instances": [01]}', error_has("JSON Parse error: "), NUMBERS),
    post("bytes after the document", ONE + b"X", predictions([3.5]), f"{JSON}: ParseJson (kParseStopWhenDoneFlag)"),
    post(
        "a byte order mark",
        b"\xef\xbb\xbf" + ONE,
        predictions([3.5]),
        f"{JSON}: ParseJson (EncodedInputStream<UTF8<>> skips it)",
    ),
    post("blanks around the document", b"\r\n\t " + ONE + b" \n", predictions([3.5]), f"{READER}: IterativeParse"),
    post(
        "the first of two equal names",
        b'{"instances": [1.0], "instances": [2.0]}',
        predictions([3.5]),
        "rapidjson v1.1.0 include/rapidjson/document.h: FindMember",
    ),
    ask(
        "escapes in text",
        "text",
        '"inputs": ["\\u00e9\\n\\ud83d\\ude00\\/"]',
        outputs(["\u00e9\n\U0001f600/"]),
        f"{READER}: ParseStringToStream",
    ),
    post(
        "bytes that are not UTF-8",
        b'{"signature_name": "bytes", "inputs": ["\xff"]}',
        outputs([{"b64": "/w=="}]),
        f"{JSON}: ParseJson (without kParseValidateEncodingFlag)",
    ),
    post(
        "a long value is quoted in part",
        {"inputs": [["x" * 20] * 100], "instances": 1},
        Expect(400, raw=r'JSON Value: \{\\n    \\"inputs\\": \[\[(\\"x{20}\\", ){9}\\"x{20}\\" Not formatted'),
        f"{JSON}: JsonWriterWithLimit, JsonValueToDebugString",
    ),
    # Compressed bodies
    post("gzip", gzip.compress(ONE), predictions([3.5]), f"{NET_REQUEST_TEST}: ValidGzipPost", headers=GZIP),
    post(
        "gzip among other words",
        gzip.compress(ONE),
        predictions([3.5]),
        f"{NET_REQUEST}: NeedUncompressGzipContent",
        headers={"Content-Encoding": "x-gzip"},
    ),
    post(
        "gzip that is damaged",
        gzip.compress(ONE)[:-12],
        error("JSON Parse error: The document is empty"),
        f"{NET_REQUEST_TEST}: InvalidGzipPost; {JSON}: ParseJson",
        headers=GZIP,
    ),
    post(
        "gzip that is none",
        ONE,
        error("JSON Parse error: The document is empty"),
        f"{NET_REQUEST_TEST}: InvalidGzipPost; {JSON}: ParseJson",
        headers=GZIP,
    ),
    post(
        "gzip that is not announced",
        gzip.compress(ONE),
        error_has("JSON Parse error: Invalid value."),
        f"{NET_REQUEST}: NeedUncompressGzipContent; {STATES}",
    ),
    post(
        "the Content-Type of a request is not looked at",
        ONE,
        predictions([3.5]),
        f"{HANDLER}: ProcessRequest",
        headers={"Content-Type": "text/plain"},
    ),
    # Classify and regress need a signature that takes tf.Example; the model has none.
    _classify(
        "no examples",
        {},
        error_has("key 'examples' is expected and was not found"),
        f"{JSON}: FillClassifyRegressRequestFromJson",
    ),
    _classify("examples that are no list", {"examples": {"names": ["foo"]}}, error_has("list/array"), EXAMPLES),
    _classify(
        "an empty list of examples",
        {"examples": []},
        error_has("'examples' value is an empty array"),
        f"{JSON}: FillClassifyRegressRequestFromJson",
    ),
    _classify(
        "an example that is no object",
        {"examples": [[{"x": 1.0}]]},
        error("Example must be JSON object but got JSON Array"),
        EXAMPLES,
    ),
    _classify(
        "a context that is no object",
        {"context": [1]},
        error("Example must be JSON object but got JSON Array"),
        EXAMPLES,
    ),
    _classify(
        "a feature that is null",
        {"examples": [{"names": [10, None]}]},
        error("Feature: names has element with unexpected JSON type: Null"),
        EXAMPLES,
    ),
    _classify(
        "a feature of two kinds",
        {"examples": [{"names": [10, 10.0]}]},
        error("Unexpected element type in feature: names expecting type: int64"),
        EXAMPLES,
    ),
    _classify(
        "a feature of nested lists",
        {"examples": [{"names": [[10], 20]}]},
        error("Feature: names has element with unexpected JSON type: Array"),
        EXAMPLES,
    ),
    _classify(
        "a feature beyond 63 bits",
        {"examples": [{"names": [20, 18446744073709551603]}]},
        error("Feature: names has uint64_t element. Only int64_t is supported."),
        EXAMPLES,
    ),
    _classify(
        "examples before the model",
        {"examples": 1},
        error_has("list/array"),
        f"{HANDLER}: ProcessClassifyRequest",
        path="/v1/models/nope:classify",
    ),
    _classify(
        "classify an unknown model",
        {"examples": [{"x": 1.0}]},
        error("Servable not found for request: Latest(nope)", 404),
        f"{HANDLER}: ProcessClassifyRequest",
        path="/v1/models/nope:classify",
    ),
    _classify(
        "classify by an unknown signature",
        {"signature_name": "nope", "examples": [{"x": 1.0}]},
        error("No signature was found with the name: nope"),
        f"{CLASSIFIER}: GetClassificationSignatureDef",
    ),
    _classify(
        "classify by a signature of tensors",
        {"examples": [{"x": 1.0}]},
        error_has("No classification inputs found in SignatureDef: "),
        f"{CLASSIFIER}: PreProcessClassification",
    ),
    _classify(
        "classify by a signature of two inputs",
        {"signature_name": "pair", "examples": [{"x": 1.0}]},
        error("Expected one input Tensor."),
        f"{CLASSIFIER}: PreProcessClassification",
    ),
    _classify(
        "classify by a signature of five outputs",
        {"signature_name": "several", "examples": [{"x": 1.0}]},
        error("Expected one or two output Tensors, found 5"),
        f"{CLASSIFIER}: PreProcessClassification",
    ),
    _classify(
        "regress by a signature of tensors",
        {"examples": [{"x": 1.0}]},
        error_has("No regression inputs found in SignatureDef: "),
        f"{REGRESSOR}: PreProcessRegression",
        path=f"{MODEL}:regress",
    ),
    _classify(
        "regress by a signature of two outputs",
        {"signature_name": "one_named", "examples": [{"x": 1.0}]},
        error("Expected one output Tensor."),
        f"{REGRESSOR}: PreProcessRegression",
        path=f"{MODEL}:regress",
    ),
]
