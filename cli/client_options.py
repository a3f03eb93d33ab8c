"""Options of the commands that send requests to a server."""

import click

from fixhead_cli import paths
from fixhead_cli.output import Function
from fixhead_serving.client import TIMEOUT_SECONDS


def client_options(command: Function) -> Function:
    """Adds `--token`, `--ca-cert` and `--timeout` to a command."""
    for option in (
        click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
                     default=TIMEOUT_SECONDS, show_default=True, help="URL: time limit of one request."),
        click.option("--ca-cert", type=paths.CA_CERT, metavar="FILE",
                     help="URL: certificates to trust instead of the usual ones."),
        click.option("--token", envvar="FIXHEAD_TOKEN", show_envvar=True, metavar="TOKEN",
                     help="URL: token that the server requires; other users of this machine can see options."),
    ):
        command = option(command)
    return command
