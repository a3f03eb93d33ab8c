"""Options of `fixhead serve`, from which a `ServerConfig` and its `Limits` are made."""
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.output import Function
from fixhead_serving.config import ACCESS_LOGS, ServerConfig
from fixhead_serving.server.limits import Limits

_POSITIVE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)
_LIMITS = Limits()

OPTIONS = (
    click.option("--host", metavar="ADDRESS", default=ServerConfig.host, show_default=True,
                 help="Address to listen on."),
    click.option("--port", type=click.IntRange(0, 65535), default=ServerConfig.port, show_default=True,
                 help="Port to listen on; 0 for a free one, which is printed."),
    click.option("--token-file", type=paths.TOKEN_FILE, metavar="FILE",
                 help="Require the token in FILE (or in $FIXHEAD_TOKEN) in requests."),
    click.option("--tls-cert", type=paths.TLS_CERT, metavar="FILE", help="PEM certificate; enables HTTPS."),
    click.option("--tls-key", type=paths.TLS_KEY, metavar="FILE", help="PEM private key of the certificate."),
    click.option("--access-log", type=click.Choice(ACCESS_LOGS), default=ServerConfig.access_log, show_default=True,
                 help="Requests to log on standard error, one line each."),
    click.option("--workers", type=_POSITIVE, default=ServerConfig.workers, show_default=True,
                 help="Threads that decode requests and run models."),
    click.option("--batching/--no-batching", default=None,
                 help="Merge waiting requests into one call.  [default: for models that fixhead exported]"),
    click.option("--max-batch-merge", type=_POSITIVE, default=ServerConfig.max_batch_merge, show_default=True,
                 help="Largest merged batch."),
    click.option("--poll-seconds", type=_SECONDS, default=ServerConfig.poll_seconds, show_default=True,
                 help="Time between checks for new versions; 0 to never check."),
    click.option("--drain-seconds", type=_SECONDS, default=ServerConfig.drain_seconds, show_default=True,
                 help="Time the port stays open after SIGTERM, while the server reports that it is not ready."),
    click.option("--onednn/--no-onednn", default=ServerConfig.onednn, show_default=True,
                 help="Use oneDNN; inputs of unknown rank can only be served without it."),
    click.option("--max-body-bytes", "body_bytes", type=_POSITIVE, default=_LIMITS.body_bytes, show_default=True,
                 help="Largest request body, compressed or not (413)."),
    click.option("--max-json-depth", "json_depth", type=_POSITIVE, default=_LIMITS.json_depth, show_default=True,
                 help="Deepest nesting of a request (400)."),
    click.option("--max-batch", "batch", type=_POSITIVE, default=_LIMITS.batch, show_default=True,
                 help="Largest batch of one request (400)."),
    click.option("--max-picture-bytes", "picture_bytes", type=_POSITIVE, default=_LIMITS.picture_bytes,
                 show_default=True, help="Largest encoded picture (413)."),
    click.option("--max-picture-pixels", "picture_pixels", type=_POSITIVE, default=_LIMITS.picture_pixels,
                 show_default=True, help="Largest decoded picture (413)."),
    click.option("--max-request-pixels", "request_pixels", type=_POSITIVE, default=_LIMITS.request_pixels,
                 show_default=True, help="Largest total of the decoded pictures of one request (413)."),
    click.option("--max-concurrent", "concurrent", type=_POSITIVE, default=_LIMITS.concurrent, show_default=True,
                 help="Most requests in flight (429)."),
    click.option("--timeout-seconds", type=click.FloatRange(min=0, min_open=True), default=_LIMITS.timeout_seconds,
                 show_default=True, help="Longest wait for a body (408) and for an answer (504)."),
)


def process_options(command: Function) -> Function:
    """Adds the options of a server's process and its limits to a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def server_config(token_file: Path | None, options: Mapping[str, Any]) -> ServerConfig:
    """Returns the configuration of a server from these options; the token is that of the file, or $FIXHEAD_TOKEN."""
    token = token_file.read_text("utf-8").strip() if token_file else os.environ.get("FIXHEAD_TOKEN")
    limits = {name: value for name, value in options.items() if hasattr(Limits, name)}
    others = {name: value for name, value in options.items() if name not in limits}
    return ServerConfig(token=token, limits=Limits(**limits), **others)
