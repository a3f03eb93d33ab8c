"""The tables of the plans for two CPU cores and for a GPU, and the rules in a few lines."""
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.analysis.exact import smallest_p
from keras_fixhead.json_files import read_json
from keras_fixhead.reproduction.claims.accuracy import TOLERANCE_POINTS
from keras_fixhead.reproduction.claims.answers import Answer
from keras_fixhead.reproduction.claims.geometry import TOLERANCE_COSINE
from keras_fixhead.reproduction.claims.verdict import ALPHA, ALPHA_OF_FEW, ENOUGH, NOT_MEASURED
from keras_fixhead.reproduction.measures import FLOOR_FACTOR
from keras_fixhead.reproduction.pages.overview import claims_by_block
from keras_fixhead.reproduction.planning import cost
from keras_fixhead.reproduction.planning.cells import Block, Choice, Planned, plan
from keras_fixhead.reproduction.planning.evidence_blocks import COS_SCALE, DOT_SCALE, EVIDENCE_BLOCKS
from keras_fixhead.reproduction.planning.gpu_blocks import GPU_BLOCKS, NOT_RUN_HERE
from keras_fixhead.reproduction.results import Results, chosen, decide, validation_scores

FALSE_VERDICTS = "checks/false_verdicts.json"
"""In results/: the share of false verdicts in simulations, by `benchmarks/false_verdicts.py`."""


def rules_block(folder: Path) -> list[str]:
    """Returns the rules for the state of a claim.

    Args:
        folder: results/, for how often simulations found them wrong.
    """
    return [
        "",
        f"- A comparison has one value per seed. With fewer than {ENOUGH} seeds it is undecided: one seed is an "
        "anecdote. It is undecided, too, until all seeds of the plan were run: looking at results as they come in and "
        "stopping at the first verdict would give more false ones. Such comparisons are shown, and refute nothing.",
        "- The interval is Student's 95 % interval of the mean; if two arms are compared, of the differences paired by "
        "seed. Both arms of a seed start from the same weights and class vectors and see the same batches. Differences "
        "between data sets are not paired and have Welch's interval.",
        "- A comparison is **held** if the whole interval lies where the claim expects it (*expected*), **refuted** if "
        "it lies entirely where the claim excludes it, and otherwise **undecided at this n**. Outcomes that are "
        "counted have an exact sign test and no interval.",
        "- From six seeds on, a verdict also needs p ≤ 0.05 in the exact two-sided sign-flip test of the same end of "
        "the range: of the values for \"above 0\", of the values plus 0.5 for \"above −0.5\", at both ends of a range. "
        "It assumes only that, without an effect, a difference is as likely as its negative. Fewer seeds cannot reach "
        f"such a p: there Student's t decides alone, at p < {ALPHA_OF_FEW:g}. Data sets are not paired: there, too, it "
        "decides alone.",
        _false_verdicts(read_json(folder / FALSE_VERDICTS, schema=1)["rows"]),
        f"- \"At least as accurate\" is held above −{TOLERANCE_POINTS:g} points and refuted below; the sign of the "
        f"difference is reported separately. \"About 0.95\" means within {TOLERANCE_COSINE:g}.",
        "- A claim is held if all comparisons that were measured are held, and refuted if one of them is refuted after "
        "Holm's correction for their number; a claim that something \"can be\" is held if one is held after that "
        "correction, and is never refuted: another network or data set may show it. A claim about every comparison is "
        "not held while one of them has begun and is not complete. If a comparison was trained for two lengths, the "
        "longer one decides, provided that it has enough seeds. That fixed models train well at S = 1 is not held "
        "before they are compared with their own best S.",
        "- Scales and learning rates are chosen on validation images, scales with seeds that no comparison uses; a "
        "best scale at the edge of its grid decides nothing. The numbers are from test images as they are; cosines are "
        "always those of images as they are.",
        "- A run that fails to converge has no accuracy: its seed has no value, and the number of failures is shown. "
        "The mean of the other seeds flatters the arm that fails, so nothing is decided in its favour; a comparison of "
        "other numbers than accuracies is not decided at all. If no seed has a value for this reason, the comparison "
        "is undecided, not \"not measured\".",
        f"- Where both arms have less than {FLOOR_FACTOR:g} times the accuracy of chance on corrupted images, their "
        "being equal is no evidence, and nothing is decided. A run that ends below that on its training images counts "
        "as untrained where failures are counted.",
        "- What is **arithmetic**, or true by construction, is labelled so and is not evidence.",
        "",
    ]


def _false_verdicts(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns how often comparisons and claims were decided falsely, as a line."""
    def shares(start: str, *, exact: bool | None = None) -> str:
        found = [100 * row["share"] for row in rows if row["rule"].startswith(start)
                 and exact in (None, smallest_p(row["seeds"]) < ALPHA)]
        return f"{min(found):.1f} to {max(found):.1f} %"

    seeds = [str(n) for n in sorted({row["seeds"] for row in rows})]
    arms = len({row["arm"] for row in rows}) - 1
    return (f"- How often that is wrong, in {max(row['simulations'] for row in rows):,} simulations of the same arm "
            f"twice (of claims, a tenth) for each of {', '.join(seeds[:-1])} and {seeds[-1]} seeds, of normal values "
            f"and of our own runs drawn again ({arms} sets of them): a difference from 0 was decided in "
            f"{shares('above 0', exact=True)} with six seeds and more, in {shares('above 0', exact=False)} with fewer, "
            f"for which no exact test exists; a difference between data sets in {shares('difference between')}; a "
            f"claim of eight comparisons was refuted in {shares('claim of')}, and one that something \"can be\" was "
            f"held in {shares('existence claim')} (`results/{FALSE_VERDICTS}`).")


def plan_block(results: Results, found: Sequence[Answer]) -> list[str]:
    """Returns the GPU plan: one line per block, and the claims that each block is the first to measure."""
    apart = [each for each in found if (each.question.other_data and each.state == NOT_MEASURED)
             or not (each.findings or each.question.arithmetic)]
    waiting = claims_by_block([each for each in found if each not in apart], results, GPU_BLOCKS)
    work = _work(results, GPU_BLOCKS, cost.GPU)
    return ["", "| block | question | runs | done | GPU hours left | first to measure |", "| --- |" + " --- |" * 5,
            *(f"| {block.name} | {block.why} | {work[block.name].text} | "
              f"{', '.join(f'`{name}`' for name in waiting.get(block.name, ()))} |" for block in GPU_BLOCKS),
            f"| all | | {_sum(work).text} | |", "", _source(results, cost.GPU) + " Networks with depthwise "
            "convolutions take longer than this arithmetic suggests.", "", "Not in this plan:", "",
            *(f"- {what}: {why}." for what, why in NOT_RUN_HERE),
            *(f"- `{each.claim.id}`: {each.question.lacking}." for each in apart), ""]


def programme_block(results: Results) -> list[str]:
    """Returns the plan for two CPU cores: one line per block."""
    work = _work(results, EVIDENCE_BLOCKS, cost.CPU)
    return ["", "| block | question | seeds | runs | done | hours left |", "| --- |" + " --- |" * 5,
            *(f"| {block.name} | {block.why} | {_seeds(block)} | {work[block.name].text} |"
              for block in EVIDENCE_BLOCKS),
            f"| all | | | {_sum(work).text} |", "", _source(results, cost.CPU),
            *(line for choice in (DOT_SCALE, COS_SCALE) for line in _choice(choice, results)), ""]


def _choice(choice: Choice, results: Results) -> list[str]:
    """Returns the validation accuracies of a choice once they are measured, what is chosen, and what each arm would."""
    scores = {fixed: validation_scores(choice, fixed, results) for fixed in (True, False)}
    if not all(scores.values()):
        return []
    found, alone = chosen(choice, results), chosen(dataclasses.replace(choice, per_arm=True), results)
    rows = ["| " + " | ".join([name, *(f"{100 * value:.2f}" for value in scores[fixed].values()),
                               f"{found[fixed].scale:.3g}", f"{alone[fixed].scale:.3g}"]) + " |"
            for fixed, name in ((True, "fixed"), (False, "learned"))]
    title = f"{choice.name[0].upper()}{choice.name[1:]}"
    return ["", f"{title}: validation accuracy in percent on {choice.row.dataset}:", "",
            "| arm | " + " | ".join(f"S = {scale:.3g}" for scale in choice.scales) + " | chosen | best for it alone |",
            "| --- |" + " --- |" * (len(choice.scales) + 2), *rows]


@dataclass(frozen=True)
class Work:
    """Runs of a block, how many of them are done, and the hours that the rest takes."""

    runs: int
    done: int
    hours: float

    @property
    def text(self) -> str:
        """The three as cells of a table."""
        return f"{self.runs} | {self.done} | {self.hours:.1f}"


def _work(results: Results, blocks: Sequence[Block], rate: cost.Rate) -> dict[str, Work]:
    """Returns the name of a block -> its work; a run in two blocks belongs to the first."""
    runs = list(plan(blocks, decide(results, blocks)))
    found = {}
    for block in blocks:
        own = [run for run in runs if run.block == block.name]
        left = [run for run in own if run.cell is None or run.seed not in results.all_of(run.cell)]
        found[block.name] = Work(len(own), len(own) - len(left), _hours(left, results, rate, block))
    return found


def _sum(work: Mapping[str, Work]) -> Work:
    return Work(sum(each.runs for each in work.values()), sum(each.done for each in work.values()),
                sum(each.hours for each in work.values()))


def _hours(left: Sequence[Planned], results: Results, rate: cost.Rate, block: Block) -> float:
    """Returns the hours that runs of a block take."""
    any_scale = block.rows[-1].cell(block.rows[-1].fixed[0], 1.0)  # until a scale is chosen: they cost the same
    configs = [(run.cell or any_scale).config for run in left]
    return sum(cost.estimate(config, results, _device(results), rate).seconds for config in configs) / 3600


def _seeds(block: Block) -> str:
    """Returns the seeds of a block's rows, as text."""
    more = {row.more_seeds: f" (and {', '.join(map(str, row.more_seeds))})" for row in block.rows if row.more_seeds}
    texts = [", ".join(map(str, row.seeds)) + more.get(row.more_seeds, "") for row in block.rows]
    return "; ".join(dict.fromkeys(texts))


def _source(results: Results, rate: cost.Rate) -> str:
    devices = sorted({str(each.content["device"]) for each in results})
    source = f"from seconds measured on {', '.join(devices)}" if devices else "by arithmetic"
    return f"Hours: {source}; if none were measured, {rate.source}."


def _device(results: Results) -> str | None:
    newest = max(results, key=lambda each: str(each.content["finished"]), default=None)
    return None if newest is None else str(newest.content["device"])
