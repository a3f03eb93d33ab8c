"""Results of the paper's cells at full size: reads them from a folder, checks them, and finds them by cell and seed."""
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.reproduction.cells import SCALES, Cell, cell, scale_cell
from keras_fixhead.runs.result import Result, read_result

MAY_BE_PARTS = ("stl10", "tiny_imagenet")
"""Data sets for which results on a part of the set are accepted; they are labelled as such."""
CHOICE_SEEDS = 3
"""Number of seeds that every scale needs before one is chosen."""


@dataclass(frozen=True)
class Results:
    """Results by cell and seed.

    Example:
        >>> Results().of(cell(dataset="cifar10"))
        {}
    """

    by_cell: Mapping[str, Mapping[int, Result]] = field(default_factory=dict)

    def of(self, wanted: Cell) -> dict[int, Result]:
        """Returns seed -> result for the runs of a cell that converged."""
        return {seed: each for seed, each in self.by_cell.get(wanted.id, {}).items() if each.converged}

    def all_of(self, wanted: Cell) -> dict[int, Result]:
        """Returns seed -> result for all runs of a cell, including those that failed to converge."""
        return dict(self.by_cell.get(wanted.id, {}))

    def __iter__(self) -> Iterator[Result]:
        return (each for seeds in self.by_cell.values() for each in seeds.values())

    def __len__(self) -> int:
        return sum(len(seeds) for seeds in self.by_cell.values())


def read_results(folder: Path, *, rehearsal: bool = False) -> Results:
    """Returns the results in a folder; an empty set of results if there is no such folder.

    Args:
        folder: folder of the JSON files.
        rehearsal: whether they are from a rehearsal.

    Raises:
        RunError: for a damaged file, one that is not evidence (see `read_evidence`), or two for the same cell and seed.
    """
    return gather(read_evidence(path, rehearsal=rehearsal) for path in sorted(folder.glob("*.json")))


def read_evidence(path: Path, *, rehearsal: bool = False) -> Result:
    """Returns the result in a JSON file, if it is evidence of its cell.

    Args:
        path: path of the file; its matrices are next to it, in a file of the same name that ends in .npz.
        rehearsal: whether it is from a rehearsal.

    Raises:
        RunError: if it is missing or damaged, from a rehearsal without `rehearsal` (or the other way round), or from a
            part of a data set that must be whole.
    """
    result = read_result(path)
    content = result.content
    try:
        asked, seed, marked = cell(content["cell"]), int(content["seed"]), content["rehearsal"]
    except (KeyError, TypeError, ArgumentError) as error:
        raise RunError(f"{path} is damaged: it is not the result of a cell ({error}).") from None
    if marked is not rehearsal:
        raise RunError(f"{path} is a result of {'a rehearsal, which is not evidence' if marked else 'a real run'}.",
                       hint="Keep rehearsals in a separate folder.")
    if not rehearsal and not (asked.agrees(result.config) and result.seed == seed):
        raise RunError(f"{path} is damaged: the configuration of its run is not that of its cell, {asked.label}.")
    if not rehearsal and content.get("subset") and asked.config.dataset not in MAY_BE_PARTS:
        raise RunError(f"{path} is a result of {content['subset']}: not evidence of {asked.label}.",
                       hint="Move it out of the folder, and repeat the run with the whole data set.")
    return result


def gather(results: Iterable[Result]) -> Results:
    """Returns results by cell and seed.

    Raises:
        RunError: if two have the same cell and seed.
    """
    by_cell: dict[str, dict[int, Result]] = {}
    for each in results:
        seeds = by_cell.setdefault(cell(each.content["cell"]).id, {})
        if (seed := int(each.content["seed"])) in seeds:
            raise RunError(f"{seeds[seed].path} and {each.path} have the same cell and seed.",
                           hint="Remove one of them, or rename it so that it no longer ends in .json.")
        seeds[seed] = each
    return Results({name: dict(sorted(seeds.items())) for name, seeds in by_cell.items()})


def best_scales(results: Results) -> dict[bool, float | None]:
    """Returns fixed -> the scale with the best mean validation accuracy; None until all scales have enough seeds."""
    return {fixed: best({scale: scale_cell(fixed, scale) for scale in SCALES}, results) for fixed in (True, False)}


def best(cells: Mapping[float, Cell], results: Results, seeds: int = CHOICE_SEEDS) -> float | None:
    """Returns the key whose cell has the best mean validation accuracy; None while any cell lacks seeds.

    Runs that failed to converge count as measured, but never as the best.
    """
    if any(len(results.all_of(each)) < seeds for each in cells.values()):
        return None
    means = {number: fmean(each.accuracy("validation") for each in converged.values())
             for number, one in cells.items() if (converged := results.of(one))}
    return max(means, key=lambda number: means[number]) if means else None
