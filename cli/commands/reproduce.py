"""`fixhead reproduce`."""
import time
from pathlib import Path

import click

from fixhead_cli.output import data_dir_option, quiet_option
from fixhead_cli.paths import OutputFolder
from keras_fixhead.experiments.plan import parse_seeds
from keras_fixhead.reproduction.run import Options, listed
from keras_fixhead.reproduction.targets import PLAN_OF_RECIPE, blocks_of


@click.command("reproduce")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--recipe", type=click.Choice(list(PLAN_OF_RECIPE)), default="fast", show_default=True,
              help="fast: a small network at the paper's accuracy, on two CPU cores; honest: the paper's networks, on "
              "a GPU.")
@click.option("--seeds", metavar="N-N,N", help="Only these seeds (default: those of the plan).")
@click.option("--only", type=click.Choice(["missing", "failed"]), default="missing", show_default=True,
              help="Run what has no result, or repeat what failed to converge.")
@click.option("--minutes", type=click.FloatRange(min=0.5), help="Stop within this many minutes.")
@click.option("--commit", is_flag=True, help="Commit each result to Git once it is written.")
@click.option("--out", type=OutputFolder("a folder for results"), metavar="DIR", help="Folder of results, of which "
              "each plan has a folder of its own (default: results).")
@click.option("--dry-run", is_flag=True, help="Show the plan: runs, what is done, hours.")
@data_dir_option
@quiet_option
def command(targets: tuple[str, ...], recipe: str, seeds: str | None, only: str, minutes: float | None, commit: bool,
            out: Path | None, dry_run: bool, data_dir: str | None, quiet: bool) -> None:
    """Measure tables and figures of the paper: run what is missing.

    TARGET is table1 to table9, figure2 to figure5, correlations, all, or a block of the plan (E1, ...). Runs that have
    a result are skipped, interrupted ones are resumed, and a run that fails to converge is a result. Each run is
    measured at once and leaves a small JSON file; `fixhead report` shows what they say.

    \b
    Example:
        fixhead reproduce all --dry-run
        fixhead reproduce table1 table2 --data-dir DATA --minutes 60
    """
    plan = PLAN_OF_RECIPE[recipe]
    options = Options(
        out=(out or Path("results")) / plan, runs_dir=Path("runs") / plan,
        data_dir=None if data_dir is None else Path(data_dir), blocks=blocks_of(targets, plan),
        deadline=None if minutes is None else time.monotonic() + 60 * minutes, commit=commit,
        seeds=tuple(parse_seeds(seeds)) if seeds else (), only_failed=only == "failed")
    if dry_run:
        click.echo("\n".join(listed(options)))
        return
    from fixhead_cli.reproducing import reproduce  # loads Keras

    raise SystemExit(reproduce(options, quiet=quiet))
