"""`fixhead reproduce`."""
from typing import Any

import click

from fixhead_cli.output import data_dir_option, quiet_option
from fixhead_cli.paths import OutputFolder
from fixhead_cli.reproducing import engine_options, options_from, reproduce
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction.planning.listing import listed
from keras_fixhead.reproduction.planning.targets import PLAN_OF_RECIPE


@click.command("reproduce")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--recipe", type=click.Choice(list(PLAN_OF_RECIPE)), default="fast", show_default=True,
              help="fast: a small network on whole data sets, on two CPU cores; cpu: a quarter of ResNet18, minutes a "
              "run; honest, paper, paper-code: the paper's networks, on a GPU.")
@click.option("--seeds", metavar="N-N,N", help="Only these seeds (default: those of the plan).")
@click.option("--only", type=click.Choice(["missing", "failed"]), default="missing", show_default=True,
              help="Run what has no result, or repeat what failed to converge.")
@click.option("--minutes", type=click.FloatRange(min=0.5), help="Stop within this many minutes.")
@click.option("--runs", type=click.IntRange(min=1), metavar="N", help="Stop after this many runs.")
@engine_options
@click.option("--rehearse", is_flag=True, help="Small runs, marked as not evidence: an eighth of the width, 2 epochs, "
              "2,000 images.")
@click.option("--dataset", type=click.Choice(list(DATASETS)), metavar="DATASET",
              help="Data set of all runs of a rehearsal (default: their own).")
@click.option("--keep-models", is_flag=True, help="Keep the model of each run, for fixhead analyze, robustness and "
              "export (default: remove it once the run has a result).")
@click.option("--commit", is_flag=True, help="Commit each result to Git once it is written.")
@click.option("--out", type=OutputFolder("a folder for results"), metavar="DIR", help="Folder of results, "
              "with a subfolder for each plan (default: results).")
@click.option("--runs-dir", type=OutputFolder("a folder for run directories"), metavar="DIR", help="Folder of run "
              "directories (default: a folder in runs, named after the plan).")
@click.option("--dry-run", is_flag=True, help="Show the plan: runs, what is done, hours, disk space.")
@data_dir_option
@quiet_option
def command(targets: tuple[str, ...], recipe: str, engine: str, address: str | None, dry_run: bool, quiet: bool,
            **asked: Any) -> None:
    """Measure tables and figures of the paper: run what is missing.

    TARGET is table1 to table9, figure2 to figure5, correlations, all, or a block of the plan (E1, ...). Runs that have
    a result are skipped, interrupted ones are resumed, and a run that fails to converge is a result. Each run is
    measured at once and leaves a small JSON file; `fixhead report` shows what they say.

    \b
    Example:
        fixhead reproduce all --dry-run
        fixhead reproduce table1 table2 --data-dir DATA --minutes 60
        fixhead reproduce table2 --rehearse --dataset digits --runs 2
    """
    options = options_from(targets, recipe, engine=engine, address=address, **asked)
    if dry_run:
        click.echo("\n".join(listed(options)))
        return
    raise SystemExit(reproduce(options, engine=engine, address=address, quiet=quiet))
