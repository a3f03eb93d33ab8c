"""`fixhead serve`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.output import json_option, print_result, quiet_option, show_progress
from fixhead_cli.serve_options import process_options, server_config
from fixhead_serving.server.sources import parse_sources
from keras_fixhead.errors import ArgumentError


@click.command("serve")
@click.argument("directories", type=paths.SERVED_FOLDER, metavar="[NAME=]DIR...", nargs=-1)
@click.option("--config", "config_file", type=paths.MODELS_CONFIG, metavar="FILE",
              help="Models in TensorFlow Serving's models.config form, instead of DIR.")
@click.option("--versions", metavar="[MODEL=]POLICY", multiple=True,
              help="Versions to serve: latest:N, all, or numbers such as 1,4.  [default: latest:1]")
@click.option("--label", "labels", metavar="[MODEL:]LABEL=N", multiple=True, help="Label for a served version.")
@process_options
@quiet_option
@json_option
def command(directories: tuple[str, ...], config_file: Path | None, versions: tuple[str, ...], labels: tuple[str, ...],
            token_file: Path | None, quiet: bool, as_json: bool, **options: Any) -> None:
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
        raise ArgumentError("Expected either folders of versions or --config FILE, but not both.",
                            hint="Serve a folder of versions: fixhead serve DIR")
    if config_file and (versions or labels):
        raise ArgumentError("With --config, versions and labels are set in that file.", hint="Leave them out here.")
    if options["batching"] is False:
        refuse_typed("max_batch_merge", why="with --no-batching")
    sources = read_model_config(config_file) if config_file else parse_sources(directories, versions, labels)
    config = server_config(token_file, options)
    from fixhead_cli.framework import load_tensorflow
    from fixhead_serving.process import serve

    def on_ready(urls: list[str]) -> None:
        result = {"url": urls[0], "urls": urls} if len(urls) > 1 else {"url": urls[0]}
        print_result(result, as_json=as_json, text=[f"Serving {url}" for url in urls])

    show_progress(quiet)
    serve(sources, config, before_load=load_tensorflow, on_ready=on_ready)
