"""Predict requests: body -> parse_predict -> PredictBody -> decode_inputs -> Inputs.

TensorFlow Serving checks a request in this order: JSON, signature_name, model, signature, format, names, values.
`parse_predict` checks the first two, the server the next two, and `decode_inputs` the rest.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fixhead_serving.protocol.json_text import parse_json, quote
from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.protocol.tensors import MAX_RANK, is_base64, read, value_refusal, walk
from fixhead_serving.specs import DEFAULT_SIGNATURE, Array, Signature, TensorSpec

_CHUNK = 1024  # elements compared at a time when searching for the invalid one


@dataclass(frozen=True)
class PredictBody:
    """A request's JSON, parsed but not yet compared with a signature."""

    signature_name: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """A predict request's tensors.

    Args:
        arrays: an array for each input of the signature; for strings, of type object, containing bytes.
        row: whether the request was in row format (`instances`); the answer then is as well.
    """

    arrays: dict[str, Array]
    row: bool


def parse_predict(body: bytes) -> PredictBody:
    """Returns a request's JSON object and the name of the signature that it asks for.

    Args:
        body: the request body: one JSON object, in which NaN and Infinity are allowed. Anything after it is ignored.

    Raises:
        Refusal: 400 if the body is not a JSON object, or its `signature_name` is not text.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise value_refusal(document, "Is not object")
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise value_refusal(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return PredictBody(name or DEFAULT_SIGNATURE, document)


def decode_inputs(document: Mapping[str, Any], signature: Signature) -> Inputs:
    """Returns the tensors of a predict request, each of the type in the signature.

    Their shapes are compared with the signature for all protocols, in `fixhead_serving.server.request_checks`.

    Args:
        document: the request's JSON object, with `instances` (row format) or `inputs` (columnar format).
        signature: the signature to be called.

    Raises:
        Refusal: 400 if a tensor is missing, ragged or of another type; 501 if an input in columnar format has a type
            that JSON cannot be converted to.

    Example:
        >>> signature = Signature({"x": TensorSpec("DT_FLOAT", (None, 2))}, {})
        >>> decode_inputs({"instances": [[1, 2], [3, 4]]}, signature).arrays["x"]
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    if not signature.inputs:
        raise Refusal(f"Failed to get input map for signature: {document.get('signature_name') or 'DEFAULT'}")
    row = "instances" in document
    if row and "inputs" in document:
        text = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise value_refusal(document, text)
    if row:
        arrays = _decode_row(document, signature.inputs)
    elif "inputs" in document:
        arrays = _decode_columnar(document["inputs"], signature.inputs)
    else:
        raise Refusal("Missing 'inputs' or 'instances' key")
    return Inputs(arrays, row)


# Row format


def _decode_row(document: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise value_refusal(document, "Expecting 'instances' to be an list/array")
    if not instances:
        raise value_refusal(document, "No values in 'instances' array")
    named = _is_named(instances[0])
    if len(specs) != 1 and not named:
        raise Refusal(
            "instances is a plain list, but expecting list of objects as multiple input tensors required "
            "as per tensorinfo_map"
        )
    columns = _columns(instances, specs, named)
    arrays = {name: read(column, specs[name].dtype) for name, column in columns.items()}
    decoded = {name: array for name, array in arrays.items() if array is not None}
    if len(decoded) < len(specs):
        raise _first_fault(instances, specs, named)
    return decoded


def _columns(instances: list[Any], specs: Mapping[str, TensorSpec], named: bool) -> dict[str, list[Any]]:
    """Returns the elements' values under each input's name, or nothing if their names are wrong."""
    if not named:
        return dict.fromkeys(specs, instances)
    if not all(_is_named(one) and one.keys() == specs.keys() for one in instances):
        return {}
    return {name: [one[name] for one in instances] for name in specs}


def _first_fault(instances: list[Any], specs: Mapping[str, TensorSpec], named: bool) -> Refusal:
    """Returns the refusal of a row request that could not be read: that of its first invalid element."""
    shapes: dict[str, tuple[int, ...]] = {}
    for start in range(0, len(instances), _CHUNK):
        chunk = instances[start : start + _CHUNK]
        if start and _is_alike(chunk, specs, named, shapes):
            continue
        for index, instance in enumerate(chunk, start):
            fault = _fault(index, instance, specs, named, shapes)
            if fault is not None:
                return fault
    raise AssertionError("A request that could not be read has no invalid element.")


def _is_alike(
    chunk: list[Any], specs: Mapping[str, TensorSpec], named: bool, shapes: Mapping[str, tuple[int, ...]]
) -> bool:
    """Returns whether elements are like those before them, which is quicker to check than to walk them."""
    arrays = {name: read(column, specs[name].dtype) for name, column in _columns(chunk, specs, named).items()}
    return len(arrays) == len(specs) and all(
        array is not None and array.shape[1:] == shapes[name] for name, array in arrays.items()
    )


def _fault(
    index: int, instance: Any, specs: Mapping[str, TensorSpec], named: bool, shapes: dict[str, tuple[int, ...]]
) -> Refusal | None:
    if named != _is_named(instance):
        wanted, got = ("object", "list") if named else ("value/list", "object")
        return Refusal(f"Expecting {wanted} but got {got} at item {index} of input list")
    for name, value in instance.items() if named else [(next(iter(specs)), instance)]:
        try:
            _check_element(name, value, specs, shapes)
        except Refusal as refusal:
            key = f" key: {name}" if named else ""
            code = "UNIMPLEMENTED" if refusal.status == 501 else "INVALID_ARGUMENT"
            return Refusal(f"Failed to process element: {index}{key} of 'instances' list. Error: {code}: {refusal}")
    if named and instance.keys() != specs.keys():
        return Refusal(
            f"Failed to process element: {index} of 'instances' list. JSON object: {quote(instance)} "
            f"keys must be equal to: {','.join(sorted(specs))}"
        )
    return None


def _check_element(name: str, value: Any, specs: Mapping[str, TensorSpec], shapes: dict[str, tuple[int, ...]]) -> None:
    if name not in specs:
        raise Refusal(f"JSON object: does not have named input: {name}")
    shape = walk(value, specs[name].dtype, MAX_RANK - 1)
    expected = shapes.setdefault(name, shape)
    if math.prod(shape) != math.prod(expected):
        raise Refusal(f"Expecting tensor size: {math.prod(expected)} but got: {math.prod(shape)}")
    if shape != expected:
        raise Refusal(f"Expecting shape {_shape_text(expected)} but got: {_shape_text(shape)}")


# Columnar format


def _decode_columnar(inputs: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    if not _is_named(inputs):
        if len(specs) != 1:
            raise Refusal(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required "
                "as per tensorinfo_map"
            )
        inputs = dict.fromkeys(specs, inputs)
    arrays = {}
    for name, spec in specs.items():
        if name not in inputs:
            raise Refusal(f"Missing named input: {name} in 'inputs' object.")
        array = read(inputs[name], spec.dtype)
        if array is None:
            walk(inputs[name], spec.dtype)
            raise AssertionError("A request that could not be read has no invalid element.")
        arrays[name] = array
    return arrays


def _is_named(value: Any) -> bool:
    """Returns whether a value is an object of named tensors rather than bytes in base64."""
    return isinstance(value, dict) and not is_base64(value)


def _shape_text(shape: Iterable[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
