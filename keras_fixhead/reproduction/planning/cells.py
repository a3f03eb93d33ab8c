"""Cells (runs that differ only in their seeds), and the parts of a plan: rows of arms to compare, blocks of rows, and
scales that are chosen on validation images.

The plans themselves are in `gpu_blocks` and `evidence_blocks`.
"""
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from keras_fixhead.config import RESULT_ROLES, TrainConfig, arm_name, dataset_entry, file_stem, steps_of, train_size
from keras_fixhead.experiments.plan import value_text
from keras_fixhead.recipes import build_config

_ROLES = tuple(role for role in RESULT_ROLES if role != "machine")

BOTH = (True, False)
"""The fixed arm, then the learned one."""
FIXED, LEARNED = (True,), (False,)
ALL_IMAGES = None
"""Number of test images to corrupt: all of them."""


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
        if self.config.label_smoothing == 0:
            named.add("label_smoothing")  # the evidence has none, whatever the recipe
        more = "".join(f", {name} {value_text(value)}" for name, value in self.fields if name not in named)
        config = self.config
        scale = f", S = {value_text(config.scale)}" if config.scale != 1 else ""
        recipe = "" if config.recipe == "honest" else f", recipe {config.recipe}"
        return f"{config.dataset} {config.model} {arm_name(config)}{scale}{more}{recipe}"

    def file_name(self, seed: int) -> str:
        """Returns the file name of one seed's result, without its ending."""
        config = self.config
        return f"{file_stem(config)}-S{config.scale}-e{config.epochs:g}-s{seed}-{self.id}"

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
    return _cell(tuple(sorted({**fields, **more}.items())))


@functools.lru_cache(maxsize=4096)
def _cell(fields: tuple[tuple[str, Any], ...]) -> Cell:
    found = Cell(fields)
    _ = found.config  # raises an error for wrong fields
    return found


def _values(config: TrainConfig) -> dict[str, Any]:
    """Returns what the runs of a cell share: all that affects a result, except the machine and the seed."""
    return {name: value for name, value in config.values(*_ROLES).items() if name != "seed"}


@dataclass(frozen=True)
class Row:
    """One line of a block: the arms to compare, and their seeds.

    Attributes:
        fixed: the arms: (True, False) is a pair of fixed and learned class vectors.
        scale: a number or word, or the choice that decides it.
        model, epochs: None for the recipe's.
        extra: further fields of the configuration.
        factors: field -> factor on its value without this.
        equal_steps: whether to train on a part of the data for as many steps as the recipe takes on all of them.
        seeds: the seeds, set before the first result is read.
        more_seeds: seeds to add if the differences between the arms turn out to vary too much (`Decisions`).
        corrupted: number of test images to measure under corruptions, of each kind and severity.
    """

    dataset: str
    head: str
    fixed: tuple[bool, ...] = BOTH
    scale: "float | str | Choice" = 1.0
    model: str | None = "resnet18"
    extra: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    epochs: float | None = 30
    recipe: str = "honest"
    factors: Mapping[str, float] = field(default_factory=dict)
    equal_steps: bool = False
    more_seeds: Sequence[int] = ()
    corrupted: int | None = ALL_IMAGES

    def cell(self, fixed: bool, scale: float | str) -> Cell:
        """Returns the cell of one arm."""
        fields: dict[str, Any] = {"dataset": self.dataset, "head": self.head, "fixed": fixed, "scale": scale,
                                  "recipe": self.recipe}
        fields |= {name: value for name, value in (("model", self.model), ("epochs", self.epochs)) if value is not None}
        if not self.factors and not self.equal_steps:
            return cell({**fields, **self.extra})
        plain = build_config(fields)
        fields |= self.extra
        fields |= {name: factor * getattr(plain, name) for name, factor in self.factors.items()}
        if self.equal_steps:
            longer = _steps(plain) / _steps(build_config(fields))
            fields |= {"epochs": plain.epochs * longer,
                       "whitening_bias_epochs": round(plain.whitening_bias_epochs * longer)}
        return cell(fields)


def _steps(config: TrainConfig) -> int:
    """Returns the training steps per epoch."""
    return steps_of(train_size(config, dataset_entry(config)), config.batch_size, config.partial_batch)


@dataclass(frozen=True, eq=False)
class Choice:
    """A scale that is chosen by validation accuracy, from a grid and for seeds that no comparison uses.

    Attributes:
        name: a name for it.
        row: both arms; its scale is replaced by each of `scales`.
        scales: the grid, ascending.
        per_arm: whether each arm has the scale that is best for it; otherwise both have the one with the best mean.
    """

    name: str
    row: Row
    scales: tuple[float, ...]
    per_arm: bool

    def cells(self, fixed: bool) -> dict[float, Cell]:
        """Returns scale -> cell of an arm."""
        return {scale: self.row.cell(fixed, scale) for scale in self.scales}


class Chosen(NamedTuple):
    """A chosen scale, and whether it is at the edge of its grid: a better one may lie outside."""

    scale: float
    at_edge: bool


@dataclass(frozen=True)
class Decisions:
    """What earlier results decide about a plan.

    Attributes:
        scales: choice -> fixed -> its scale; without an entry until it is chosen.
        extended: labels of the rows whose `more_seeds` are needed.
    """

    scales: "Mapping[Choice, Mapping[bool, Chosen]]" = field(default_factory=dict)
    extended: frozenset[str] = frozenset()

    def scale(self, asked: float | str | Choice, fixed: bool) -> float | str | None:
        """Returns the scale of an arm; None if it is not chosen yet."""
        if not isinstance(asked, Choice):
            return asked
        found = self.scales.get(asked, {}).get(fixed)
        return None if found is None else found.scale

    def seeds(self, row: Row) -> tuple[int, ...]:
        """Returns the seeds of a row."""
        return (*row.seeds, *(row.more_seeds if row_name(row) in self.extended else ()))


@dataclass(frozen=True)
class Block:
    """Cells that answer one question.

    Attributes:
        name: '1' to '12', '5b' and so on; 'E0' and so on.
        why: the question.
    """

    name: str
    why: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Planned:
    """A run of a plan.

    Attributes:
        block: the first block that contains it.
        cell: None while its scale depends on unfinished runs.
        label: a description.
        like: a cell that takes as long: `cell`, or the same at another scale.
        corrupted: number of test images to measure under corruptions; None for all.
    """

    block: str
    cell: Cell | None
    seed: int
    label: str
    like: Cell
    corrupted: int | None = ALL_IMAGES


def choice_rows(choice: Choice) -> tuple[Row, ...]:
    """Returns the rows that a choice needs, one per scale."""
    return tuple(dataclasses.replace(choice.row, scale=scale) for scale in choice.scales)


def row_name(row: Row) -> str:
    """Returns the name of a row in `Decisions`."""
    return f"{row.dataset} {row.head} {row.recipe}"


def plan(blocks: Sequence[Block], decisions: Decisions) -> Iterator[Planned]:
    """Yields the runs of blocks, each once, in order of importance.

    Args:
        blocks: of a plan, or some of them.
        decisions: what earlier results decide.
    """
    seen: set[tuple[str, int]] = set()
    for block in blocks:
        for row in block.rows:
            for seed in decisions.seeds(row):
                for fixed in row.fixed:
                    scale = decisions.scale(row.scale, fixed)
                    if scale is None:
                        assert isinstance(row.scale, Choice)
                        like = row.cell(fixed, 1.0)
                        yield Planned(block.name, None, seed, f"{like.label}, at its {row.scale.name}", like)
                        continue
                    found = row.cell(fixed, scale)
                    if (found.id, seed) not in seen:
                        seen.add((found.id, seed))
                        yield Planned(block.name, found, seed, found.label, found, row.corrupted)
