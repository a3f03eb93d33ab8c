"""`fixhead train`."""
import contextlib
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.config_options import config_options
from fixhead_cli.output import json_option, print_result, quiet_option, show_progress
from fixhead_cli.run_report import plan_content, print_trained
from keras_fixhead.config import Resolved, read_config_file, resolve
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
    if dry_run:
        print_result(plan_content(resolved), as_json=True)
    elif trained := _train(resolved, run, quiet):
        print_trained(trained, as_json=as_json)


def _train(resolved: Resolved, resume: Run | None, quiet: bool) -> Run | None:
    """Returns the trained run; None in any of several processes except the first."""
    from fixhead_cli.framework import load_keras, load_reader, results_kept_clean
    from keras_fixhead.data import check_available

    config = resolved.config
    # before Keras is loaded, which takes seconds
    check_available(config.dataset, config.data_dir, image_size=config.image_size)
    load_keras()
    load_reader(config.dataset, config.data_dir)
    from fixhead_cli.progress import progress_bars
    from keras_fixhead.training import is_first, is_one_of_several, start, train

    with contextlib.ExitStack() as stack:
        if is_one_of_several():  # only the first process prints
            stack.enter_context(results_kept_clean())
            resolved = start(resolved)
            quiet = quiet or not is_first()
        show_progress(quiet)
        run = train(resolved, resume=resume, callbacks=progress_bars(config.epochs, quiet))
    return run if is_first() else None
