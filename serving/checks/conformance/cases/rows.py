"""The request body as a whole, and row format."""

from fixhead_serving.checks.conformance.case import Case
from fixhead_serving.checks.conformance.cases.build import (
    DOCS,
    HANDLER,
    HANDLER_TEST,
    JSON,
    JSON_TEST,
    ask,
    error,
    error_has,
    post,
    predictions,
)

ROW = f"{DOCS}: Specifying input tensors in row format"
ROW_CODE = f"{JSON}: FillTensorMapFromInstancesList"
REQUEST_CODE = f"{JSON}: FillPredictRequestFromJson"
NAMED_ERRORS = f"{JSON_TEST}: MultipleNamedTensorErrors"
UNNAMED_ERRORS = f"{JSON_TEST}: SingleUnnamedTensorErrors"
PREFIX = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "

CASES: list[Case] = [
    # The body as a whole
    post(
        "an empty body", b"", error("JSON Parse error: The document is empty"), f"{HANDLER_TEST}: PredictRequestErrors"
    ),
    post("a list", [1], error("JSON Value: [1] Is not object"), f"{JSON}: ParseJson"),
    post("neither key", {}, error("Missing 'inputs' or 'instances' key"), REQUEST_CODE),
    post(
        "both keys",
        {"instances": [1.0], "inputs": [1.0]},
        error(
            'JSON Value: {\n    "instances": [1.0],\n    "inputs": [1.0]\n} Not formatted correctly expecting only one '
            "of 'inputs' or 'instances' keys to exist "
        ),
        f"{UNNAMED_ERRORS}; {REQUEST_CODE}",
    ),
    post(
        "unknown keys are ignored",
        {"ignored": {"a": [1]}, "instances": [1.0]},
        predictions([3.5]),
        f"{JSON_TEST}: DeeplyNestedWellFormed (shallow here)",
    ),
    post(
        "a signature by name",
        {"signature_name": "serving_default", "instances": [3.0, 4.0]},
        predictions([4.5, 5.0]),
        f"{HANDLER_TEST}: Predict",
    ),
    post(
        "an empty signature name is the default",
        {"signature_name": "", "instances": [3.0]},
        predictions([4.5]),
        f"{HANDLER}: GetInfoMap",
    ),
    post(
        "a signature name that is no text",
        {"signature_name": 5, "instances": [1.0]},
        error(
            'JSON Value: {\n    "signature_name": 5,\n    "instances": [1.0]\n} not formatted correctly. '
            "'signature_name' key must be a string value."
        ),
        f"{UNNAMED_ERRORS}; {JSON}: FormatSignatureError",
    ),
    ask(
        "an unknown signature",
        "nope",
        {"instances": [1.0]},
        error('Serving signature name: "nope" not found in signature def'),
        f"{HANDLER}: GetInfoMap",
    ),
    post(
        "signature before format",
        {"signature_name": "nope"},
        error('Serving signature name: "nope" not found in signature def'),
        REQUEST_CODE,
    ),
    post(
        "signature name before model",
        {"signature_name": 1},
        error_has("'signature_name' key must be a string value."),
        REQUEST_CODE,
        path="/v1/models/nope:predict",
    ),
    post("JSON before model", b"{", error_has("JSON Parse error: "), REQUEST_CODE, path="/v1/models/nope:predict"),
    post(
        "model before format",
        {},
        error("Servable not found for request: Latest(nope)", 404),
        REQUEST_CODE,
        path="/v1/models/nope:predict",
    ),
    post(
        "format before values", {"inputs": "x", "instances": ["x"]}, error_has("Not formatted correctly"), REQUEST_CODE
    ),
    # Row format
    ask(
        "rows of one input",
        "matrix",
        {"instances": [[1.0, 2.0], [3.0, 4.0]]},
        predictions([[1.0, 2.0], [3.0, 4.0]]),
        f"{ROW}; {HANDLER_TEST}: Predict",
    ),
    ask(
        "rows of one input by name",
        "matrix",
        {"instances": [{"x": [1.0, 2.0]}]},
        predictions([[1.0, 2.0]]),
        f"{JSON_TEST}: SingleNamedTensorBase64; {ROW_CODE}",
    ),
    ask(
        "rows of several inputs",
        "pair",
        {"instances": [{"a": 1.0, "b": [1, 2]}, {"b": [3, 4], "a": 0.5}]},
        predictions([{"sum": 4.0, "b": [1, 2]}, {"sum": 7.5, "b": [3, 4]}]),
        f"{ROW}; {JSON_TEST}: MultipleNamedTensor, FromJsonMultipleNamedTensors",
    ),
    ask(
        "instances that are no list",
        "float",
        {"instances": 1},
        error(
            'JSON Value: {\n    "signature_name": "float",\n    "instances": 1\n} Expecting \'instances\' to be an '
            "list/array"
        ),
        REQUEST_CODE,
    ),
    ask(
        "no instances",
        "float",
        {"instances": []},
        error('JSON Value: {\n    "signature_name": "float",\n    "instances": []\n} No values in \'instances\' array'),
        REQUEST_CODE,
    ),
    ask(
        "bare rows for several inputs",
        "pair",
        {"instances": [1.0]},
        error(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        ),
        ROW_CODE,
    ),
    ask(
        "a list among objects",
        "pair",
        {"instances": [{"a": 1.0, "b": [1, 2]}, [1, 20, 30], 1]},
        error("Expecting object but got list at item 1 of input list"),
        f"{NAMED_ERRORS}; {ROW_CODE}",
    ),
    ask(
        "an object among lists",
        "text_matrix",
        {"instances": [["baz", "bar"], {"x": ["baz", "bat"]}]},
        error("Expecting value/list but got object at item 1 of input list"),
        f"{NAMED_ERRORS}; {ROW_CODE}",
    ),
    ask(
        "an unknown name in a row",
        "pair",
        {"instances": [{"a": 1.0, "b": [1, 2]}, {"foo": 1}]},
        error(
            "Failed to process element: 1 key: foo of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does "
            "not have named input: foo"
        ),
        f"{ROW_CODE}; {JSON}: AddInstanceItem",
    ),
    ask(
        "a missing name in a row",
        "pair",
        {"instances": [{"a": 1.0}]},
        error(
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1.0\n} keys must be equal "
            "to: a,b"
        ),
        ROW_CODE,
    ),
    ask(
        "values of a row before its missing names",
        "pair",
        {"instances": [{"a": "x"}]},
        error(
            "Failed to process element: 0 key: a of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"x\" Type: "
            "String is not of expected type: float"
        ),
        ROW_CODE,
    ),
    ask(
        "the first row with a fault",
        "pair",
        {"instances": [{"a": 1.0, "b": [1, "y"]}, 7]},
        error(
            "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"y\" Type: "
            "String is not of expected type: int32"
        ),
        ROW_CODE,
    ),
    ask(
        "rows of unlike size",
        "matrix",
        {"instances": [[1, 2], [3, 4], [5, 6, 7]]},
        error(PREFIX.format(2) + "Expecting tensor size: 2 but got: 3"),
        f"{UNNAMED_ERRORS}; {JSON}: AddInstanceItem",
    ),
    ask(
        "rows of unlike shape",
        "matrix",
        {"instances": [[1, 2], [3, 4], [[5, 6]]]},
        error(PREFIX.format(2) + "Expecting shape [2] but got: [1,2]"),
        f"{UNNAMED_ERRORS}; {JSON}: ShapeToString",
    ),
    ask(
        "a value, then a list of one",
        "float",
        {"instances": [1, [1]]},
        error(PREFIX.format(1) + "Expecting shape [] but got: [1]"),
        f"{UNNAMED_ERRORS}; {JSON}: ShapeToString",
    ),
    ask(
        "rows of unlike shape by name",
        "pair",
        {"instances": [{"a": 1.0, "b": [[1, 2], [3, 4], [5, 6]]}, {"a": 1.0, "b": [[[7, 8], [9, 0], [1, 2]]]}]},
        error(
            "Failed to process element: 1 key: b of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [3,2] "
            "but got: [1,3,2]"
        ),
        NAMED_ERRORS,
    ),
    ask(
        "a ragged row",
        "guarded",
        {"instances": [[[1, 2, 3], [1, 2]]]},
        error(PREFIX.format(0) + "Encountered list at unexpected size: 2 at level: 1 expected size: 3"),
        f"{JSON}: FillTensorProto",
    ),
]
