"""The paper's cells (runs that differ only in their seeds), and blocks of cells to run, in order of importance.

A block is more important than all blocks after it. Within a block, all seeds of a pair of arms come before the next
pair.
"""
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_fixhead.config import RESULT_ROLES, TrainConfig, arm_name
from keras_fixhead.experiments.plan import value_text
from keras_fixhead.recipes import build_config

_ROLES = tuple(role for role in RESULT_ROLES if role != "machine")


BEST = "best"
"""Stands for the scale in `SCALES` with the best validation accuracy, chosen once all of them are measured."""
SCALES = (1.0, 5.0, 10.0, 20.0, 40.0)

_BOTH = (True, False)  # the fixed arm, then the learned one
_FIXED, _LEARNED = (True,), (False,)
_FORMS: tuple[tuple[str, bool | None], ...] = (("preact_resnet18", True), ("preact_resnet18", False),
                                               ("mobilenet_v2", None))


@dataclass(frozen=True)
class Cell:
    """A configuration without its seed.

    Attributes:
        fields: (field of `TrainConfig`, value), sorted by name; all others come from the recipe.
    """

    fields: tuple[tuple[str, Any], ...]

    @functools.cached_property
    def config(self) -> TrainConfig:
        """The configuration of seed 0; fields that depend on the machine and the data are left open."""
        return build_config(dict(self.fields))

    @functools.cached_property
    def id(self) -> str:
        """Ten hexadecimal digits that identify the cell everywhere.

        They depend on the fields that affect the result and differ from their defaults, so that a field added in a
        later version does not change the names of older results.
        """
        relevant = {name: value for name, value in _values(self.config).items()
                    if value != TrainConfig.field(name).default}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]

    @property
    def label(self) -> str:
        """A description of what distinguishes the cell."""
        named = {"dataset", "model", "head", "fixed", "scale", "epochs", "recipe"}
        more = "".join(f", {name} {value_text(value)}" for name, value in self.fields if name not in named)
        scale = f", S = {self.config.scale:g}" if self.config.head == "cos" and self.config.scale != 1 else ""
        return f"{self.config.dataset} {self.config.model} {arm_name(self.config)}{scale}{more}"

    def file_name(self, seed: int) -> str:
        """Returns the file name of one seed's result, without its ending."""
        config = self.config
        return (f"{Path(config.dataset).name}-{config.model.replace('/', '-')}-{arm_name(config)}-S{config.scale}-"
                f"e{config.epochs}-s{seed}-{self.id}")

    def explicit(self, seed: int) -> dict[str, Any]:
        """Returns the fields of one seed's configuration, as `recipes.build_config` takes them."""
        return dict(self.fields) | {"seed": seed}

    def agrees(self, config: TrainConfig) -> bool:
        """Returns whether a resolved configuration belongs to this cell; a rehearsal's does not."""
        return all(value == getattr(config, name) for name, value in _values(self.config).items()
                   if not self.config.is_open(name))


def cell(fields: Mapping[str, Any] = {}, /, **more: Any) -> Cell:
    """Returns the cell with the given fields.

    Raises:
        ArgumentError: (a ValueError) for fields that do not make a configuration.

    Example:
        >>> one = cell(dataset="cifar10", head="cos", fixed=True, epochs=30)
        >>> one.id == cell(epochs=30, dataset="cifar10").id  # the others are defaults
        True
        >>> one.label
        'cifar10 resnet18 cos-fixed'
    """
    found = Cell(tuple(sorted({**fields, **more}.items())))
    _ = found.config  # raises an error for wrong fields
    return found


def _values(config: TrainConfig) -> dict[str, Any]:
    """Returns what the runs of a cell share: all that affects a result, except the machine and the seed."""
    return {name: value for name, value in config.values(*_ROLES).items() if name != "seed"}


def scale_cell(fixed: bool, scale: float) -> Cell:
    """Returns the cell of block 1 or 3 at a scale: CIFAR-100, ResNet18, cosine logits, 30 epochs."""
    return cell(dataset="cifar100", model="resnet18", head="cos", fixed=fixed, scale=scale, epochs=30, recipe="honest")


@dataclass(frozen=True)
class Row:
    """One line of a block: the arms to compare, and their seeds.

    Attributes:
        fixed: the arms: (True, False) is a pair of fixed and learned class vectors.
        scale: a number, or `BEST`.
        extra: further fields of the configuration.
    """

    dataset: str
    head: str
    fixed: tuple[bool, ...] = _BOTH
    scale: float | str = 1.0
    model: str = "resnet18"
    extra: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 3
    epochs: int = 30
    recipe: str = "honest"

    def cell(self, fixed: bool, scale: float) -> Cell:
        """Returns the cell of one arm."""
        return cell({"dataset": self.dataset, "model": self.model, "head": self.head, "fixed": fixed, "scale": scale,
                     "epochs": self.epochs, "recipe": self.recipe, **self.extra})


@dataclass(frozen=True)
class Block:
    """Cells that answer one question.

    Attributes:
        name: '1' to '10', and '5b', '7b', '9b'.
        why: the question.
    """

    name: str
    why: str
    rows: tuple[Row, ...]


def _signed(value: bool | None) -> dict[str, Any]:
    return {} if value is None else {"signed_features": value}


def _rate(lr: float, **more: Any) -> dict[str, Any]:
    return {"lr": lr, "warmup_fraction": 0.0, **more}


BLOCKS: tuple[Block, ...] = (
    Block("1", "Table 2, the paper's main effect", (
        Row("cifar100", "cos"),
        Row("cifar10", "cos"),
    )),
    Block("2", "Table 1: the claim of most practical value", (
        Row("cifar100", "dot"),
        Row("cifar10", "dot"),
    )),
    Block("3", "Table 3, and the mechanism: cosines against S", tuple(
        Row("cifar100", "cos", scale=scale) for scale in SCALES[1:])),
    Block("4", "intervals narrow enough to decide; S chosen on validation from blocks 1 and 3", (
        Row("cifar100", "dot", seeds=5, epochs=100),
        Row("cifar100", "cos", scale=BEST, seeds=5, epochs=100),
    )),
    Block("5", "does the cosine of 0.95 hold in all experiments?", (
        *(Row(dataset, "cos", _FIXED, extra=_signed(True)) for dataset in ("cifar100", "cifar10")),
        *(Row(dataset, "cos", _FIXED, model=model, extra=_signed(signed), seeds=1)
          for model, signed in _FORMS for dataset in ("cifar100", "cifar10")),
    )),
    # the same number of steps as for the whole set: 351 x 30 = 39 x 270 = 117 x 90
    Block("5b", "the paper's large gains are on small data sets: does the number of images matter?", (
        Row("cifar100", "dot", extra={"limit_train": 5_000}, epochs=270),
        Row("cifar100", "dot", extra={"limit_train": 15_000}, epochs=90),
    )),
    Block("6", "architecture", tuple(
        Row("cifar100", head, model=model, extra=_signed(signed), seeds=2)
        for model, signed in _FORMS for head in ("cos", "dot"))),
    Block("7", "Tables 7 and 8: fixed models tolerate higher learning rates", (
        Row("cifar100", "dot", model="preact_resnet18", extra=_rate(0.1)),
        *(Row("cifar100", "dot", model="preact_resnet18", extra=_rate(lr), seeds=2) for lr in (0.01, 0.001)),
        *(Row("cifar100", "dot", extra=_rate(lr), seeds=2) for lr in (0.1, 0.01, 0.001)),
    )),
    Block("7b", "how much of the spread comes from the draw of the class vectors?", tuple(
        Row("cifar100", head, _FIXED, extra={"vector_seed": seed}, epochs=15)
        for head in ("dot", "cos") for seed in (100, 101, 102, 103))),
    Block("8", "is the learned arm slow or stuck?", (
        *(Row("cifar100", "cos", _LEARNED, extra={"vector_lr": factor}) for factor in (0.01, 0.1)),
        Row("cifar100", "cos", _LEARNED, seeds=2, epochs=200),
    )),
    Block("9", "beyond the paper: other class vectors, and a margin (S = 30, as in results/margins.json)", (
        *(Row("cifar100", "cos", _FIXED, extra={"class_vectors": kind})
          for kind in ("cube", "simplex", "orthogonal", "hadamard")),
        Row("cifar100", "cos", scale=30.0, extra={"margin": "arcface"}),
    )),
    Block("9b", "long-tailed data: the setting of the only independent negative result", (
        Row("cifar100", "dot", extra={"imbalance": 100.0}),
        Row("cifar100", "dot", _FIXED, extra={"imbalance": 100.0, "class_vectors": "simplex"}),
    )),
    Block("10", "Tables 1 and 2 by the released recipe, on the available part of STL-10", (
        Row("stl10", "dot", recipe="paper-code", epochs=80, seeds=1),
        Row("stl10", "cos", recipe="paper-code", epochs=80, seeds=1),
    )),
)

NOT_RUN_HERE: tuple[tuple[str, str], ...] = (
    ("images/s and share of peak compared with the same network in PyTorch",
     "needs PyTorch in a separate process: `python benchmarks/peers.py --backend jax --device cuda --torch-python "
     "VENV/bin/python`, so far run on a CPU only"),
    ("seconds to 94 % on CIFAR-10", "there is no network of that size yet, and no way to stop at an accuracy; each "
     "result has its `seconds`, and its test accuracy without (`accuracy`) and with the test-time augmentation of the "
     "speed records (`tta`, flip-shift)"),
    ("STL-10 and Tiny ImageNet, where the paper's gains are largest", "needs the whole data sets: see "
     "docs/reproduction.md"),
    ("independently gathered images (Table 5)", "needs CIFAR-10.1 (`fixhead evaluate RUN --dataset cifar10_1`); the "
     "paper's other two sets were never published"),
)
"""Measurements that no cell provides, and why."""


@dataclass(frozen=True)
class Planned:
    """A run of the plan.

    Attributes:
        block: the first block that contains it.
        cell: None while its scale depends on unfinished runs.
        label: a description.
    """

    block: str
    cell: Cell | None
    seed: int
    label: str


def plan(best_scale: Mapping[bool, float | None], blocks: Sequence[str] = ()) -> Iterator[Planned]:
    """Yields the runs of the given blocks, each once, in order of importance.

    Args:
        best_scale: fixed -> the scale with the best validation accuracy on CIFAR-100; None until all `SCALES` are
            measured.
        blocks: names of blocks; empty for all.
    """
    seen: set[tuple[str, int]] = set()
    for block in BLOCKS:
        if blocks and block.name not in blocks:
            continue
        for row in block.rows:
            for seed in range(row.seeds):
                for fixed in row.fixed:
                    scale = best_scale.get(fixed) if row.scale == BEST else row.scale
                    if not isinstance(scale, float):
                        arm = f"{row.head}-{'fixed' if fixed else 'learned'}"
                        yield Planned(block.name, None, seed, f"{row.dataset} {row.model} {arm} at its best S")
                        continue
                    found = row.cell(fixed, scale)
                    if (found.id, seed) not in seen:
                        seen.add((found.id, seed))
                        yield Planned(block.name, found, seed, found.label)
