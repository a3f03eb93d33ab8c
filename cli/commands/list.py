"""`fixhead list`."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.listings import LISTS, runs
from fixhead_cli.output import json_option, percent, print_result, table, terminal_width
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
    if what == "runs":
        if name is not None:
            raise ArgumentError(f"A run is not listed by its name, got {name!r}.", hint="Show one: fixhead show RUN")
        rows = runs(runs_dir)
        text = _runs(rows, runs_dir) if rows else [
            f"No runs in {runs_dir}. Train one: fixhead train --dataset digits --recipe smoke"]
    else:
        rows = LISTS[what].rows(name)
        text = _table(rows, LISTS[what].columns) if name is None else _facts(rows[0])
        hidden = [key for key in rows[0] if key not in LISTS[what].columns]
        text += [f"For {', '.join(hidden)}: fixhead list {what} NAME"] if hidden and name is None else []
    print_result({what: rows}, as_json=as_json, text=text)


def _runs(rows: list[dict[str, Any]], runs_dir: str) -> list[str]:
    """The runs by the path that a command takes from here; `show` says why one cannot be read."""
    short = [{**row, "run": str(Path(runs_dir, Path(row["run"]).name)), "state": row["state"].partition(":")[0]}
             for row in rows]
    return _table(short, ("run", "state", "accuracy"))


def _table(rows: list[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    return table(columns, [[_cell(row[name]) for name in columns] for row in rows], width=terminal_width())


def _facts(row: dict[str, Any]) -> list[str]:
    (header, *facts) = [(name, _cell(value)) for name, value in row.items()]
    return table(header, facts, width=terminal_width())


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{split} {percent(share)}" for split, share in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
