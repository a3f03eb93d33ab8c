"""`fixhead sweep`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli.config_options import config_options
from fixhead_cli.output import json_option
from fixhead_cli.paths import CONFIG_FILE, OutputFolder
from fixhead_cli.sweeping import commands_after, make_plan, print_outcomes, print_plan, sweep
from keras_fixhead.errors import RunError


@click.command("sweep")
@config_options()
@click.option("--grid", "axes", multiple=True, metavar="FIELD=VALUE,...",
              help="Values of a field; may be given several times.")
@click.option("--seeds", metavar="N-N,N", help="Seeds for each point of the grid (default: that of --config, or 0).")
@click.option("--config", "config_file", metavar="FILE", type=CONFIG_FILE,
              help="JSON file with values for options that are not given.")
@click.option("--then", metavar="CMD,...", help="Commands to run on each complete run, like evaluate,robustness.")
@click.option("--export-results", type=OutputFolder("a folder for exported results"), metavar="DIR",
              help="Write each complete run's numbers to a small JSON file, and its matrices next to it.")
@click.option("--discard-models", is_flag=True, help="Remove models and checkpoints of complete runs.")
@click.option("--retry-failed", is_flag=True, help="Start failed runs again.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at once; they share the "
              "cores.")
@click.option("--dry-run", is_flag=True, help="Show the plan: runs, hours, disk space.")
@json_option
def command(axes: tuple[str, ...], seeds: str | None, config_file: Path | None, then: str | None,
            export_results: Path | None, discard_models: bool, retry_failed: bool, jobs: int, dry_run: bool,
            as_json: bool, **fields: Any) -> None:
    """Train a grid of configurations, each run only once.

    Each run is trained in its own process, --jobs at once. Complete runs are recognised by their configuration and
    skipped, interrupted ones are resumed; a failed run is reported and the others go on.

    \b
    Example:
        fixhead sweep --dataset cifar10 --recipe cpu --grid fixed=yes,no --seeds 0-2 --dry-run
        fixhead sweep --dataset cifar10 --recipe cpu --grid head=dot,cos --grid lr=0.1,0.01 --export-results results/lr
    """
    explicit = {name: value for name, value in fields.items() if value is not None}
    commands = commands_after(then)  # a mistake is reported before the plan is made
    plan = make_plan(explicit, axes, seeds, config_file, jobs)
    if dry_run:
        print_plan(plan, discard_models=discard_models, jobs=jobs, as_json=as_json)
        return
    outcomes = sweep(plan, commands, export_results=export_results, retry_failed=retry_failed,
                     discard_models=discard_models, jobs=jobs)
    print_outcomes(outcomes, as_json=as_json)
    if failed := sum(each.what == "failed" for each in outcomes):
        raise RunError(f"{failed} of {len(outcomes)} runs failed.",
                       hint="Fix the cause, then repeat the command with --retry-failed.")
