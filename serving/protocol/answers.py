"""A server's answers: outputs, errors, status and metadata as JSON."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.specs import NUMPY_TYPES, Array, Signature, TensorSpec

_WRITABLE = {np.dtype(kind) for kind in NUMPY_TYPES.values()}


def encode_outputs(outputs: Mapping[str, Array], *, row: bool) -> bytes:
    """Returns the body that answers a predict request.

    Floats are written so that they read back bit-identical. If there is only one output, its name is dropped. Text is
    written as JSON strings, or in base64 if the output's name ends in `_bytes`.

    Args:
        outputs: an array for each output; for strings, of type object, containing bytes.
        row: whether to answer in row format (`predictions`) or columnar format (`outputs`).

    Raises:
        Refusal: 400 if row format is requested and the outputs do not have the same first dimension, or an output
            has a type that JSON cannot represent, or text that is not UTF-8.

    Example:
        >>> encode_outputs({"x": np.float32([0.1, np.nan])}, row=True)
        b'{"predictions":[0.10000000149011612,NaN]}'
    """
    if not outputs:
        raise Refusal("Cannot convert empty tensor map to JSON")
    if row:
        _check_batch(outputs)
    finite = all(array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in outputs.values())
    columns = {name: _column(name, array, finite) for name, array in outputs.items()}
    if len(columns) == 1:
        [answer] = columns.values()
    elif row:
        answer = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    else:
        answer = columns
    return _dump({"predictions" if row else "outputs": answer}, finite)


def _check_batch(outputs: Mapping[str, Array]) -> None:
    expected = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise Refusal(f"Tensor name: {name} has no shape information ")
        expected = array.shape[0] if expected is None else expected
        if array.shape[0] != expected:
            got = array.shape[0]
            raise Refusal(f"Tensor name: {name} has inconsistent batch size: {got} expecting: {expected}")


def _column(name: str, array: Array, finite: bool) -> Any:
    """Returns an array in a form that `_dump` can write: unchanged if orjson can read it, otherwise as lists."""
    if array.dtype == object:
        texts = np.empty(array.size, object)
        texts[:] = [_text(name, value) for value in array.ravel()]
        return texts.reshape(array.shape).tolist()
    if array.dtype not in _WRITABLE:
        kind = "half" if array.dtype == np.float16 else array.dtype.name
        raise Refusal(f"Failed to write JSON value for tensor type: {kind}")
    if not finite:
        return array.tolist()
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _text(name: str, value: bytes) -> Any:
    if name.endswith("_bytes"):
        return {"b64": b64encode(value).decode("ascii")}
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        text = f"Output {name} is text that is not UTF-8. Bytes need an output whose name ends in '_bytes'."
        raise Refusal(text) from None


def _dump(answer: dict[str, Any], finite: bool) -> bytes:
    if finite:
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    # orjson silently writes NaN as null.
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def error_body(text: str) -> bytes:
    """Returns the body of an error: `{"error": text}`."""
    return orjson.dumps({"error": text.encode("utf-8", "backslashreplace").decode("utf-8")})


def status_body(states: Mapping[int, str], errors: Mapping[int, tuple[str, str]] | None = None) -> bytes:
    """Returns the body that answers a status request.

    Args:
        states: the state, such as `AVAILABLE`, of each version.
        errors: the error code, such as `NOT_FOUND`, and the text for versions that failed.
    """
    versions = []
    for number, state in states.items():
        code, text = (errors or {}).get(number, ("OK", ""))
        status = {"error_code": code, "error_message": text.encode("utf-8", "backslashreplace").decode("utf-8")}
        versions.append({"version": str(number), "state": state, "status": status})
    return orjson.dumps({"model_version_status": versions})


def metadata_body(model: str, version: int, signatures: Mapping[str, Signature]) -> bytes:
    """Returns the body that answers a metadata request: the signatures of one version of a model."""
    definitions = {name: _signature_json(signature) for name, signature in signatures.items()}
    specification = {"name": model, "signature_name": "", "version": str(version)}
    # Nested twice, as in TensorFlow Serving: a map inside a message that has no other field.
    metadata = {"signature_def": {"signature_def": definitions}}
    return orjson.dumps({"model_spec": specification, "metadata": metadata})


def _signature_json(signature: Signature) -> dict[str, Any]:
    return {
        "inputs": {name: _spec_json(spec) for name, spec in signature.inputs.items()},
        "outputs": {name: _spec_json(spec) for name, spec in signature.outputs.items()},
        "method_name": signature.method_name,
        "defaults": {},
    }


def _spec_json(spec: TensorSpec) -> dict[str, Any]:
    dims = [{"size": "-1" if size is None else str(size), "name": ""} for size in spec.shape or ()]
    return {
        "dtype": spec.dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": spec.shape is None},
        "name": spec.name,
    }
