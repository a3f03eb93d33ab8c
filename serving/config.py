"""How a server's process runs: address, threads, TLS, limits. Nothing here loads a framework."""
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType

from fixhead_serving.server.limits import MAX_BATCH_MERGE, WORKERS, Limits, check_positive
from keras_fixhead.errors import ArgumentError

ACCESS_LOGS = ("none", "errors", "all")

_NUMBER = ((int, float), "a number of seconds")
_PATH = ((str, Path, NoneType), "a path or None")
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "host": ((str,), "an address, such as '127.0.0.1'"), "port": ((int,), "a whole number"),
    "batching": ((bool, NoneType), "True, False or None"), "onednn": ((bool,), "True or False"),
    "poll_seconds": _NUMBER, "drain_seconds": _NUMBER, "token": ((str, NoneType), "a text or None"),
    "tls_cert": _PATH, "tls_key": _PATH, "limits": ((Limits,), "Limits(...)"),
}


@dataclass(frozen=True)
class ServerConfig:
    """How a server runs.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        workers: number of threads that decode requests and run models, in addition to TensorFlow's own threads.
        batching: whether concurrent requests may be run as one call; None: for models exported by this project.
        max_batch_merge: the largest batch that requests are merged into.
        poll_seconds: time between two checks of the models' folders for new versions; 0: never.
        drain_seconds: how long the port stays open after SIGTERM, with `/readyz` failing.
        onednn: False runs TensorFlow without oneDNN, and allows signatures of unknown rank.
        token: the token that requests must send as `Authorization: Bearer TOKEN`; None: no token.
        tls_cert: PEM file of the certificate (chain); with `tls_key` the server speaks HTTPS.
        tls_key: PEM file of the certificate's private key.
        limits: the limits of requests.
        access_log: which requests are logged: 'none', 'errors' or 'all'.

    Raises:
        ArgumentError: if a value is out of range, or only one of `tls_cert` and `tls_key` is given.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    workers: int = WORKERS
    batching: bool | None = None
    max_batch_merge: int = MAX_BATCH_MERGE
    poll_seconds: float = 1.0
    drain_seconds: float = 1.0
    onednn: bool = True
    token: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    access_log: str = "none"

    def __post_init__(self) -> None:
        self._check_types()
        if not 0 <= self.port <= 65535:
            raise ArgumentError(f"port={self.port} is not a valid port. Expected 0 (any free port) to 65535.")
        if self.access_log not in ACCESS_LOGS:
            raise ArgumentError(f"access_log={self.access_log!r} is not valid. Expected one of "
                                f"{', '.join(ACCESS_LOGS)}.")
        check_positive("workers", self.workers)
        check_positive("max_batch_merge", self.max_batch_merge)
        for name in ("poll_seconds", "drain_seconds"):
            if not 0 <= getattr(self, name) < 1e9:
                raise ArgumentError(f"{name}={getattr(self, name)} is not valid. Expected seconds, at least 0.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ArgumentError("TLS needs both the certificate and its key.", hint="--tls-cert C --tls-key K")
        if self.token is not None and not (self.token and self.token.isprintable() and self.token.isascii()):
            raise ArgumentError("The token is empty, or has characters that an HTTP header cannot contain.",
                                hint="Generate one: python -c 'import secrets; print(secrets.token_urlsafe())'")

    def _check_types(self) -> None:
        """Raises an ArgumentError for a value of the wrong type, which would only fail once the server starts."""
        for name, (kinds, expected) in _TYPES.items():
            value = getattr(self, name)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise ArgumentError(f"{name}={value!r} is not valid. Expected {expected}.")
