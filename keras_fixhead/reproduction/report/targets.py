"""The report's list of the paper's tables and figures: what is measured of each, and what the rest needs."""
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keras_fixhead.reproduction.claims.comparisons import Evidence
from keras_fixhead.reproduction.claims.settings import EVIDENCE, Setting
from keras_fixhead.reproduction.pages.cells import paper_key
from keras_fixhead.reproduction.paper import paper_table
from keras_fixhead.reproduction.planning import cost
from keras_fixhead.reproduction.planning.cells import Cell, plan
from keras_fixhead.reproduction.planning.plans import PLANS, blocks_named
from keras_fixhead.reproduction.planning.targets import NEEDS, TARGETS, heads_of
from keras_fixhead.reproduction.results import Results, decide
from keras_fixhead.runs.result import Result

NETWORK_TABLES = ("1", "2", "3", "7", "8")
"""The paper's tables whose numbers are of a data set and a network."""
_ORDER = sorted((name for name in TARGETS if name != "all"),
                key=lambda name: ("tfc".index(name[0]), name))  # tables, figures, correlations


def targets_content(at: Setting, results: Results) -> list[dict[str, Any]]:
    """Returns one entry for each table and figure of the paper, and the correlations, measured or not.

    `runs` counts all runs that it needs and `done` those that measured it; runs whose scale is chosen by others that
    are missing count as `waiting`. `covers` counts the numbers of the paper's table that the runs stand next to, of
    `printed`. `command` would measure the rest, in `hours`.
    """
    decisions = decide(results, PLANS[at.plan])
    found = []
    for name in _ORDER:
        blocks = TARGETS[name][at.plan]
        heads = heads_of([name])
        planned = [each for each in plan(blocks_named(blocks, at.plan), decisions)
                   if not heads or each.like.config.head in heads]
        cells = {(each.cell.id, each.seed): each.cell for each in planned
                 if each.cell is not None and (name != "table5" or each.cell.config.dataset == "cifar10")}
        runs = {key: results.all_of(cell).get(key[1]) for key, cell in cells.items()}
        left = [cells[key] for key, result in runs.items() if result is None]
        waiting = [each.like for each in planned if each.cell is None]
        done = sum(result is not None and _measures(name, result) for result in runs.values())
        command = f"fixhead reproduce {name}{recipe_option(at)} --data-dir DATA" if left or waiting else ""
        found.append({"target": name, "blocks": list(blocks), "runs": len(cells) + len(waiting), "done": done,
                      "waiting": len(waiting), "hours": round(hours_of([*left, *waiting], at, results), 1),
                      **_coverage(name, at), "command": command, "needs": NEEDS.get(name, "")})
    return found


def _coverage(target: str, at: Setting) -> dict[str, int]:
    """Returns how many numbers of the paper's table the runs of a plan stand next to, and how many it prints."""
    number = target.removeprefix("table")
    if number not in NETWORK_TABLES:
        return {"covers": 0, "printed": 0}
    keys = {key for block in blocks_named(TARGETS[target][at.plan], at.plan) for row in block.rows
            for fixed in row.fixed if (key := paper_key(row, fixed, at)) is not None and key[0] == int(number)}
    return {"covers": len(keys), "printed": sum(value is not None for value in paper_table(number).cells.values())}


def _measures(target: str, result: Result) -> bool:
    """Returns whether a run measured a table: Table 5 only where outside sets were on the machine."""
    return target != "table5" or bool(result.content.get("generalization"))


def target_text(each: Mapping[str, Any]) -> str:
    """Returns how much of a table or figure is measured, and what the rest needs.

    Example:
        >>> target_text({"runs": 9, "done": 9, "waiting": 0, "hours": 0.0, "covers": 4, "printed": 24, "command": "",
        ...              "needs": ""})
        "all 9 runs; 4 of the paper's 24 numbers"
    """
    needs = f"; {each['needs']}" if each["needs"] else ""
    if each["printed"]:
        needs = f"; {each['covers']} of the paper's {each['printed']} numbers{needs}"
    if not each["command"]:
        all_done = each["done"] == each["runs"]
        return f"{'all' if all_done else str(each['done']) + ' of'} {each['runs']} runs{needs}"
    waiting = f"; {each['waiting']} wait for the runs that choose their scale" if each["waiting"] else ""
    return f"{each['done']} of {each['runs']} runs; the rest takes about {each['hours']:g} h{waiting}{needs}"


def recipe_option(at: Setting) -> str:
    """Returns the option of `fixhead reproduce` that selects a setting's plan; empty for the default."""
    return "" if at is EVIDENCE else f" --recipe {at.recipe}"


def hours_left(blocks: Sequence[str], seen: Evidence) -> float:
    """Returns the estimated hours of all runs of blocks that have no result, rounded to a tenth."""
    left = [each.like for each in plan(blocks_named(blocks, seen.setting.plan), seen.decisions)
            if each.cell is None or each.seed not in seen.results.all_of(each.cell)]
    return round(hours_of(left, seen.setting, seen.results), 1)


def hours_of(cells: Iterable[Cell], at: Setting, results: Results) -> float:
    """Returns the estimated hours of one run of each cell, on the device of the newest result."""
    newest = max(results, key=lambda each: str(each.content["finished"]), default=None)
    device = None if newest is None else str(newest.content["device"])
    return sum(cost.estimate(cell.config, results, device, at.rate).seconds for cell in cells) / 3600
