"""The table of measured cells, next to the paper's numbers."""
import statistics
from collections.abc import Mapping, Sequence

from keras_fixhead.config import arm_name
from keras_fixhead.reproduction.claims.comparisons import Arm, Evidence, difference, printed
from keras_fixhead.reproduction.claims.findings import measured_text
from keras_fixhead.reproduction.claims.settings import Setting
from keras_fixhead.reproduction.claims.verdict import NOT_MEASURED, above
from keras_fixhead.reproduction.measures import accuracy, averaged_accuracy
from keras_fixhead.reproduction.paper import paper_table
from keras_fixhead.reproduction.planning.cells import Block, Cell, Choice, Decisions, Row
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.results import Results, decide

ARMS = {True: "fixed", False: "learned"}
RATE_TABLES = {"preact_resnet18": 7, "resnet18": 8, "mobilenet_v2": 9}


def cells_block(results: Results, blocks: Sequence[Block], at: Setting) -> list[str]:
    """Returns one line for each measured cell, or pair of cells that differ only in fixed or learned class vectors."""
    seen = Evidence(at, results, decide(results, blocks))
    rows = [_line(seen, block, row) for block in blocks for row in block.rows
            if any(results.all_of(one) for one in _cells(row, seen.decisions).values())]
    if not rows:
        return []
    return ["", f"Cells {at.title}:", "", "| block | cell | seeds | paper: fixed | paper: learned | here: fixed | "
            "here: learned | fixed minus learned, points: mean [95 % interval], n |", "| --- |" + " --- |" * 7,
            *rows, "",
            "Here: mean test accuracy in percent, standard deviation over seeds, n, and epochs; in brackets the mean "
            "accuracy with flips and shifts of the test images. The paper does not print the spread, the epochs or the "
            "S of its Table 3, nor whether features are signed; its numbers are shown for the same data set, logits, "
            f"scale and learning rate, and for the same network or, next to {at.network}, for {at.paper_network}.", ""]


def _line(seen: Evidence, block: Block, row: Row) -> str:
    cells = _cells(row, seen.decisions)
    here = [accuracies(seen.results, cells[fixed]) if fixed in cells else
            "S is not chosen yet" if fixed in row.fixed else "" for fixed in (True, False)]
    paper = ["" if fixed not in row.fixed or (number := paper_number(row, fixed, seen.setting)) is None
             else f"{number}" for fixed in (True, False)]
    return "| " + " | ".join([block.name, _label(row, cells), f"{len(seen.decisions.seeds(row))}", *paper, *here,
                              _pair_text(seen, row, cells)]) + " |"


def _cells(row: Row, decisions: Decisions) -> dict[bool, Cell]:
    return {fixed: row.cell(fixed, scale) for fixed in row.fixed
            if (scale := decisions.scale(row.scale, fixed)) is not None}


def accuracies(results: Results, one: Cell) -> str:
    """Returns the mean and spread of a cell's test accuracy, and how many of its runs failed."""
    runs = results.all_of(one)
    if not runs:
        return NOT_MEASURED
    converged = [each for each in runs.values() if each.converged]
    values = [accuracy(each) for each in converged]
    failed = f"{len(runs) - len(values)} of {len(runs)} failed to converge" if len(values) < len(runs) else ""
    if not values:
        return failed
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    augmented = [value for each in converged if (value := averaged_accuracy(each)) is not None]
    with_views = f" ({statistics.fmean(augmented):.2f})" if len(augmented) == len(values) else ""
    part = "on a part of the set" if any(each.content.get("subset") for each in runs.values()) else ""
    return ", ".join(each for each in (f"{statistics.fmean(values):.2f}{spread}{with_views}", f"n = {len(values)}",
                                       f"{one.config.epochs:g} epochs", failed, part) if each)


def _label(row: Row, cells: Mapping[bool, Cell]) -> str:
    """Returns a description of what the cells of a row share."""
    fixed, one = next(iter(cells.items()))
    if isinstance(row.scale, Choice) and row.scale.per_arm:
        chosen = ", ".join(f"S = {each.config.scale:g} {ARMS[arm]}" for arm, each in cells.items())
        return f"{row.dataset} {one.config.model} {row.head}, each arm at its best S ({chosen})"
    name = arm_name(one.config)
    return one.label.replace(name, name.removesuffix(f"-{ARMS[fixed]}"), 1)


def printed_numbers(seen: Evidence) -> dict[str, float]:
    """Returns the id of each cell of a plan next to which the paper prints a number -> this number, in percent."""
    found: dict[str, float] = {}
    for block in PLANS[seen.setting.plan]:
        for row in block.rows:
            for fixed, one in _cells(row, seen.decisions).items():
                if (value := printed(paper_number(row, fixed, seen.setting))) is not None:
                    found.setdefault(one.id, value)
    return found


def paper_number(row: Row, fixed: bool, at: Setting) -> float | str | None:
    """Returns what the paper prints for one arm of a row: percent, `paper.FAILED`, or None for nothing.

    A network at a quarter of its width, a shorter recipe and an ablation have no number.
    """
    smoothing = row.extra.get("label_smoothing")
    if row.recipe == "cpu" or (row.model is None and (row.recipe, smoothing) != (at.main.recipe, 0.0)):
        return None
    key = paper_key(row, fixed, at)
    return None if key is None else paper_table(key[0]).cells[key[1]]


def paper_key(row: Row, fixed: bool, at: Setting) -> tuple[int, tuple[str, ...]] | None:
    """Returns the paper's table and the names along its axes for one arm of a row; None if it prints nothing."""
    more = dict(row.extra)
    rate = more.pop("lr", None)
    for name in ("signed_features", "warmup_fraction", "label_smoothing"):
        more.pop(name, None)
    model = row.model or at.paper_network
    if more:
        return None
    if rate is not None:
        table, names = RATE_TABLES.get(model), (row.dataset, f"{rate:g}", ARMS[fixed])
    else:
        table = 1 if row.head == "dot" else 3 if isinstance(row.scale, Choice) else 2 if row.scale == 1 else None
        names = row.dataset, model, ARMS[fixed]
    return None if table is None or paper_table(table).cells.get(names) is None else (table, names)


def _pair_text(seen: Evidence, row: Row, cells: Mapping[bool, Cell]) -> str:
    """Returns the paired gain of a row that has both arms."""
    if len(row.fixed) < 2:
        return ""
    if len(cells) < 2:
        return NOT_MEASURED
    first, second = (Arm(row, fixed, row.scale) for fixed in (True, False))
    return measured_text(difference(seen, "", first, second, accuracy, above())) or NOT_MEASURED
