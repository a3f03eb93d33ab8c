"""`fixhead serve`."""
from pathlib import Path

import click

from fixhead_cli.output import json_option, print_result


@click.command("serve")
@click.argument("directory", metavar="DIR")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8501, show_default=True,
              help="Port to listen on; 0 for a free one, which is printed.")
@json_option
def command(directory: str, host: str, port: int, as_json: bool) -> None:
    """Serve an exported model over REST.

    Speaks the REST interface of TensorFlow Serving: status, metadata, predict.

    \b
    Example:
        fixhead serve served/cifar10 --port 8501
        fixhead predict http://127.0.0.1:8501/v1/models/cifar10 picture.png
    """
    from fixhead_cli.framework import load_tensorflow
    from fixhead_serving.server import serve

    def on_ready(url: str) -> None:
        print_result({"url": url}, as_json=as_json, text=[f"Serving {url}"])

    serve(Path(directory), host=host, port=port, before_load=load_tensorflow, on_ready=on_ready)
