"""A case of the suite as data: one request, TensorFlow Serving's answer, and its source."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Need = Literal["version 1", "labels"]


class _Anything:
    def __repr__(self) -> str:
        return "ANYTHING"


ANYTHING: Any = _Anything()  # matches every value


@dataclass(frozen=True)
class Expect:
    """The expected answer; fields that are None are not compared.

    Args:
        status: the HTTP status.
        json: the whole body; floats are equal as float32, integers and text exactly.
        part: what the body must contain; objects may have more keys.
        error: the whole text of `error`, the only key.
        error_has: a part of that text; "" if only the key is certain.
        raw: a regular expression to search for in the body's text.
        empty: whether the body has no bytes.
    """

    status: int = 200
    json: Any = None
    part: Any = None
    error: str | None = None
    error_has: str | None = None
    raw: str | None = None
    empty: bool = False

    def difference(self, answer: "Answer") -> str | None:
        """Returns a description of how an answer differs, or None."""
        if answer.status != self.status:
            return f"status {answer.status}, expected {self.status}; body {_shown(answer.body)}"
        if self.empty:
            return f"a body, expected none: {_shown(answer.body)}" if answer.body else None
        if self.raw is not None and not re.search(self.raw, answer.body.decode("utf-8", "replace")):
            return f"no {self.raw!r} in the body {_shown(answer.body)}"
        if self._is_json():
            return self._json_difference(answer)
        return None

    def _is_json(self) -> bool:
        return any(value is not None for value in (self.json, self.part, self.error, self.error_has))

    def _json_difference(self, answer: "Answer") -> str | None:
        if not answer.media_type.startswith("application/json"):
            return f"Content-Type {answer.media_type!r}, expected application/json"
        try:
            body = json.loads(answer.body)
        except ValueError:
            return f"a body that is not valid JSON: {_shown(answer.body)}"
        if self.error is not None or self.error_has is not None:
            return self._error_difference(body)
        if self.json is not None and not _equal(self.json, body, whole=True):
            return f"body {_shown(answer.body)}, expected {self.json!r}"
        if self.part is not None and not _equal(self.part, body, whole=False):
            return f"body {_shown(answer.body)}, expected in it {self.part!r}"
        return None

    def _error_difference(self, body: Any) -> str | None:
        if not isinstance(body, dict) or list(body) != ["error"] or not isinstance(body["error"], str):
            return f"body {body!r:.300}, expected an object whose only key is 'error'"
        text = body["error"]
        if self.error is not None and text != self.error:
            return f"error {text!r:.400}, expected {self.error!r}"
        if self.error_has is not None and self.error_has not in text:
            return f"error {text!r:.400}, expected in it {self.error_has!r}"
        return None


@dataclass(frozen=True)
class Answer:
    """A server's answer."""

    status: int
    body: bytes
    media_type: str


@dataclass(frozen=True)
class Case:
    """One request and its expected answer.

    Args:
        name: unique name, used in reports.
        method, path, body, headers: the request.
        expect: TensorFlow Serving's answer.
        source: the file and function (or test, or heading) of TensorFlow Serving that specifies it.
        needs: what must be served in addition to version 2 of the suite's model.
    """

    name: str
    method: str
    path: str
    expect: Expect
    source: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()


def _same_float32(expected: float, got: float) -> bool:
    with np.errstate(over="ignore"):
        return bool(np.array_equal(np.float32(expected), np.float32(got), equal_nan=True))


def _shown(body: bytes) -> str:
    return repr(body[:300].decode("utf-8", "replace"))


def _equal(expected: Any, got: Any, *, whole: bool) -> bool:
    if expected is ANYTHING:
        return True
    if isinstance(expected, dict):
        same_keys = expected.keys() == got.keys() if whole and isinstance(got, dict) else isinstance(got, dict)
        return same_keys and all(key in got and _equal(value, got[key], whole=whole) for key, value in expected.items())
    if isinstance(expected, list):
        same_size = isinstance(got, list) and len(got) == len(expected)
        return same_size and all(_equal(one, other, whole=whole) for one, other in zip(expected, got, strict=True))
    if isinstance(expected, float):
        return isinstance(got, float) and _same_float32(expected, got)
    return type(expected) is type(got) and expected == got
