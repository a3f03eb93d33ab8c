"""`fixhead check`: one module per check."""
import click

from fixhead_cli.commands.check.conformance import conformance
from fixhead_cli.commands.check.parity import parity


@click.group("check")
def command() -> None:
    """Check a server: its protocol, or its answers against a run.

    \b
    Example:
        fixhead check conformance http://127.0.0.1:8501
        fixhead check parity runs/20261123-120000-digits-resnet18-cos-fixed-s0 http://127.0.0.1:8501/v1/models/digits
    """


command.add_command(conformance)
command.add_command(parity)
