"""The local server: TensorFlow Serving's REST surface over SavedModels, without Docker.

    load_model(DIR) -> ServedModel -> create_app([...]) -> Starlette app -> serve(DIR) runs it until it is stopped

What a request says and how it is answered is decided in `protocol`; here is what needs a model, a thread or a socket.
TensorFlow is imported only to load and run a model, so the app itself can be tested with plain functions.

Beyond TensorFlow Serving: a body larger than a limit, also after decompression, is answered with 413.
"""

import contextlib
import gc
import gzip
import io
import logging
import os
import re
import signal
import socket
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from fixhead_serving import protocol
from fixhead_serving.protocol import Array, Refusal, Route, Signature, TensorSpec
from keras_fixhead.errors import ArgumentError, ServingError

HOST = "127.0.0.1"
PORT = 8501
BODY_LIMIT_BYTES = 32 * 2**20
WORKERS = 2  # threads that run models; TensorFlow has threads of its own below them
GRACE_SECONDS = 30  # for requests in flight when the server is asked to stop
KEEP_ALIVE_SECONDS = 75  # longer than a client thinks between two batches

# A grey PNG of 1x1 pixel: what a signature that takes pictures is warmed up with.
_PIXEL_PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedVersion:
    """A version of a model that can be called.

    Args:
        number: the version.
        signatures: what it can be called with, by name.
        call: `call(signature_name, inputs)` returns the outputs; both map a tensor's name to an array, of type
            object and holding bytes for strings. It is called from several threads, with inputs already checked
            against the signature, and raises `Refusal` for what the model does not take.
    """

    number: int
    signatures: Mapping[str, Signature]
    call: Callable[[str, Mapping[str, Array]], dict[str, Array]]


@dataclass
class ServedModel:
    """A model under its name, with the versions that are loaded and the labels that point at some of them."""

    name: str
    versions: dict[int, LoadedVersion]
    labels: dict[str, int] = field(default_factory=dict)


# The app


def create_app(
    models: Iterable[ServedModel], *, body_limit_bytes: int = BODY_LIMIT_BYTES, workers: int = WORKERS
) -> Starlette:
    """Returns the ASGI app that answers TensorFlow Serving's REST requests for some models.

    Args:
        models: the models, loaded.
        body_limit_bytes: the largest request body, before and after decompression; above it the answer is 413.
        workers: how many requests are decoded, run and encoded at a time; others wait.
    """
    api = _RestApi({model.name: model for model in models}, body_limit_bytes, CapacityLimiter(workers))
    # One route for all: TensorFlow Serving matches the raw path in any case, and answers any method.
    return Starlette(routes=[StarletteRoute("/{path:path}", api)])


class _RestApi:
    """The ASGI endpoint behind every path."""

    def __init__(self, models: Mapping[str, ServedModel], body_limit_bytes: int, limiter: CapacityLimiter) -> None:
        self._models = models
        self._body_limit_bytes = body_limit_bytes
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refusal as refusal:
            response = _json(protocol.error_body(refusal.what), refusal.status)
        except ClientDisconnect:
            return
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            text = "The server failed on this request. Its log says why."
            response = _json(protocol.error_body(text), 500)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        # The body is read even where the path is wrong: answering before its end would reset the connection.
        body = await _read_body(request, self._body_limit_bytes)
        path = _raw_path(request)
        if not path.lower().startswith("/v1/"):
            return Response("<html><body><h1>Not Found</h1></body></html>", 404, media_type="text/html")
        if request.method == "OPTIONS":
            return Response(status_code=200 if re.search("https?://", request.headers.get("origin", "")) else 400)
        route = protocol.parse_route(request.method, path)
        if route.action == "status":
            return _json(self._status(route))
        if route.action == "metadata":
            version = _find_version(self._models, route)
            return _json(protocol.metadata_body(route.model, version.number, version.signatures))
        zipped = "gzip" in request.headers.get("content-encoding", "")
        return _json(await to_thread.run_sync(self._predict, route, body, zipped, limiter=self._limiter))

    def _status(self, route: Route) -> bytes:
        # A label is not looked at: so it is in TensorFlow Serving.
        model = self._models.get(route.model)
        if model is None:
            raise Refusal(f"Could not find any versions of model {route.model}", status=404)
        if route.version is None:
            return protocol.status_body(dict.fromkeys(sorted(model.versions, reverse=True), "AVAILABLE"))
        if route.version not in model.versions:
            raise Refusal(f"Could not find version {route.version} of model {route.model}", status=404)
        return protocol.status_body({route.version: "AVAILABLE"})

    def _predict(self, route: Route, body: bytes, zipped: bool) -> bytes:
        request = protocol.parse_predict(_inflate(body, self._body_limit_bytes) if zipped else body)
        version = _find_version(self._models, route)
        if route.action != "predict":
            text = f"This server answers ':predict' only. ':{route.action}' needs a signature that takes tf.Example."
            raise Refusal(text)
        name = request.signature_name
        if name not in version.signatures:
            raise Refusal(f'Serving signature name: "{name}" not found in signature def')
        inputs = protocol.decode_inputs(request.document, version.signatures[name])
        return protocol.encode_outputs(version.call(name, inputs.arrays), row=inputs.row)


def _find_version(models: Mapping[str, ServedModel], route: Route) -> LoadedVersion:
    model = models.get(route.model)
    number = route.version
    if route.label is not None:
        number = model.labels.get(route.label) if model else None
        if number is None:
            raise Refusal(f"Unrecognized servable version label: {route.label}")
    if model and number is None and model.versions:
        return model.versions[max(model.versions)]
    if model and number in model.versions:
        return model.versions[number]
    asked = f"Latest({route.model})" if number is None else f"Specific({route.model}, {number})"
    raise Refusal(f"Servable not found for request: {asked}", status=404)


def _raw_path(request: Request) -> str:
    """Returns path and query string as sent: a query string is part of the path in TensorFlow Serving."""
    path: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode("ascii")
    query: bytes = request.scope["query_string"]
    return (path + b"?" + query if query else path).decode("utf-8", "replace")


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    """Returns the request's body, counted while it comes in: what Content-Length says may not be true."""
    kept = bytearray()
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size <= limit_bytes:
            kept += piece
        # Somewhat too much is read to its end, for a client that is cut off does not see the answer.
        elif size > 2 * limit_bytes:
            break
    if size > limit_bytes:
        raise _too_large(limit_bytes)
    return bytes(kept)


def _inflate(body: bytes, limit_bytes: int) -> bytes:
    try:
        inflated = gzip.GzipFile(fileobj=io.BytesIO(body)).read(limit_bytes + 1)
    except (OSError, EOFError, zlib.error):
        return b""  # which TensorFlow Serving then calls an empty document
    if len(inflated) > limit_bytes:
        raise _too_large(limit_bytes)
    return inflated


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(f"The request body is larger than {limit_bytes} bytes. Send fewer pictures at once.", status=413)


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")


# Models on disk


def load_model(base_path: str | os.PathLike[str]) -> ServedModel:
    """Returns the model in a folder of versions, with its latest version loaded and warmed up.

    Args:
        base_path: a folder of SavedModels in subfolders 1, 2, ...; its name is the model's.

    Raises:
        ServingError: if there is no version, or the latest one cannot be loaded, or has an input of unknown rank.
    """
    base = Path(base_path).absolute()
    number, folder = _latest_version(base)
    try:
        version = _load_version(number, folder)
    except ServingError:
        raise
    except Exception as error:  # whatever TensorFlow raises for a folder that is damaged
        text = f"Version {number} in '{base}' cannot be loaded: {_first_line(error)}"
        raise ServingError(text, hint="Remove that folder and export again: fixhead export RUN DIR") from error
    _warm_up(version)
    return ServedModel(base.name, {number: version})


def _latest_version(base: Path) -> tuple[int, Path]:
    hint = f"Export one first: fixhead export RUN {base}"
    if not base.is_dir():
        raise ServingError(f"There is no folder '{base}' to serve a model from.", hint=hint)
    if _is_saved_model(base):
        raise ServingError(f"'{base}' is one version of a model, not a folder of versions.", hint="Serve its parent.")
    try:
        children = [child for child in base.iterdir() if re.fullmatch("[0-9]{1,18}", child.name)]
        versions = [(int(child.name), child) for child in children if _is_saved_model(child)]
    except OSError as error:
        raise ServingError(f"'{base}' cannot be read: {error.strerror}.") from None
    if not versions:
        text = f"There is no version to serve in '{base}': no folder such as 1 with a saved_model.pb."
        raise ServingError(text, hint=hint)
    return max(versions)


def _is_saved_model(folder: Path) -> bool:
    return (folder / "saved_model.pb").is_file()


def _load_version(number: int, folder: Path) -> LoadedVersion:
    import tensorflow as tf

    signatures = _read_signatures(folder)
    model = tf.saved_model.load(str(folder))

    def call(signature_name: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        try:  # through `model`, which has to stay alive as long as its functions are called
            outputs = model.signatures[signature_name](**tensors)
            return {name: _to_numpy(tensor) for name, tensor in sorted(outputs.items())}
        except tf.errors.OpError as error:
            status = protocol.HTTP_STATUS.get(error.error_code, 500)
            raise Refusal(_graph_error_text(error.message), status=status) from None

    return LoadedVersion(number, signatures, call)


def _read_signatures(folder: Path) -> dict[str, Signature]:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    serving = next((graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags), None)
    definitions = {} if serving is None else dict(serving.signature_def)
    definitions.pop("__saved_model_init_op", None)
    if not definitions:
        raise ServingError(f"The SavedModel '{folder}' has no signature to serve.", hint="Export it again.")
    return {name: _signature(name, definition, folder) for name, definition in sorted(definitions.items())}


def _signature(name: str, definition: Any, folder: Path) -> Signature:
    inputs = {key: _spec(info) for key, info in sorted(definition.inputs.items())}
    outputs = {key: _spec(info) for key, info in sorted(definition.outputs.items())}
    for key, spec in inputs.items():
        if spec.shape is None:
            text = f"Input '{key}' of signature '{name}' in '{folder}' has no known rank: requests cannot be checked."
            raise ServingError(text, hint="Export the model with an input_signature that gives the rank.")
    return Signature(inputs, outputs, definition.method_name)


def _spec(info: Any) -> TensorSpec:
    from tensorflow.core.framework import types_pb2

    dims = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorSpec(types_pb2.DataType.Name(info.dtype), None if info.tensor_shape.unknown_rank else dims, info.name)


def _to_numpy(tensor: Any) -> Array:
    value = tensor.numpy()
    if not isinstance(value, bytes):
        return np.asarray(value)
    scalar = np.empty((), object)  # np.asarray would cut zero bytes off a scalar string
    scalar[()] = value
    return scalar


def _graph_error_text(message: str) -> str:
    """Returns the reason from a TensorFlow error, without the nodes and traces around it."""
    reason = message.rpartition("<stack traces unavailable>")[2].partition("\n\t [[")[0]
    return " ".join(reason.partition(" [Op:")[0].split())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _warm_up(version: LoadedVersion) -> None:
    """Runs each signature once, for the first run of a graph is far slower than the next."""
    for name, signature in version.signatures.items():
        inputs = {key: _sample(spec) for key, spec in signature.inputs.items()}
        known = {key: array for key, array in inputs.items() if array is not None}
        if len(known) < len(inputs):
            continue
        try:
            version.call(name, known)
        except Refusal as refusal:  # made-up inputs need not suit the model
            logger.info("Signature '%s' was not warmed up: %s", name, refusal)


def _sample(spec: TensorSpec) -> Array | None:
    """Returns a batch of one that a signature's input may take, or None where that is anyone's guess."""
    first, rest = (spec.shape or ())[:1], (spec.shape or ())[1:]
    shape = [size or 1 for size in first] + [size or 0 for size in rest]
    if 0 in shape:
        return None
    if spec.dtype == "DT_STRING":
        return np.full(shape, _PIXEL_PNG, object)
    dtype = protocol.NUMPY_TYPES.get(spec.dtype)
    return None if dtype is None else np.zeros(shape, dtype)


# The process


def serve(
    base_path: str | os.PathLike[str],
    *,
    host: str = HOST,
    port: int = PORT,
    before_load: Callable[[], None] | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serves the latest version of a model until SIGINT or SIGTERM, then lets requests in flight finish and returns.

    The port is checked before the model is loaded and opened after: once it is open, the model answers.

    Args:
        base_path: a folder of SavedModels in subfolders 1, 2, ...; its name is the model's.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        before_load: called once folder and port have been checked; may import TensorFlow in its own way.
        on_ready: called once, in a thread of its own, with the model's URL when the server answers there.

    Raises:
        ArgumentError: if `port` is not a port.
        ServingError: if there is no model in `base_path` that can be loaded, or the address cannot be used.
    """
    _latest_version(Path(base_path).absolute())  # said at once, before anything slow
    with _bound_socket(host, port) as listener:
        if before_load:
            before_load()
        model = load_model(base_path)
        app = create_app([model])
        gc.collect()
        gc.freeze()  # what a loaded model consists of need not be looked at by every later collection
        _listen(listener, host, port)
        url = f"http://{_url_host(host)}:{listener.getsockname()[1]}/v1/models/{quote(model.name, safe='')}"
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        with _quiet_signals():
            _Server(config, partial(on_ready, url) if on_ready else None).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A uvicorn server that says when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_ready:
            await to_thread.run_sync(self._on_ready)  # in a thread, so that it may send requests here


@contextlib.contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    if not 0 <= port <= 65535:
        raise ArgumentError(f"port={port} is not a port. Expected 0 (any free one) to 65535.")
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise ServingError(f"'{host}' is no address to serve on: {error}.", hint=f"Try --host {HOST}.") from None
    with socket.socket(family, kind, number) as listener:
        # Without it a port stays taken for a minute after its last server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _address_errors(host, port):
            listener.bind(address)
        yield listener


def _listen(listener: socket.socket, host: str, port: int) -> None:
    with _address_errors(host, port):  # another process may have taken the port during the load
        listener.listen()


@contextlib.contextmanager
def _address_errors(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"Port {port} of {host} cannot be used: {error.strerror}."
        raise ServingError(text, hint="--port 0 picks a free one.") from None


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """Lets the server return after a signal: uvicorn stops gracefully, then raises the signal once more."""
    try:
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
