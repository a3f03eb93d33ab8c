"""The generated parts of docs/evidence.md: the paper's claims and tables beside what was measured at full size.

    python benchmarks/evidence.py        # from results/gpu/ and the small studies in results/
"""
import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from report import RESULTS, ROOT, write_block

from keras_fixhead.config import arm_name
from keras_fixhead.reproduction import BLOCKS, Results, cost, paper_table, plan, read_results
from keras_fixhead.reproduction.answers import Answer, answers
from keras_fixhead.reproduction.cells import Cell
from keras_fixhead.reproduction.choices import best_scales
from keras_fixhead.reproduction.comparisons import TOLERANCE_COSINE, TOLERANCE_POINTS
from keras_fixhead.reproduction.findings import (
    COSINE,
    DECADES,
    POINTS,
    SHARE,
    Finding,
    accuracy,
    arm,
    difference,
)
from keras_fixhead.reproduction.plan import BEST, NOT_RUN_HERE, SCALES, Row
from keras_fixhead.reproduction.results import MAY_BE_PARTS
from keras_fixhead.reproduction.verdicts import ENOUGH, STATES, above

PAGE = ROOT / "docs" / "evidence.md"
GPU = RESULTS / "gpu"
ARMS = {True: "fixed", False: "learned"}
RATE_TABLES = {"preact_resnet18": 7, "resnet18": 8}
NUMBER = {POINTS: "+.1f", COSINE: ".3f", SHARE: ".3f", DECADES: "+.2f"}
MODELS = {"resnet18": "ResNet18", "preact_resnet18": "PreActResNet18", "mobilenet_v2": "MobileNetV2"}


def main() -> None:
    for name, lines in blocks(read_results(GPU)).items():
        write_block(name, lines, PAGE)


def blocks(results: Results) -> dict[str, list[str]]:
    """The generated parts of the page by their names."""
    found = answers(results)
    return {"claims": claims_block(found), "rules": rules_block(), "findings": findings_block(found),
            "tables": tables_block(results), "plan": plan_block(results), "cells": cells_block(results)}


def claims_block(found: Sequence[Answer]) -> list[str]:
    """One line a claim."""
    counts = Counter(each.state for each in found)
    lines = ["", f"{len(found)} claims: " + ", ".join(f"{counts[state]} {state}" for state in STATES) + ".", "",
             "| claim | of the paper | at full size | quarter width, CPU |", "| --- | --- | --- | --- |"]
    small = quarter_width()
    for each in found:
        paper = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in each.claim.paper.items())
        lines.append(f"| `{each.claim.id}` (section {each.claim.section}) | {each.claim.statement} "
                     f"{f'*Printed: {paper}.*' if paper else '*No number is printed.*'} | {state_text(each)} | "
                     f"{small.get(each.claim.id, '')} |")
    return [*lines, ""]


def state_text(each: Answer) -> str:
    """A claim's state, how many of its comparisons are measured, and what no run here can measure."""
    labels = {finding.label for finding in each.findings}
    measured = {finding.label for finding in each.findings if finding.values}
    text = f"**{each.state}**"
    if each.question.arithmetic:
        text += f": {each.question.arithmetic}"
    if labels:
        text += f"; {len(measured)} of {len(labels)} comparisons measured"
    if failed := {finding.label for finding in each.findings if finding.failed} - measured:
        text += f", {len(failed)} run without a value: of each seed a run failed to converge"
    return text + (f"; {each.question.lacking}" if each.question.lacking else "")


def rules_block() -> list[str]:
    """The rules by which a claim gets its state."""
    return [
        "",
        f"- A comparison has one value a seed. Below {ENOUGH} seeds it is undecided, whatever they say: one seed is an "
        f"anecdote. Comparisons below {ENOUGH} seeds are shown and do not count where others of their claim have them.",
        "- The interval is Student's 95 % interval of the mean, of differences paired by seed where two arms are "
        "compared. Both arms of a seed start from the same weights and class vectors and see the same batches.",
        "- A comparison is **held** if the whole interval lies where the claim says (the column *expected*), "
        "**refuted** if it lies wholly on the other side, else **undecided at this n**.",
        f"- \"At least as accurate\" is held above −{TOLERANCE_POINTS:g} points and refuted below 0; \"about 0.95\" "
        f"is within {TOLERANCE_COSINE:g}.",
        "- A claim is held if all its comparisons that count are, refuted if one is; \"can be\" is held if one is, and "
        "refuted if all are, none of them left out. Of two trainings of one comparison the longer decides, if it has "
        "the seeds.",
        "- Scales and learning rates are chosen on validation images; the numbers are of test images. No correction "
        "is made for the number of claims.",
        "- A run that fails to converge has no accuracy: its seed has no value and stays out of the mean, and how many "
        "failed is said beside it. A mean of the seeds that are left flatters the arm that fails. Where all seeds are "
        "lost so, the comparison is undecided, and not \"not measured\".",
        "",
    ]


def findings_block(found: Sequence[Answer]) -> list[str]:
    """One line a comparison."""
    lines = ["", "| claim | comparison | expected | the paper | measured: mean [95 % interval], n | epochs | verdict |",
             "| --- |" + " --- |" * 6]
    for each in found:
        for finding in each.findings:
            lines.append(f"| `{each.claim.id}` | {finding.label} ({finding.unit}) | {finding.expected.text} | "
                         f"{'' if finding.paper is None else format(finding.paper, NUMBER[finding.unit])} | "
                         f"{measured_text(finding)} | {finding.epochs} | {finding.verdict.state} |")
    return [*lines, ""]


def measured_text(finding: Finding) -> str:
    """Mean, interval and n of a finding, and its note."""
    said, form = finding.verdict, NUMBER[finding.unit]
    if said.mean is None:
        return finding.note
    text = f"{said.mean:{form}}"
    if said.interval is not None:
        text += f" [{said.interval[0]:{form}}, {said.interval[1]:{form}}]"
    return f"{text}, n = {said.n}" + (f"; {finding.note}" if finding.note else "")


def tables_block(results: Results) -> list[str]:
    """The paper's tables 1 to 3 beside ours: accuracies of both arms."""
    lines = []
    scales = best_scales(results)
    for number, head in ((1, "dot"), (2, "cos"), (3, "cos")):
        table = paper_table(number)
        lines += ["", f"**Table {number}.** {table.what}.", "",
                  "| data set | network | paper: fixed | paper: learned | here: fixed | here: learned |",
                  "| --- |" + " --- |" * 5]
        for dataset, model in dict.fromkeys(names[:2] for names in table.cells):
            cells = [_cell_of(number, head, dataset, model, fixed, scales[fixed]) for fixed in (True, False)]
            here = [_accuracies(results, each) if each is not None else "not measured" for each in cells]
            if dataset in MAY_BE_PARTS:
                here = ["needs the whole set"] * 2
            lines.append(f"| {dataset} | {MODELS[model]} | {table.cells[dataset, model, 'fixed']} | "
                         f"{table.cells[dataset, model, 'learned']} | {here[0]} | {here[1]} |")
    return [*lines, "", "Here: mean test accuracy in percent, with the standard deviation over seeds, n, and epochs "
            "(the paper prints no spread, no epochs and no S for Table 3). PreActResNet18 in its common form, whose "
            "features are signed.", ""]


def _cell_of(number: int, head: str, dataset: str, model: str, fixed: bool, best: float | None) -> Cell | None:
    form = {"signed_features": True} if model == "preact_resnet18" else {}
    if number < 3:
        return arm(dataset, head, fixed, model=model, **form)
    if best is None or (dataset, model) != ("cifar100", "resnet18"):
        return None
    return arm(dataset, head, fixed, scale=best)


def _accuracies(results: Results, one: Cell) -> str:
    runs = results.all_of(one)
    if not runs:
        return "not measured"
    values = [each.accuracy() for each in runs.values() if each.converged]
    failed = f"{len(runs) - len(values)} of {len(runs)} failed to converge" if len(values) < len(runs) else ""
    if not values:
        return failed
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    part = "on a part of the set" if any(each.content.get("subset") for each in runs.values()) else ""
    return ", ".join(each for each in (f"{statistics.fmean(values):.1f}{spread}", f"n = {len(values)}",
                                       f"{one.config.epochs} epochs", failed, part) if each)


def cells_block(results: Results) -> list[str]:
    """One line for each cell of the plan, or pair of cells that differ in their class vectors being fixed alone."""
    lines = ["", "| block | cell | epochs | seeds | paper: fixed | paper: learned | here: fixed | here: learned | "
             "fixed minus learned, points: mean [95 % interval], n |", "| --- |" + " --- |" * 8]
    scales = best_scales(results)
    for block in BLOCKS:
        for row in block.rows:
            cells = {fixed: row.cell(fixed, scale) for fixed in row.fixed
                     if isinstance(scale := scales[fixed] if row.scale == BEST else row.scale, float)}
            here = [_accuracies(results, cells[fixed]) if fixed in cells else
                    "S is not chosen yet" if fixed in row.fixed else "" for fixed in (True, False)]
            paper = [_paper_number(row, fixed) if fixed in row.fixed else "" for fixed in (True, False)]
            lines.append("| " + " | ".join([block.name, _label(row, cells), f"{row.epochs}", f"{row.seeds}", *paper,
                                            *here, _pair_text(results, row, cells)]) + " |")
    return [*lines, "", "Accuracies as in the tables above. The paper's number stands where it prints one for the data "
            "set, network, logits, scale and learning rate, and not where we limit the images or take other class "
            "vectors or a margin. It does not say whether the features of its networks are signed, and is of the whole "
            "of STL-10. A cell that two blocks ask for stands in both.", ""]


def _label(row: Row, cells: Mapping[bool, Cell]) -> str:
    """What the cells of a row share, in words."""
    if row.scale == BEST:
        chosen = ", ".join(f"S = {one.config.scale:g} {'fixed' if fixed else 'learned'}"
                           for fixed, one in cells.items())
        return f"{row.dataset} {row.model} {row.head}, each arm at its best S" + (f" ({chosen})" if chosen else "")
    fixed, one = next(iter(cells.items()))
    name = arm_name(one.config)
    return one.label.replace(name, name.removesuffix("-fixed" if fixed else "-learned"), 1) + (
        "" if row.recipe == "honest" else f", recipe {row.recipe}")


def _paper_number(row: Row, fixed: bool) -> str:
    """What the paper prints for one arm of a row; nothing where it prints nothing."""
    more = dict(row.extra)
    more.pop("signed_features", None)
    rate = more.pop("lr", None)
    more.pop("warmup_fraction", None)
    number = None
    if not more and rate is not None and row.model in RATE_TABLES:
        number = paper_table(RATE_TABLES[row.model]).cells.get((row.dataset, f"{rate:g}", ARMS[fixed]))
    elif not more and rate is None:
        table = 1 if row.head == "dot" else {1.0: 2, BEST: 3}.get(row.scale)
        number = None if table is None else paper_table(table).cells.get((row.dataset, row.model, ARMS[fixed]))
    return "" if number is None else f"{number}"


def _pair_text(results: Results, row: Row, cells: Mapping[bool, Cell]) -> str:
    """The paired gain of a row that has both arms."""
    if len(row.fixed) < 2:
        return ""
    if len(cells) < 2:
        return "not measured"
    found = difference(results, "", cells[True], cells[False], accuracy, above())
    return measured_text(found) or "not measured"


def plan_block(results: Results) -> list[str]:
    """One line a block: its runs, and GPU hours."""
    lines = ["", "| block | question | runs | done | GPU hours left |", "| --- | --- | --- | --- | --- |"]
    total = 0.0
    runs = list(plan(best_scales(results)))  # a run that two blocks ask for is one of the first
    for block in BLOCKS:
        own = [run for run in runs if run.block == block.name]
        left = [run for run in own if run.cell is None or run.seed not in results.all_of(run.cell)]
        # until a scale is chosen, any: it costs the same
        configs = [(run.cell or arm("cifar100", "cos", True, scale=SCALES[0], epochs=block.rows[-1].epochs)).config
                   for run in left]
        hours = sum(cost.estimate(config, results, _device(results)).seconds for config in configs) / 3600
        total += hours
        lines.append(f"| {block.name} | {block.why} | {len(own)} | {len(own) - len(left)} | {hours:.1f} |")
    devices = sorted({str(each.content["device"]) for each in results})
    source = f"from seconds measured on {', '.join(devices)}" if devices else "by arithmetic"
    return [*lines, f"| all | | {len(runs)} | {len(results)} | {total:.1f} |", "",
            f"Hours: {source}; where none were measured, {cost.SOURCE}; {cost.OVERHEAD_SOURCE}. Networks of depthwise "
            "convolutions take longer than their arithmetic says.", "", "Not among them:", "",
            *(f"- {what}: {why}." for what, why in NOT_RUN_HERE), ""]


def _device(results: Results) -> str | None:
    newest = max(results, key=lambda each: each.content["finished"], default=None)
    return None if newest is None else str(newest.content["device"])


def quarter_width() -> dict[str, str]:
    """What the small studies on a processor say of some claims; no evidence at full size, and marked as such."""
    main, margins, signed = (json.loads((RESULTS / f"{name}.json").read_text())
                             for name in ("main_effect", "margins", "signed_features"))
    low, high = main["interval_95"]
    learned = [run["class_vectors_max_cosine"] for run in main["runs"] if run["arm"] == "cos-learned"]
    gains = {each["arm"].partition(",")[0]: f"{each['mean']:+.1f} [{each['interval_95'][0]:+.1f}, "
             f"{each['interval_95'][1]:+.1f}]" for each in margins["comparisons"]}
    margin_n = {each["n"] for each in margins["comparisons"]}.pop()
    cosines = {name: [run["evaluation"]["predicted_cosine"] for run in signed["runs"] if run["arm"] == name]
               for name in ("ending in ReLU", "signed")}
    return {
        "cos-s1-fixed-converges": f"{main['mean']:+.1f} [{low:+.1f}, {high:+.1f}] points, n = {main['n']}, cifar10 "
        f"({_file('main_effect')}); other sets and networks, one seed each: `docs/training.md`",
        "similar-classes-near": f"largest cosine between learned class vectors {min(learned):.2f} to "
        f"{max(learned):.2f}, n = {len(learned)}, cifar10, cosine logits ({_file('main_effect')})",
        "margins-gain-by-fixing": f"S = 30: ArcFace {gains['arcface']}, CosFace {gains['cosface']} points, "
        f"n = {margin_n}, cifar100 ({_file('margins')})",
        "no-benefit-of-learning-at-best-scale": f"S = 30, not chosen: {gains['none']} points, n = {margin_n}, cifar100 "
        f"({_file('margins')})",
        "fixed-compactness-095": "mean cosine " + ", ".join(
            f"{statistics.fmean(values):.2f} {name}" for name, values in cosines.items())
        + f", n = {len(cosines['signed'])}, cifar10 ({_file('signed_features')})",
    }


def _file(name: str) -> str:
    return f"`results/{name}.json`"


if __name__ == "__main__":
    main()
