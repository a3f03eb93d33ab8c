"""Options of the commands that ask a server."""
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fixhead_serving.client import TIMEOUT_SECONDS

Function = TypeVar("Function", bound=Callable[..., Any])


def is_url(target: str) -> bool:
    """Returns whether a target is a served model's address, and not a run.

    Example:
        >>> is_url("http://127.0.0.1:8501/v1/models/m"), is_url("runs/1")
        (True, False)
    """
    return target.lower().startswith(("http://", "https://"))


def server_options(command: Function) -> Function:
    """Adds `--token`, `--ca-cert` and `--timeout` to a command."""
    for option in (
        click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
                     default=TIMEOUT_SECONDS, show_default=True, help="URL: longest time for one request."),
        click.option("--ca-cert", metavar="FILE", help="URL: certificates to trust in the place of the usual ones."),
        click.option("--token", envvar="FIXHEAD_TOKEN", show_envvar=True, metavar="TOKEN",
                     help="URL: token that the server asks for; others of this machine can see options."),
    ):
        command = option(command)
    return command
