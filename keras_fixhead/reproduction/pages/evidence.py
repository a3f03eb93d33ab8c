"""The generated parts of the pages on evidence."""
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_fixhead.json_files import write_bytes
from keras_fixhead.reproduction.claims.answers import Answer, answers
from keras_fixhead.reproduction.claims.findings import (
    NUMBER,
    deciding,
    exact_text,
    holm_states,
    measured_text,
    open_requirements,
    unfinished,
)
from keras_fixhead.reproduction.claims.settings import EVIDENCE, GPU, SETTINGS, WRITTEN, Setting
from keras_fixhead.reproduction.claims.verdict import NOT_MEASURED, REFUTED, STATES, UNDECIDED
from keras_fixhead.reproduction.pages.cells import cells_block
from keras_fixhead.reproduction.pages.figure import FILE, claims_figure
from keras_fixhead.reproduction.pages.mechanism import mechanism_block
from keras_fixhead.reproduction.pages.overview import plans_block, rests_on, verdicts_block
from keras_fixhead.reproduction.pages.plan import plan_block, programme_block, rules_block
from keras_fixhead.reproduction.pages.robustness import table6_block
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.results import Results, read_results
from keras_fixhead.reproduction.studies import collapse_text, read_study
from keras_fixhead.wording import count_text

PARTS = {"evidence.md": ("verdicts",), "evidence-claims.md": ("plans", "measured", "rules"),
         "evidence-tables.md": ("comparisons", "mechanism", "table 6", "cells"),
         "evidence-plan.md": ("programme",), "reproduction.md": ("plan",)}
"""Page -> its generated parts."""


def write_pages(docs: Path, folder: Path) -> None:
    """Writes the generated parts of the pages, between the comments that name them, and the figure of the claims.

    Args:
        docs: folder of the pages.
        folder: results/, with the results of each plan in gpu/ and evidence/.

    Raises:
        RunError: if a result is damaged.
    """
    results = {at.plan: read_results(folder / at.plan) for at in SETTINGS}
    parts = blocks(results, folder)
    for name, own in PARTS.items():
        text = (docs / name).read_text()
        for part in own:
            text = with_block(text, part, parts[part])
        (docs / name).write_text(text)
    write_bytes(docs / FILE, evidence_figure(results).encode())


def evidence_figure(results: Mapping[str, Results]) -> str:
    """Returns the figure of all claims and their verdicts, as SVG.

    Args:
        results: plan -> its results.
    """
    shown = [at for at in WRITTEN if len(results[at.plan])] or [GPU]
    return claims_figure({at.plan: answers(results[at.plan], at) for at in shown}, {
        at.plan: f"{at.network}, {at.title}" for at in shown})


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


def blocks(results: Mapping[str, Results], folder: Path) -> dict[str, list[str]]:
    """Returns the generated parts of the pages by name.

    Args:
        results: plan -> its results.
        folder: results/, for the small studies.
    """
    measured = [at for at in SETTINGS if len(results.get(at.plan, ()))]
    described = [at for at in SETTINGS if at in WRITTEN or at in measured]
    found = {at.plan: answers(results[at.plan], at) for at in described}
    return {
        "verdicts": verdicts_block(measured, found, results),
        "plans": plans_block(results),
        "measured": measured_block(measured or [GPU], found, quarter_width(folder)),
        "comparisons": in_each_setting("comparison has been measured", {
            at.title: comparisons_block(found[at.plan], at) for at in described}),
        "cells": in_each_setting("cell has been run", {
            at.title: cells_block(results[at.plan], PLANS[at.plan], at) for at in described}),
        "table 6": in_each_setting("cell of Table 6 has been measured", {
            at.title: table6_block(results[at.plan], at) for at in described}),
        "mechanism": mechanism_block(results[EVIDENCE.plan]),
        "rules": rules_block(folder),
        "programme": programme_block(results[EVIDENCE.plan]),
        "plan": plan_block(results[GPU.plan], found[GPU.plan]),
    }


def in_each_setting(what: str, parts: Mapping[str, list[str]]) -> list[str]:
    """Returns the lines of each setting, and one line about those without any.

    Example:
        >>> in_each_setting("cell has been run", {"here": [], "there": ["", "| 1 |", ""]})
        ['', 'No cell has been run here.', '', '| 1 |', '']
    """
    empty = [title for title, lines in parts.items() if not lines]
    said = ["", f"No {what} {', nor '.join(empty)}."] if empty else []
    return said + [line for lines in parts.values() for line in lines] + ([""] if len(empty) == len(parts) else [])


def measured_block(shown: Sequence[Setting], found: Mapping[str, Sequence[Answer]],
                   small: Mapping[str, str]) -> list[str]:
    """Returns one line for each claim that was measured in part, in any of the settings shown."""
    lines = ["", "| claim | in the paper | " + " | ".join(at.title for at in shown) + " | quarter width, CPU |",
              "| --- | --- |" + " --- |" * (len(shown) + 1)]
    for several in zip(*(found[at.plan] for at in shown), strict=True):
        claim = several[0].claim
        if claim.id in small or any(each.state != NOT_MEASURED or next_to(each) for each in several):
            lines.append(f"| `{claim.id}` (section {claim.section}) | {claim.statement} *{paper_text(several[0])}* | "
                         + " | ".join(state_text(each) for each in several) + f" | {small.get(claim.id, '')} |")
    return [*lines, ""]


def paper_text(each: Answer) -> str:
    """Returns what the paper prints about a claim."""
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in each.claim.paper.items())
    return f"Printed: {numbers}." if numbers else "No number is printed."


def state_text(each: Answer) -> str:
    """Returns a claim's state, those of its comparisons, and what the plan cannot measure."""
    texts = [f"**{each.state}**{rests_on(each)}"]
    if each.question.arithmetic:
        texts[0] += f"; {each.question.arithmetic}" if each.question.partly else \
            f", no evidence: {each.question.arithmetic}"
    found = deciding([one for one in each.findings if not one.beside])
    states = Counter(one.verdict.state for one in found)
    if found:
        number = count_text(len(found), "comparison")
        texts.append(f"{number} planned" if states[NOT_MEASURED] == len(found) else f"{number}: "
                     + ", ".join(f"{states[state]} {state}" for state in STATES if states[state]))
    if each.state == UNDECIDED and (needed := open_requirements(each.findings)):
        texts.append(f"not held before this is: {' and '.join(one.label for one in needed)}")
    if each.state == UNDECIDED and (begun := unfinished(each.findings)):
        texts.append(f"not held before this is complete: {' and '.join(one.label for one in begun)}")
    if each.state == UNDECIDED and each.question.somewhere and states[REFUTED]:
        texts.append(f"not found in {states[REFUTED]} of the paper's {each.claim.paper['of']:g} cells")
    if failed := [one for one in found if one.failed and not one.values]:
        texts.append(f"{len(failed)} without a value: a run failed to converge at every seed")
    if each.state == NOT_MEASURED and (others := next_to(each)):
        texts.append(f"next to it: {', '.join(others)}")
    return "; ".join([*texts, *([each.question.lacking] if each.question.lacking else [])])


def next_to(each: Answer) -> list[str]:
    """Returns what was measured next to a claim and does not count for it."""
    return [f"{one.label}: {measured_text(one)} ({one.unit})" for one in each.findings if one.beside and one.values]


def comparisons_block(found: Sequence[Answer], at: Setting) -> list[str]:
    """Returns one line for each measured comparison of a setting."""
    rows = [row for each in found for row in _comparison_rows(each)]
    if not rows:
        return []
    title = f"Comparisons {at.title}. The paper's numbers are of {at.paper_network}. Lines in italics stand next to " \
        "the others and do not count for the claim. Student's interval decides, from six seeds on together with the " \
        "sign-flip test of the end of the expected range; BCa intervals of so few seeds are too narrow and are shown " \
        "for comparison only."
    return ["", title, "", "| claim | comparison | expected | the paper | measured: mean [95 % interval], n | "
            "BCa interval; sign-flip p of a mean of 0 | protocol | verdict | after Holm's correction |",
            "| --- |" + " --- |" * 8, *rows, ""]


def _comparison_rows(each: Answer) -> list[str]:
    corrections = holm_states(each.findings, somewhere=each.question.somewhere)
    rows = []
    for finding in each.findings:
        if finding.values or finding.failed:
            label, said = f"{finding.label} ({finding.unit})", finding.verdict
            paper = "" if finding.paper is None else format(finding.paper, NUMBER[finding.unit])
            rows.append("| " + " | ".join([
                f"`{each.claim.id}`", f"*{label}*" if finding.beside else label, finding.expected.text, paper,
                measured_text(finding), exact_text(finding), finding.protocol, said.state,
                corrections.get(id(finding), "")]) + " |")
    return rows


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
        f"n = {gains['arcface'].n}, cifar100 ({_file('margins')}). {collapse_text(margins)}",
        "no-benefit-of-learning-at-best-scale": f"S = 30, not chosen: {texts['none']} points, n = {gains['none'].n}, "
        f"cifar100 ({_file('margins')})",
        "fixed-compactness-095": "mean cosine " + ", ".join(
            f"{statistics.fmean(values):.2f} {name}" for name, values in cosines.items())
        + f", n = {len(cosines['signed'])}, cifar10 ({_file('signed_features')})",
    }


def _file(name: str) -> str:
    return f"`results/{name}.json`"
