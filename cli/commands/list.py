"""`fixhead list`."""
import click

from fixhead_cli import paths
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.listings import LISTS, entry_text, list_text, runs, runs_text
from fixhead_cli.output import json_option, print_result
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError


@click.command("list")
@click.argument("what", type=click.Choice([*LISTS, "runs"]))
@click.argument("name", required=False)
@click.option("--runs-dir", type=paths.InputFolder("a folder of run directories", optional=True, as_text=True),
              metavar="DIR", default=TrainConfig.runs_dir, show_default=True, help="Folder of run directories.")
@json_option
def command(what: str, name: str | None, runs_dir: str, as_json: bool) -> None:
    """List data sets, models, recipes, runs and more; with NAME, everything about one of them.

    \b
    Example:
        fixhead list datasets
        fixhead list recipes cpu
        fixhead list runs --runs-dir runs
    """
    if what != "runs":
        refuse_typed("runs_dir", why=f"on {what}", hint="List runs: fixhead list runs --runs-dir DIR")
    if what == "runs":
        if name is not None:
            raise ArgumentError(f"Runs cannot be listed by name, got {name!r}.", hint="Show one: fixhead show RUN")
        rows = runs(runs_dir)
        text = runs_text(rows, runs_dir)
    else:
        rows = LISTS[what].rows(name)
        text = list_text(rows, LISTS[what].columns, what) if name is None else entry_text(rows[0])
    print_result({what: rows}, as_json=as_json, text=text)
