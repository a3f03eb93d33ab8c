"""Results of cells at full size: one JSON file a run, and beside it one .npz file of matrices."""
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.config import TrainConfig, resolved_fields
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import read_json
from keras_fixhead.reproduction.cells import Cell, cell
from keras_fixhead.runs import SCHEMA

COMPLETE, FAILED_TO_CONVERGE = "complete", "failed to converge"
MAY_BE_PARTS = ("stl10", "tiny_imagenet")
"""Data sets of which results on a part are read, as they are said to be of one."""


@dataclass(frozen=True)
class Result:
    """What one run of a cell has left.

    Attributes:
        path: the JSON file.
        cell: what was asked for.
        seed: of the run.
        config: resolved, as the run had it.
        content: the rest of the file.
        matrices: function that reads 'confusion' (m, m), true classes in rows, and 'cosines' (m, m) of class vectors.
    """

    path: Path
    cell: Cell
    seed: int
    config: TrainConfig
    content: Mapping[str, Any]
    matrices: Callable[[], Mapping[str, NDArray[Any]]]

    @property
    def converged(self) -> bool:
        """Whether the loss stayed a number to the end."""
        return self.content["state"] == COMPLETE

    def accuracy(self, split: str = "test") -> float:
        """Returns the accuracy on a split in percent."""
        return 100 * float(self.content["accuracy"][split])

    def evaluation(self, name: str) -> float:
        """Returns a figure of the evaluation on test images, by its name in `evaluation.Evaluation`."""
        return float(self.content["evaluation"]["test"][name])


@dataclass(frozen=True)
class Results:
    """Results by cell and seed.

    Example:
        >>> Results().of(cell(dataset="cifar10"))
        {}
    """

    by_cell: Mapping[str, Mapping[int, Result]] = field(default_factory=dict)

    def of(self, wanted: Cell) -> dict[int, Result]:
        """Returns seed -> result of the runs of a cell that have converged."""
        return {seed: each for seed, each in self.by_cell.get(wanted.id, {}).items() if each.converged}

    def all_of(self, wanted: Cell) -> dict[int, Result]:
        """Returns seed -> result of all runs of a cell, those that failed to converge too."""
        return dict(self.by_cell.get(wanted.id, {}))

    def __iter__(self) -> Any:
        return (each for seeds in self.by_cell.values() for each in seeds.values())

    def __len__(self) -> int:
        return sum(len(seeds) for seeds in self.by_cell.values())


def gather(results: Iterable[Result]) -> Results:
    """Returns results by cell and seed.

    Raises:
        RunError: if two are of one cell and seed.
    """
    by_cell: dict[str, dict[int, Result]] = {}
    for each in results:
        seeds = by_cell.setdefault(each.cell.id, {})
        if each.seed in seeds:
            raise RunError(f"{seeds[each.seed].path} and {each.path} are of one cell and seed.",
                           hint="Remove one of them, or rename it so that it no longer ends in .json.")
        seeds[each.seed] = each
    return Results({name: dict(sorted(seeds.items())) for name, seeds in by_cell.items()})


def read_results(folder: Path, *, rehearsal: bool = False) -> Results:
    """Returns the results in a folder; none if there is no such folder.

    Args:
        folder: of the JSON files.
        rehearsal: whether they are of a rehearsal.

    Raises:
        RunError: for a file that is damaged, or that is no evidence: of a rehearsal that was not asked for, or of a
            part of a data set that is to be whole.
    """
    return gather(read_result(path, rehearsal=rehearsal) for path in sorted(folder.glob("*.json")))


def read_result(path: Path, *, rehearsal: bool = False) -> Result:
    """Returns the result in a JSON file.

    Args:
        path: of the file; the matrices lie beside it in a file of the same name that ends in .npz.
        rehearsal: whether it is one of a rehearsal.

    Raises:
        RunError: if it is missing, damaged, a rehearsal that was not asked for, or of a part of a data set that is to
            be whole.
    """
    content = read_json(path, schema=SCHEMA)
    try:
        asked, seed, config = cell(content["cell"]), int(content["seed"]), resolved_fields(content["config"])
        state, marked = content["state"], content["rehearsal"]
    except (KeyError, TypeError, ArgumentError) as error:
        raise RunError(f"{path} is damaged: it is no result of a cell ({error}).") from None
    if marked is not rehearsal:
        raise RunError(f"{path} is a result of {'a rehearsal, and no evidence' if marked else 'a real run'}.",
                       hint="Keep rehearsals in a folder of their own.")
    if not rehearsal and not (asked.agrees(config) and config.seed == seed):
        raise RunError(f"{path} is damaged: the configuration of its run is not that of its cell, {asked.label}.")
    if not rehearsal and content.get("subset") and asked.config.dataset not in MAY_BE_PARTS:
        raise RunError(f"{path} is a result of {content['subset']}: no evidence of {asked.label}.",
                       hint="Move it out of the folder, and run it again with the whole data set.")
    needed = {"accuracy": dict, "evaluation": dict} if state == COMPLETE else {"reason": str}
    for name, kind in needed.items():
        if not isinstance(content.get(name), kind):
            raise RunError(f"{path} is damaged: it has no {name!r}.")
    return Result(path, asked, seed, config, content, lambda: _matrices(path.with_suffix(".npz")))


def _matrices(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("confusion", "cosines")}
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged or missing: {error}.") from None
