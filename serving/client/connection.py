"""The connection to one server: requests that end in time, are retried where that helps, and fail with one line."""

import asyncio
import functools
import logging
import math
import os
import re
import ssl
import threading
import time
import warnings
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx

from fixhead_serving.client.answers import parse_json
from fixhead_serving.client.retries import Retries, retry_after_seconds
from keras_fixhead.errors import ArgumentError, FixheadWarning, RequestError, ServingError

TIMEOUT_SECONDS = 60.0
"""Time limit of one request."""
ANSWER_LIMIT_BYTES = 256 * 2**20
START_HINT = "Start one: fixhead serve DIR"
ADDRESS_HINT = "Is this the address of a model server? `fixhead serve` prints its address when it starts."

_URL = re.compile(r"https?://[^/?#]+/v1/models/[^/:?#]+(/versions/[0-9]+|/labels/[^/:?#]+)?/?", re.IGNORECASE)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_BUSY = (429, 503)
_SHOWN_SIGNS = 500  # characters of a server's text
_SLACK_SECONDS = 2.0  # for a late event loop, before a request is cancelled from outside
_HINTS = {
    401: "Pass the server's token: --token, or $FIXHEAD_TOKEN.",
    403: "The server accepts your token, but does not allow this. Ask whoever runs it.",
    404: "Model names are case-sensitive; `fixhead serve` prints the address of each model when it starts.",
    413: "Send a smaller picture, or raise the server's limit: see fixhead serve --help",
    504: "The model took longer than the server allows. Send fewer pictures at once, or raise --timeout-seconds there.",
}

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class Connection:
    """Sends requests to one model's address.

    Args:
        url: the model's address.
        timeout: the longest time that one request may take, including waits and retries, in seconds.
        token: sent as `Authorization: Bearer TOKEN`.
        ca_cert: PEM file of the authorities that the server's certificate must be signed by; None for the usual ones.
        retries: how often, and after which waits, a request is sent again.
        transport: carries requests instead of the network.

    Raises:
        ArgumentError: if one of these is invalid.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        token: str | None,
        ca_cert: str | os.PathLike[str] | None,
        retries: Retries,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        if not 0 < timeout < math.inf:
            raise ArgumentError(f"timeout={timeout} is not valid. Expected seconds above 0.")
        self.url = checked_url(url)
        self.timeout = timeout
        self._retries = retries
        self._loop = _loop()
        host = httpx.URL(self.url)
        if token is not None and host.scheme == "http" and host.host not in _LOOPBACK:
            text = f"The token is sent to {host.host} unencrypted: anyone on the network can read it. Use https://."
            warnings.warn(text, FixheadWarning, stacklevel=3)
        self._http = httpx.AsyncClient(
            timeout=None,  # a limit per read would not end a slow answer; `_exchange` limits the request as a whole
            headers={} if token is None else {"Authorization": f"Bearer {_checked_token(token)}"},
            # loading the usual authorities takes time; plain http does not need them and is never redirected
            verify=host.scheme == "https" if ca_cert is None else _certificates(ca_cert),
            trust_env=host.host not in _LOOPBACK,  # a proxy cannot reach this machine's own ports
            transport=transport,
        )

    def close(self) -> None:
        """Closes the connections to the server."""
        if not self._http.is_closed:
            self._run(self._http.aclose(), 1.0)

    def ask(
        self,
        method: str,
        suffix: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        url: str | None = None,
        seconds: float = math.inf,
    ) -> bytes:
        """Returns the answer's body.

        Args:
            method: the HTTP method.
            suffix: what follows the model's address.
            body: the request body.
            headers: additional headers.
            url: an address to use instead of the model's own.
            seconds: the longest time that it may take, if shorter than the timeout.

        Raises:
            RequestError: if the server refuses.
            ServingError: if the server cannot be reached or does not answer in time.
        """
        if self._http.is_closed:
            raise ArgumentError("This client is closed.", hint="Create a new one, or use it inside its with block.")
        deadline = time.monotonic() + min(self.timeout, seconds)
        for wait in (*self._retries.waits(), None):
            try:
                return self._attempt(method, (url or self.url) + suffix, body, dict(headers or {}), deadline)
            except _TryAgain as again:
                pause = max(wait or 0.0, again.after_seconds)
                if wait is None or time.monotonic() + pause >= deadline:
                    raise again.error from None
                _log.info("%s Trying again in %.1f s.", again.error.what, pause)
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _attempt(self, method: str, url: str, body: bytes | None, headers: dict[str, str], deadline: float) -> bytes:
        seconds = max(0.001, deadline - time.monotonic())
        try:
            response, content = self._run(self._exchange(method, url, body, headers, seconds), seconds)
        except TimeoutError:
            text = f"No answer from {self.url} within {self.timeout:g} seconds."
            hint = "Raise the timeout (--timeout), or send fewer pictures at once (--batch-size)."
            raise ServingError(text, hint=hint) from None
        except _AnswerTooLarge:
            text = f"The answer from {self.url} is larger than {ANSWER_LIMIT_BYTES // 2**20} MiB."
            raise ServingError(text, hint="Send fewer pictures at once (--batch-size).") from None
        except httpx.DecodingError:
            text = f"The answer from {self.url} is not a model server's: it cannot be decompressed."
            raise ServingError(text, hint=ADDRESS_HINT) from None
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # UnicodeError: a host that is not a name
            raise self._broken(error) from None
        if response.is_success:
            return content
        raise self._refused(response, content)

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> tuple[httpx.Response, bytes]:
        headers = {"Content-Type": "application/json", **headers}
        content = bytearray()
        async with asyncio.timeout(seconds), self._http.stream(method, url, content=body, headers=headers) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > ANSWER_LIMIT_BYTES:
                    raise _AnswerTooLarge
        return response, bytes(content)

    def _run(self, work: Coroutine[Any, Any, _Result], seconds: float) -> _Result:
        """Runs a coroutine on the clients' event loop, from any thread, for a limited time."""
        future: Future[_Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds + _SLACK_SECONDS)
        except BaseException:  # also on an interrupt, so that nothing keeps running in the background
            future.cancel()
            raise

    def _broken(self, error: Exception) -> Exception:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if any(isinstance(each, ssl.SSLError) for each in _chain(error)):
            return ServingError(f"No secure connection to {self.url}: {reason}.", hint=_tls_hint(reason))
        if isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)):
            hint = "Does the server expect https://? Otherwise its log may say why."
            # predicting has no side effects, so a request may be sent twice
            return _TryAgain(ServingError(f"{self.url} dropped the connection: {reason}.", hint=hint), 0.0)
        return ServingError(f"No model server answers at {self.url}: {reason}.", hint=START_HINT)

    def _refused(self, response: httpx.Response, content: bytes) -> Exception:
        status = response.status_code
        text = f"{self.url} answered {status}: {_error_text(response, content)}"
        if response.has_redirect_location:
            hint = f"It redirects to {response.headers['location']}. Use that if it is the model's address."
            return refusal(text, hint, status)
        if status not in _BUSY:
            return refusal(text, _HINTS.get(status), status)
        seconds = retry_after_seconds(response.headers.get("retry-after"))
        asked = f" It asks to retry in {seconds:.0f} s." if seconds else ""
        hint = f"The server is busy or still loading.{asked} Try again later, or with a longer timeout."
        return _TryAgain(refusal(text, hint, status), seconds)


class _TryAgain(Exception):
    """A failure that may be temporary: the error to raise if it is not, and how long the server asks to wait."""

    def __init__(self, error: ServingError, after_seconds: float) -> None:
        super().__init__(error.what)
        self.error = error
        self.after_seconds = after_seconds


class _AnswerTooLarge(Exception):
    pass


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all clients, in a thread of its own.

    Only in an event loop can a request be cancelled at any point, such as during a name lookup or a slow response.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="fixhead-client", daemon=True).start()
    return loop


os.register_at_fork(after_in_child=_loop.cache_clear)  # a child process does not inherit threads


def refusal(text: str, hint: str | None, status: int) -> RequestError:
    """Returns a refusal with the server's own text, which ends with a full stop if a hint follows."""
    return RequestError(f"{text}." if hint and text[-1] not in ".!?" else text, hint, status=status)


def checked_url(url: str) -> str:
    """Returns the address of a served model without a trailing slash.

    Raises:
        ArgumentError: if it is not such an address.
    """
    try:
        parsed = httpx.URL(url)
        valid = _URL.fullmatch(url) is not None and bool(parsed.host) and (parsed.port or 1) <= 65535
    except (httpx.InvalidURL, TypeError):
        valid = False
    if not valid:
        raise ArgumentError(f"'{url}' is not a served model's URL. Expected http://HOST:PORT/v1/models/NAME.")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    if not re.fullmatch(r"[!-~]+", token):
        raise ArgumentError("The token is empty, or has characters that an HTTP header cannot contain.",
                            hint="Expected letters, digits and punctuation, without spaces.")  # fmt: skip
    return token


def _certificates(path: str | os.PathLike[str]) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=Path(path))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "not PEM"
        raise ArgumentError(f"ca_cert={os.fspath(path)!r} cannot be read: {reason}.",
                            hint="Expected a file of certificates in PEM format.") from None  # fmt: skip


def _tls_hint(reason: str) -> str:
    if "CERTIFICATE_VERIFY" in reason:
        return "If the certificate is signed by your own authority, pass the authority's: --ca-cert FILE."
    return "Does the server speak plain http://?"


def _error_text(response: httpx.Response, content: bytes) -> str:
    try:
        answer = parse_json(content)
    except (ValueError, RecursionError):
        answer = None
    text = (answer.get("error") if isinstance(answer, Mapping) else None) or ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)[:_SHOWN_SIGNS]).split())
    return line or response.reason_phrase


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
