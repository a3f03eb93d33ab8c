"""Findings: comparisons with their values, what they say, and what several of them say about a claim."""
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keras_fixhead.analysis.bootstrap import bca_interval
from keras_fixhead.analysis.exact import EXHAUSTIVE, holm, sign_flip_test, smallest_p
from keras_fixhead.reproduction.claims.verdict import (
    ALPHA,
    ENOUGH,
    HELD,
    NOT_MEASURED,
    REFUTED,
    UNDECIDED,
    Expectation,
    Verdict,
    combine,
    seeds_in_order,
    verdict,
)
from keras_fixhead.reproduction.planning.cells import Cell
from keras_fixhead.wording import count_text

POINTS, COSINE, SHARE, DECADES = "points", "cosine", "share", "decades"
EDGE, BOUND, SEEDS = "a best S at the edge of its grid", "too few errors", "not all planned seeds"
FLOOR = "accuracy hardly above chance"
"""Why a finding can decide nothing."""
NUMBER = {POINTS: "+.2f", COSINE: ".3f", SHARE: ".3f", DECADES: "+.2f"}
"""Unit -> format of its numbers."""


@dataclass(frozen=True)
class Finding:
    """One comparison: values of several seeds, and where the claim expects their mean to lie.

    Attributes:
        label: what is compared.
        values: seed -> value; empty if nothing was measured.
        expected: where the claim expects the mean to lie.
        unit: unit of the values.
        cells: the cells that have to be run for it.
        epochs: epochs of those runs; among findings with the same label, the longest decisive training counts.
        paper: the paper's number, if it prints one.
        note: anything else worth knowing.
        failed: seeds that were run but have no value because a run failed to converge.
        minus: seed -> value of a second group that is not paired with the first; None for one group.
        void: the states that cannot be reached, because runs failed to converge and the others speak for their arm.
        unresolved: why nothing can be decided, whatever the values: `EDGE`, `BOUND`, `SEEDS` or `FLOOR`.
        required: whether the claim cannot be held unless this finding is.
        every: findings that must all be held for this one to be; one that is refuted refutes it.
        beside: whether it is shown next to the others and does not count for the claim.
    """

    label: str
    values: Mapping[int, float]
    expected: Expectation
    unit: str = POINTS
    cells: tuple[Cell, ...] = ()
    epochs: float = 30
    paper: float | None = None
    note: str = ""
    failed: tuple[int, ...] = ()
    minus: Mapping[int, float] | None = None
    void: tuple[str, ...] = ()
    unresolved: str = ""
    required: bool = False
    every: "tuple[Finding, ...]" = ()
    beside: bool = False

    @functools.cached_property
    def verdict(self) -> Verdict:
        """The verdict on the values; if every run failed to converge, nothing is decided."""
        if not self.values and self.failed:
            return Verdict(UNDECIDED, 0, None, None)
        minus = None if self.minus is None else seeds_in_order(self.minus)
        found = verdict(seeds_in_order(self.values), self.expected, minus)
        if self.every:
            found = _of_every(found, [each.verdict for each in self.every])
        return _without(found, (HELD, REFUTED) if self.unresolved else self.void)

    @property
    def protocol(self) -> str:
        """The protocol of its cells, as in `protocol_text`."""
        return "; ".join(dict.fromkeys(protocol_text(each) for each in self.cells))


def _of_every(found: Verdict, parts: Sequence[Verdict]) -> Verdict:
    """Returns a verdict that is held if all parts are, and refuted if one of them is, after a correction."""
    p_held = max(each.p_held for each in parts)
    p_refuted = min(1.0, len(parts) * min(each.p_refuted for each in parts))
    state = HELD if p_held < ALPHA else REFUTED if p_refuted < ALPHA else UNDECIDED
    return found if found.state == NOT_MEASURED else replace(found, state=state, p_held=p_held, p_refuted=p_refuted)


def _without(found: Verdict, void: Sequence[str]) -> Verdict:
    """Returns a verdict without the states that cannot be reached."""
    return replace(found, state=UNDECIDED if found.state in void else found.state,
                   p_held=1.0 if HELD in void else found.p_held,
                   p_refuted=1.0 if REFUTED in void else found.p_refuted)


def protocol_text(one: Cell) -> str:
    """Returns how a cell is trained: its recipe, and what differs from full size.

    Example:
        >>> from keras_fixhead.reproduction.planning.cells import cell
        >>> protocol_text(cell(dataset="cifar10", recipe="cpu"))
        'cpu, 10 epochs, width 0.25, 20480 images'
    """
    config = one.config
    parts = [f"{config.recipe}, {config.epochs:g} epochs"]
    parts += [f"width {config.width:g}"] * (config.width != 1)
    parts += [f"{config.limit_train} images"] * (config.limit_train is not None)
    return ", ".join(parts)


def measured_text(finding: Finding) -> str:
    """Returns the mean, interval and n of a finding, and its note."""
    said, form = finding.verdict, NUMBER[finding.unit]
    if said.mean is None:
        return finding.note
    text = f"{said.mean:{form}}"
    if said.interval is not None:
        text += f" [{said.interval[0]:{form}}, {said.interval[1]:{form}}]"
    if finding.minus is not None:
        text += f", n = {len(finding.values)} and {len(finding.minus)}"
    else:
        text += f", n = {said.n}"
    if said.state == HELD and finding.expected.tolerant and said.sign == "below 0":
        text += "; lower, by less than the tolerance"
    if warning := warning_text(finding):
        text += f"; {warning}"
    return text + (f"; {finding.note}" if finding.note else "")


def warning_text(finding: Finding) -> str:
    """Returns a warning if its seeds cannot decide an effect of exactly the paper's size, else an empty string.

    Fewer than `ENOUGH` never can; others cannot if the same values around the paper's number were undecided too.
    """
    said, expected = finding.verdict, finding.expected
    if finding.paper is None or said.mean is None or said.state != UNDECIDED:
        return ""
    if said.n >= ENOUGH:
        moved = [value + finding.paper - said.mean for value in seeds_in_order(finding.values)]
        minus = None if finding.minus is None else seeds_in_order(finding.minus)
        if expected.counted or verdict(moved, expected, minus).state != UNDECIDED:
            return ""
    return f"{count_text(said.n, 'seed')} cannot decide an effect of the paper's size"


def exact_text(finding: Finding) -> str:
    """Returns the BCa interval of paired values and the p of their exact sign-flip test, with the smallest possible.

    Empty for outcomes that are counted, groups that are not paired, and fewer than two seeds.
    """
    values = seeds_in_order(finding.values)
    if len(values) < 2 or finding.minus is not None or finding.expected.counted or len(values) > EXHAUSTIVE:
        return ""
    form, (low, high) = NUMBER[finding.unit], bca_interval(values)
    return f"[{low:{form}}, {high:{form}}]; p = {sign_flip_test(values):.3g} (at least {smallest_p(len(values)):.3g})"


def deciding(findings: Sequence[Finding]) -> list[Finding]:
    """Returns one finding per label: the longest measured training, or one whose runs failed, or the first."""
    best: dict[str, Finding] = {}
    for each in findings:
        before = best.get(each.label)
        if before is None or _weight(each) > _weight(before):
            best[each.label] = each
    return list(best.values())


def counted(findings: Sequence[Finding], *, somewhere: bool = False) -> list[Finding]:
    """Returns the findings that count for a claim.

    Those with fewer than `ENOUGH` seeds, or not all of those planned, do not if others have them. To decide that a
    claim holds nowhere, however, all of them count.
    """
    found = deciding([each for each in findings if not each.beside])
    enough = [each for each in found if each.verdict.n >= ENOUGH and each.unresolved != SEEDS]
    return found if somewhere else enough or found


def combined(findings: Sequence[Finding], *, somewhere: bool = False) -> str:
    """Returns the state of a claim from all its findings; `NOT_MEASURED` if there are none.

    A claim about every comparison is held if all are held, which needs no correction, and refuted if one is refuted
    after Holm's correction; a claim about some comparison is held if one is, after Holm's correction, and is never
    refuted. A claim about every comparison is not held without a required finding, nor before those that have begun
    are complete: what is running may contradict it.
    """
    found = counted(findings, somewhere=somewhere)
    if not found:
        return NOT_MEASURED
    state = combine(corrected(found, HELD if somewhere else REFUTED), somewhere=somewhere)
    waits = open_requirements(findings) or (not somewhere and unfinished(findings))
    return UNDECIDED if state == HELD and waits else state


def unfinished(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings that count for a claim once all their planned seeds have been run, and have begun."""
    return [each for each in deciding([one for one in findings if not one.beside]) if each.unresolved == SEEDS]


def open_requirements(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings without which a claim cannot be held, and that are not."""
    return [each for each in deciding(findings) if each.required and each.verdict.state != HELD]


def corrected(findings: Sequence[Finding], which: str) -> list[str]:
    """Returns the states of findings, in which one of the verdicts must withstand Holm's correction for their number.

    Args:
        findings: those of one claim.
        which: `HELD` or `REFUTED`.
    """
    said = [each.verdict for each in findings]
    measured = [index for index, each in enumerate(said) if each.state != NOT_MEASURED]
    p = holm([said[index].p_held if which == HELD else said[index].p_refuted for index in measured])
    states = [each.state for each in said]
    for index, value in zip(measured, p, strict=True):
        if states[index] == which and value >= ALPHA:
            states[index] = UNDECIDED
    return states


def holm_states(findings: Sequence[Finding], *, somewhere: bool = False) -> dict[int, str]:
    """Returns the id of a finding -> its state after Holm's correction, for those that count for a claim."""
    found = counted(findings, somewhere=somewhere)
    after = {which: corrected(found, which) for which in (HELD, REFUTED)}
    return {id(one): after[one.verdict.state][index] if one.verdict.state in after else one.verdict.state
            for index, one in enumerate(found)}


def _weight(each: Finding) -> tuple[bool, bool, bool, float]:
    run = bool(each.values or each.failed)
    return len(each.values) >= ENOUGH, bool(each.values), run, each.epochs if run else 0
