"""Parses a server's answers: bytes in, objects and arrays out."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Array = npt.NDArray[Any]


class MalformedAnswer(ValueError):
    """An answer that does not follow the protocol; the message says how."""


def parse_json(body: bytes) -> Any:
    """Returns a parsed JSON text, in which NaN and Infinity are numbers, as TensorFlow Serving writes them.

    Raises:
        ValueError, RecursionError: if it is not valid JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)


def parse_object(body: bytes, key: str) -> dict[str, Any]:
    """Returns an answer as a JSON object that has a required key.

    Raises:
        MalformedAnswer: if the answer is anything else.
    """
    try:
        answer = parse_json(body)
    except (ValueError, RecursionError):
        raise MalformedAnswer("it is not valid JSON") from None
    if not isinstance(answer, dict) or key not in answer:
        raise MalformedAnswer(f"it is not an object with '{key}'")
    return answer


def signatures_of(metadata: Any) -> dict[str, Any]:
    """Returns the signatures in a metadata object, by name.

    Raises:
        MalformedAnswer: if the object has no signatures.

    Example:
        >>> signatures_of({"metadata": {"signature_def": {"signature_def": {"features": {"outputs": {}}}}}})
        {'features': {'outputs': {}}}
    """
    try:
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        return {str(name): each for name, each in signatures.items() if name != "__saved_model_init_op"}
    except (KeyError, TypeError, AttributeError):
        raise MalformedAnswer("its metadata does not list any signatures") from None


def image_shape_of(metadata: Any) -> tuple[int, ...]:
    """Returns the shape (H, W, C) of an image in the only input of `serving_default`.

    Raises:
        MalformedAnswer: if the metadata have no such input of known size.
    """
    try:
        [tensor] = signatures_of(metadata)["serving_default"]["inputs"].values()
        _, *shape = (int(each["size"]) for each in tensor["tensor_shape"]["dim"])
    except (KeyError, TypeError, ValueError, AttributeError):
        shape = []
    if len(shape) != 3 or min(shape) < 1:
        raise MalformedAnswer("its 'serving_default' does not take images of one size")
    return tuple(shape)


def available_versions(status: Any) -> list[str]:
    """Returns the available versions in a status object.

    Raises:
        MalformedAnswer: if the object does not list any versions.

    Example:
        >>> available_versions({"model_version_status": [{"version": "2", "state": "AVAILABLE"}]})
        ['2']
    """
    try:
        states = [(str(each["version"]), each["state"]) for each in status["model_version_status"]]
    except (KeyError, TypeError):
        raise MalformedAnswer("its status does not list any versions") from None
    return [version for version, state in states if state == "AVAILABLE"]


def to_array(name: str, value: Any, size: int) -> Array:
    """Returns an output as an array whose first dimension is the number of inputs.

    Args:
        name: the output's name, for messages.
        value: the parsed JSON.
        size: the number of inputs sent.

    Raises:
        MalformedAnswer: if the value is not such an array of numbers or text.

    Example:
        >>> to_array("class_index", [3, 1], 2).dtype.kind, to_array("logits", [[0.5], [1.5]], 2).dtype.name
        ('i', 'float32')
    """
    try:
        array = np.array(value)
    except ValueError:  # ragged
        raise MalformedAnswer(f"its output '{name}' is not an array") from None
    if array.dtype.kind not in "fiubU" or array.ndim == 0 or len(array) != size:
        raise MalformedAnswer(f"its output '{name}' is not an array of {size} values")
    return array.astype(np.float32) if array.dtype.kind == "f" else array
