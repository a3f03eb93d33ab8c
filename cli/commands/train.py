"""`fixhead train`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.config_options import config_options
from fixhead_cli.output import json_option, print_result, quiet_option
from fixhead_cli.run_report import plan_content, print_trained
from fixhead_cli.training import train_resolved
from keras_fixhead.config import read_config_file, refuse_without_effect, resolve
from keras_fixhead.errors import ArgumentError
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run, resumed


@click.command("train")
@config_options()
@click.option("--config", "config_file", metavar="FILE", type=paths.CONFIG_FILE,
              help="JSON file with values for options that are not given.")
@click.option("--resume", "run", metavar="RUN", type=paths.RUN,
              help="Continue an unfinished run; with --epochs, extend a finished one.")
@click.option("--dry-run", is_flag=True, help="Print the resolved configuration as JSON, for use with --config.")
@quiet_option
@json_option
def command(config_file: Path | None, run: Run | None, dry_run: bool, quiet: bool, as_json: bool,
            **fields: Any) -> None:
    """Train a model; write a run directory.

    Options override --config, which overrides the recipe, which overrides the defaults given here.

    \b
    Example:
        fixhead train --dataset cifar10 --head cos --fixed --recipe cpu
        fixhead train --resume runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
    """
    explicit = {name: value for name, value in fields.items() if value is not None}
    if run is None:
        config = build_config(explicit, read_config_file(config_file) if config_file else None)
    elif config_file:
        raise ArgumentError("A run is resumed with its own configuration; --config cannot change it.",
                            hint="Leave out --config, or start a new run.")
    else:
        config = resumed(run, explicit)
        if run.is_complete() and config.epochs == run.config().epochs:
            click.echo(f"{run.path} is complete: there is nothing to resume. Extend it: --epochs N.", err=True)
            print_trained(run, as_json=as_json)
            return
    resolved = resolve(config)  # any mistake is reported before Keras is loaded
    refuse_without_effect(explicit, [resolved])
    if dry_run:
        print_result(plan_content(resolved), as_json=True)
    elif trained := train_resolved(resolved, run, quiet):
        print_trained(trained, as_json=as_json)
