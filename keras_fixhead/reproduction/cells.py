"""A cell: runs that differ in their seeds alone, named by what was asked for and not by the machine that did it."""
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.config import RESULT_ROLES, TrainConfig, arm_name
from keras_fixhead.recipes import build_config

_ROLES = tuple(role for role in RESULT_ROLES if role != "machine")


@dataclass(frozen=True)
class Cell:
    """A configuration without its seed.

    Attributes:
        fields: (field of `TrainConfig`, value), sorted by name; what is not here is the recipe's.
    """

    fields: tuple[tuple[str, Any], ...]

    @functools.cached_property
    def config(self) -> TrainConfig:
        """The configuration of seed 0, with what depends on the machine and the data left open."""
        return build_config(dict(self.fields))

    @functools.cached_property
    def id(self) -> str:
        """Ten digits that name the cell everywhere: of the fields that change the result and are not at their default,
        so that a field that is new in a later version leaves the names of older results as they were."""
        relevant = {name: value for name, value in _values(self.config).items()
                    if value != TrainConfig.field(name).default}
        return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]

    @property
    def label(self) -> str:
        """What sets the cell apart, in words."""
        named = {"dataset", "model", "head", "fixed", "scale", "epochs", "recipe"}
        more = "".join(f", {name} {_shown(value)}" for name, value in self.fields if name not in named)
        scale = f", S = {self.config.scale:g}" if self.config.head == "cos" and self.config.scale != 1 else ""
        return f"{self.config.dataset} {self.config.model} {arm_name(self.config)}{scale}{more}"

    def file_name(self, seed: int) -> str:
        """The name of the result of one seed, without its ending."""
        config = self.config
        return (f"{Path(config.dataset).name}-{config.model.replace('/', '-')}-{arm_name(config)}-S{config.scale}-"
                f"e{config.epochs}-s{seed}-{self.id}")

    def explicit(self, seed: int) -> dict[str, Any]:
        """The fields of one seed's configuration, as `recipes.build_config` takes them."""
        return dict(self.fields) | {"seed": seed}

    def agrees(self, config: TrainConfig) -> bool:
        """Whether a resolved configuration is one of this cell: a rehearsal, with its smaller network, is not."""
        return all(value == getattr(config, name) for name, value in _values(self.config).items()
                   if not self.config.is_open(name))


def cell(fields: Mapping[str, Any] = {}, /, **more: Any) -> Cell:
    """Returns the cell of some fields.

    Raises:
        ArgumentError: (a ValueError) for fields that are no configuration.

    Example:
        >>> one = cell(dataset="cifar10", head="cos", fixed=True, epochs=30)
        >>> one.id == cell(epochs=30, dataset="cifar10").id  # the others are defaults
        True
        >>> one.label
        'cifar10 resnet18 cos-fixed'
    """
    found = Cell(tuple(sorted({**fields, **more}.items())))
    _ = found.config  # wrong fields are refused here
    return found


def _values(config: TrainConfig) -> dict[str, Any]:
    """What runs of a cell share: all that changes a result, but for the machine and the seed."""
    return {name: value for name, value in config.values(*_ROLES).items() if name != "seed"}


def _shown(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value:g}" if isinstance(
        value, float) else str(value)
