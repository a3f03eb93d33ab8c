"""TensorFlow Serving's REST protocol as plain functions: routes, request bodies, answers, error texts.

    (method, path) -> parse_route -> Route
    body -> parse_predict -> PredictBody -> decode_inputs -> Inputs -> the model -> encode_outputs -> body

Nothing here runs a model or a server, and neither TensorFlow nor a web framework is imported. Whatever a client
sends, these functions either return or raise `Refusal`, which holds the HTTP status and text of the answer.
Texts, statuses and the order of checks are TensorFlow Serving's.

Differs from TensorFlow Serving, so that no request can stop the process or be answered with nonsense: shapes are
compared with the signature before the model runs, empty batches are refused, nesting is bounded by the parser,
text has to be valid UTF-8, and integers beyond the input's type are refused instead of wrapped.
"""

import binascii
import json
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import orjson

from keras_fixhead.errors import RequestError

Array = npt.NDArray[Any]
Action = Literal["status", "metadata", "predict", "classify", "regress"]

DEFAULT_SIGNATURE = "serving_default"

# HTTP status of each error code of TensorFlow (and gRPC).
HTTP_STATUS = {
    0: 200,  # OK
    1: 499,  # CANCELLED
    2: 500,  # UNKNOWN
    3: 400,  # INVALID_ARGUMENT
    4: 504,  # DEADLINE_EXCEEDED
    5: 404,  # NOT_FOUND
    6: 409,  # ALREADY_EXISTS
    7: 403,  # PERMISSION_DENIED
    8: 429,  # RESOURCE_EXHAUSTED
    9: 400,  # FAILED_PRECONDITION
    10: 409,  # ABORTED
    11: 400,  # OUT_OF_RANGE
    12: 501,  # UNIMPLEMENTED
    13: 500,  # INTERNAL
    14: 503,  # UNAVAILABLE
    15: 500,  # DATA_LOSS
    16: 401,  # UNAUTHENTICATED
}

_FLOATS: dict[str, Any] = {"DT_FLOAT": np.float32, "DT_DOUBLE": np.float64}
_INTEGERS: dict[str, Any] = {
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
}
# The NumPy type of each numeric type that JSON can be converted to.
NUMPY_TYPES: dict[str, Any] = {**_FLOATS, **_INTEGERS, "DT_BOOL": np.bool_}
_READABLE = {*NUMPY_TYPES, "DT_STRING"}

_MAX_VERSION = 2**63 - 1
_MAX_RANK = 64  # of a NumPy array
_QUOTED_CHARS = 256  # of a value quoted in an error text
_BLAMED_CHUNK = 1024  # elements checked at a time when looking for the one to blame


class Refusal(RequestError):
    """A request to be answered with an HTTP error.

    Args:
        text: what goes into the answer's `error`.
        status: the HTTP status code.
    """

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text, status=status)


# Routes


@dataclass(frozen=True)
class Route:
    """What a request line asks for.

    Args:
        action: `status` and `metadata` for GET, the others for POST.
        model: the model's name, percent-decoded.
        version: the version asked for, or None for the latest.
        label: the version label asked for, percent-decoded, or None.
    """

    action: Action
    model: str
    version: int | None = None
    label: str | None = None


_VERBS: dict[str, Action] = {"predict": "predict", "classify": "classify", "regress": "regress"}
_CHOICE = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_POST_PATH = re.compile(rf"/v1/models/([^/:]+){_CHOICE}:(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_GET_PATH = re.compile(rf"/v1/models(?:/([^/:]+))?{_CHOICE}(?:/(metadata))?", re.IGNORECASE | re.ASCII)


def parse_route(method: str, raw_path: str) -> Route:
    """Returns what a request line asks for, by TensorFlow Serving's rules.

    Args:
        method: the HTTP method, in capitals.
        raw_path: path and query string as sent, not percent-decoded.

    Raises:
        Refusal: 400 if the line is none of the protocol's.

    Example:
        >>> parse_route("POST", "/V1/Models/digits/versions/2:predict")
        Route(action='predict', model='digits', version=2, label=None)
    """
    pattern = {"POST": _POST_PATH, "GET": _GET_PATH}.get(method)
    found = pattern.fullmatch(raw_path) if pattern else None
    if found is None:
        raise _malformed(method, raw_path)
    name, digits, label, last = found.groups()
    version = _version(digits)
    if not name:
        raise Refusal("Missing model name in request.")
    return Route(_action(method, raw_path, last), unquote(name), version, unquote(label) if label else None)


def _action(method: str, raw_path: str, last: str) -> Action:
    # The path matches in any case, what it ends in is then compared in lower case: so it is in TensorFlow Serving.
    if method == "GET":
        return "metadata" if last == "metadata" else "status"
    if last not in _VERBS:
        raise _malformed(method, raw_path)
    return _VERBS[last]


def _malformed(method: str, raw_path: str) -> Refusal:
    return Refusal(f"Malformed request: {method} {raw_path}")


def _version(digits: str | None) -> int | None:
    if digits is None:
        return None
    # Python refuses to convert thousands of digits, so their number is looked at first.
    if len(digits.lstrip("0")) > 19 or int(digits) > _MAX_VERSION:
        raise Refusal(f"Failed to convert version: {digits} to numeric.")
    return int(digits)


# Signatures


@dataclass(frozen=True)
class TensorSpec:
    """What a signature says of one tensor.

    Args:
        dtype: TensorFlow's name of the type, such as `DT_FLOAT`.
        shape: a length, or None where any will do, for each dimension; None for an unknown rank.
        name: the tensor's name in the graph.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    name: str = ""


@dataclass(frozen=True)
class Signature:
    """One way of calling a model: its named inputs and outputs."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = "tensorflow/serving/predict"


# Requests


@dataclass(frozen=True)
class PredictBody:
    """A predict request's JSON, parsed but not yet compared with a signature."""

    signature_name: str
    document: dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """A predict request's tensors.

    Args:
        arrays: an array for each input of the signature; of type object, holding bytes, for strings.
        row: whether the request was in row format (`instances`), and so will the answer be.
    """

    arrays: dict[str, Array]
    row: bool


def parse_predict(body: bytes) -> PredictBody:
    """Returns a predict request's JSON object and the name of the signature that it asks for.

    Args:
        body: the request body: one JSON object, in which NaN and Infinity may stand bare. What follows it is ignored.

    Raises:
        Refusal: 400 if it is not a JSON object, or its `signature_name` is not text.
    """
    document = _parse_json(body)
    if not isinstance(document, dict):
        raise _value_refusal(document, "Is not object")
    name = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(name, str):
        raise _value_refusal(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return PredictBody(name or DEFAULT_SIGNATURE, document)


def decode_inputs(document: Mapping[str, Any], signature: Signature) -> Inputs:
    """Returns the tensors of a predict request, each of a type and shape that the signature allows.

    Args:
        document: the request's JSON object, with `instances` (row format) or `inputs` (columnar format).
        signature: the signature to be called.

    Raises:
        Refusal: 400 if a tensor is missing, ragged, empty, of another type or of a shape that the signature
            excludes; 501 if the signature has an input of a type that JSON cannot be converted to.

    Example:
        >>> signature = Signature({"x": TensorSpec("DT_FLOAT", (None, 2))}, {})
        >>> decode_inputs({"instances": [[1, 2], [3, 4]]}, signature).arrays["x"]
        array([[1., 2.],
               [3., 4.]], dtype=float32)
    """
    row = "instances" in document
    if row and "inputs" in document:
        text = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        raise _value_refusal(document, text)
    if row:
        arrays = _decode_row(document, signature.inputs)
    elif "inputs" in document:
        arrays = _decode_columnar(document["inputs"], signature.inputs)
    else:
        raise Refusal("Missing 'inputs' or 'instances' key")
    for name, array in arrays.items():
        _check_shape(name, array.shape, signature.inputs[name].shape)
    return Inputs(arrays, row)


def _parse_json(body: bytes) -> Any:
    if not body.strip(b" \t\r\n"):
        raise Refusal("JSON Parse error: The document is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # it may still be fine: bare NaN, or bytes after the document
        return _parse_json_slowly(body)


def _parse_json_slowly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        return _DECODER.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[0]
    except UnicodeDecodeError as error:
        raise _parse_refusal("Invalid encoding in string.", error.start) from None
    except json.JSONDecodeError as error:
        what = "Invalid value." if error.msg == "Expecting value" else f"{error.msg.rstrip('.')}."
        raise _parse_refusal(what, len(text[: error.pos].encode("utf-8"))) from None
    except RecursionError:
        raise Refusal("JSON Parse error: The document is nested too deeply.") from None


def _parse_refusal(what: str, offset: int) -> Refusal:
    return Refusal(f"JSON Parse error: {what} at offset: {offset}")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Refusal(f"JSON Parse error: Number too big to be stored in double: {text[:40]}")
    return value


def _integer(text: str) -> int | float:
    # As in orjson and TensorFlow Serving, a number beyond 64 bits is a double.
    value = int(text) if len(text) <= 20 else None
    return value if value is not None and -(2**63) <= value < 2**64 else _finite(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_integer)


def _decode_row(document: Mapping[str, Any], specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    instances = document["instances"]
    if not isinstance(instances, list):
        raise _value_refusal(document, "Expecting 'instances' to be an list/array")
    if not instances:
        raise _value_refusal(document, "No values in 'instances' array")
    if _is_named(instances[0]):
        _check_names(instances, specs)
        return {name: _stack([one[name] for one in instances], spec, f" key: {name}") for name, spec in specs.items()}
    if len(specs) != 1:
        raise Refusal(
            "instances is a plain list, but expecting list of objects as multiple input tensors required "
            "as per tensorinfo_map"
        )
    for index, instance in enumerate(instances):
        if _is_named(instance):
            raise Refusal(f"Expecting value/list but got object at item {index} of input list")
    [(name, spec)] = specs.items()
    return {name: _stack(instances, spec, "")}


def _check_names(instances: list[Any], specs: Mapping[str, TensorSpec]) -> None:
    for index, instance in enumerate(instances):
        if not _is_named(instance):
            raise Refusal(f"Expecting object but got list at item {index} of input list")
        for name in instance.keys() - specs.keys():
            raise _element_refusal(index, f" key: {name}", f"JSON object: does not have named input: {name}")
        if len(instance) != len(specs):
            names = ",".join(sorted(specs))
            raise Refusal(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_quote(instance)} "
                f"keys must be equal to: {names}"
            )


def _decode_columnar(inputs: Any, specs: Mapping[str, TensorSpec]) -> dict[str, Array]:
    if _is_named(inputs):
        for name in specs:
            if name not in inputs:
                raise Refusal(f"Missing named input: {name} in 'inputs' object.")
        return {name: _tensor(inputs[name], spec) for name, spec in specs.items()}
    if len(specs) != 1:
        raise Refusal(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required "
            "as per tensorinfo_map"
        )
    [(name, spec)] = specs.items()
    return {name: _tensor(inputs, spec)}


def _is_named(value: Any) -> bool:
    """Returns whether a value is an object of named tensors, and not bytes in base64."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: dict[str, Any]) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _stack(values: list[Any], spec: TensorSpec, key: str) -> Array:
    """Returns the elements of a row request as one array; a refusal names the element to blame."""
    try:
        return _tensor(values, spec)
    except Refusal as refusal:
        if refusal.status == 400:
            _blame(values, spec, key)
        raise


def _blame(values: list[Any], spec: TensorSpec, key: str) -> None:
    shape: tuple[int, ...] | None = None
    for start in range(0, len(values), _BLAMED_CHUNK):
        chunk = values[start : start + _BLAMED_CHUNK]
        try:
            chunk_shape = _tensor(chunk, spec).shape[1:]
        except Refusal:
            _blame_one(chunk, spec, key, start, shape)
            return
        if shape is not None and chunk_shape != shape:
            _blame_one(chunk, spec, key, start, shape)
        shape = chunk_shape


def _blame_one(values: list[Any], spec: TensorSpec, key: str, start: int, shape: tuple[int, ...] | None) -> None:
    for index, value in enumerate(values, start):
        try:
            array = _tensor(value, spec)
        except Refusal as refusal:
            raise _element_refusal(index, key, refusal.what) from None
        shape = array.shape if shape is None else shape
        if array.size != math.prod(shape):
            raise _element_refusal(index, key, f"Expecting tensor size: {math.prod(shape)} but got: {array.size}")
        if array.shape != shape:
            got = _shape_text(array.shape)
            raise _element_refusal(index, key, f"Expecting shape {_shape_text(shape)} but got: {got}")


def _element_refusal(index: int, key: str, text: str) -> Refusal:
    return Refusal(f"Failed to process element: {index}{key} of 'instances' list. Error: INVALID_ARGUMENT: {text}")


def _tensor(value: Any, spec: TensorSpec) -> Array:
    """Returns a nested list as an array, without recursion: a request decides how deep it is nested."""
    if spec.dtype not in _READABLE:
        raise Refusal(f"Conversion of JSON Value: {_quote(value)} to type: {_type_name(spec.dtype)}", status=501)
    shape = _shape_of(value)
    if len(shape) > _MAX_RANK:
        raise Refusal(f"Encountered lists nested {len(shape)} deep. Expected at most {_MAX_RANK}.")
    leaves = [value]
    for level, size in enumerate(shape):
        _check_lists(leaves, level, size, len(shape))
        leaves = list(chain.from_iterable(leaves))
    if list in set(map(type, leaves)):
        raise Refusal(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return _convert(leaves, spec.dtype).reshape(shape)


def _shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape that the first elements have; the others are to follow them."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _check_lists(lists: list[Any], level: int, size: int, rank: int) -> None:
    if set(map(type, lists)) - {list}:
        stray = next(value for value in lists if not isinstance(value, list))
        text = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
        raise _value_refusal(stray, text)
    if set(map(len, lists)) - {size}:
        wrong = next(len(one) for one in lists if len(one) != size)
        raise Refusal(f"Encountered list at unexpected size: {wrong} at level: {level} expected size: {size}")


def _convert(leaves: list[Any], dtype: str) -> Array:
    if dtype == "DT_STRING":
        strings = np.empty(len(leaves), object)
        strings[:] = [_bytes(leaf, dtype) for leaf in leaves]
        return strings
    if dtype == "DT_BOOL":
        _check_types(leaves, {bool}, dtype)
        return np.array(leaves, np.bool_)
    if dtype in _INTEGERS:
        return _integers(leaves, dtype)
    return _floats(leaves, dtype)


def _check_types(leaves: list[Any], types: set[type], dtype: str) -> None:
    if set(map(type, leaves)) - types:
        raise _type_refusal(next(leaf for leaf in leaves if type(leaf) not in types), dtype)


def _integers(leaves: list[Any], dtype: str) -> Array:
    _check_types(leaves, {int}, dtype)
    limits = np.iinfo(_INTEGERS[dtype])
    low, high = int(limits.min), int(limits.max)
    if leaves and not (low <= min(leaves) and max(leaves) <= high):
        raise _type_refusal(next(leaf for leaf in leaves if not low <= leaf <= high), dtype)
    return np.array(leaves, _INTEGERS[dtype])


def _floats(leaves: list[Any], dtype: str) -> Array:
    _check_types(leaves, {int, float}, dtype)
    target = np.finfo(_FLOATS[dtype])
    doubles = np.array(leaves, np.float64)
    max_integer = 2 ** (target.nmant + 1) - 1
    if np.any(np.abs(doubles) > max_integer):
        for leaf in leaves:
            if (isinstance(leaf, int) and abs(leaf) > max_integer) or float(target.max) < abs(leaf) < math.inf:
                text = f"Cannot convert JSON value: {_quote(leaf)} to {_type_name(dtype)} without loss of precision."
                raise Refusal(text)
    return doubles.astype(_FLOATS[dtype])


def _bytes(leaf: Any, dtype: str) -> bytes:
    if isinstance(leaf, str):
        try:
            return leaf.encode("utf-8")
        except UnicodeEncodeError:  # half of a surrogate pair
            raise _value_refusal(leaf, "is not valid Unicode text") from None
    if not isinstance(leaf, dict):
        raise _type_refusal(leaf, dtype)
    if not _is_base64(leaf):
        raise _value_refusal(leaf, "not formatted correctly for base64 data")
    return _from_base64(leaf["b64"])


def _from_base64(text: str) -> bytes:
    stripped = "".join(text.split()).rstrip("=")
    try:
        return b64decode(stripped + "=" * (-len(stripped) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("Unable to base64 decode") from None


def _check_shape(name: str, got: tuple[int, ...], expected: tuple[int | None, ...] | None) -> None:
    # TensorFlow does not compare shapes before it runs, and a wrong rank ends in oneDNN aborting the process.
    if 0 in got:
        raise Refusal(f"Input {name} is empty: its shape is {_shape_text(got)}. Send at least one value.")
    if expected is None:
        return
    if len(got) != len(expected) or any(want not in (None, size) for size, want in zip(got, expected, strict=True)):
        text = f"Shape of input {name} {_shape_text(got)} is not compatible with expected shape"
        raise Refusal(f"{text} {_shape_text(expected)}.")


def _shape_text(shape: Iterable[int | None]) -> str:
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


def _type_name(dtype: str) -> str:
    return dtype.removeprefix("DT_").lower()


def _type_refusal(value: Any, dtype: str) -> Refusal:
    return _value_refusal(value, f"Type: {_json_type(value)} is not of expected type: {_type_name(dtype)}")


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return str(value)
    return {type(None): "Null", dict: "Object", list: "Array", str: "String"}.get(type(value), "Number")


def _value_refusal(value: Any, text: str) -> Refusal:
    return Refusal(f"JSON Value: {_quote(value)} {text}")


def _quote(value: Any) -> str:
    """Returns the beginning of a value's JSON, written only as far as it is shown."""
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > _QUOTED_CHARS:
            return text[:_QUOTED_CHARS] + "..."
    return text


# Answers


def encode_outputs(outputs: Mapping[str, Array], *, row: bool) -> bytes:
    """Returns the body that answers a predict request.

    Floats are written so that they are read back to the same bits. The name of an only output is dropped. Text is
    written as JSON strings, or in base64 where the output's name ends in `_bytes`.

    Args:
        outputs: an array for each output; of type object, holding bytes, for strings.
        row: whether to answer in row format (`predictions`) or columnar format (`outputs`).

    Raises:
        Refusal: 400 if row format is asked for and the outputs do not have the same first dimension, or an output
            is of a type that has no JSON; 500 if an output is text that is not UTF-8.

    Example:
        >>> encode_outputs({"x": np.float32([0.1, np.nan])}, row=True)
        b'{"predictions":[0.10000000149011612,NaN]}'
    """
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
    """Returns an array as something that `_dump` writes: as it is where orjson can read it, else as lists."""
    if array.dtype == object:
        texts = np.empty(array.size, object)
        texts[:] = [_text(name, value) for value in array.ravel()]
        return texts.reshape(array.shape).tolist()
    if array.dtype.kind not in "fiub" or array.dtype == np.float16:
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
        raise Refusal(text, status=500) from None


def _dump(answer: dict[str, Any], finite: bool) -> bytes:
    if finite:
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    # orjson writes NaN as null, and says nothing.
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def error_body(text: str) -> bytes:
    """Returns the body of an error: `{"error": text}`."""
    return orjson.dumps({"error": text.encode("utf-8", "backslashreplace").decode("utf-8")})


def status_body(states: Mapping[int, str], errors: Mapping[int, tuple[str, str]] | None = None) -> bytes:
    """Returns the body that answers a status request.

    Args:
        states: the state, such as `AVAILABLE`, of each version.
        errors: the error code, such as `NOT_FOUND`, and text of versions that failed.
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
    # Doubled as it is in TensorFlow Serving: a map inside a message that has nothing else.
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
