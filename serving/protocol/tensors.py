"""Converts a JSON value to an array: quickly if it is valid, otherwise with TensorFlow Serving's own refusal.

    value -> read -> Array, or None if anything is wrong
    value -> walk -> its shape, or the refusal of the first thing that is wrong

`read` takes whole levels of a nested list at a time; `walk` goes value by value in the order of TensorFlow Serving's
own code, so that it reports the same one of several errors.
"""

import binascii
import marshal
import math
from base64 import b64decode
from itertools import chain
from typing import Any

import numpy as np

from fixhead_serving.protocol.json_text import quote
from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.specs import FLOAT_TYPES, INTEGER_TYPES, NUMPY_TYPES, Array

MAX_RANK = 64  # of a NumPy array

_MANY = 1000  # the number of values from which checking them as a whole pays off
_LIMITS = {name: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for name, kind in INTEGER_TYPES.items()}


def read(value: Any, dtype: str) -> Array | None:
    """Returns a nested list as an array, or None if it is ragged or contains anything that the type excludes.

    Args:
        value: the output of orjson or json: numbers, text, booleans, None, dicts and lists of them.
        dtype: TensorFlow's name of the type; text and base64 objects become an array of type object with bytes.
    """
    shape = shape_of(value)
    if len(shape) > MAX_RANK:
        return None
    numbers = _read_uniform(value, shape, dtype)
    if numbers is not None:
        return numbers
    leaves = _leaves(value, shape)
    array = None if leaves is None else _convert(leaves, dtype)
    return None if array is None else array.reshape(shape)


def shape_of(value: Any) -> tuple[int, ...]:
    """Returns the shape of the first elements, which the others must have as well."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


# Most requests contain numbers of one type. `marshal` writes a nested list in one pass, each list as a tag and a
# length, each number as a tag and a value. If all tags and lengths are those of a regular list of that shape, it
# contains nothing else (the encoding is unambiguous), and the values are already laid out as an array.
_MARSHAL_VERSION = 2  # without references between equal objects
_LIST_TAG, _FLOAT_TAG, _INTEGER_TAG = b"[gi"


def _read_uniform(value: Any, shape: tuple[int, ...], dtype: str) -> Array | None:
    if math.prod(shape) < _MANY or not shape:
        return None
    leaf = value
    for _ in shape:
        leaf = leaf[0]
    if type(leaf) is float and dtype in FLOAT_TYPES:
        numbers = _marshalled(value, shape, _FLOAT_TAG, "<f8")
    elif type(leaf) is int and (dtype in FLOAT_TYPES or dtype in INTEGER_TYPES):
        numbers = _marshalled(value, shape, _INTEGER_TAG, "<i4")
    else:
        return None
    return None if numbers is None else _as_type(numbers, dtype)


def _marshalled(value: Any, shape: tuple[int, ...], tag: int, kind: str) -> Array | None:
    written = marshal.dumps(value, _MARSHAL_VERSION)
    layout = np.dtype([("tag", "u1"), ("value", kind)])
    for size in reversed(shape):
        if layout.itemsize * size > len(written):
            return None
        layout = np.dtype([("tag", "u1"), ("size", "<u4"), ("items", layout, (size,))])
    if layout.itemsize != len(written):
        return None
    level = np.frombuffer(written, layout)[0]
    for size in shape:
        if not (np.all(level["tag"] == _LIST_TAG) and np.all(level["size"] == size)):
            return None
        level = level["items"]
    numbers: Array = level["value"]
    return numbers if np.all(level["tag"] == tag) else None


def _leaves(value: Any, shape: tuple[int, ...]) -> list[Any] | None:
    leaves = [value]
    for size in shape:
        if set(map(type, leaves)) != {list} or set(map(len, leaves)) != {size}:
            return None
        leaves = list(chain.from_iterable(leaves))
    return leaves


def _convert(leaves: list[Any], dtype: str) -> Array | None:
    types = set(map(type, leaves))
    if dtype == "DT_STRING":
        return _strings(leaves)
    if dtype == "DT_BOOL" and types <= {bool}:
        return np.array(leaves, np.bool_)
    if dtype in INTEGER_TYPES and types <= {int}:
        low, high = _LIMITS[dtype]
        if not leaves or (low <= min(leaves) and max(leaves) <= high):
            return np.array(leaves, INTEGER_TYPES[dtype])
    if dtype in FLOAT_TYPES and types <= {int, float}:
        return _as_type(np.array(leaves, np.float64), dtype)
    return None if leaves or dtype in NUMPY_TYPES else np.empty(0, object)


def _as_type(numbers: Array, dtype: str) -> Array | None:
    if dtype in INTEGER_TYPES:
        low, high = _LIMITS[dtype]
        if numbers.min() < low or numbers.max() > high:
            return None
    with np.errstate(over="ignore"):  # as in TensorFlow Serving, values beyond a float's range become infinite
        return numbers.astype(NUMPY_TYPES[dtype])


def _strings(leaves: list[Any]) -> Array | None:
    strings = np.empty(len(leaves), object)
    try:
        strings[:] = [_bytes(leaf, "DT_STRING") for leaf in leaves]
    except Refusal:
        return None
    return strings


# The careful way


def walk(value: Any, dtype: str, max_rank: int = MAX_RANK) -> tuple[int, ...]:
    """Returns the shape of a nested list, checking its values one by one in TensorFlow Serving's order.

    Raises:
        Refusal: 400 for the first value that is ragged or not of the type; 501 if JSON has no such type.
    """
    shape = shape_of(value)
    if len(shape) > max_rank:
        raise Refusal(f"Encountered lists nested {len(shape)} deep. Expected at most {max_rank}.")
    _walk(value, 0, shape, dtype)
    return shape


def _walk(value: Any, level: int, shape: tuple[int, ...], dtype: str) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            text = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
            raise value_refusal(value, text)
        _check_leaf(value, dtype)
        return
    if level >= rank:
        raise Refusal(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        text = f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        raise Refusal(text)
    if math.prod(shape[level:]) >= _MANY and shape_of(value) == shape[level:] and read(value, dtype) is not None:
        return  # a large part that is valid need not be walked
    for one in value:
        _walk(one, level + 1, shape, dtype)


def _check_leaf(value: Any, dtype: str) -> None:
    if dtype == "DT_STRING":
        _bytes(value, dtype)
    elif isinstance(value, dict):
        raise _type_refusal(value, dtype)
    elif dtype not in NUMPY_TYPES:
        raise Refusal(f"Conversion of JSON Value: {quote(value)} to type: {type_name(dtype)}", status=501)
    elif not _fits(value, dtype):
        raise _type_refusal(value, dtype)


def _fits(value: Any, dtype: str) -> bool:
    if dtype in FLOAT_TYPES:
        return type(value) in (int, float)
    if dtype == "DT_BOOL":
        return type(value) is bool
    low, high = _LIMITS[dtype]
    return type(value) is int and low <= value <= high


def _bytes(leaf: Any, dtype: str) -> bytes:
    if isinstance(leaf, str):
        try:
            return leaf.encode("utf-8")
        except UnicodeEncodeError:  # half of a surrogate pair
            raise value_refusal(leaf, "is not valid Unicode text") from None
    if not isinstance(leaf, dict):
        raise _type_refusal(leaf, dtype)
    if not is_base64(leaf):
        raise value_refusal(leaf, "not formatted correctly for base64 data")
    return from_base64(leaf["b64"])


def is_base64(value: dict[str, Any]) -> bool:
    """Returns whether an object is bytes in base64: `b64` is its only name, and text its value."""
    return len(value) == 1 and isinstance(value.get("b64"), str)


def from_base64(text: str) -> bytes:
    """Returns the bytes that a text in standard base64 encodes; it may contain blanks and lack all padding."""
    digits = text.translate(_NO_BLANKS)
    bare = digits.rstrip("=")
    missing = -len(bare) % 4
    if len(digits) - len(bare) not in (0, missing):
        raise Refusal("Unable to base64 decode")
    try:
        return b64decode(bare + "=" * missing, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("Unable to base64 decode") from None


_NO_BLANKS = dict.fromkeys(map(ord, " \t\n\v\f\r"))


def _type_refusal(value: Any, dtype: str) -> Refusal:
    return value_refusal(value, f"Type: {json_type(value)} is not of expected type: {type_name(dtype)}")


def type_name(dtype: str) -> str:
    """Returns the name of a type as in error texts: `float` for `DT_FLOAT`."""
    return dtype.removeprefix("DT_").lower()


def json_type(value: Any) -> str:
    """Returns RapidJSON's name for a value's type."""
    if isinstance(value, bool):
        return str(value)
    return {type(None): "Null", dict: "Object", list: "Array", str: "String"}.get(type(value), "Number")


def value_refusal(value: Any, text: str) -> Refusal:
    return Refusal(f"JSON Value: {quote(value)} {text}")
