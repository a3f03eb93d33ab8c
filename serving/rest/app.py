"""The ASGI app: TensorFlow Serving's REST interface, probes and metrics.

`protocol` decides what a request means and how it is answered; the core handles it in a worker's thread. What the
event loop does, as little as possible, is here.
"""
import asyncio
import hmac
import logging
import re
import time
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from fixhead_serving import protocol
from fixhead_serving.protocol import Refusal, Route
from fixhead_serving.rest.access import AccessLog
from fixhead_serving.rest.bodies import Disconnected, read_body
from fixhead_serving.rest.pictures import PictureRequest
from fixhead_serving.rest.requests import JsonRequest
from fixhead_serving.rest.statuses import STATUS_NAMES, http_status
from fixhead_serving.server.core import ModelServer
from fixhead_serving.server.refusals import Refused
from fixhead_serving.server.versions import find_states, find_version, forget_frames

JSON = "application/json"
RETRY_AFTER_SECONDS = 1
METRICS_PATH = "/monitoring/prometheus/metrics"
METRICS_TYPE = "text/plain"

logger = logging.getLogger(__name__)

_Answer = tuple[int, bytes, str]  # status, body, media type
_GONE: _Answer = (499, b"", JSON)  # the client has disconnected


def create_app(server: ModelServer, *, token: str | None = None, access_log: str = "none") -> Starlette:
    """Returns the ASGI app that answers TensorFlow Serving's REST requests for some models.

    It also answers POST /v1/models/NAME:classify-picture, whose body is one picture.

    While `app.state.stopping` is true, `/readyz` fails.

    Args:
        server: the models and their limits.
        token: the token that requests must send as `Authorization: Bearer TOKEN`; None if no token is required.
        access_log: which requests are logged: 'none', 'errors' or 'all' (see `AccessLog`).
    """
    # No routes: TensorFlow Serving matches the raw path, in upper or lower case, and answers any method.
    app = Starlette()
    app.router.default = _RestApi(server, token, AccessLog(access_log))
    app.state.stopping = False
    return app


class _RestApi:
    """The ASGI endpoint behind every path."""

    def __init__(self, server: ModelServer, token: str | None, access_log: AccessLog) -> None:
        self._server = server
        self._access_log = access_log
        self._limits = server.limits
        self._token = None if token is None else token.encode()
        self._not_found = Starlette().router.not_found

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._not_found(scope, receive, send)
            return
        start = time.perf_counter()
        path = _raw_path(scope)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        extra: list[tuple[bytes, bytes]] = []
        route: list[Route] = []  # once it is known
        try:
            if path != "/livez":
                self._check_token(headers)
            if path[:4].lower() == "/v1/":
                answer = await self._answer(scope["method"], path, headers, receive, route)
            else:
                answer = await self._answer_outside(scope, path)
        except (Refusal, Refused) as refusal:
            status = refusal.status if isinstance(refusal, Refusal) else http_status(refusal)
            answer = status, protocol.error_body(refusal.what), JSON
            if status == 401:
                extra.append((b"www-authenticate", b"Bearer"))
            if status == 429:
                extra.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
            forget_frames(refusal)
        except Disconnected:
            answer = _GONE  # for the metrics
        except Exception as error:
            logger.exception("%s %s failed", scope["method"], path)
            forget_frames(error)
            answer = 500, protocol.error_body("The server failed on this request. Its log says why."), JSON
        if path[:4].lower() == "/v1/":
            self._count(route, answer[0], time.perf_counter() - start)
        self._access_log.write(scope, path, answer[0], len(answer[1]), time.perf_counter() - start)
        if answer is not _GONE:
            await _send(send, answer, extra)

    def _check_token(self, headers: dict[bytes, bytes]) -> None:
        if self._token is None:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise Refusal("This server requires a token: send 'Authorization: Bearer TOKEN'.", status=401)

    async def _answer_outside(self, scope: Scope, path: str) -> _Answer:
        if scope["method"] in ("GET", "HEAD"):
            if path == "/livez":
                return 200, b'{"status":"alive"}', JSON
            if path == "/readyz":
                problem = "The server is shutting down." if scope["app"].state.stopping else None
                problem = problem or await self._server.readiness.problem()
                if problem:
                    return 503, protocol.error_body(problem), JSON
                return 200, b'{"status":"ready"}', JSON
            if path.startswith(METRICS_PATH):
                if path != METRICS_PATH:
                    text = f"Unexpected path: {path}. Should be {METRICS_PATH}"
                    return 400, text.encode("utf-8", "replace"), METRICS_TYPE
                return 200, self._server.metrics.page(), METRICS_TYPE
        return 404, b"<html><body><h1>Not Found</h1></body></html>", "text/html"

    async def _answer(
        self, method: str, path: str, headers: dict[bytes, bytes], receive: Receive, known: list[Route]
    ) -> _Answer:
        if method == "POST":
            # Refused only once the body is read: an earlier answer would cut off clients that are still sending.
            refusal = None
            try:
                known.append(protocol.parse_picture_route(path) or protocol.parse_route(method, path))
            except Refusal as error:
                refusal = error
            return 200, await self._predict(known[0] if known else refusal, headers, receive), JSON
        if method == "OPTIONS":
            allowed = re.search(b"https?://", headers.get(b"origin", b""))
            return 200 if allowed else 400, b"", JSON
        await self._read_body(receive, keep=False)
        route = protocol.parse_route(method, path)
        known.append(route)
        if route.action == "status":
            states = find_states(self._server.models, route.spec)
            codes = {number: (each.error_code, each.error_message) for number, each in states.items()}
            return 200, protocol.status_body({number: each.state for number, each in states.items()}, codes), JSON
        version = find_version(self._server.models, route.spec)
        return 200, protocol.metadata_body(route.model, version.number, version.signatures), JSON

    async def _predict(self, route: Route | Refusal | None, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        with self._server.place() as place:
            body = await self._read_body(receive)
            if not isinstance(route, Route):
                raise route or Refusal("Malformed request")
            zipped = b"gzip" in headers.get(b"content-encoding", b"")
            request: JsonRequest | PictureRequest
            if route.action == "classify-picture":
                content_type = headers.get(b"content-type", b"").decode("latin-1")
                request = PictureRequest(route, body, content_type, zipped, self._limits)
            else:
                request = JsonRequest(route, body, zipped, self._limits)
            del body  # it may be large, and is no longer needed
            answer: bytes = await place.answer(request)
            return answer

    async def _read_body(self, receive: Receive, keep: bool = True) -> bytes:
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await read_body(receive, self._limits.body_bytes, keep)
        except TimeoutError:
            text = f"The request's body did not arrive within {self._limits.timeout_seconds:g} seconds."
            raise Refusal(text, status=408) from None

    def _count(self, known: list[Route], status: int, seconds: float) -> None:
        model = known[0].model if known and known[0].model in self._server.models else ""
        metrics = self._server.metrics
        metrics.request_count.add(model, STATUS_NAMES.get(status, "UNKNOWN"))
        if status == 200:
            action = known[0].action if known else ""
            api = action if action in ("predict", "classify", "regress", "classify-picture") else ""
            metrics.request_latency.add(model, api, "REST", value=seconds * 1e6)


def _raw_path(scope: Scope) -> str:
    """Returns path and query string as sent: in TensorFlow Serving the query string is part of the path."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("utf-8", "replace")


async def _send(send: Send, answer: _Answer, extra: list[tuple[bytes, bytes]]) -> None:
    status, body, media_type = answer
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", media_type.encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
