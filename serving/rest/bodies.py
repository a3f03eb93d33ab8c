"""Reading a request's body from the connection."""
from starlette.types import Receive

from fixhead_serving.rest.requests import too_large


class Disconnected(Exception):
    """The client has disconnected."""


async def read_body(receive: Receive, limit_bytes: int, keep: bool) -> bytes:
    """Returns the request's body, counted as it comes in: Content-Length may be wrong.

    Args:
        receive: the ASGI connection's `receive`.
        limit_bytes: the largest body.
        keep: False to count and discard a body that is not needed, because the number of such requests is not limited.

    Raises:
        Disconnected: if the client disconnects meanwhile.
        Refusal: 413 if the body is too large.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size <= limit_bytes:
            if keep:
                pieces.append(piece)
        # A body that is only slightly too large is read to its end: a client that is cut off never sees the answer.
        elif size > 2 * limit_bytes:
            break
        if not message.get("more_body", False):
            break
    if size > limit_bytes:
        raise too_large(limit_bytes)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
