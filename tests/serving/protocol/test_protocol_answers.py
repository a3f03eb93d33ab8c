"""Answers."""
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixhead_serving.protocol import Refusal, encode_outputs, metadata_body, status_body
from fixhead_serving.specs import Signature, TensorSpec


def test_row_answers_are_objects_and_a_single_output_is_bare():
    outputs = {"p": np.float32([[0.5, 1], [0, 2]]), "label": np.array([b"cat", "\u00e9".encode()], object)}

    assert json.loads(encode_outputs(outputs, row=True)) == {
        "predictions": [{"p": [0.5, 1.0], "label": "cat"}, {"p": [0.0, 2.0], "label": "\u00e9"}]
    }
    assert json.loads(encode_outputs({"p": outputs["p"]}, row=True)) == {"predictions": [[0.5, 1.0], [0.0, 2.0]]}


def test_columnar_answers_are_an_object_and_a_single_output_is_bare():
    outputs = {"n": np.int64([1, 2]), "ok": np.array([True, False]), "one": np.array(1.5, np.float32)}

    assert json.loads(encode_outputs(outputs, row=False)) == {"outputs": {"n": [1, 2], "ok": [True, False], "one": 1.5}}
    assert json.loads(encode_outputs({"n": outputs["n"]}, row=False)) == {"outputs": [1, 2]}


def test_outputs_named_bytes_are_base64():
    array = np.array([[b"\xff", b"a\x00"]], object)

    answer = json.loads(encode_outputs({"raw_bytes": array, "n": np.int32([1])}, row=True))
    assert answer == {"predictions": [{"raw_bytes": [{"b64": "/w=="}, {"b64": "YQA="}], "n": 1}]}


def test_text_that_is_not_utf8_cannot_be_written_as_json():
    with pytest.raises(Refusal, match="Output raw is text that is not UTF-8") as caught:
        encode_outputs({"raw": np.array([b"\xff"], object)}, row=True)
    assert caught.value.status == 400


@pytest.mark.parametrize("row", [True, False])
@settings(deadline=None)
@given(values=st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_float32_round_trips_exactly(row, values):
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
def test_outputs_without_a_row_format_are_refused(outputs, text):
    with pytest.raises(Refusal) as caught:
        encode_outputs(outputs, row=True)

    assert (caught.value.status, str(caught.value)) == (400, text)


def test_status_and_metadata_have_the_form_of_tensorflow_serving():
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
