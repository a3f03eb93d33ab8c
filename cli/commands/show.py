"""`fixhead show`."""
import click

from fixhead_cli import paths
from fixhead_cli.output import json_option
from fixhead_cli.run_report import print_run
from keras_fixhead.runs import Run


@click.command("show")
@click.argument("run", type=paths.RUN)
@json_option
def command(run: Run, as_json: bool) -> None:
    """Show what is known about a run.

    \b
    Example:
        fixhead show runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
    """
    print_run(run, as_json=as_json)
