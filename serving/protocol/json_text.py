"""JSON as TensorFlow Serving reads and quotes it: with the texts, offsets and layout of RapidJSON 1.1.0.

orjson reads nearly every request. Whatever it refuses is read again by Python's own parser, because it may be valid
here (bare NaN, bytes after the document); if it is not, that parser says where and why.
"""

import json
import math
import re
from typing import Any

import orjson

from fixhead_serving.protocol.refusal import Refusal

QUOTED_BYTES = 256  # of a value quoted in an error text; no further part is started beyond them

_BLANKS = " \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def parse_json(body: bytes) -> Any:
    """Returns the first JSON document in a request body, in which NaN and Infinity are allowed.

    Raises:
        Refusal: 400 if there is no valid document, or a number in it exceeds a double, or it is nested too deeply.
    """
    if not body:
        raise Refusal("JSON Parse error: The document is empty")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _parse_slowly(body)


def _parse_slowly(body: bytes) -> Any:
    skipped = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    try:
        text = body[skipped:].decode("utf-8")
    except UnicodeDecodeError as error:
        # Anything after the document is ignored.
        text = body[skipped : skipped + error.start].decode("utf-8")
        try:
            return _parse_text(text)
        except _NotJson as fault:
            at_end = fault.position == len(text)
            what, position = ("Invalid encoding in string.", len(text)) if at_end else (fault.what, fault.position)
            raise _parse_refusal(what, skipped + len(text[:position].encode("utf-8"))) from None
    try:
        return _parse_text(text)
    except _NotJson as error:
        raise _parse_refusal(error.what, skipped + len(text[: error.position].encode("utf-8"))) from None


class _NotJson(Exception):
    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.what = what
        self.position = position


def _parse_text(text: str) -> Any:
    start = len(text) - len(text.lstrip(_BLANKS))
    if start == len(text) or text[start] == "\0":
        raise _NotJson("The document is empty.", start)
    try:
        document, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _in_rapidjsons_words(error, text) from None
    except _TooBigError as error:
        position = _number_position(text, str(error))
        raise _NotJson("Number too big to be stored in double.", position) from None
    except RecursionError:
        raise Refusal("JSON Parse error: The document is nested too deeply.") from None
    if surrogate := _half_pair(text[start:end]):
        raise _NotJson("The surrogate pair in string is invalid.", start + surrogate)
    return document


def _parse_refusal(what: str, offset: int) -> Refusal:
    return Refusal(f"JSON Parse error: {what} at offset: {offset}")


class _TooBigError(Exception):
    pass


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _TooBigError(text)
    return value


def _integer(text: str) -> int | float:
    # As in orjson and TensorFlow Serving, an integer beyond 64 bits becomes a double.
    value = int(text) if len(text) <= 20 else None
    return value if value is not None and -(2**63) <= value < 2**64 else _finite(text)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_integer)

# A string, complete or truncated, or a number.
_STRING = r'"(?:[^"\\]|\\.)*+"?'
_STRINGS_AND_NUMBERS = re.compile(rf"{_STRING}|-?[0-9][0-9.eE+-]*+", re.DOTALL)
_STRINGS_AND_BRACKETS = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_ESCAPES = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)

_WORDS = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid escape character in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}


def _in_rapidjsons_words(error: json.JSONDecodeError, text: str) -> _NotJson:
    message = error.msg.removesuffix(": ").removesuffix(":")
    if message == "Expecting ',' delimiter":
        return _missing_comma(text, error.pos)
    position = error.pos
    if message.startswith("Illegal trailing comma"):  # Python points at the comma, RapidJSON at the bracket
        position += 1 + len(text[position + 1 :]) - len(text[position + 1 :].lstrip(_BLANKS))
    elif message == "Unterminated string starting at":
        position = len(text)
    elif "escape" in message:
        position = text.rindex("\\", 0, position + 1)
    return _NotJson(_WORDS.get(message, "Invalid value."), position)


def _missing_comma(text: str, position: int) -> _NotJson:
    before, here = text[position - 1 : position], text[position : position + 1]
    if before.isdigit() and here == ".":
        return _NotJson("Miss fraction part in number.", position + 1)
    if before.isdigit() and here in ("e", "E"):
        signs = 1 if text[position + 1 : position + 2] in ("+", "-") else 0
        return _NotJson("Miss exponent in number.", position + 1 + signs)
    if _innermost_bracket(text[:position]) == "{":
        return _NotJson("Missing a comma or '}' after an object member.", position)
    return _NotJson("Missing a comma or ']' after an array element.", position)


def _innermost_bracket(text: str) -> str:
    opened = []
    for token in _STRINGS_AND_BRACKETS.findall(text):
        if token in ("[", "{"):
            opened.append(token)
        elif token in ("]", "}"):
            opened.pop()
    return opened[-1] if opened else ""


def _number_position(text: str, number: str) -> int:
    tokens = _STRINGS_AND_NUMBERS.finditer(text)
    return next((token.start() for token in tokens if token.group() == number), 0)


def _half_pair(text: str) -> int | None:
    """Returns the position of half a surrogate pair without its other half, if there is one."""
    high = None
    for escape in _ESCAPES.finditer(text):
        unit = int(escape.group(1) or "0", 16)
        adjacent = high is not None and escape.start() == high + 6
        if high is not None and not (adjacent and 0xDC00 <= unit < 0xE000):
            return high
        if high is None and 0xDC00 <= unit < 0xE000:
            return escape.start()
        high = escape.start() if 0xD800 <= unit < 0xDC00 else None
    return high


# Quotes


def quote(value: Any) -> str:
    """Returns the start of a value's JSON as TensorFlow Serving quotes it in error texts.

    Objects are laid out over several lines, lists are not. No name or value is started once 256 bytes are written.

    Example:
        >>> print(quote({"a": [1, 2.0]}))
        {
            "a": [1, 2.0]
        }
    """
    quoted = _Quoted()
    quoted.add(value, "", 0)
    return "".join(quoted.pieces)


class _Quoted:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._size = 0

    def add(self, value: Any, before: str, depth: int) -> bool:
        """Writes a value and the text before it; returns whether there is room for more."""
        if isinstance(value, dict):
            return self._put(before + "{") and self._add_members(value, depth)
        if isinstance(value, list):
            return self._put(before + "[") and self._add_elements(value, depth)
        if isinstance(value, float) and not math.isfinite(value):
            self._put(before)  # RapidJSON's writer stops at numbers that JSON cannot represent
            return False
        return self._put(before + _scalar(value))

    def _add_members(self, members: dict[str, Any], depth: int) -> bool:
        indent = "\n" + " " * 4 * (depth + 1)
        for index, (name, value) in enumerate(members.items()):
            if not (self._put(("," if index else "") + indent + _string(name)) and self.add(value, ": ", depth + 1)):
                return False
        return self._put(("\n" + " " * 4 * depth if members else "") + "}")

    def _add_elements(self, elements: list[Any], depth: int) -> bool:
        for index, value in enumerate(elements):
            if not self.add(value, ", " if index else "", depth + 1):
                return False
        return self._put("]")

    def _put(self, piece: str) -> bool:
        if self._size >= QUOTED_BYTES:
            return False
        self.pieces.append(piece)
        self._size += len(piece.encode("utf-8", "surrogatepass"))
        return True


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


_CONTROLS = {**{code: f"\\u{code:04X}" for code in range(32)}, ord('"'): '\\"', ord("\\"): "\\\\"}
_CONTROLS |= {ord(char): f"\\{letter}" for char, letter in zip("\b\f\n\r\t", "bfnrt", strict=True)}


def _string(text: str) -> str:
    # RapidJSON writes a string to its end; here it is cut, because it may be a picture of many megabytes.
    cut = text if len(text) <= QUOTED_BYTES else text[:QUOTED_BYTES] + "..."
    return '"' + cut.translate(_CONTROLS) + '"'


def _double(value: float) -> str:
    """Returns the shortest decimal that reads back as `value`, in RapidJSON's layout: 21 digits before an exponent."""
    sign, digits, exponent = _decimal(value)
    point = len(digits) + exponent  # digits before the decimal point
    if not value:
        text = "0.0"
    elif exponent >= 0 and point <= 21:
        text = digits + "0" * exponent + ".0"
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1}"
    return sign + text


def _decimal(value: float) -> tuple[str, str, int]:
    mantissa, _, power = repr(value).partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa[0] == "-" else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    return sign, stripped, int(power or 0) - len(fraction) + len(digits) - len(stripped)
