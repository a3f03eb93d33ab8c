"""The generated parts of docs/evidence.md: the paper's claims and cells next to measurements, and the plan."""
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fixhead.config import arm_name
from keras_fixhead.reproduction import cost
from keras_fixhead.reproduction.cells import Cell, Choice, Chosen, Decisions, Row, plan
from keras_fixhead.reproduction.claims import TOLERANCE_COSINE, TOLERANCE_POINTS, Answer, answers
from keras_fixhead.reproduction.comparisons import accuracy, arm, difference
from keras_fixhead.reproduction.gpu_blocks import BEST, GPU_BLOCKS, NOT_RUN_HERE, SCALES
from keras_fixhead.reproduction.paper import paper_table
from keras_fixhead.reproduction.results import Results, decide, read_results
from keras_fixhead.reproduction.studies import read_study
from keras_fixhead.reproduction.verdict import (
    COSINE,
    DECADES,
    ENOUGH,
    NOT_MEASURED,
    POINTS,
    SHARE,
    STATES,
    Finding,
    above,
)

ARMS = {True: "fixed", False: "learned"}
RATE_TABLES = {"preact_resnet18": 7, "resnet18": 8}
NUMBER = {POINTS: "+.1f", COSINE: ".3f", SHARE: ".3f", DECADES: "+.2f"}


def write_page(page: Path, folder: Path) -> None:
    """Writes the generated parts of a page, between the comments that name them.

    Args:
        page: docs/evidence.md.
        folder: results/, with the results at full size in gpu/.

    Raises:
        RunError: if a result is damaged.
    """
    text = page.read_text()
    for name, lines in blocks(read_results(folder / "gpu"), folder).items():
        text = with_block(text, name, lines)
    page.write_text(text)


def with_block(text: str, name: str, lines: Sequence[str]) -> str:
    """Returns the text with lines inserted between the comments '<!-- name: generated -->' and '<!-- end of name -->'.

    Raises:
        ValueError: if the text does not have these comments.
    """
    begin, end = f"<!-- {name}: generated -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"The text has no place for the generated part {name!r}.")
    return "\n".join([before + begin, *lines, end + after])


def blocks(results: Results, folder: Path) -> dict[str, list[str]]:
    """Returns the generated parts of the page by name."""
    found = answers(results)
    return {"measured": measured_block(found, quarter_width(folder)), "comparisons": comparisons_block(found),
            "cells": cells_block(results), "rules": rules_block(), "plan": plan_block(results, found)}


def claim_lines(results: Results) -> list[str]:
    """Returns each claim, its state, and what the paper prints about it, as lines for a terminal."""
    return [line for each in answers(results)
            for line in (f"{each.claim.id}: {state_text(each).replace('**', '')}", f"  {each.claim.statement}",
                         f"  {paper_text(each)}")]


def measured_block(found: Sequence[Answer], small: Mapping[str, str]) -> list[str]:
    """Returns one line for each claim that was measured at least in part."""
    counts = Counter(each.state for each in found)
    lines = ["", f"{len(found)} claims: " + ", ".join(f"{counts[state]} {state}" for state in STATES) + ".", "",
             "| claim | in the paper | at full size | quarter width, CPU |", "| --- | --- | --- | --- |"]
    lines += [f"| `{each.claim.id}` (section {each.claim.section}) | {each.claim.statement} *{paper_text(each)}* | "
              f"{state_text(each)} | {small.get(each.claim.id, '')} |"
              for each in found if each.state != NOT_MEASURED or each.claim.id in small]
    return [*lines, ""]


def paper_text(each: Answer) -> str:
    """Returns what the paper prints about a claim."""
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in each.claim.paper.items())
    return f"Printed: {numbers}." if numbers else "No number is printed."


def state_text(each: Answer) -> str:
    """Returns a claim's state, how many of its comparisons are measured, and what the plan cannot measure."""
    labels = {finding.label for finding in each.findings}
    measured = {finding.label for finding in each.findings if finding.values}
    text = f"**{each.state}**"
    if each.question.arithmetic:
        text += f": {each.question.arithmetic}"
    if labels:
        text += f"; {len(measured)} of {len(labels)} comparisons measured"
    if failed := {finding.label for finding in each.findings if finding.failed} - measured:
        text += f", {len(failed)} without a value: a run failed to converge at every seed"
    return text + (f"; {each.question.lacking}" if each.question.lacking else "")


def comparisons_block(found: Sequence[Answer]) -> list[str]:
    """Returns one line for each measured comparison."""
    rows = [f"| `{each.claim.id}` | {finding.label} ({finding.unit}) | {finding.expected.text} | "
            f"{'' if finding.paper is None else format(finding.paper, NUMBER[finding.unit])} | "
            f"{measured_text(finding)} | {finding.epochs} | {finding.verdict.state} |"
            for each in found for finding in each.findings if finding.values or finding.failed]
    if not rows:
        return ["", "No comparison has been measured at full size.", ""]
    return ["", "| claim | comparison | expected | the paper | measured: mean [95 % interval], n | epochs | verdict |",
            "| --- |" + " --- |" * 6, *rows, ""]


def measured_text(finding: Finding) -> str:
    """Returns the mean, interval and n of a finding, and its note."""
    said, form = finding.verdict, NUMBER[finding.unit]
    if said.mean is None:
        return finding.note
    text = f"{said.mean:{form}}"
    if said.interval is not None:
        text += f" [{said.interval[0]:{form}}, {said.interval[1]:{form}}]"
    return f"{text}, n = {said.n}" + (f"; {finding.note}" if finding.note else "")


def cells_block(results: Results) -> list[str]:
    """Returns one line for each measured cell, or pair of cells that differ only in fixed or learned class vectors."""
    rows = []
    decisions = decide(results, GPU_BLOCKS)
    for block in GPU_BLOCKS:
        for row in block.rows:
            cells = {fixed: row.cell(fixed, scale) for fixed in row.fixed
                     if (scale := decisions.scale(row.scale, fixed)) is not None}
            if not any(results.all_of(one) for one in cells.values()):
                continue
            here = [accuracies(results, cells[fixed]) if fixed in cells else
                    "S is not chosen yet" if fixed in row.fixed else "" for fixed in (True, False)]
            paper = [paper_number(row, fixed) if fixed in row.fixed else "" for fixed in (True, False)]
            rows.append("| " + " | ".join([block.name, _label(row, cells), f"{row.epochs:g}", f"{len(row.seeds)}",
                                           *paper, *here, _pair_text(results, row, cells)]) + " |")
    if not rows:
        return ["", "No cell has been run at full size.", ""]
    return ["", "| block | cell | epochs | seeds | paper: fixed | paper: learned | here: fixed | here: learned | "
            "fixed minus learned, points: mean [95 % interval], n |", "| --- |" + " --- |" * 8, *rows, "",
            "Here: mean test accuracy in percent, standard deviation over seeds, n, and epochs. The paper does not "
            "print the spread, the epochs or the S of its Table 3, nor whether features are signed; its numbers are "
            "shown for the same data set, network, logits, scale and learning rate.", ""]


def accuracies(results: Results, one: Cell) -> str:
    """Returns the mean and spread of a cell's test accuracy, and how many of its runs failed."""
    runs = results.all_of(one)
    if not runs:
        return NOT_MEASURED
    values = [accuracy(each) for each in runs.values() if each.converged]
    failed = f"{len(runs) - len(values)} of {len(runs)} failed to converge" if len(values) < len(runs) else ""
    if not values:
        return failed
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    part = "on a part of the set" if any(each.content.get("subset") for each in runs.values()) else ""
    return ", ".join(each for each in (f"{statistics.fmean(values):.1f}{spread}", f"n = {len(values)}",
                                       f"{one.config.epochs} epochs", failed, part) if each)


def _label(row: Row, cells: Mapping[bool, Cell]) -> str:
    """Returns a description of what the cells of a row share."""
    if isinstance(row.scale, Choice):
        chosen = ", ".join(f"S = {one.config.scale:g} {ARMS[fixed]}" for fixed, one in cells.items())
        return f"{row.dataset} {row.model} {row.head}, each arm at its best S ({chosen})"
    fixed, one = next(iter(cells.items()))
    name = arm_name(one.config)
    return one.label.replace(name, name.removesuffix(f"-{ARMS[fixed]}"), 1)


def paper_number(row: Row, fixed: bool) -> str:
    """Returns what the paper prints for one arm of a row; an empty string if it prints nothing."""
    more = dict(row.extra)
    more.pop("signed_features", None)
    rate = more.pop("lr", None)
    more.pop("warmup_fraction", None)
    number = None
    if not more and rate is not None and row.model in RATE_TABLES:
        number = paper_table(RATE_TABLES[row.model]).cells.get((row.dataset, f"{rate:g}", ARMS[fixed]))
    elif not more and rate is None:
        table = 1 if row.head == "dot" else 3 if isinstance(row.scale, Choice) else 2 if row.scale == 1 else None
        number = None if table is None else paper_table(table).cells.get((row.dataset, str(row.model), ARMS[fixed]))
    return "" if number is None else f"{number}"


def _pair_text(results: Results, row: Row, cells: Mapping[bool, Cell]) -> str:
    """Returns the paired gain of a row that has both arms."""
    if len(row.fixed) < 2:
        return ""
    if len(cells) < 2:
        return NOT_MEASURED
    return measured_text(difference(results, "", cells[True], cells[False], accuracy, above())) or NOT_MEASURED


def rules_block() -> list[str]:
    """Returns the rules for the state of a claim."""
    return [
        "",
        f"- A comparison has one value per seed. With fewer than {ENOUGH} seeds it is undecided: one seed is an "
        f"anecdote. Such comparisons are shown, but do not count if others of the same claim have enough seeds.",
        "- The interval is Student's 95 % interval of the mean; if two arms are compared, of the differences paired by "
        "seed. Both arms of a seed start from the same weights and class vectors and see the same batches.",
        "- A comparison is **held** if the whole interval lies where the claim expects it (*expected*), **refuted** if "
        "it lies entirely on the other side, and otherwise **undecided at this n**.",
        f"- \"At least as accurate\" is held above −{TOLERANCE_POINTS:g} points and refuted below 0; \"about 0.95\" "
        f"means within {TOLERANCE_COSINE:g}.",
        "- A claim is held if all comparisons that count are held, and refuted if one of them is refuted; a claim that "
        "something \"can be\" is held if one is held, and refuted if all are refuted. If a comparison was trained for "
        "two lengths, the longer one decides, provided that it has enough seeds.",
        "- Scales and learning rates are chosen on validation images; the numbers are from test images. There is no "
        "correction for the number of claims.",
        "- A run that fails to converge has no accuracy: its seed has no value, and the number of failures is shown. "
        "The mean of the other seeds flatters the arm that fails. If no seed has a value for this reason, the "
        "comparison is undecided, not \"not measured\".",
        "",
    ]


def plan_block(results: Results, found: Sequence[Answer]) -> list[str]:
    """Returns one line per block: its question, runs and GPU hours, and the claims that it is the first to measure."""
    lines = ["", "| block | question | runs | done | GPU hours left | first to measure |", "| --- |" + " --- |" * 5]
    total = 0.0
    runs = list(plan(GPU_BLOCKS, decide(results, GPU_BLOCKS)))  # a run in two blocks belongs to the first
    waiting = _claims_by_block(found)
    for block in GPU_BLOCKS:
        own = [run for run in runs if run.block == block.name]
        left = [run for run in own if run.cell is None or run.seed not in results.all_of(run.cell)]
        # any scale, until one is chosen: they cost the same
        any_scale = arm("cifar100", "cos", True, scale=SCALES[0], epochs=block.rows[-1].epochs or 30)
        configs = [(run.cell or any_scale).config for run in left]
        hours = sum(cost.estimate(config, results, _device(results)).seconds for config in configs) / 3600
        total += hours
        lines.append(f"| {block.name} | {block.why} | {len(own)} | {len(own) - len(left)} | {hours:.1f} | "
                     f"{', '.join(f'`{name}`' for name in waiting.get(block.name, ()))} |")
    devices = sorted({str(each.content["device"]) for each in results})
    source = f"from seconds measured on {', '.join(devices)}" if devices else "by arithmetic"
    return [*lines, f"| all | | {len(runs)} | {len(results)} | {total:.1f} | |", "",
            f"Hours: {source}; if none were measured, {cost.GPU.source}. Networks with "
            "depthwise convolutions take longer than this arithmetic suggests.", "", "Not in this plan:", "",
            *(f"- {what}: {why}." for what, why in NOT_RUN_HERE),
            *(f"- `{each.claim.id}`: {each.question.lacking}." for each in found
              if not each.findings and not each.question.arithmetic), ""]


def _claims_by_block(found: Sequence[Answer]) -> dict[str, list[str]]:
    """Returns block -> claims for which this block, with those before it, gives the first comparison."""
    order: dict[str, int] = {}
    names = [block.name for block in GPU_BLOCKS]
    for run in plan(GPU_BLOCKS, Decisions({BEST: dict.fromkeys((True, False), Chosen(SCALES[0], False))})):
        if run.cell is not None:
            order.setdefault(run.cell.id, names.index(run.block))
    waiting: dict[str, list[str]] = {}
    for each in found:
        last = [max(order[one.id] for one in finding.cells) for finding in each.findings if finding.cells]
        if last and each.state == NOT_MEASURED:
            waiting.setdefault(names[min(last)], []).append(each.claim.id)
    return waiting


def _device(results: Results) -> str | None:
    newest = max(results, key=lambda each: str(each.content["finished"]), default=None)
    return None if newest is None else str(newest.content["device"])


def quarter_width(folder: Path) -> dict[str, str]:
    """Returns the results of the small studies on a CPU for some claims, marked as not being at full size."""
    main, margins, signed = (read_study(folder / f"{name}.json") for name in (
        "main_effect", "margins", "signed_features"))
    effect = main.difference("cos-fixed", "cos-learned")
    merged = [run["class_vectors_max_cosine"] for run in main.runs("cos-learned")]
    gains = {margin: margins.difference(f"{margin}, fixed", f"{margin}, learned")
             for margin in ("none", "arcface", "cosface")}
    texts = {margin: f"{gain.mean:+.1f} [{gain.interval[0]:+.1f}, {gain.interval[1]:+.1f}]"
             for margin, gain in {**gains, "main": effect}.items() if gain.interval is not None}
    cosines = {name: signed.evaluation(name, "predicted_cosine") for name in ("ending in ReLU", "signed")}
    return {
        "cos-s1-fixed-converges": f"{texts['main']} points, n = {effect.n}, cifar10 ({_file('main_effect')}); other "
        "sets and networks, one seed each: `docs/training.md`",
        "similar-classes-near": f"largest cosine between learned class vectors {min(merged):.2f} to "
        f"{max(merged):.2f}, n = {len(merged)}, cifar10, cosine logits ({_file('main_effect')})",
        "margins-gain-by-fixing": f"S = 30: ArcFace {texts['arcface']}, CosFace {texts['cosface']} points, "
        f"n = {gains['arcface'].n}, cifar100 ({_file('margins')})",
        "no-benefit-of-learning-at-best-scale": f"S = 30, not chosen: {texts['none']} points, n = {gains['none'].n}, "
        f"cifar100 ({_file('margins')})",
        "fixed-compactness-095": "mean cosine " + ", ".join(
            f"{statistics.fmean(values):.2f} {name}" for name, values in cosines.items())
        + f", n = {len(cosines['signed'])}, cifar10 ({_file('signed_features')})",
    }


def _file(name: str) -> str:
    return f"`results/{name}.json`"
