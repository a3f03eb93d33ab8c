"""Requests that send one picture as it is: as the body, or as a file in a form."""
import re
from collections.abc import Mapping

import orjson

from fixhead_serving.protocol import Refusal, Route
from fixhead_serving.rest.requests import inflate
from fixhead_serving.server.classifying import classification, picture_call
from fixhead_serving.server.limits import Limits
from fixhead_serving.server.pictures import is_picture
from fixhead_serving.server.predicting import Call
from fixhead_serving.server.versions import ServedModel, find_version
from fixhead_serving.specs import Tensors

_EXAMPLE = "curl --data-binary @cat.jpg"


class PictureRequest:
    """A request to classify one picture, read once.

    Args:
        route: the parsed request line.
        body: the body as received.
        content_type: the request's Content-Type; a picture in a form has multipart/form-data.
        zipped: whether the body is compressed with gzip.
        limits: `body_bytes` applies.
    """

    __slots__ = ("_body", "_content_type", "_limits", "_zipped", "spec")

    def __init__(self, route: Route, body: bytes, content_type: str, zipped: bool, limits: Limits) -> None:
        self.spec = route.spec
        self._body = body
        self._content_type = content_type
        self._zipped = zipped
        self._limits = limits

    def read(self, models: Mapping[str, ServedModel]) -> Call:
        """Returns the call that classifies the picture.

        Raises:
            Refusal: 400 if there is not exactly one picture.
            Refused: if the model or the version is unknown, or does not classify pictures.
        """
        body, self._body = self._body, b""
        if self._zipped:
            body = inflate(body, self._limits.body_bytes)
        return picture_call(find_version(models, self.spec), only_picture(body, self._content_type))

    def write(self, outputs: Tensors) -> bytes:
        """Returns the answer as JSON."""
        return orjson.dumps(classification(outputs))


def only_picture(body: bytes, content_type: str) -> bytes:
    """Returns the picture in a body: the body itself, or the only file of a form.

    Raises:
        Refusal: 400 if there is none, or more than one.

    Example:
        >>> only_picture(b"GIF89a...", "image/gif")
        b'GIF89a...'
    """
    boundary = _boundary(content_type)
    files = [body] if boundary is None else _files(body, boundary)
    if len(files) != 1 or not files[0]:
        found = "is empty" if boundary is None else f"has {len(files)} files"
        raise Refusal(f"The body {found}. Expected one picture: {_EXAMPLE} URL, or curl --form picture=@cat.jpg URL.")
    if not is_picture(files[0]):
        raise Refusal("The body is not a PNG, JPEG, GIF, BMP, WebP or JPEG XL file. Send one as it is: "
                      f"{_EXAMPLE} URL. `fixhead predict URL FILE` also sends TIFF and AVIF files, as PNG.")
    return files[0]


def _boundary(content_type: str) -> bytes | None:
    found = re.fullmatch(r'multipart/form-data\s*;.*?\bboundary=(?:"([^"]+)"|([^\s;"]+)).*', content_type,
                         re.IGNORECASE | re.DOTALL)
    return (found[1] or found[2]).encode("latin-1", "replace") if found else None


def _files(body: bytes, boundary: bytes) -> list[bytes]:
    """The contents of the parts that have a file's name (RFC 7578)."""
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]
    files = []
    for part in parts:
        if part[:2] == b"--":  # the end
            break
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and re.search(rb"content-disposition:[^\r\n]*;\s*filename\*?=", head, re.IGNORECASE):
            files.append(content)
    return files
