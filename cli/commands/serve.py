"""`fixhead serve`."""
import os
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import json_option, print_result, quiet_option, show_progress
from fixhead_serving.config import ServerConfig
from fixhead_serving.server.limits import Limits
from fixhead_serving.server.sources import parse_sources
from keras_fixhead.errors import ArgumentError

_FILE = click.Path(dir_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)
_LIMITS = Limits()


@click.command("serve")
@click.argument("directories", metavar="[NAME=]DIR...", nargs=-1)
@click.option("--config", "config_file", type=_FILE, metavar="FILE",
              help="Models in TensorFlow Serving's models.config form, in the place of DIR.")
@click.option("--versions", metavar="[MODEL=]POLICY", multiple=True,
              help="Versions to serve: latest:N, all, or numbers as 1,4.  [default: latest:1]")
@click.option("--label", "labels", metavar="[MODEL:]LABEL=N", multiple=True, help="A name for a served version.")
@click.option("--host", metavar="ADDRESS", default=ServerConfig.host, show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=ServerConfig.port, show_default=True,
              help="Port to listen on; 0 for a free one, which is printed.")
@click.option("--token-file", type=_FILE, metavar="FILE",
              help="Ask requests for the token in FILE (or in $FIXHEAD_TOKEN).")
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="PEM certificate: speak HTTPS.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="PEM key of the certificate.")
@click.option("--workers", type=_POSITIVE, default=ServerConfig.workers, show_default=True,
              help="Threads that decode requests and run models.")
@click.option("--batching/--no-batching", default=None,
              help="Run waiting requests as one call.  [default: for models that fixhead exported]")
@click.option("--max-batch-merge", type=_POSITIVE, default=ServerConfig.max_batch_merge, show_default=True,
              help="Largest batch that requests are merged into.")
@click.option("--poll-seconds", type=_SECONDS, default=ServerConfig.poll_seconds, show_default=True,
              help="Time between two looks for new versions; 0: never.")
@click.option("--drain-seconds", type=_SECONDS, default=ServerConfig.drain_seconds, show_default=True,
              help="Time that the port stays open after SIGTERM, not ready.")
@click.option("--onednn/--no-onednn", default=ServerConfig.onednn, show_default=True,
              help="Without oneDNN, inputs of unknown rank can be served.")
@click.option("--max-body-bytes", "body_bytes", type=_POSITIVE, default=_LIMITS.body_bytes, show_default=True,
              help="Largest request body, also inflated (413).")
@click.option("--max-json-depth", "json_depth", type=_POSITIVE, default=_LIMITS.json_depth, show_default=True,
              help="Deepest nesting of a request (400).")
@click.option("--max-batch", "batch", type=_POSITIVE, default=_LIMITS.batch, show_default=True,
              help="Largest batch of one request (400).")
@click.option("--max-picture-bytes", "picture_bytes", type=_POSITIVE, default=_LIMITS.picture_bytes,
              show_default=True, help="Largest encoded picture (413).")
@click.option("--max-picture-pixels", "picture_pixels", type=_POSITIVE, default=_LIMITS.picture_pixels,
              show_default=True, help="Largest decoded picture (413).")
@click.option("--max-request-pixels", "request_pixels", type=_POSITIVE, default=_LIMITS.request_pixels,
              show_default=True, help="Decoded pictures of one request together (413).")
@click.option("--max-concurrent", "concurrent", type=_POSITIVE, default=_LIMITS.concurrent, show_default=True,
              help="Requests in flight (429).")
@click.option("--timeout-seconds", type=click.FloatRange(min=0, min_open=True), default=_LIMITS.timeout_seconds,
              show_default=True, help="Longest wait for a body (408) and for an answer (504).")
@quiet_option
@json_option
def command(directories: tuple[str, ...], config_file: Path | None, versions: tuple[str, ...],
            labels: tuple[str, ...], host: str, port: int, token_file: Path | None, tls_cert: Path | None,
            tls_key: Path | None, workers: int, batching: bool | None, max_batch_merge: int, poll_seconds: float,
            drain_seconds: float, onednn: bool, quiet: bool, as_json: bool, **limits: Any) -> None:
    """Serve exported models over REST.

    Speaks the REST interface of TensorFlow Serving: status, metadata, predict. Loads new versions while it runs.

    \b
    Example:
        fixhead serve served/cifar10 --port 8501
        fixhead predict http://127.0.0.1:8501/v1/models/cifar10 picture.png
        fixhead serve served/cifar10 pets=served/oxford --versions pets=all --label pets:stable=3
    """
    from fixhead_serving.server.model_config import read_model_config

    if bool(directories) == bool(config_file):
        raise ArgumentError("Say what to serve: folders of versions, or --config FILE, and not both.",
                            hint="fixhead serve DIR")
    if config_file and (versions or labels):
        raise ArgumentError("With --config, versions and labels are said in that file.")
    sources = read_model_config(config_file) if config_file else parse_sources(directories, versions, labels)
    config = ServerConfig(host, port, workers, batching, max_batch_merge, poll_seconds, drain_seconds, onednn,
                          _read_token(token_file), tls_cert, tls_key, Limits(**limits))

    from fixhead_cli.framework import load_tensorflow
    from fixhead_serving.process import serve

    def on_ready(urls: list[str]) -> None:
        result = {"url": urls[0], "urls": urls} if len(urls) > 1 else {"url": urls[0]}
        print_result(result, as_json=as_json, text=[f"Serving {url}" for url in urls])

    show_progress(quiet)
    serve(sources, config, before_load=load_tensorflow, on_ready=on_ready)


def _read_token(file: Path | None) -> str | None:
    return os.environ.get("FIXHEAD_TOKEN") if file is None else file.read_text("utf-8").strip()
