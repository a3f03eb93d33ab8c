"""Predict requests over REST: JSON to arrays, and arrays to JSON."""
import gzip
import io
import zlib
from collections.abc import Mapping

from fixhead_serving import protocol
from fixhead_serving.protocol import Refusal, Route
from fixhead_serving.rest.nesting import nested_deeper
from fixhead_serving.server.limits import Limits
from fixhead_serving.server.pictures import is_form, is_picture
from fixhead_serving.server.predicting import Call
from fixhead_serving.server.versions import ServedModel, find_version
from fixhead_serving.specs import Tensors


class JsonRequest:
    """A predict, classify or regress request, read once.

    Args:
        route: the parsed request line.
        body: the body as received.
        zipped: whether the body is compressed with gzip.
        limits: `body_bytes` and `json_depth` apply.
    """

    __slots__ = ("_action", "_body", "_limits", "_row", "_zipped", "spec")

    def __init__(self, route: Route, body: bytes, zipped: bool, limits: Limits) -> None:
        self.spec = route.spec
        self._action = route.action
        self._body = body
        self._zipped = zipped
        self._limits = limits
        self._row = False

    def read(self, models: Mapping[str, ServedModel]) -> Call:
        """Returns the call that the request asks for, checked in TensorFlow Serving's order.

        Raises:
            Refusal: if the body is not a request, or does not fit the signature.
            Refused: if the model or the version is unknown.
        """
        body, self._body = self._body, b""
        if self._zipped:
            body = inflate(body, self._limits.body_bytes)
        if self._action == "predict" and (is_picture(body) or is_form(body)):
            raise Refusal("JSON Parse error: Invalid value. at offset: 0. The body is a picture, not JSON. Send it as "
                          f"it is to POST /v1/models/{self.spec.name}:classify-picture, or here in base64: "
                          '{"signature_name": "serving_bytes", "instances": [{"b64": "..."}]}')
        if nested_deeper(body, self._limits.json_depth):
            raise Refusal(f"The JSON is nested too deeply. Expected at most {self._limits.json_depth} levels.")
        parsed = protocol.parse_predict(body) if self._action == "predict" else protocol.parse_examples(body)
        version = find_version(models, self.spec)
        name = parsed.signature_name
        if self._action != "predict":
            raise protocol.examples_refusal(self._action, name, version.signatures)
        if name not in version.signatures:
            raise Refusal(f'Serving signature name: "{name}" not found in signature def')
        decoded = protocol.decode_inputs(parsed.document, version.signatures[name])
        self._row = decoded.row
        return Call(version, name, decoded.arrays)

    def write(self, outputs: Tensors) -> bytes:
        """Returns the body that answers the request, in the request's own format."""
        return protocol.encode_outputs(outputs, row=self._row)


def inflate(body: bytes, limit_bytes: int) -> bytes:
    """Returns a decompressed gzip body; empty if it is damaged, as TensorFlow Serving then sees an empty document.

    Raises:
        Refusal: 413 if it decompresses to more bytes than the limit.
    """
    try:
        inflated = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error):
        return b""
    if len(inflated) > limit_bytes:
        raise too_large(limit_bytes)
    return inflated


def too_large(limit_bytes: int) -> Refusal:
    """Returns the refusal for a body that is too large."""
    return Refusal(f"The request body is larger than {limit_bytes} bytes. Send fewer pictures at once, or a smaller "
                   "one.", status=413)
