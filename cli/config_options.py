"""Command-line options generated from the fields of the configuration."""
from collections.abc import Callable
from types import NoneType
from typing import Any, get_args, get_type_hints

import click

from fixhead_cli import dataset_paths, paths, weights_paths
from fixhead_cli.output import Function
from keras_fixhead.config import TrainConfig, option
from keras_fixhead.recipes import RECIPES

_PATHS = {"dataset": dataset_paths.DATASET, "data_dir": paths.DATA_DIR, "runs_dir": paths.RUNS_DIR,
          "class_weights": paths.CLASS_WEIGHTS, "init_from": weights_paths.TRAINED_MODEL,
          "weights": weights_paths.WEIGHTS}


def config_options(*names: str) -> Callable[[Function], Function]:
    """Returns a decorator that adds an option for each field of `TrainConfig`; options that are not given are None.

    Args:
        names: names of the fields; all fields if there are none.
    """
    def decorate(command: Function) -> Function:
        for name in reversed(TrainConfig.names()):
            if not names or name in names:
                command = _option(name)(command)
        return command

    return decorate


def _option(name: str) -> Callable[[Any], Any]:
    field, hint = TrainConfig.field(name), get_type_hints(TrainConfig)[name]
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    kind = next((kind for kind in (str, float) if kind in kinds), kinds[0])  # TrainConfig tells them apart
    choices = tuple(RECIPES) if name == "recipe" else field.metadata["choices"]
    declaration = f"{option(name, True)}/{option(name, False)}" if kind is bool else option(name, None)
    default = "" if field.default is None else f"  [default: {_shown_default(field)}]"
    return click.option(
        declaration, name, type=_PATHS.get(name, kind), default=None, help=field.metadata["help"] + default,
        metavar="|".join(("NUMBER", *choices) if float in kinds and choices else choices) or None)


def _shown_default(field: Any) -> str:
    if field.type in (bool, "bool"):
        if field.name == "fixed":
            return option("fixed", field.default).strip("-")
        return "on" if field.default else "off"
    return str(field.default)
