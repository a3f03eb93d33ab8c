"""Classify and regress requests, which TensorFlow Serving checks before it checks whether a model supports them.

They need a signature that takes tf.Example, which Keras does not export. So nothing is decoded here: these functions
return the refusal that TensorFlow Serving would send.
"""

from collections.abc import Mapping
from typing import Any

from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.protocol.requests import PredictBody, parse_predict
from fixhead_serving.protocol.tensors import from_base64, is_base64, json_type, value_refusal
from fixhead_serving.specs import Signature


def parse_examples(body: bytes) -> PredictBody:
    """Returns a classify or regress request's JSON object and the name of the signature that it asks for.

    Raises:
        Refusal: 400 if the body is not a JSON object with `examples`, or one of them is not an example.
    """
    parsed = parse_predict(body)
    document = parsed.document
    if "context" in document:
        _check_example(document["context"])
    if "examples" not in document:
        raise value_refusal(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise value_refusal(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise value_refusal(document, "'examples' value is an empty array")
    for example in examples:
        _check_example(example)
    return parsed


def examples_refusal(action: str, signature_name: str, signatures: Mapping[str, Signature]) -> Refusal:
    """Returns why a model with these signatures cannot answer a classify or regress request.

    Args:
        action: `classify` or `regress`.
        signature_name: the signature that the request asks for.
        signatures: the model's signatures, by name.
    """
    if signature_name not in signatures:
        return Refusal(f"No signature was found with the name: {signature_name}")
    signature = signatures[signature_name]
    if len(signature.inputs) != 1:
        return Refusal("Expected one input Tensor.")
    outputs = len(signature.outputs)
    if action == "classify" and outputs not in (1, 2):
        return Refusal(f"Expected one or two output Tensors, found {outputs}")
    if action == "regress" and outputs != 1:
        return Refusal("Expected one output Tensor.")
    kind = "classification" if action == "classify" else "regression"
    if "inputs" not in signature.inputs:
        return Refusal(f"No {kind} inputs found in SignatureDef: {signature_name}")
    return Refusal(f"This server answers ':predict' only. ':{action}' needs a signature that takes tf.Example.")


def _check_example(example: Any) -> None:
    if not isinstance(example, dict):
        raise Refusal(f"Example must be JSON object but got JSON {json_type(example)}")
    for name, content in example.items():
        kind = ""
        for value in content if isinstance(content, list) else [content]:
            kind = _feature_kind(name, value, kind)


def _feature_kind(name: str, value: Any, kind: str) -> str:
    """Returns the kind of a feature's values, given one more value; all values must be of the same kind."""
    if value is None or isinstance(value, list) or (isinstance(value, dict) and not is_base64(value)):
        raise Refusal(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")
    found = {str: "bytes", dict: "bytes", float: "float"}.get(type(value), "int64")
    if kind and kind != found:
        raise Refusal(f"Unexpected element type in feature: {name} expecting type: {kind}")
    if isinstance(value, dict):
        from_base64(value["b64"])
    if found == "int64" and value >= 2**63:
        raise Refusal(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    return found
