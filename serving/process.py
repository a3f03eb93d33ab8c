"""The server's process: a socket, the models, uvicorn, signals."""
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import ssl
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import FrameType
from urllib.parse import quote

import uvicorn
from anyio import to_thread
from starlette.applications import Starlette

from fixhead_serving.config import ServerConfig
from fixhead_serving.rest import create_app
from fixhead_serving.server.core import ModelServer
from fixhead_serving.server.folders import check_source
from fixhead_serving.server.memory import settle_memory, share_arena
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.models import WatchedModel
from fixhead_serving.server.savedmodel import Loader
from fixhead_serving.server.sources import ModelSource, parse_sources
from fixhead_serving.server.watching import Watcher
from keras_fixhead.errors import ArgumentError, FixheadWarning, ServingError

GRACE_SECONDS = 30  # for requests in flight when the server is told to stop
KEEP_ALIVE_SECONDS = 75  # longer than a client pauses between two batches

Models = str | os.PathLike[str] | Sequence[ModelSource]


def serve(
    models: Models,
    config: ServerConfig | None = None,
    *,
    before_load: Callable[[], None] | None = None,
    on_ready: Callable[[list[str]], None] | None = None,
) -> None:
    """Serves models until SIGINT or SIGTERM, then lets requests in flight finish and returns.

    The port is checked before the models are loaded and opened afterwards: once it is open, the models answer.

    Args:
        models: a folder of SavedModels in subfolders 1, 2, ..., of which the latest is served under the folder's
            name; or several models.
        config: address, limits and so on.
        before_load: called once folders and port have been checked; may import TensorFlow with its own settings.
        on_ready: called once, in a separate thread, with the models' URLs when the server answers there.

    Raises:
        ArgumentError: if TensorFlow was already imported with oneDNN but should run without it.
        ServingError: if no version of a model can be loaded, or the address or the TLS files cannot be used.
    """
    config = config or ServerConfig()
    sources = parse_sources([os.fspath(models)]) if isinstance(models, (str, os.PathLike)) else list(models)
    for source in sources:
        check_source(source)  # reported before any slow work
    _check_tls(config)
    with _bound_socket(config.host, config.port) as listener:
        _warn_of_openness(config)
        share_arena()
        _switch_onednn(config.onednn)
        if before_load:
            before_load()
        metrics = Metrics()
        loader = Loader(config.onednn, config.batching, metrics)
        watched = [WatchedModel(source, loader) for source in sources]
        server = ModelServer(
            [each.start() for each in watched],
            limits=config.limits,
            workers=config.workers,
            max_batch_merge=config.max_batch_merge,
            metrics=metrics,
        )
        app = create_app(server, token=config.token, access_log=config.access_log)
        settle_memory()
        _listen(listener, config)
        urls = [_url(config, listener.getsockname()[1], source.name) for source in sources]
        with _quiet_signals(), Watcher(watched, config.poll_seconds, settle_memory):
            ready = partial(on_ready, urls) if on_ready else None
            _Server(_uvicorn_config(app, config), app, config.drain_seconds, ready).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it answers, and that reports "not ready" for a while before it closes."""

    def __init__(
        self, config: uvicorn.Config, app: Starlette, drain_seconds: float, on_ready: Callable[[], None] | None
    ) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._drained_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_ready:
            await to_thread.run_sync(self._on_ready)  # in a thread, so that it may send requests here

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.stopping = True
        # Ctrl-C, and a second signal, do not wait until load balancers use other servers.
        if sig == signal.SIGTERM and self._drained_at is None and self._drain_seconds:
            self._drained_at = time.monotonic() + self._drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        drained = self._drained_at is not None and time.monotonic() >= self._drained_at
        return await super().on_tick(counter) or drained


def _uvicorn_config(app: Starlette, config: ServerConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=config.tls_cert,
        ssl_keyfile=config.tls_key,
    )


def _switch_onednn(onednn: bool) -> None:
    if onednn:
        return
    if "tensorflow" in sys.modules and os.environ.get("TF_ENABLE_ONEDNN_OPTS") != "0":
        raise ArgumentError("oneDNN cannot be turned off: TensorFlow has already been imported.",
                            hint="Set TF_ENABLE_ONEDNN_OPTS=0 before the import, or use `fixhead serve --no-onednn`.")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # read when TensorFlow is imported


# Beyond loopback


def _check_tls(config: ServerConfig) -> None:
    if config.tls_cert is None or config.tls_key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        text = f"'{config.tls_cert}' and '{config.tls_key}' cannot be used for TLS: {error.strerror or error}."
        raise ServingError(text, hint="Expected PEM files: a certificate, and its key without a password.") from None


def _warn_of_openness(config: ServerConfig) -> None:
    missing = [
        *(["without a token (--token-file)"] if config.token is None else []),
        *(["without TLS (--tls-cert, --tls-key)"] if config.tls_cert is None else []),
    ]
    if missing and not _is_loopback(config.host):
        text = f"Listening on {config.host}, which other machines can reach, {' and '.join(missing)}"
        warnings.warn(f"{text}: only safe behind a proxy that provides them.", FixheadWarning, stacklevel=3)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# The socket


@contextlib.contextmanager
def _bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        hint = f"Try --host {ServerConfig.host}."
        raise ServingError(f"'{host}' is not an address to serve on: {error}.", hint=hint) from None
    with socket.socket(family, kind, number) as listener:
        # Otherwise a port stays in use for a minute after its last server.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _address_errors(host, port):
            listener.bind(address)
        yield listener


def _listen(listener: socket.socket, config: ServerConfig) -> None:
    with _address_errors(config.host, config.port):  # another process may have taken the port meanwhile
        listener.listen()


@contextlib.contextmanager
def _address_errors(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        text = f"Port {port} of {host} cannot be used: {error.strerror}."
        elsewhere = error.errno == errno.EADDRNOTAVAIL  # the address itself cannot be used
        hint = f"Try --host {ServerConfig.host}." if elsewhere else "--port 0 picks a free one."
        raise ServingError(text, hint=hint) from None


def _url(config: ServerConfig, port: int, name: str) -> str:
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'http' if config.tls_cert is None else 'https'}://{host}:{port}/v1/models/{quote(name, safe='')}"


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """Lets the server return after a signal: uvicorn stops gracefully, then raises the signal again."""
    try:
        before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, which alone handles signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
