"""Named sets of values for a training run, with their sources.

Precedence: explicit values, then the configuration file, then the recipe, then the defaults of `TrainConfig`. A value
yields to what a value of higher precedence implies for it (`config.implied`).
"""
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.catalog import look_up
from keras_fixhead.config import TrainConfig, arm_name
from keras_fixhead.config.implied import with_implied
from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class Recipe:
    """A named set of values.

    Attributes:
        values: values for fields of `TrainConfig`.
        arms: additional values for single arms, by name of the arm.
        source: where the values come from.
        expect: what was measured with it, if anything.
        cost: rough time that it takes.
    """

    summary: str
    source: str
    expect: str
    cost: str
    values: Mapping[str, Any] = field(default_factory=dict)
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_FAST: dict[str, Any] = {
    "model": "fast_cnn", "hold_out": False, "selection": "last",
    "epochs": 9.9, "batch_size": 1024, "lr": 1.5, "momentum": 0.85,
    "schedule": "triangular", "warmup_fraction": 0.23, "initial_lr_fraction": 0.2, "final_lr_fraction": 0.07,
    "weight_decay": 0.0153 / 11.5, "vector_weight_decay": 0.0153 / 11.5, "norm_offset_lr": 64.0,
    "lookahead_every": 5, "lookahead_decay": 0.95, "whitening_bias_epochs": 3, "label_smoothing": 0.2,
    "crop_padding": 2, "crop_border": "reflect", "flip_mode": "alternating",
}
"""The published values. Rate and decay, 11.5 and 0.0153, are decoupled there: the rate is divided by 1 + 1 / (1 - 0.85)
for SGD with momentum, and decay by the rate for an L2 penalty."""

_FAST_ARMS: dict[str, dict[str, Any]] = {"dot-fixed": {"scale": 0.2}, "dot-learned": {"scale": 0.2}}
"""S for dot logits, the same for both arms: the best of 1/20, 1/9, 1/5, 1/2 and 1 on validation images of CIFAR-10, in
the mean of both (docs/evidence-plan.md). At S = 1, learned class vectors do not train at all with this recipe."""

RECIPES: dict[str, Recipe] = {
    "honest": Recipe(
        summary="full size; the best epoch on validation is kept; the same hyperparameters for every arm",
        source="common CIFAR training of ResNet18: SGD, Nesterov momentum 0.9, peak rate 0.1, cosine, L2 5e-4",
        expect="not measured yet",
        cost="a GPU for minutes to an hour; a day or more on two CPU cores",
        values={"vector_weight_decay": 0.0},
    ),
    "paper": Recipe(
        summary="the paper's protocol as far as stated, and common settings for the rest; nothing is chosen on test "
        "images",
        source="arXiv:2011.08704: class vectors uniform on the hypersphere, a learning rate of 0.1, 0.01, 0.001 "
        "or 0.0001 (0.1 here), mean of 3 runs. The rest is not stated: SGD with Nesterov momentum 0.9, batch "
        "128, 200 epochs, cosine without warm-up, L2 5e-4, all training images, the last epoch",
        expect="the paper's tables 1 and 2 (3 runs, no spread given); here: not measured yet",
        cost="a GPU for minutes to an hour; a day or more on two CPU cores",
        values={"hold_out": False, "selection": "last", "warmup_fraction": 0.0, "vector_weight_decay": 0.0},
    ),
    "paper-code": Recipe(
        summary="the paper's released code, with its hyperparameters for each arm; epochs and rate cuts are chosen on "
        "TEST images, which makes test accuracy too high",
        source="the paper's repository, MLSpeech/FixedClassificationLayer (STL-10 and ResNet18 only): SGD with "
        "Nesterov momentum 0.9, batch 32 with a last partial batch, 80 epochs, rate cut to a fifth after 4 epochs "
        "without improvement on test; learned dot at rate 0.001; L2 5e-4 on everything in dot arms, none in cos arms; "
        "integer cube, bias, 4x4 pooling. Difference: Keras' momentum keeps the old rate's velocity for some steps "
        "after a cut",
        expect="stl10, resnet18, dot, by the paper: fixed 82.5 %, learned 76.5 % at its rate 0.001 (78.1 % at 0.01); "
        "here, with a subset of STL-10 only: not measured",
        cost="a GPU for minutes; about a day on two CPU cores",
        values={"epochs": 80, "batch_size": 32, "partial_batch": True, "lr": 0.1, "schedule": "plateau",
                "plateau_patience": 3, "plateau_factor": 0.2, "warmup_fraction": 0.0, "selection": "test",
                "hold_out": False, "normalization": "half", "pooling": "4x4", "class_vectors": "cube",
                "precision": "float32", "weight_decay": 0.0, "vector_weight_decay": 0.0, "bias": "fixed"},
        arms={
            "dot-fixed": {"weight_decay": 5e-4, "decay_norms": True},
            "dot-learned": {"weight_decay": 5e-4, "decay_norms": True, "vector_weight_decay": 5e-4, "lr": 0.001,
                            "bias": "learned"},
            "cos-learned": {"bias": "learned"},
        },
    ),
    "fast": Recipe(
        summary="fast_cnn on all training images for 9.9 epochs; the last epoch is kept: whole data sets on two cores",
        source="Jordan (2024), arXiv:2404.00498, and the code published with it (airbench94): all values are the "
        "published ones, converted to the mean of the losses. Differences: Keras' momentum keeps the old rate's "
        "velocity; offsets of normalisation are not decayed; class vectors start with length 1, and for dot logits "
        "S = 0.2, chosen on validation images of cifar10, stands for the published factor of 1/9",
        expect="cifar10, test (results/evidence): dot, S = 0.2, 6 seeds: fixed 93.0 %, learned 92.6 %; cosines, "
        "S = 1, 3 seeds: fixed 91.2 %, learned 84.8 %",
        cost="about 20 minutes on two CPU cores with bfloat16 for cifar10 or cifar100",
        values=_FAST, arms=_FAST_ARMS,
    ),
    "fast-90": Recipe(
        summary="recipe fast for 3 epochs: a first look",
        source="recipe fast; the length is ours, and the bias of the whitening layer learns in the first epoch only",
        expect="cifar10 without the images held out, dot, S = 0.2, validation, one seed: fixed 88.0 %, learned 87.6 % "
        "(results/evidence)",
        cost="about 6 minutes on two CPU cores with bfloat16 for cifar10 or cifar100",
        values={**_FAST, "epochs": 3.0, "whitening_bias_epochs": 1}, arms=_FAST_ARMS,
    ),
    "cpu": Recipe(
        summary="quarter width, 20,480 training images, 10 epochs; the last epoch is kept",
        source="this project, to show the paper's main effect on a CPU; one-cycle schedule with peak rate 0.2",
        expect="cifar10, cosines, S = 1, test, 3 seeds: fixed 78.2 %, learned 53.1 % (results/main_effect.json)",
        cost="about 5 minutes on two CPU cores for cifar10",
        values={"width": 0.25, "limit_train": 20_480, "epochs": 10, "batch_size": 128, "lr": 0.2,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "selection": "last",
                "vector_weight_decay": 0.0},
    ),
    "demo": Recipe(
        summary="eighth width, 20 epochs; the best epoch on validation is kept: what `fixhead demo` trains on digits",
        source="this project",
        expect="digits, S = 1: both cosine arms train; the demo prints the results",
        cost="half a minute on two CPU cores for digits",
        values={"width": 0.125, "limit_train": 2_000, "epochs": 20, "batch_size": 64, "lr": 0.1,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "vector_weight_decay": 0.0},
    ),
    "smoke": Recipe(
        summary="eighth width, 2,000 training images, 2 epochs: a check that training runs",
        source="this project",
        expect="only that it runs: the accuracy means little",
        cost="seconds on two CPU cores",
        values={"width": 0.125, "limit_train": 2_000, "epochs": 2, "batch_size": 100, "lr": 0.1,
                "schedule": "one_cycle", "warmup_fraction": 0.25, "selection": "last",
                "vector_weight_decay": 0.0},
    ),
}
"""The recipes by name, each with its source, its expected result and its cost."""


def recipe_values(name: str, arm: str) -> dict[str, Any]:
    """Returns the values of a recipe for an arm.

    Raises:
        ArgumentError: for an unknown recipe.

    Example:
        >>> recipe_values("paper-code", "dot-learned")["lr"]
        0.001
    """
    recipe = look_up(RECIPES, name, "recipe")
    return {**recipe.values, **recipe.arms.get(arm, {})}


def build_config(explicit: Mapping[str, Any], file: Mapping[str, Any] | None = None) -> TrainConfig:
    """Returns the configuration that explicit values, a file and the recipe they name make together.

    Args:
        explicit: fields of `TrainConfig` that were given explicitly.
        file: fields from a configuration file.

    Raises:
        ArgumentError: for an unknown recipe, field or value.

    Example:
        >>> build_config({"recipe": "cpu", "epochs": 3}).epochs
        3
        >>> build_config({"recipe": "cpu"}).width
        0.25
        >>> build_config({"schedule": "plateau"}).warmup_fraction  # a plateau has no warm-up
        0.0
    """
    file = dict(file or {})
    if "recipe" in explicit and explicit["recipe"] != file.get("recipe", explicit["recipe"]):
        raise ArgumentError(f"The configuration file was made with recipe {file['recipe']!r}; its fields override "
                            f"those of recipe {explicit['recipe']!r}.", hint="Leave out --recipe or --config.")
    given = {**file, **explicit}
    arm = arm_name(TrainConfig.from_dict({key: given[key] for key in ("head", "fixed") if key in given}))
    recipe = recipe_values(given.get("recipe", TrainConfig.recipe), arm)
    values = with_implied({**recipe, **file}, file.keys())
    return TrainConfig.from_dict(with_implied({**values, **explicit}, explicit.keys()))
