"""The ASGI app: TensorFlow Serving's REST surface, probes and metrics.

What a request says and how it is answered is decided in `protocol`, what becomes of it in a worker's thread in
`predicting`; here is what is done in the event loop, as little as possible.
"""
import asyncio
import hmac
import logging
import re
import time
from collections.abc import Iterable
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from fixhead_serving import protocol
from fixhead_serving.protocol import Refusal, Route
from fixhead_serving.server import metrics as metrics_page
from fixhead_serving.server.config import Limits, ServerConfig
from fixhead_serving.server.metrics import STATUS_NAMES, Metrics
from fixhead_serving.server.predicting import Predictor, too_large
from fixhead_serving.server.readiness import Readiness
from fixhead_serving.server.versions import ServedModel, find_states, find_version, forget_frames
from fixhead_serving.server.workers import Task

JSON = "application/json"
RETRY_AFTER_SECONDS = 1

logger = logging.getLogger(__name__)

_Answer = tuple[int, bytes, str]  # status, body, media type
_GONE: _Answer = (499, b"", JSON)  # where nobody is left to answer


def create_app(
    models: Iterable[ServedModel],
    *,
    limits: Limits | None = None,
    workers: int = ServerConfig.workers,
    max_batch_merge: int = ServerConfig.max_batch_merge,
    token: str | None = None,
    metrics: Metrics | None = None,
) -> Starlette:
    """Returns the ASGI app that answers TensorFlow Serving's REST requests for some models.

    While `app.state.stopping` is true, `/readyz` fails.

    Args:
        models: the models, loaded.
        limits: what requests may ask for.
        workers: how many requests are decoded, run and encoded at a time; others wait.
        max_batch_merge: the largest batch that concurrent requests are merged into, for versions that allow it.
        token: what requests have to bring as `Authorization: Bearer TOKEN`; None: nothing.
        metrics: where requests are counted.
    """
    api = _RestApi(list(models), limits or Limits(), workers, max_batch_merge, token, metrics or Metrics())
    # No routes: TensorFlow Serving matches the raw path, in any case, and answers any method.
    app = Starlette()
    app.router.default = api
    app.state.stopping = False
    return app


class _Disconnected(Exception):
    """The client has gone."""


class _RestApi:
    """The ASGI endpoint behind every path."""

    def __init__(
        self, models: list[ServedModel], limits: Limits, workers: int, max_batch_merge: int, token: str | None,
        metrics: Metrics,
    ) -> None:  # fmt: skip
        self._models = {model.name: model for model in models}
        self._limits = limits
        self._metrics = metrics
        self._token = None if token is None else token.encode()
        self._predictor = Predictor(self._models, limits, metrics, workers, max_batch_merge)
        self._readiness = Readiness(self._models, limits.timeout_seconds)
        self._in_flight = 0
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
        except Refusal as refusal:
            answer = refusal.status, protocol.error_body(refusal.what), JSON
            if refusal.status == 401:
                extra.append((b"www-authenticate", b"Bearer"))
            if refusal.status == 429:
                extra.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
            forget_frames(refusal)
        except _Disconnected:
            answer = _GONE  # for the metrics
        except Exception as error:
            logger.exception("%s %s failed", scope["method"], path)
            forget_frames(error)
            answer = 500, protocol.error_body("The server failed on this request. Its log says why."), JSON
        if path[:4].lower() == "/v1/":
            self._count(route, answer[0], time.perf_counter() - start)
        if answer is not _GONE:
            await _send(send, answer, extra)

    def _check_token(self, headers: dict[bytes, bytes]) -> None:
        if self._token is None:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._token):
            raise Refusal("This server asks for a token: send 'Authorization: Bearer TOKEN'.", status=401)

    async def _answer_outside(self, scope: Scope, path: str) -> _Answer:
        if scope["method"] in ("GET", "HEAD"):
            if path == "/livez":
                return 200, b'{"status":"alive"}', JSON
            if path == "/readyz":
                problem = "The server is shutting down." if scope["app"].state.stopping else None
                problem = problem or await self._readiness.problem()
                if problem:
                    return 503, protocol.error_body(problem), JSON
                return 200, b'{"status":"ready"}', JSON
            if path.startswith(metrics_page.PATH):
                if path != metrics_page.PATH:
                    text = f"Unexpected path: {path}. Should be {metrics_page.PATH}"
                    return 400, text.encode("utf-8", "replace"), metrics_page.MEDIA_TYPE
                return 200, self._metrics.page(), metrics_page.MEDIA_TYPE
        return 404, b"<html><body><h1>Not Found</h1></body></html>", "text/html"

    async def _answer(
        self, method: str, path: str, headers: dict[bytes, bytes], receive: Receive, known: list[Route]
    ) -> _Answer:
        if method == "POST":
            # Decided once the body is read: an answer before its end would cut off clients that still send.
            refusal = None
            try:
                known.append(protocol.parse_route(method, path))
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
            states = find_states(self._models, route)
            codes = {number: (each.error_code, each.error_message) for number, each in states.items()}
            return 200, protocol.status_body({number: each.state for number, each in states.items()}, codes), JSON
        version = find_version(self._models, route)
        return 200, protocol.metadata_body(route.model, version.number, version.signatures), JSON

    async def _predict(self, route: Route | Refusal | None, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        if self._in_flight >= self._limits.concurrent:
            raise Refusal(f"There are {self._in_flight} requests in flight already. Try again.", status=429)
        self._in_flight += 1
        task = None
        try:
            body = await self._read_body(receive)
            if not isinstance(route, Route):
                raise route or Refusal("Malformed request")
            task = self._predictor.submit(route, body, b"gzip" in headers.get(b"content-encoding", b""))
            del body
            return await self._result(task)
        finally:
            # A thread cannot be stopped: one that is still running keeps its place.
            if task is None or task.settled or self._predictor.withdraw(task):
                self._leave()
            else:
                task.on_settled = self._leave

    def _leave(self) -> None:
        self._in_flight -= 1

    async def _result(self, task: Task) -> bytes:
        alarm = task.loop.call_later(self._limits.timeout_seconds, self._expire, task)
        try:
            result: bytes = await task.future
        finally:
            alarm.cancel()
        return result

    def _expire(self, task: Task) -> None:
        if not task.future.done():
            text = f"No answer within {self._limits.timeout_seconds:g} seconds."
            task.future.set_exception(Refusal(text, status=504))

    async def _read_body(self, receive: Receive, keep: bool = True) -> bytes:
        try:
            async with asyncio.timeout(self._limits.timeout_seconds):
                return await _read_body(receive, self._limits.body_bytes, keep)
        except TimeoutError:
            text = f"The request's body did not arrive within {self._limits.timeout_seconds:g} seconds."
            raise Refusal(text, status=408) from None

    def _count(self, known: list[Route], status: int, seconds: float) -> None:
        model = known[0].model if known and known[0].model in self._models else ""
        self._metrics.request_count.add(model, STATUS_NAMES.get(status, "UNKNOWN"))
        if status == 200:
            action = known[0].action if known else ""
            api = action if action in ("predict", "classify", "regress") else ""
            self._metrics.request_latency.add(model, api, "REST", value=seconds * 1e6)


def _raw_path(scope: Scope) -> str:
    """Returns path and query string as sent: a query string is part of the path in TensorFlow Serving."""
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    query: bytes = scope["query_string"]
    return (path + b"?" + query if query else path).decode("utf-8", "replace")


async def _read_body(receive: Receive, limit_bytes: int, keep: bool) -> bytes:
    """Returns the request's body, counted while it comes in: what Content-Length says may not be true.

    One that nobody wants is counted and thrown away: such requests are not bounded in number.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size <= limit_bytes:
            if keep:
                pieces.append(piece)
        # Somewhat too much is read to its end, for a client that is cut off does not see the answer.
        elif size > 2 * limit_bytes:
            break
        if not message.get("more_body", False):
            break
    if size > limit_bytes:
        raise too_large(limit_bytes)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _send(send: Send, answer: _Answer, extra: list[tuple[bytes, bytes]]) -> None:
    status, body, media_type = answer
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", media_type.encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
