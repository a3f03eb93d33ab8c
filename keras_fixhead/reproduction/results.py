"""Results of cells: reads them from a folder, checks them, finds them by cell and seed, and what they decide."""
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from statistics import fmean, stdev

from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.reproduction.planning.cells import Block, Cell, Choice, Chosen, Decisions, Row, cell, row_name
from keras_fixhead.runs.result import Result, read_result

MAY_BE_PARTS = ("stl10", "tiny_imagenet")
"""Data sets for which results on a part of the set are accepted; they are labelled as such."""
EXTEND_ABOVE = 0.3
"""Standard deviation of paired differences, in points, above which a row gets its `more_seeds`."""


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
    except ArgumentError as error:
        raise RunError(f"{path} is damaged: it is not the result of a cell: {error.what}") from None
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path} is damaged: it is not the result of a cell: its 'cell', 'seed' or 'rehearsal' is "
                       "missing or wrong.") from None
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
        seeds[seed] = dataclasses.replace(each, matrices=functools.cache(each.matrices))  # many claims read them
    return Results({name: dict(sorted(seeds.items())) for name, seeds in by_cell.items()})


def decide(results: Results, blocks: Sequence[Block]) -> Decisions:
    """Returns what results decide about the rest of a plan: scales, and which rows need more seeds.

    Args:
        results: those of the plan.
        blocks: of the plan, or some of them.
    """
    rows = [row for block in blocks for row in block.rows]
    scales = {row.scale: chosen(row.scale, results) for row in rows if isinstance(row.scale, Choice)}
    plain = Decisions(scales)
    return Decisions(scales, frozenset(
        row_name(row) for row in rows
        if row.more_seeds and len(values := _differences(row, plain, results)) > 1 and stdev(values) > EXTEND_ABOVE))


def validation_scores(choice: Choice, fixed: bool, results: Results) -> dict[float, float]:
    """Returns scale -> mean validation accuracy of an arm, -inf with a failed run; empty while runs are missing."""
    found = {}
    for scale, one in choice.cells(fixed).items():
        runs = results.all_of(one)
        if any(seed not in runs for seed in choice.row.seeds):
            return {}
        own = [runs[seed] for seed in choice.row.seeds]
        found[scale] = fmean(each.accuracy("validation") if each.converged else -inf for each in own)
    return found


def chosen(choice: Choice, results: Results) -> dict[bool, Chosen]:
    """Returns fixed -> the scale with the best validation accuracy; no entry while runs of its grid are missing.

    A scale at which a run failed to converge cannot be the best.
    """
    scores = {fixed: validation_scores(choice, fixed, results) for fixed in (True, False)}
    if not choice.per_arm:
        both = scores[True].keys() & scores[False].keys() if all(scores.values()) else ()
        shared = {scale: fmean([scores[True][scale], scores[False][scale]]) for scale in both}
        scores = dict.fromkeys(scores, shared)
    return {fixed: _best(choice, each) for fixed, each in scores.items() if any(map(isfinite, each.values()))}


def _best(choice: Choice, scores: Mapping[float, float]) -> Chosen:
    scale = max(scores, key=lambda each: scores[each])
    return Chosen(scale, at_edge=scale in (choice.scales[0], choice.scales[-1]))


def _differences(row: Row, decisions: Decisions, results: Results) -> list[float]:
    """Returns fixed minus learned test accuracy of a row's first seeds, in points; empty while some were not run.

    Seeds at which a run failed to converge have no difference.
    """
    scales = [decisions.scale(row.scale, fixed) for fixed in (True, False)]
    if None in scales:
        return []
    fixed, learned = (results.all_of(row.cell(each, scale)) for each, scale in zip((True, False), scales, strict=True)
                      if scale is not None)
    if any(seed not in fixed or seed not in learned for seed in row.seeds):
        return []
    return [100 * (fixed[seed].accuracy() - learned[seed].accuracy()) for seed in row.seeds
            if fixed[seed].converged and learned[seed].converged]
