"""Request lines: (method, path) -> parse_route -> Route."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from fixhead_serving.protocol.refusal import Refusal
from fixhead_serving.specs import MAX_VERSION, ModelSpec

Action = Literal["status", "metadata", "predict", "classify", "regress", "classify-picture"]
"""What a route asks for."""


@dataclass(frozen=True)
class Route:
    """The action, model and version that a request line asks for.

    Args:
        action: `status` and `metadata` for GET, the others for POST. `classify-picture` is ours, not TensorFlow
            Serving's.
        model: the model's name, percent-decoded.
        version: the requested version, or None for the latest.
        label: the requested version label, percent-decoded, or None.
    """

    action: Action
    model: str
    version: int | None = None
    label: str | None = None

    @property
    def spec(self) -> ModelSpec:
        """The requested model and version."""
        return ModelSpec(self.model, self.version, self.label)


_VERBS: dict[str, Action] = {"predict": "predict", "classify": "classify", "regress": "regress"}
_CHOICE = r"(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_POST_PATH = re.compile(rf"/v1/models/([^/:]+){_CHOICE}:(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_PICTURE_PATH = re.compile(rf"/v1/models/([^/:]+){_CHOICE}:classify-picture", re.ASCII)
_GET_PATH = re.compile(rf"/v1/models(?:/([^/:]+))?{_CHOICE}(?:/(metadata))?", re.IGNORECASE | re.ASCII)


def parse_route(method: str, raw_path: str) -> Route:
    """Parses a request line by TensorFlow Serving's rules.

    Args:
        method: the HTTP method, in upper case.
        raw_path: path and query string as sent, not percent-decoded.

    Raises:
        Refusal: 400 if the line is not part of the protocol.

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
    action = _action(method, raw_path, last)
    if not name:
        raise Refusal("Missing model name in request.")
    return Route(action, unquote(name), version, unquote(label) if label else None)


def parse_picture_route(raw_path: str) -> Route | None:
    """Parses the path of a POST request that classifies one picture; None if it is another path.

    Raises:
        Refusal: 400 if the version's number is too large.

    Example:
        >>> parse_picture_route("/v1/models/pets/labels/stable:classify-picture")
        Route(action='classify-picture', model='pets', version=None, label='stable')
        >>> parse_picture_route("/v1/models/pets:predict") is None
        True
    """
    found = _PICTURE_PATH.fullmatch(raw_path)
    if found is None:
        return None
    name, digits, label = found.groups()
    return Route("classify-picture", unquote(name), _version(digits), unquote(label) if label else None)


def _action(method: str, raw_path: str, last: str) -> Action:
    # As in TensorFlow Serving, the path matches in any case, and its ending is then compared in lower case.
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
    # Python refuses to convert thousands of digits, so their number is checked first.
    if len(digits.lstrip("0")) > 19 or int(digits) > MAX_VERSION:
        raise Refusal(f"Failed to convert version: {digits} to numeric.")
    return int(digits)
