"""What `fixhead list` lists: the tables of the library, as rows of named values."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import CORRUPTIONS, LOSSES, MARGINS, MODELS, feature_dim, look_up
from keras_fixhead.config import arm_name
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import RunError
from keras_fixhead.recipes import RECIPES
from keras_fixhead.runs import Run, list_runs
from keras_fixhead.vectors import KINDS


@dataclass(frozen=True)
class Listing:
    """A table of the library.

    Args:
        table: name to entry.
        facts: what is said of an entry, given its name.
        kind: what an entry is called in messages.
        columns: which of them the list shows; `fixhead list WHAT NAME` shows all.
    """

    table: Mapping[str, Any]
    facts: Callable[[str, Any], dict[str, Any]]
    kind: str
    columns: tuple[str, ...]

    def rows(self, name: str | None = None) -> list[dict[str, Any]]:
        """Returns one row per entry; or that of one name.

        Raises:
            ArgumentError: for an unknown name; it has the nearest known one.
        """
        if name is not None:
            return [{"name": name, **self.facts(name, look_up(self.table, name, self.kind))}]
        return [{"name": name, **self.facts(name, entry)} for name, entry in self.table.items()]


LISTS = {
    "datasets": Listing(DATASETS, lambda name, each: {
        "classes": each.num_classes, "image": "x".join(map(str, each.image_shape)), "train": each.train,
        "validation": each.validation, "test": each.test, "what": each.summary,
    }, "data set", ("name", "classes", "image", "train", "validation", "test", "what")),
    "models": Listing(MODELS, lambda name, each: {
        "features": feature_dim(name, 1.0), "signed_features": each.signed_features, "what": each.summary,
    }, "model", ("name", "features", "signed_features", "what")),
    "recipes": Listing(RECIPES, lambda name, each: {
        "what": each.summary, "cost": each.cost, "expect": each.expect, "source": each.source,
    }, "recipe", ("name", "what")),
    "class-vectors": Listing(KINDS, lambda name, each: {
        "conditions": each.conditions, "cosines": each.cosines, "appends": each.extends, "what": each.summary,
    }, "kind of class vectors", ("name", "conditions", "what")),
    "corruptions": Listing(CORRUPTIONS, lambda name, each: {"random": each.random, "what": each.summary},
                           "corruption", ("name", "random", "what")),
    "losses": Listing(LOSSES, lambda name, each: {"what": each.summary}, "loss", ("name", "what")),
    "margins": Listing(MARGINS, lambda name, each: {"size": each.size, "what": each.summary},
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
