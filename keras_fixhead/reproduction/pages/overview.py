"""The page of evidence on one screen: how many claims hold, and where; and the plans that measure them."""
from collections import Counter
from collections.abc import Mapping, Sequence

from keras_fixhead.reproduction.claims.answers import ARITHMETIC, Answer
from keras_fixhead.reproduction.claims.findings import SEEDS, Finding, counted, unfinished
from keras_fixhead.reproduction.claims.settings import EVIDENCE, SETTINGS, WRITTEN, Setting
from keras_fixhead.reproduction.claims.verdict import HELD, NOT_MEASURED, REFUTED, STATES, UNDECIDED
from keras_fixhead.reproduction.planning.cells import Block, plan
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.results import Results, decide


def verdicts_block(shown: Sequence[Setting], found: Mapping[str, Sequence[Answer]],
                   results: Mapping[str, Results]) -> list[str]:
    """Returns the number of claims in each state, the claims with each verdict, and how to measure the others.

    Args:
        shown: the settings that have results.
        found: plan -> the answers to all claims.
        results: plan -> its results.
    """
    lines = [""]
    for at in shown:
        lines += [f"{counts_text(at, found[at.plan])}.", ""]
    rest = [at.title for at in WRITTEN if at not in shown]
    if rest:
        lines += [f"No claim has been measured {', nor '.join(rest)}.", ""]
    rows = [f"| **{state}** | {'; '.join(texts)} |" for at in shown for state in (HELD, REFUTED, UNDECIDED)
            if (texts := [_claim_text(each) for each in found[at.plan] if each.state == state])]
    if not rows:
        return lines
    return [*lines, "| verdict | claims: data, seeds, comparisons measured |", "| --- | --- |", *rows, "",
            *(line for at in shown for line in _not_measured(found[at.plan], results[at.plan], at))]


def _not_measured(found: Sequence[Answer], results: Results, at: Setting) -> list[str]:
    """The claims that are not measured in a setting, by the command that measures them first."""
    missing = {each.claim.id: each for each in found if each.state == NOT_MEASURED}
    here = [each for each in missing.values() if not each.question.other_data]
    first = claims_by_block(here, results, PLANS[at.plan])
    recipe = "" if at is EVIDENCE else f" --recipe {at.recipe}"
    lines = [f"- `fixhead reproduce {block}{recipe} --data-dir DATA`: " + "; ".join(
        missing[name].claim.short for name in own) for block, own in first.items()]
    planned = {name for own in first.values() for name in own}
    lines += [f"- {each.claim.short}: {each.question.lacking or 'not part of this plan'}"
              for name, each in missing.items() if name not in planned]
    return [f"Not measured {at.title}, by the command that would measure it first:", "", *lines, ""] if lines else []


def claims_by_block(found: Sequence[Answer], results: Results, blocks: Sequence[Block]) -> dict[str, list[str]]:
    """Returns block -> claims that are not measured and for which it, with those before it, is the first to be enough.

    Args:
        found: answers in the setting of the plan.
        results: results of the plan.
        blocks: its blocks.
    """
    order: dict[str, int] = {}
    names = [block.name for block in blocks]
    for run in plan(blocks, decide(results, blocks)):
        if run.cell is not None:
            order.setdefault(run.cell.id, names.index(run.block))
    waiting: dict[str, list[str]] = {}
    for each in found:
        last = [max(order[one.id] for one in finding.cells) for finding in each.findings
                if finding.cells and not finding.beside]
        if last and each.state == NOT_MEASURED:
            waiting.setdefault(names[min(last)], []).append(each.claim.id)
    return {name: waiting[name] for name in names if name in waiting}


def _claim_text(each: Answer) -> str:
    sets = dict.fromkeys(str(cell.config.dataset) for one in measured(each) for cell in one.cells)
    return f"{each.claim.short} ({', '.join([*sets, basis_text(each)])})"


def basis_text(each: Answer) -> str:
    """Returns what a verdict is based on: seeds, comparisons measured of those that decide it, and unfinished ones."""
    done, planned = each.measured
    begun = len(unfinished(each.findings))
    return ", ".join(filter(None, (seeds_text(each), f"{done} of {planned}" * bool(planned),
                                   f"{begun} with seeds to come" * bool(begun))))


def counts_text(at: Setting, found: Sequence[Answer]) -> str:
    """Returns how many claims are in each state in a setting."""
    counts = Counter(each.state for each in found)
    protocols = dict.fromkeys(one.protocol for each in found for one in measured(each))
    return (f"{at.title[0].upper()}{at.title[1:]} ({'; '.join([at.network, *protocols])}), of {len(found)} claims: "
            + ", ".join(f"{counts[state]} {state}" for state in (*STATES, ARITHMETIC)))


def seeds_text(each: Answer) -> str:
    """Returns the numbers of seeds of the measured comparisons that count for a claim; empty without any."""
    seeds = sorted({one.verdict.n for one in measured(each)})
    return f"n = {seeds[0]}" + f" to {seeds[-1]}" * (len(seeds) > 1) if seeds else ""


def measured(each: Answer) -> list[Finding]:
    """Returns the measured comparisons that count for a claim."""
    return [one for one in counted(each.findings, somewhere=each.question.somewhere) if one.values]


def rests_on(each: Answer) -> str:
    """Returns the seeds and protocols of the measured comparisons that count for a claim, in brackets."""
    found = measured(each)
    if not found:
        return ""
    planned = sum(one.unresolved == SEEDS for one in found)
    more = [f"{planned} with seeds to come"] * bool(planned)
    return f" ({'; '.join([seeds_text(each), *more, *dict.fromkeys(one.protocol for one in found)])})"


def plans_block(results: Mapping[str, Results]) -> list[str]:
    """Returns one line for each plan: what `fixhead reproduce` calls it, what it trains, and how many runs it has.

    Args:
        results: plan -> its results.
    """
    return ["", f"`fixhead reproduce` has {len(SETTINGS)} plans, one for each recipe:", "",
            "| `--recipe` | measured | network | results |", "| --- | --- | --- | --- |",
            *(f"| `{at.recipe}`{' (default)' * (at is EVIDENCE)} | {at.title} | {at.network}"
              f"{' and others' * (at is not EVIDENCE)} | {len(results.get(at.plan, ())) or 'none yet'} |"
              for at in SETTINGS), ""]
