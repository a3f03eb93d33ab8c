"""`fixhead list`."""
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.output import json_option, percent, print_result, table
from keras_fixhead.config import TrainConfig, arm_name
from keras_fixhead.errors import RunError
from keras_fixhead.runs import list_runs


def _datasets(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.data.catalog import DATASETS

    return [{"name": name, "classes": each.num_classes, "image": "x".join(map(str, each.image_shape)),
             "train": each.train, "validation": each.validation, "test": each.test, "what": each.summary}
            for name, each in DATASETS.items()]


def _models(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.catalog import MODELS, feature_dim

    return [{"name": name, "features": feature_dim(name, 1.0), "signed_features": each.signed_features,
             "what": each.summary} for name, each in MODELS.items()]


def _recipes(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.recipes import RECIPES

    return [{"name": name, "what": each.summary, "cost": each.cost, "expect": each.expect, "source": each.source}
            for name, each in RECIPES.items()]


def _class_vectors(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.vectors import KINDS

    return [{"name": name, "conditions": kind.conditions, "cosines": kind.cosines, "appends": kind.extends,
             "what": kind.summary} for name, kind in KINDS.items()]


def _corruptions(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.robustness import SUITES

    return [{"name": name, "suite": suite, "random": each.random, "what": each.summary}
            for suite, corruptions in SUITES.items() for name, each in corruptions.items()]


def _losses(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.catalog import LOSSES

    return [{"name": name, "what": each.summary} for name, each in LOSSES.items()]


def _margins(runs_dir: str) -> list[dict[str, Any]]:
    from keras_fixhead.catalog import MARGINS

    return [{"name": name, "size": each.size, "what": each.summary} for name, each in MARGINS.items()]


def _runs(runs_dir: str) -> list[dict[str, Any]]:
    rows = []
    for run in list_runs(runs_dir):
        try:
            config = run.config()
            state = run.read("status")["state"] if run.has("status") else "unknown"
            accuracy = run.read("result")["accuracy"] if run.has("result") else {}
            rows.append({"run": str(run.path), "state": state, "dataset": config.dataset, "model": config.model,
                         "arm": arm_name(config), "seed": config.seed, "accuracy": accuracy})
        except (RunError, KeyError) as error:
            rows.append({"run": str(run.path), "state": f"unreadable: {error}", "dataset": "", "model": "", "arm": "",
                         "seed": None, "accuracy": {}})
    return rows


_WHAT = {"datasets": _datasets, "models": _models, "recipes": _recipes, "class-vectors": _class_vectors,
         "corruptions": _corruptions, "losses": _losses, "margins": _margins,
         "runs": _runs}


@click.command("list")
@click.argument("what", type=click.Choice(list(_WHAT)))
@click.option("--runs-dir", type=paths.InputFolder("a folder of run directories", optional=True, as_text=True),
              metavar="DIR", default=TrainConfig.runs_dir, show_default=True, help="Folder of run directories.")
@json_option
def command(what: str, runs_dir: str, as_json: bool) -> None:
    """List what there is: data sets, models, recipes, runs, ...

    \b
    Example:
        fixhead list datasets
        fixhead list runs --runs-dir runs
    """
    rows = _WHAT[what](runs_dir)
    header = list(rows[0]) if rows else []
    text = table(header, [[_cell(row[name]) for name in header] for row in rows]) if rows else [
        f"No runs in {runs_dir}. Make one: fixhead train --dataset digits --recipe smoke"]
    print_result({what: rows}, as_json=as_json, text=text)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{split} {percent(share)}" for split, share in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
