"""Named, sourced sets of values for a training run.

Precedence: an explicit value, then the configuration file, then the recipe, then the default of `TrainConfig`.
"""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.catalog import look_up
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class Recipe:
    """A named set of values.

    Attributes:
        values: fields of `TrainConfig` and what they are set to.
        source: where the values come from.
        expect: what has been seen with it, or that nothing has been measured.
        cost: order of magnitude of the time it takes.
    """

    summary: str
    source: str
    expect: str
    cost: str
    values: Mapping[str, Any] = field(default_factory=dict)


_DRAW_FIELDS = {"dataset", "model", "width", "class_vectors", "seed", "vector_seed"}

RECIPES: dict[str, Recipe] = {
    "honest": Recipe(
        summary="full size; the best epoch on validation is kept; the same hyperparameters for every arm",
        source="common CIFAR training of ResNet18: SGD, Nesterov momentum 0.9, peak rate 0.1, cosine, L2 5e-4",
        expect="not measured yet",
        cost="a GPU for minutes to an hour; a day or more on two CPU cores",
        values={"vector_weight_decay": 0.0},
    ),
    "cpu": Recipe(
        summary="quarter width, 20,480 training images, 10 epochs; the last epoch is kept",
        source="this project, to show the paper's main effect on a CPU; one-cycle to 0.2",
        expect="cifar10, cosines, S = 1, test, 3 seeds: fixed 78.2 %, learned 53.1 % (results/main_effect.json)",
        cost="about 5 minutes on two CPU cores for cifar10",
        values={"width": 0.25, "limit_train": 20_480, "epochs": 10, "batch_size": 128, "lr": 0.2,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "selection": "last",
                "vector_weight_decay": 0.0},
    ),
    "demo": Recipe(
        summary="eighth width, 20 epochs; the best epoch on validation is kept: what `fixhead demo` trains on digits",
        source="this project",
        expect="digits, S = 1: both cosine arms train; the demo prints what it finds",
        cost="half a minute on two CPU cores for digits",
        values={"width": 0.125, "limit_train": 2_000, "epochs": 20, "batch_size": 64, "lr": 0.1,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "vector_weight_decay": 0.0},
    ),
    "smoke": Recipe(
        summary="eighth width, 2,000 training images, 2 epochs: does it run?",
        source="this project",
        expect="nothing but that it runs: the accuracy means little",
        cost="seconds on two CPU cores",
        values={"width": 0.125, "limit_train": 2_000, "epochs": 2, "batch_size": 100, "lr": 0.1,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "selection": "last",
                "vector_weight_decay": 0.0},
    ),
}


def build_config(explicit: Mapping[str, Any], file: Mapping[str, Any] | None = None) -> TrainConfig:
    """Returns the configuration of explicit values over those of a file over those of the recipe they name.

    Args:
        explicit: fields of `TrainConfig` that were asked for.
        file: fields from a configuration file.

    Raises:
        ArgumentError: for an unknown recipe, field or value.

    Example:
        >>> build_config({"recipe": "cpu", "epochs": 3}).epochs
        3
        >>> build_config({"recipe": "cpu"}).width
        0.25
    """
    file = _without_derived(dict(file or {}), explicit)
    if "recipe" in explicit and explicit["recipe"] != file.get("recipe", explicit["recipe"]):
        raise ArgumentError(f"The configuration file was made with recipe {file['recipe']!r}, and its fields win over "
                            f"those of recipe {explicit['recipe']!r}.", hint="Leave out --recipe or --config.")
    given = {**file, **explicit}
    name = given.get("recipe", TrainConfig.recipe)
    return TrainConfig.from_dict({**look_up(RECIPES, name, "recipe").values, **given})


def _without_derived(file: dict[str, Any], explicit: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a file without those that were filled in from fields that are now asked for anew."""
    if not _DRAW_FIELDS.isdisjoint(explicit):
        file.pop("class_vectors_digest", None)
    if explicit.get("dataset", file.get("dataset")) != file.get("dataset"):
        file.pop("crop_padding", None)
        file.pop("flip", None)
    if "seed" in explicit and file.get("vector_seed") == file.get("seed"):
        file.pop("vector_seed", None)
    return file
