"""The report: what results say about the paper, as one object, from result files alone.

It is written as JSON, CSV, Markdown, LaTeX and one page of HTML, of which the last three have the tables of
`report.tables`. The same files give the same bytes: a report has no date and no paths of the machine.
"""
import functools
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.analysis.bootstrap import bca_interval, interquartile_interval, interquartile_mean
from keras_fixhead.analysis.exact import EXHAUSTIVE, sign_flip_test, smallest_p
from keras_fixhead.errors import ArgumentError
from keras_fixhead.json_files import write_bytes, write_json
from keras_fixhead.reproduction.claims.answers import Answer, answers
from keras_fixhead.reproduction.claims.comparisons import SETS, Evidence, evidence, gain
from keras_fixhead.reproduction.claims.findings import Finding, holm_states, protocol_text, warning_text
from keras_fixhead.reproduction.claims.settings import SETTINGS, Setting
from keras_fixhead.reproduction.claims.verdict import ENOUGH, above, seeds_in_order, verdict
from keras_fixhead.reproduction.measures import accuracy
from keras_fixhead.reproduction.pages.cells import printed_numbers
from keras_fixhead.reproduction.pages.overview import basis_text
from keras_fixhead.reproduction.paper import SOURCE
from keras_fixhead.reproduction.planning.cells import Block, Cell, Decisions, plan
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.report.figures import draw_figures, figures_content
from keras_fixhead.reproduction.report.targets import hours_left, hours_of, recipe_option, targets_content
from keras_fixhead.reproduction.results import Results, read_results
from keras_fixhead.runs import make_folder
from keras_fixhead.runs.result import Result

SCHEMA = 2


def read_report(folder: Path) -> dict[str, Any]:
    """Returns the report on the results in a folder, ready for JSON.

    Args:
        folder: results/, with the results of each plan in gpu/ and evidence/.

    Raises:
        ArgumentError: (a ValueError) if it has no results of any plan.
        RunError: if a result is damaged.
    """
    results = {at.plan: read_results(folder / at.plan) for at in SETTINGS}
    if not any(len(each) for each in results.values()):
        inside = folder.absolute().name in results and any(folder.glob("*.json"))
        *first, last = results
        raise ArgumentError(f"{folder} has no results of a plan in {', '.join(first)} or {last}.",
                            hint="Give the folder that it is in: fixhead report "
                            f"{shlex.quote(str(folder.absolute().parent))}" if inside
                            else "Make some: fixhead reproduce table1 --data-dir DATA")
    return report_content(results, folder)


def report_content(results: Mapping[str, Results], folder: Path) -> dict[str, Any]:
    """Returns the report on results.

    Args:
        results: plan -> its results.
        folder: the folder that the files are named relative to.
    """
    return {"schema": SCHEMA, "paper": SOURCE,
            "settings": [_setting(at, results[at.plan], folder) for at in SETTINGS if len(results[at.plan])]}


@dataclass(frozen=True)
class _Source:
    """What a setting's part of the report is made from.

    Attributes:
        seen: its results.
        where: id of a cell -> the first block that has it.
        folder: the folder that files are named relative to.
        hours_left: function from names of blocks to the hours of what is missing of them.
    """

    seen: Evidence
    where: Mapping[str, str]
    folder: Path
    hours_left: Callable[[tuple[str, ...]], float]

    def name(self, path: Path) -> str:
        """Returns the name of a file in the report."""
        path, folder = path.absolute(), self.folder.absolute()
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name

    def command(self, cells: Iterable[Cell]) -> str:
        """Returns the command that measures cells; empty for cells that are not in the plan."""
        blocks, option = " ".join(self.blocks(cells)), recipe_option(self.seen.setting)
        return f"fixhead reproduce {blocks}{option} --data-dir DATA" if blocks else ""

    def blocks(self, cells: Iterable[Cell]) -> tuple[str, ...]:
        """Returns the names of the blocks of cells."""
        return tuple(dict.fromkeys(self.where[cell.id] for cell in cells if cell.id in self.where))


def _setting(at: Setting, results: Results, folder: Path) -> dict[str, Any]:
    seen = evidence(results, at)
    source = _Source(seen, _blocks_of_cells(PLANS[at.plan], seen.decisions), folder,
                     functools.cache(lambda blocks: hours_left(blocks, seen)))
    figures = [{**each, "results": {name: source.name(path) for name, path in each["results"].items()}}
               for each in figures_content(seen)]
    return {"plan": at.plan, "title": at.title, "network": at.network, "paper_network": at.paper_network,
            "devices": sorted({str(each.content["device"]) for each in results}), "runs": len(results),
            "across_sets": _across_sets(source), "claims": [_claim(each, source) for each in answers(results, at)],
            "targets": targets_content(at, results), "cells": _cells(source, figures), "figures": figures}


def _across_sets(source: _Source) -> list[dict[str, Any]]:
    """Returns the interquartile mean of fixed minus learned over the data sets, for logits measured on all of them."""
    seen, found = source.seen, []
    for head in ("dot", "cos"):
        findings = {dataset: gain(seen, "", seen.setting.main, dataset, head, accuracy, above()) for dataset in SETS}
        gains = {dataset: seeds_in_order(each.values) for dataset, each in findings.items()}
        if all(len(values) >= ENOUGH for values in gains.values()):
            scores = list(gains.values())
            found.append({"what": f"fixed minus learned accuracy, {head} logits, points", "sets": list(gains),
                          "n": [len(each) for each in scores], "interquartile_mean": interquartile_mean(scores),
                          "interval_95": list(interquartile_interval(scores)), "files": sorted(
                              source.name(run.path) for each in findings.values() for cell in each.cells
                              for run in seen.results.of(cell).values())})
    return found


def _claim(each: Answer, source: _Source) -> dict[str, Any]:
    after = holm_states(each.findings, somewhere=each.question.somewhere)
    return {"id": each.claim.id, "section": each.claim.section, "statement": each.claim.statement,
            "printed": dict(each.claim.paper), "verdict": each.state, "measured": basis_text(each),
            "lacking": each.question.lacking, "arithmetic": each.question.arithmetic,
            "comparisons": [_comparison(one, source) | {"after_holm": after.get(id(one))} for one in each.findings]}


def _comparison(one: Finding, source: _Source) -> dict[str, Any]:
    said, values = one.verdict, seeds_in_order(one.values)
    paired = one.minus is None and not one.expected.counted and 2 <= len(values) <= EXHAUSTIVE
    runs = {result.path: result for cell in one.cells
            for result in source.seen.results.all_of(cell).values()}
    return {
        "label": one.label, "unit": one.unit, "expected": one.expected.text, "paper": one.paper,
        "values": {str(seed): value for seed, value in sorted(one.values.items())},
        "minus": None if one.minus is None else {str(seed): value for seed, value in sorted(one.minus.items())},
        "n": said.n, "mean": said.mean, "interval_95": None if said.interval is None else list(said.interval),
        "difference_from_paper": None if said.mean is None or one.paper is None else said.mean - one.paper,
        "bca_95": list(bca_interval(values)) if paired else None,
        "sign_flip_p": sign_flip_test(values) if paired else None, "smallest_p": smallest_p(said.n) if paired else None,
        "verdict": said.state, "counts": not one.beside, "note": one.note, "failed": list(one.failed),
        "warning": warning_text(one), "protocol": one.protocol,
        "network": ", ".join(dict.fromkeys(each.config.model for each in one.cells)),
        "data": "; ".join(dict.fromkeys(f"{each.config.dataset}, {_data(each)}" for each in runs.values())),
        "hours": round(sum(each.number("seconds") for each in runs.values()) / 3600, 2),
        "files": sorted(map(source.name, runs)), **_command(one, source)}


def _command(one: Finding, source: _Source) -> dict[str, Any]:
    """Returns which command measures a comparison, and about how many hours a seed of it and the command take."""
    seen = source.seen
    left = [cell for cell in one.cells if not seen.results.all_of(cell)]
    missing = source.blocks(left)
    return {"command": source.command(left or (one.cells if one.values else ())),
            "hours_per_seed": round(hours_of(left, seen.setting, seen.results), 2),
            "command_hours": source.hours_left(missing) if missing else 0.0}


def _data(result: Result) -> str:
    """What a run was trained on, besides the name of the set."""
    return str(result.content.get("subset") or "whole")


def _cells(source: _Source, figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns what was measured of each cell, in the order of the plan."""
    order = {name: index for index, name in enumerate(source.where)}
    printed = printed_numbers(source.seen)
    found = []
    for name, seeds in sorted(source.seen.results.by_cell.items(),
                              key=lambda each: (order.get(each[0], len(order)), each[0])):
        runs = list(seeds.values())
        one = Cell(tuple(sorted(runs[0].content["cell"].items())))
        converged = [each for each in runs if each.converged]
        said = verdict([100 * each.accuracy() for each in converged], above())
        paper = printed.get(name)
        files = {str(each.seed): source.name(each.path) for each in runs}
        found.append({
            "block": source.where.get(name), "cell": one.label, "protocol": protocol_text(one), "id": name,
            "network": one.config.model, "paper": paper, "mean": said.mean,
            "interval_95": None if said.interval is None else list(said.interval),
            "difference_from_paper": None if said.mean is None or paper is None else said.mean - paper,
            "accuracy": {str(each.seed): each.accuracy() for each in converged},
            "failed": [each.seed for each in runs if not each.converged],
            "seconds": {str(each.seed): float(each.content["seconds"]) for each in runs},
            "data": "; ".join(dict.fromkeys(map(_data, runs))),
            "digests": {str(each.seed): each.content.get("config_digest") for each in runs}, "files": files,
            "figures": [each["title"] for each in figures
                        if not set(files.values()).isdisjoint(each["results"].values())],
            "command": source.command([one])})
    return found


def _blocks_of_cells(blocks: Sequence[Block], decisions: Decisions) -> dict[str, str]:
    """Returns the id of a cell -> the first block that has it."""
    found: dict[str, str] = {}
    for run in plan(blocks, decisions):
        if run.cell is not None:
            found.setdefault(run.cell.id, run.block)
    return found


def write_report(report: Mapping[str, Any], folder: Path, results: Path) -> list[Path]:
    """Writes a report in all its forms, and its figures; returns the files.

    Args:
        report: from `read_report`.
        folder: where to write report.json, .md, .tex, .html, comparisons.csv, cells.csv, and the folder figures.
        results: the folder that the report was read from.

    Raises:
        RunError: if a file cannot be written.
    """
    from keras_fixhead.reproduction.report import html as report_html
    from keras_fixhead.reproduction.report import latex as report_latex
    from keras_fixhead.reproduction.report import text as report_text

    make_folder(folder)
    figures = draw_figures(report, results, folder / "figures")
    texts = {"report.md": report_text.markdown(report), "report.tex": report_latex.latex(report),
             "report.html": report_html.html(report, {path.stem: path.read_bytes() for path in figures}),
             "comparisons.csv": report_text.comparisons_csv(report),
             "cells.csv": report_text.cells_csv(report)}
    write_json(folder / "report.json", {name: value for name, value in report.items() if name != "schema"},
               schema=report["schema"])
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    return [*(folder / name for name in ("report.json", *texts)), *figures]
