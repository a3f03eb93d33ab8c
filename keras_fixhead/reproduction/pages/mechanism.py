"""What block E7 and E9 show: draw against training, slow or stuck, and the ablation of label smoothing."""
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from keras_fixhead.analysis.components import variance_components
from keras_fixhead.analysis.geometry import different_pairs
from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.reproduction.claims.accuracy import GAP_POINTS, NEAR_POINTS
from keras_fixhead.reproduction.measures import accuracy
from keras_fixhead.reproduction.planning.cells import LEARNED, Cell, Row
from keras_fixhead.reproduction.planning.evidence_blocks import DOT_SCALE, DRAWS, EVIDENCE_BLOCKS
from keras_fixhead.reproduction.results import Results, decide
from keras_fixhead.reproduction.studies import MERGED
from keras_fixhead.runs.result import Result


def mechanism_block(results: Results) -> list[str]:
    """Returns what the results say about draws, longer trainings and smoothing; names what is not measured."""
    parts = [_draws(results), _longer(results), _smoothing(results)]
    names = ("draw against training (E7)", "slow or stuck (E7)", "label smoothing (E9)")
    missing = [name for name, lines in zip(names, parts, strict=True) if not lines]
    said = ["", f"Not measured: {', '.join(missing)}: `fixhead reproduce E7 E9 --data-dir DATA`."] if missing else []
    return [*said, *(line for lines in parts for line in lines), ""]


def _rows(name: str) -> tuple[Row, ...]:
    (block,) = (block for block in EVIDENCE_BLOCKS if block.name == name)
    return block.rows


def _draws(results: Results) -> list[str]:
    """How much of the spread of the fixed arm at S = 1 comes from the draw of the class vectors."""
    rows = [row for row in _rows("E7") if "vector_seed" in row.extra]
    cells = {row.extra["vector_seed"]: row.cell(True, 1.0) for row in rows}
    values = {(draw, seed): accuracy(each) for draw, one in cells.items() for seed, each in results.of(one).items()}
    seeds = sorted({seed for _, seed in values})
    if failed := sum(_failed(one, results) for one in cells.values()):
        return ["", f"**Draw against training**: {failed} runs failed to converge, so the spread cannot be divided."]
    if any(results.of(one).keys() < set(row.seeds) for row, one in zip(rows, cells.values(), strict=True)):
        return []
    found = variance_components(values)
    deviations = ", ".join(f"{math.sqrt(value):.2f} from {name}" for name, value in (
        ("the draw of the class vectors", found.draw), ("the seed of training", found.seed), ("neither", found.rest)))
    lines = [" | ".join([f"| {draw}", *(f"{values[draw, seed]:.2f}" for seed in seeds)]) + " |" for draw in DRAWS]
    return ["", f"**Draw against training**, {_what(next(iter(cells.values())))}. Standard deviation in points: "
            f"{deviations}.", "", "| class vectors | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
            "| --- |" + " --- |" * len(seeds), *lines]


def _longer(results: Results) -> list[str]:
    """Whether the learned arm at S = 1 catches up if it is trained longer, and whether its class vectors merge."""
    rows = [row for row in _rows("E7") if row.fixed == LEARNED]
    cells = [row.cell(False, 1.0) for row in rows]
    lines = [_length(one, results) for one in cells if results.all_of(one)]
    if not lines:
        return []
    fixed = [row.cell(True, 1.0) for row in _rows("E7") if row.fixed != LEARNED]
    once = [accuracy(each) for one in fixed for each in results.of(one).values()]
    beside = f" The fixed arm after the shortest: {statistics.fmean(once):.2f} %, n = {len(once)}." if once else ""
    longest = results.all_of(cells[-1])
    said = f" {_slow_or_stuck(longest, once)}" if once and longest.keys() >= set(rows[-1].seeds) else ""
    return ["", f"**Slow or stuck**: {_what(cells[0])}, learned class vectors, trained longer.{beside}{said}", "",
            f"| epochs | accuracy, % | n | failed to converge | largest cosine between class vectors | pairs above "
            f"{MERGED:g} |", "| --- |" + " --- |" * 5, *lines]


def _slow_or_stuck(longest: Mapping[int, Result], once: Sequence[float]) -> str:
    """The word for the learned arm after its longest training, by a rule that was set before its first result."""
    if not all(each.converged for each in longest.values()):
        return "Undecided: a run of the longest training failed to converge."
    behind = [statistics.fmean(once) - accuracy(each) for each in longest.values()]
    if max(behind) <= NEAR_POINTS:
        return f"**Slow**: after the longest, each seed is at most {NEAR_POINTS:g} points below it."
    if min(behind) > GAP_POINTS and all(_merged_pairs(each) for each in longest.values()):
        return f"**Stuck**: after the longest, each seed is over {GAP_POINTS:g} points below it, with merged pairs."
    return "Neither slow nor stuck by the rule."


def _merged_pairs(run: Result) -> int:
    cosines = run.matrices()["cosines"]
    return int((cosines[different_pairs(len(cosines))] > MERGED).sum()) // 2


def _length(one: Cell, results: Results) -> str:
    runs = list(results.of(one).values())
    cosines = [each.matrices()["cosines"] for each in runs]
    merged = [_merged_pairs(each) for each in runs]
    largest = [float(each[different_pairs(len(each))].max()) for each in cosines]
    start = f"| {one.config.epochs:g} |"
    failed = _failed(one, results)
    if not runs:
        return f"{start} | 0 | {failed} | | |"
    return (f"{start} {_mean([accuracy(each) for each in runs])} | {len(runs)} | {failed} | "
            f"{np.mean(largest):.3f} | {', '.join(map(str, merged))} |")


def _smoothing(results: Results) -> list[str]:
    """What the recipe's label smoothing changes in each arm, paired by seed."""
    decisions = decide(results, EVIDENCE_BLOCKS)
    (smoothed,), (plain,) = _rows("E9"), _rows("E1")
    lines = []
    for fixed, name in ((True, "fixed"), (False, "learned")):
        if (scale := decisions.scale(DOT_SCALE, fixed)) is None:
            return []
        values = [{seed: accuracy(each) for seed, each in results.of(row.cell(fixed, scale)).items()}
                  for row in (smoothed, plain)]
        found = paired_difference(*values)
        if found.interval is not None:
            low, high = found.interval
            failed = sum(_failed(row.cell(fixed, scale), results) for row in (smoothed, plain))
            lines.append(f"| {name} | {found.mean:+.2f} [{low:+.2f}, {high:+.2f}] | {found.n} | {failed} |")
    header = ["", "**Label smoothing** 0.2 minus none, cifar10, dot logits, recipe `fast`:", "",
              "| arm | points: mean [95 % interval] | n | failed to converge |", "| --- | --- | --- | --- |"]
    return [*header, *lines] if lines else []


def _failed(one: Cell, results: Results) -> int:
    return len(results.all_of(one)) - len(results.of(one))


def _what(one: Cell) -> str:
    config = one.config
    return f"{config.dataset}, cosine logits at S = {config.scale:g}, recipe `{config.recipe}`"


def _mean(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"
