"""Classify and regress."""
import json

import pytest
from decoding import PAIR, SCALAR

from fixhead_serving.protocol import Refusal, examples_refusal, parse_examples
from fixhead_serving.specs import Signature, TensorSpec


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
def test_examples_are_checked_like_in_tensorflow_serving(document, text):
    # tensorflow_serving/util/json_tensor_test.cc: ClassifyRegressRequestTest, JsonErrors
    with pytest.raises(Refusal) as caught:
        parse_examples(json.dumps(document).encode())

    assert str(caught.value).endswith(text)


def test_a_model_without_example_inputs_reports_why():
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
