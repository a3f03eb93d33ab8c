"""Findings from results: one arm, one arm minus another paired by seed, or two such differences on two data sets."""
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.reproduction.claims.findings import EDGE, POINTS, SEEDS, Finding
from keras_fixhead.reproduction.claims.settings import Setting
from keras_fixhead.reproduction.claims.verdict import HELD, REFUTED, Expectation
from keras_fixhead.reproduction.measures import Measure
from keras_fixhead.reproduction.planning.cells import Cell, Choice, Decisions, Row, plan
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.results import Results, decide
from keras_fixhead.runs.result import Result

SETS = ("cifar100", "cifar10")


@dataclass(frozen=True)
class Evidence:
    """Results in one setting, what they decide, and the seeds that are planned for each cell, by its id."""

    setting: Setting
    results: Results
    decisions: Decisions
    planned: Mapping[str, frozenset[int]] = dataclasses.field(default_factory=dict)


def evidence(results: Results, setting: Setting) -> Evidence:
    """Returns results as evidence in a setting."""
    blocks = PLANS[setting.plan]
    decisions = decide(results, blocks)
    planned: dict[str, set[int]] = {}
    for run in plan(blocks, decisions):
        if run.cell is not None:
            planned.setdefault(run.cell.id, set()).add(run.seed)
    return Evidence(setting, results, decisions, {name: frozenset(seeds) for name, seeds in planned.items()})


@dataclass(frozen=True)
class Arm:
    """One arm: a row, fixed or learned class vectors, and a scale or the choice that decides it."""

    row: Row
    fixed: bool
    scale: float | str | Choice

    def cell(self, decisions: Decisions) -> Cell | None:
        """Returns its cell; None while its scale is not chosen."""
        scale = decisions.scale(self.scale, self.fixed)
        return None if scale is None else self.row.cell(self.fixed, scale)

    def needed(self, decisions: Decisions) -> tuple[Cell, ...]:
        """Returns its cell, or those that choose its scale."""
        found = self.cell(decisions)
        if found is None:
            assert isinstance(self.scale, Choice)
            return tuple(self.scale.cells(self.fixed).values())
        return (found,)


def arm(row: Row, dataset: str, head: str, fixed: bool, scale: float | str | Choice | None = None) -> Arm:
    """Returns an arm of a template; its scale, if not given, is the template's for dot logits and 1 for cosines."""
    scale = (row.scale if head == "dot" else 1.0) if scale is None else scale
    return Arm(dataclasses.replace(row, dataset=dataset, head=head), fixed, scale)


def both(row: Row, dataset: str, head: str, scale: float | str | Choice | None = None) -> tuple[Arm, Arm]:
    """Returns the fixed and the learned arm of a template."""
    return arm(row, dataset, head, True, scale), arm(row, dataset, head, False, scale)


def single(seen: Evidence, label: str, one: Arm, measure: Measure, expected: Expectation, *, unit: str = POINTS,
           paper: float | None = None, note: str = "", beside: bool = False) -> Finding:
    """Returns the finding from one arm, including the number of runs that failed to converge."""
    return Finding(label, _values(seen, one, measure), expected, unit, paper=paper, beside=beside,
                   **_facts(seen, [[one]], note, void=voided(failures(seen, one), (), None)))


def difference(seen: Evidence, label: str, first: Arm, second: Arm, measure: Measure, expected: Expectation, *,
               unit: str = POINTS, paper: float | None = None, note: str = "", beside: bool = False) -> Finding:
    """Returns the finding from one arm minus another, paired by seed, with the runs that failed to converge."""
    values = paired_difference(_values(seen, first, measure), _values(seen, second, measure)).values
    void = voided(failures(seen, first), failures(seen, second), expected if unit == POINTS else None)
    return Finding(label, values, expected, unit, paper=paper, beside=beside,
                   **_facts(seen, [[first, second]], note, void=void))


def gain(seen: Evidence, label: str, row: Row, dataset: str, head: str, measure: Measure, expected: Expectation, *,
         paper: float | None = None, unit: str = POINTS, note: str = "", beside: bool = False) -> Finding:
    """Returns the finding from fixed minus learned class vectors."""
    return difference(seen, label, *both(row, dataset, head), measure, expected, paper=paper, unit=unit, note=note,
                      beside=beside)


def between_sets(seen: Evidence, label: str, many: tuple[Arm, Arm], few: tuple[Arm, Arm], measure: Measure,
                 expected: Expectation, *, unit: str = POINTS, paper: float | None = None, note: str = "") -> Finding:
    """Returns the finding from the difference of two arms on one data set minus that on another.

    The arms of a data set are paired by seed. The data sets are not: nothing is the same in two runs on different data.
    """
    values, minus = (paired_difference(*(_values(seen, one, measure) for one in pair)).values for pair in (many, few))
    void = voided((*failures(seen, many[0]), *failures(seen, few[1])),
                  (*failures(seen, many[1]), *failures(seen, few[0])), expected if unit == POINTS else None)
    return Finding(label, values if minus else {}, expected, unit, paper=paper, minus=minus if values else {},
                   **_facts(seen, [many, few], note, void=void))


def voided(plus: Sequence[int], minus: Sequence[int], expected: Expectation | None) -> tuple[str, ...]:
    """Returns the states that a comparison cannot reach, because runs of its arms failed to converge.

    A mean of the other seeds flatters the arm that failed. Where the claim is that one side is more accurate, only a
    verdict in favour of a side that failed is void; otherwise nobody knows in which direction the missing values lie.

    Args:
        plus: the seeds that failed in the arms that the claim expects to be better.
        minus: those in the others.
        expected: what is expected of a difference of accuracies; None for other numbers.

    Example:
        >>> from keras_fixhead.reproduction.claims.verdict import above
        >>> voided([3], [], above()), voided([], [3], above()), voided([3], [], None)
        (('held',), ('refuted',), ('held', 'refuted'))
    """
    if expected is None or not expected.one_sided:
        return (HELD, REFUTED) if plus or minus else ()
    return (*[HELD] * bool(plus), *[REFUTED] * bool(minus))


def _facts(seen: Evidence, groups: Sequence[Sequence[Arm]], note: str, *, void: tuple[str, ...]) -> dict[str, Any]:
    """Returns what the runs of groups of arms say about a finding; the arms of a group are paired by seed."""
    arms = [one for group in groups for one in group]
    waiting = [text for group in groups if (text := _waiting(seen, group))]
    chosen = [(one.scale, found) for one in arms if isinstance(one.scale, Choice)
              and (found := seen.decisions.scales.get(one.scale, {}).get(one.fixed)) is not None]
    scales = dict.fromkeys(f"{each.scale:g}" for _, each in chosen)
    edges = [each for choice, each in chosen if each.at_edge and choice.per_arm]  # a shared scale is as fair anywhere
    notes = [note, f"S = {' and '.join(scales)}, chosen" if scales else "",
             f"S = {edges[0].scale:g} is at the edge of its grid: unresolved" if edges else "",
             failures_text(seen, arms), *dict.fromkeys(waiting)]
    cells = tuple(one for each in arms for one in each.needed(seen.decisions))
    return {"cells": cells, "epochs": cells[0].config.epochs, "note": "; ".join(each for each in notes if each),
            "failed": tuple(sorted({seed for one in arms for seed in failures(seen, one)})), "void": void,
            "unresolved": EDGE if edges else SEEDS if waiting else ""}


def _waiting(seen: Evidence, group: Sequence[Arm]) -> str:
    """Returns how many of the seeds planned for all arms of a group were run; empty if all were, or none.

    A verdict before that would be a look at results while they come in: the more looks, the more false verdicts.
    """
    cells = [found for one in group if (found := one.cell(seen.decisions)) is not None]
    if not cells:
        return ""
    planned = frozenset.intersection(*(seen.planned.get(one.id, frozenset()) for one in cells))
    done = planned.intersection(*(seen.results.all_of(one) for one in cells))
    return f"{len(done)} of {len(planned)} planned seeds" if done and done != planned else ""


def failures(seen: Evidence, one: Arm) -> tuple[int, ...]:
    """Returns the seeds at which a run of the arm failed to converge."""
    return tuple(seed for seed, result in all_runs(seen, one).items() if not result.converged)


def failures_text(seen: Evidence, arms: Sequence[Arm]) -> str:
    """Returns how many runs of each arm failed to converge."""
    return ", ".join(f"{len(failed)} of {len(all_runs(seen, one))} runs of {found.label} failed to converge"
                     for one in arms if (failed := failures(seen, one)) and (found := one.cell(seen.decisions)))


def all_runs(seen: Evidence, one: Arm) -> Mapping[int, Result]:
    """Returns seed -> result of an arm, including those that failed to converge."""
    found = one.cell(seen.decisions)
    return {} if found is None else seen.results.all_of(found)


def _values(seen: Evidence, one: Arm, measure: Measure) -> dict[int, float]:
    found = one.cell(seen.decisions)
    measured = {} if found is None else {seed: measure(each) for seed, each in seen.results.of(found).items()}
    return {seed: value for seed, value in measured.items() if value is not None}


def printed(value: float | str | None) -> float | None:
    """Returns a number printed in the paper; None for a dash or a failure."""
    return value if isinstance(value, float) else None


def minus(one: float | str | None, other: float | str | None) -> float | None:
    """Returns the difference of two numbers printed in the paper; None if one is missing."""
    first, second = printed(one), printed(other)
    return None if first is None or second is None else first - second
