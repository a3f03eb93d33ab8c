"""An option for each field of a configuration."""
import dataclasses
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, get_args, get_type_hints

import click

from keras_fixhead.config import TrainConfig
from keras_fixhead.recipes import RECIPES

_FLAGS = {"fixed": "--fixed/--learned"}


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds an option for each field of `TrainConfig`; those not given are None."""
    hints = get_type_hints(TrainConfig)
    for each in reversed(dataclasses.fields(TrainConfig)):
        name = each.name.replace("_", "-")
        kinds = [kind for kind in get_args(hints[each.name]) or (hints[each.name],) if kind is not NoneType]
        kind = str if str in kinds else kinds[0]  # a number or a word: TrainConfig tells them apart
        choices = tuple(RECIPES) if each.name == "recipe" else each.metadata["choices"]
        declaration = _FLAGS.get(each.name, f"--{name}/--no-{name}") if kind is bool else f"--{name}"
        default = "" if each.default is None else f"  [default: {_shown_default(each)}]"
        command = click.option(
            declaration, each.name, type=kind, default=None, help=each.metadata["help"] + default,
            metavar="|".join(("NUMBER", *choices) if float in kinds and choices else choices) or None,
        )(command)
    return command


def explicit_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields that were given as options."""
    return {name: value for name, value in options.items() if value is not None}


def _shown_default(each: Any) -> str:
    if each.type in (bool, "bool"):
        on, off = _FLAGS.get(each.name, "on/off").split("/")
        return (on if each.default else off).strip("-")
    return str(each.default)
