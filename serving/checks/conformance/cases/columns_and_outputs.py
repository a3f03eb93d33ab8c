"""Columnar format, outputs of all kinds, and shapes that do not fit a signature."""

from fixhead_serving.checks.conformance.case import Case, Expect
from fixhead_serving.checks.conformance.cases.build import (
    DOCS,
    HANDLER_TEST,
    JSON,
    JSON_TEST,
    ask,
    error,
    error_has,
    outputs,
    predictions,
)

ROW = f"{DOCS}: Specifying input tensors in row format"
COLUMNAR = f"{DOCS}: Specifying input tensors in column format"
COLUMNAR_CODE = f"{JSON}: FillTensorMapFromInputsMap"
ROW_ANSWER = f"{JSON}: MakeRowFormatJsonFromTensors"
COLUMNAR_ANSWER = f"{JSON}: MakeColumnarFormatJsonFromTensors"

CASES: list[Case] = [
    # Columnar format
    ask(
        "a column of one input",
        "matrix",
        {"inputs": [[1.0, 2.0], [3.0, 4.0]]},
        outputs([[1.0, 2.0], [3.0, 4.0]]),
        f"{COLUMNAR}; {HANDLER_TEST}: Predict",
    ),
    ask(
        "a column of one input by name",
        "matrix",
        {"inputs": {"x": [[1.0, 2.0]]}},
        outputs([[1.0, 2.0]]),
        f"{JSON_TEST}: SingleUnnamedTensorColumnarFormat",
    ),
    ask(
        "columns of several inputs",
        "pair",
        {"inputs": {"b": [[1, 2], [3, 4]], "a": [1.0, 0.5]}},
        outputs({"sum": [4.0, 7.5], "b": [[1, 2], [3, 4]]}),
        f"{COLUMNAR}; {JSON_TEST}: MultipleNamedTensorColumnarFormat, FromJsonMultipleNamedTensors",
    ),
    ask("a scalar", "scalar", {"inputs": 1.5}, outputs(2.5), f"{JSON}: GetDenseTensorShape; {COLUMNAR_ANSWER}"),
    ask(
        "unknown columns are ignored",
        "pair",
        {"inputs": {"a": [1.0], "b": [[1, 2]], "c": ["ignored"]}},
        outputs({"sum": [4.0], "b": [[1, 2]]}),
        f"{COLUMNAR_CODE} (asks for the signature's names only)",
    ),
    ask(
        "a missing column",
        "pair",
        {"inputs": {"b": [[1, 2]]}},
        error("Missing named input: a in 'inputs' object."),
        COLUMNAR_CODE,
    ),
    ask(
        "a bare column for several inputs",
        "pair",
        {"inputs": [1.0]},
        error(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        ),
        COLUMNAR_CODE,
    ),
    ask(
        "bytes for several inputs",
        "pair",
        {"inputs": {"b64": "aGVsbG8="}},
        error(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        ),
        f"{COLUMNAR_CODE}; {JSON}: IsValBase64Object",
    ),
    ask(
        "a ragged column",
        "matrix",
        {"inputs": [[1, 2], [3]]},
        error("Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        f"{JSON}: FillTensorProto",
    ),
    ask(
        "a value too high up in a column",
        "matrix",
        {"inputs": [[1, 2], 3]},
        error("JSON Value: 3 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        f"{JSON}: FillTensorProto",
    ),
    ask(
        "a list too deep in a column",
        "float",
        {"inputs": [1, [2]]},
        error("Encountered list at unexpected level: 1 expected < 1"),
        f"{JSON}: FillTensorProto",
    ),
    ask(
        "an empty column",
        "float",
        {"inputs": []},
        outputs([]),
        f"{JSON}: GetDenseTensorShape; {JSON_TEST}: FromJsonSingleZeroBatchTensor",
    ),
    # Outputs
    ask(
        "several outputs in rows",
        "several",
        {"instances": [1.0, -2.0]},
        predictions(
            [
                {
                    "double": 2.0,
                    "index": 1,
                    "label": "positive",
                    "label_bytes": {"b64": "cG9zaXRpdmU="},
                    "positive": True,
                },
                {
                    "double": -4.0,
                    "index": 0,
                    "label": "negative",
                    "label_bytes": {"b64": "bmVnYXRpdmU="},
                    "positive": False,
                },
            ]
        ),
        f"{JSON_TEST}: FromJsonMultipleNamedTensors",
    ),
    ask(
        "several outputs in columns",
        "several",
        {"inputs": [1.0, -2.0]},
        outputs(
            {
                "double": [2.0, -4.0],
                "index": [1, 0],
                "label": ["positive", "negative"],
                "label_bytes": [{"b64": "cG9zaXRpdmU="}, {"b64": "bmVnYXRpdmU="}],
                "positive": [True, False],
            }
        ),
        f"{JSON_TEST}: FromJsonMultipleNamedTensors",
    ),
    ask(
        "outputs of unlike batches in rows",
        "unlike_batches",
        {"instances": [1.0, 2.0]},
        error_has(" has inconsistent batch size: "),
        f"{JSON_TEST}: FromJsonMultipleNamedTensorsErrors",
    ),
    ask(
        "outputs of unlike batches in columns",
        "unlike_batches",
        {"inputs": [1.0, 2.0]},
        outputs({"y": [1.0, 2.0], "table": [0, 1, 2, 3, 4]}),
        COLUMNAR_ANSWER,
    ),
    ask(
        "an output without a batch in rows",
        "no_batch",
        {"instances": [1.0, 2.0]},
        error("Tensor name: y has no shape information "),
        f"{JSON_TEST}: FromJsonSingleTensorErrors; {ROW_ANSWER}",
    ),
    ask("an output without a batch in columns", "no_batch", {"inputs": [1.0, 2.0]}, outputs(3.0), COLUMNAR_ANSWER),
    ask(
        "an output of 16 bits",
        "half_output",
        {"instances": [1.0]},
        error("Failed to write JSON value for tensor type: half"),
        f"{JSON}: AddSingleValueAndAdvance",
    ),
    ask(
        "an output of text that is not UTF-8",
        "text",
        {"inputs": [{"b64": "/w=="}]},
        Expect(raw='"\ufffd"'),  # the raw byte, which is not valid JSON
        f"{JSON}: AddSingleValueAndAdvance (writes the bytes as they are)",
    ),
    ask(
        "an output of complex numbers",
        "complex_output",
        {"instances": [1.0]},
        error("Failed to write JSON value for tensor type: complex64"),
        f"{JSON_TEST}: FromJsonSingleTensorErrors",
    ),
    # Shapes that do not fit the signature: TensorFlow Serving leaves them to the graph, whose texts name nodes.
    ask(
        "wrong sizes",
        "guarded",
        {"instances": [[[1, 2], [3, 4], [5, 6]]]},
        error_has(),
        f"{JSON}: GetDenseTensorShape; the model's ensure_shape",
    ),
    ask(
        "wrong rank",
        "guarded",
        {"instances": [[1, 2, 3]]},
        error_has(),
        f"{JSON}: GetDenseTensorShape; the model's ensure_shape",
    ),
    ask("right sizes", "guarded", {"instances": [[[1, 2, 3], [4, 5, 6]]] * 3}, predictions([21.0] * 3), ROW),
    ask("a large batch", "guarded", {"instances": [[[1, 2, 3], [4, 5, 6]]] * 100}, predictions([21.0] * 100), ROW),
    ask(
        "the Content-Type of an answer",
        "float",
        {"instances": [1.0]},
        Expect(json={"predictions": [1.0]}),
        f"{HANDLER_TEST}: Predict (HeaderList)",
    ),
]
