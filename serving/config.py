"""How a server's process runs: address, threads, TLS, limits. Nothing here loads a framework."""
from dataclasses import dataclass, field
from pathlib import Path

from fixhead_serving.server.limits import MAX_BATCH_MERGE, WORKERS, Limits, check_positive
from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class ServerConfig:
    """How a server runs.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        workers: threads that decode requests and run models; TensorFlow has threads of its own below them.
        batching: whether concurrent requests may be run as one call; None: for models with a model card of ours.
        max_batch_merge: the largest batch that requests are merged into.
        poll_seconds: how often the models' folders are looked at for new versions; 0: never.
        drain_seconds: how long the port stays open after SIGTERM, with `/readyz` failing.
        onednn: False runs TensorFlow without oneDNN, and takes signatures of unknown rank.
        token: what requests have to bring as `Authorization: Bearer TOKEN`; None: nothing.
        tls_cert: PEM file of the certificate (chain); with `tls_key` the server speaks HTTPS.
        tls_key: PEM file of the certificate's private key.
        limits: what requests may ask for.

    Raises:
        ArgumentError: if a value is out of its range, or one of `tls_cert` and `tls_key` is given alone.
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

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ArgumentError(f"port={self.port} is not a port. Expected 0 (any free one) to 65535.")
        check_positive("workers", self.workers)
        check_positive("max_batch_merge", self.max_batch_merge)
        for name in ("poll_seconds", "drain_seconds"):
            if not 0 <= getattr(self, name) < 1e9:
                raise ArgumentError(f"{name}={getattr(self, name)} is not a time. Expected seconds of at least 0.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ArgumentError("TLS needs both files, the certificate and its key.", hint="--tls-cert C --tls-key K")
        if self.token is not None and not (self.token and self.token.isprintable() and self.token.isascii()):
            raise ArgumentError("The token is empty, or has characters that a header cannot have.",
                                hint="python -c 'import secrets; print(secrets.token_urlsafe())' makes a good one.")
