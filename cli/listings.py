"""The lists of `fixhead list`: tables of the library, and runs, as rows of named values and as text."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixhead_cli.output import percent, table, terminal_width
from keras_fixhead.catalog import LOSSES, MARGINS, MODELS, VECTOR_MODELS, feature_dim, look_up
from keras_fixhead.config import arm_name
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import RunError
from keras_fixhead.recipes import RECIPES
from keras_fixhead.robustness import SUITES
from keras_fixhead.runs import Run, list_runs
from keras_fixhead.vectors import KINDS


@dataclass(frozen=True)
class Listing:
    """A table of the library.

    Args:
        entries: (name, entry) pairs; two suites may have a corruption with the same name.
        facts: function of name and entry that returns the entry's facts.
        kind: what an entry is called in messages.
        columns: the facts that the list shows; `fixhead list WHAT NAME` shows all.
    """

    entries: Iterable[tuple[str, Any]]
    facts: Callable[[str, Any], dict[str, Any]]
    kind: str
    columns: tuple[str, ...]

    def rows(self, name: str | None = None) -> list[dict[str, Any]]:
        """Returns one row per entry, or the rows of one name.

        Raises:
            ArgumentError: for an unknown name; the message suggests the nearest known one.
        """
        if name is not None:
            look_up(dict(self.entries), name, self.kind)
        return [{"name": each, **self.facts(each, entry)} for each, entry in self.entries if name in (None, each)]


LISTS = {
    "datasets": Listing(DATASETS.items(), lambda name, each: {
        "classes": each.num_classes, "image": "x".join(map(str, each.image_shape)), "train": each.train,
        "validation": each.validation, "test": each.test, "what": each.summary,
    }, "data set", ("name", "classes", "image", "train", "validation", "test", "what")),
    "models": Listing({**MODELS, **VECTOR_MODELS}.items(), lambda name, each: {
        "features": (each.channels or "the data's") if each.takes_vectors else feature_dim(name, 1.0),
        "signed_features": each.signed_features, "what": each.summary,
    }, "model", ("name", "features", "signed_features", "what")),
    "recipes": Listing(RECIPES.items(), lambda name, each: {
        "what": each.summary, "cost": each.cost, "expect": each.expect, "source": each.source,
    }, "recipe", ("name", "what")),
    "class-vectors": Listing(KINDS.items(), lambda name, each: {
        "conditions": each.conditions, "cosines": each.cosines, "appends": each.extends, "what": each.summary,
    }, "kind of class vectors", ("name", "conditions", "what")),
    "corruptions": Listing(
        [(name, (suite, each)) for suite, corruptions in SUITES.items() for name, each in corruptions.items()],
        lambda name, each: {"suite": each[0], "random": each[1].random, "extra": not each[1].main,
                            "as_published": each[1].as_published, "what": each[1].summary},
        "corruption", ("name", "suite", "random", "what")),
    "losses": Listing(LOSSES.items(), lambda name, each: {"what": each.summary}, "loss", ("name", "what")),
    "margins": Listing(MARGINS.items(), lambda name, each: {"size": each.size, "what": each.summary},
                       "margin", ("name", "size", "what")),
}


def runs(runs_dir: str) -> list[dict[str, Any]]:
    """Returns one row per run in a folder, oldest first; a damaged run does not hide the others."""
    return [_run(run, Path(runs_dir)) for run in list_runs(runs_dir)]


def _run(run: Run, folder: Path) -> dict[str, Any]:
    try:
        config = run.config()
        state = run.read("status")["state"] if run.has("status") else "unknown"
        accuracy = run.read("result")["accuracy"] if run.has("result") else {}
        return {"run": str(run.path), "state": state, "dataset": config.dataset, "model": config.model,
                "arm": arm_name(config), "seed": config.seed, "accuracy": accuracy}
    except (RunError, KeyError) as error:
        return {"run": str(run.path), "state": f"unreadable: {error}", "dataset": "", "model": "", "arm": "",
                "seed": None, "accuracy": {}}


def runs_text(rows: list[dict[str, Any]], runs_dir: str) -> list[str]:
    """Returns a list of runs as lines, each with the path for other commands; `show` reports why one is unreadable."""
    if not rows:
        return [f"No runs in {runs_dir}. Train one: fixhead train --dataset digits --recipe smoke"]
    short = [{**row, "run": str(Path(runs_dir, Path(row["run"]).name)), "state": row["state"].partition(":")[0]}
             for row in rows]
    return _table(short, ("run", "state", "accuracy"))


def list_text(rows: list[dict[str, Any]], columns: Sequence[str], what: str) -> list[str]:
    """Returns a list as lines: some columns, and how to see the others."""
    hidden = [key for key in rows[0] if key not in columns]
    return [*_table(rows, columns), *([f"For {', '.join(hidden)}: fixhead list {what} NAME"] if hidden else [])]


def entry_text(row: dict[str, Any]) -> list[str]:
    """Returns everything about one entry, as lines."""
    (header, *facts) = [(name, _cell(value)) for name, value in row.items()]
    return table(header, facts, width=terminal_width())


def _table(rows: list[dict[str, Any]], columns: Sequence[str]) -> list[str]:
    return table(columns, [[_cell(row[name]) for name in columns] for row in rows], width=terminal_width())


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{split} {percent(share)}" for split, share in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
