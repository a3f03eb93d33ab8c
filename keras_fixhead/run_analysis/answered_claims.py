"""The paper's claims that an analysis can answer, put to the runs at hand.

`reproduction.claims` puts all of the paper's claims to planned runs of full length. Here each claim is asked of
whatever runs were given, by the same rules and tolerances, so its answer is about them only: how many there are stands
next to it.
"""
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.reproduction.accuracy_claims import GAP_POINTS, TOLERANCE_POINTS
from keras_fixhead.reproduction.geometry_claims import TOLERANCE_CORRELATION, TOLERANCE_COSINE
from keras_fixhead.reproduction.paper import paper_claim, paper_correlations
from keras_fixhead.reproduction.verdict import (
    ALPHA,
    HELD,
    NOT_MEASURED,
    UNDECIDED,
    Expectation,
    above,
    below,
    combine,
    near,
    not_below,
    verdict,
)
from keras_fixhead.run_analysis.measured import MeasuredRun, by_arm, fixed_and_learned, seed_values

Numbers = Mapping[int, float]
Part = tuple[Numbers, Expectation]
"""Values by seed, and where the claim expects them."""
Arms = Mapping[str, Sequence[MeasuredRun]]


@dataclass(frozen=True)
class Answer:
    """What runs say about a claim.

    Attributes:
        claim: its name.
        statement: the claim.
        measured: what was measured, with numbers.
        n: number of seeds that it rests on, or of pairs of seeds for a difference.
        held: whether it held for each of these runs.
        verdict: one of `reproduction.verdict.STATES`: with fewer than three seeds nothing is decided.
    """

    claim: str
    statement: str
    measured: str
    n: int
    held: bool
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def answer_claims(runs: Sequence[MeasuredRun]) -> list[Answer]:
    """Returns the answers that these runs allow, in the order of the paper's argument."""
    arms = by_arm(runs)
    groups = _by_scale(arms)
    return [*(answer for arm, members in arms.items() for answer in _of_one_arm(arm, members, arms)),
            *(answer for one, other in fixed_and_learned(runs) for answer in _of_a_pair(one, other)),
            *(answer for arm, members in arms.items() for answer in _against_best_scale(arm, members, groups)),
            *(answer for scales in groups.values() if len(scales) > 1 for answer in _of_scales(scales))]


def _of_one_arm(arm: str, members: Sequence[MeasuredRun], arms: Arms) -> Iterator[Answer]:
    config = members[0].config
    nearness, p = (seed_values(members, "class_vectors", name) for name in ("groups_difference", "groups_p_value"))
    if nearness and not config.fixed:
        yield _answer("similar-classes-near", f"{arm}: mean cosine within groups minus across {_mean(nearness)}, "
                      f"largest p = {max(p.values()):.2g}", (nearness, above()), significant=max(p.values()) < ALPHA)
    if seed_values(members, *_ORDERED) and not config.fixed and (config.head == "dot" or config.scale == 1):
        yield _correlation(arm, members, arms.get(arm.replace("-learned", "-fixed", 1), ()))
    if (ceiling := seed_values(members, "calibration", "ceiling")) and config.scale == 1:
        largest = seed_values(members, "calibration", "largest_probability")
        limit = next(iter(ceiling.values()))
        yield _answer("probability-ceiling", f"{arm}: largest probability {max(largest.values()):.4f}, ceiling "
                      f"{limit:.4f}", (largest, below(limit + 1e-6)))
    if config.head == "cos" and config.fixed and config.scale == 1:
        predicted, best = seed_values(members, *_PREDICTED), seed_values(members, "reach", "best_cosine")
        possible = f", {_mean(best)} at the smallest possible loss" if best else ""
        yield _answer("fixed-compactness-095", f"{arm}: mean cosine to the predicted class's vector {_mean(predicted)}"
                      f"{possible}", (predicted, near(0.95, TOLERANCE_COSINE)))


def _correlation(arm: str, members: Sequence[MeasuredRun], fixed: Sequence[MeasuredRun]) -> Answer:
    """As in the paper, significant, and larger than with fixed class vectors, if such runs were given."""
    config = members[0].config
    found, p = seed_values(members, *_ORDERED), seed_values(members, "confusion", "ordered_p_value")
    paper = paper_correlations().get(config.head, {}).get(config.dataset)
    expected = above(0 if paper is None else round(paper - TOLERANCE_CORRELATION, 2))
    printed = "" if paper is None else f" (the paper: {paper:.2f}; expected: {expected.text})"
    control = _difference(members, fixed, *_ORDERED)
    beside = f"; with fixed class vectors {_mean(seed_values(fixed, *_ORDERED))}" if control else ""
    parts = [(found, expected), *([(control, above())] if control else [])]
    text = (f"{arm}: Spearman over ordered pairs {_mean(found)}{printed}, largest p = {max(p.values()):.2g}; over "
            f"unordered pairs {_mean(seed_values(members, *_UNORDERED))}; with class means instead of class vectors "
            f"{_mean(seed_values(members, *_MEANS))}{beside}")
    return _answer(f"confusion-correlation-{config.head}", text, *parts, significant=max(p.values()) < ALPHA)


def _of_a_pair(fixed: Sequence[MeasuredRun], learned: Sequence[MeasuredRun]) -> Iterator[Answer]:
    config, arms = fixed[0].config, f"{fixed[0].arm} minus {learned[0].arm}"
    gain = {seed: 100 * value for seed, value in _difference(fixed, learned, "accuracy", "accuracy").items()}
    asked = ("dot-accuracy", not_below(TOLERANCE_POINTS)) if config.head == "dot" else (
        "cos-s1-fixed-converges", above(GAP_POINTS)) if config.scale == 1 else None
    if gain and asked:
        claim, expected = asked
        yield _answer(claim, f"{arms}: test accuracy, points {_mean(gain, '+.2f')} (expected: {expected.text})",
                      (gain, expected))
    if ratio := _difference(fixed, learned, "separability", "angle_ratio"):
        signed = bool(config.reaches_everywhere)
        decided_by = "" if signed else "; decided by runs with --signed-features"
        yield _answer("separability-features", f"{arms}: angle inside classes divided by that between class means "
                      f"{_mean(ratio, '+.3f')} (smaller is better separated{decided_by})", (ratio, below()),
                      decides=signed)


def _against_best_scale(arm: str, fixed: Sequence[MeasuredRun],
                        groups: Mapping[str, Mapping[float, Sequence[MeasuredRun]]]) -> Iterator[Answer]:
    """Compactness of fixed class vectors at S = 1 and of learned ones at their best S, if other scales were given."""
    config = fixed[0].config
    others = groups.get(_without_scale(arm, 1.0).replace("-fixed", "-learned", 1), {})
    accuracies = {scale: statistics.fmean(found.values()) for scale, runs in others.items()
                  if (found := seed_values(runs, "accuracy", "accuracy"))}
    if config.head != "cos" or not config.fixed or config.scale != 1 or not accuracies.keys() - {1.0}:
        return
    learned = others[max(accuracies, key=lambda scale: accuracies[scale])]
    own, predicted = (_difference(fixed, learned, *number) for number in (_OWN, _PREDICTED))
    if own and predicted:
        yield _answer("fixed-s1-more-compact", f"{arm} minus {learned[0].arm}, which of the learned arms here is the "
                      f"most accurate on test images: mean cosine to the own class's vector {_mean(own, '+.3f')}, "
                      f"to the predicted class's {_mean(predicted, '+.3f')}", (own, above()), (predicted, above()))


def _of_scales(members: Mapping[float, Sequence[MeasuredRun]]) -> Iterator[Answer]:
    """What becomes of a number from each scale to the next larger one."""
    config = next(iter(members.values()))[0].config
    asked: list[tuple[str, tuple[tuple[str, str, Expectation], ...]]] = [
        ("scale-lifts-ceiling", (("calibration", "largest_probability", above()),))]
    if not config.fixed:
        asked += [("scale-spreads-class-vectors", (("class_vectors", "max_cosine", below()),)),
                  ("look-alike-errors-fall", (("confusion", "errors_inside_groups", below()),)),
                  ("scale-lowers-compactness", ((*_PREDICTED, below()),)),
                  ("accuracy-compactness-tradeoff", (("accuracy", "accuracy", above()), (*_OWN, below())))]
    for claim, numbers in asked:
        parts, texts = [], []
        for section, name, expected in numbers:
            found = {scale: seed_values(runs, section, name) for scale, runs in sorted(members.items())}
            parts += [(paired_difference(after, before).values, expected)
                      for before, after in itertools.pairwise(found.values())]
            label = f"{name.replace('_', ' ')} " if len(numbers) > 1 else ""
            texts.append(label + ", ".join(f"{_mean(each)} at S = {scale:g}" for scale, each in found.items()))
        if all(values for values, _ in parts):
            yield _answer(claim, f"cos-{'fixed' if config.fixed else 'learned'}: {'; '.join(texts)}", *parts)


def _by_scale(arms: Arms) -> dict[str, dict[float, Sequence[MeasuredRun]]]:
    """Arms of cosines that differ in nothing but a scale that is a number: name without S -> S -> runs."""
    found: dict[str, dict[float, Sequence[MeasuredRun]]] = {}
    for arm, members in arms.items():
        scale = members[0].config.scale
        if members[0].config.head == "cos" and isinstance(scale, float):
            found.setdefault(_without_scale(arm, scale), {})[scale] = members
    return found


def _without_scale(arm: str, scale: float) -> str:
    return arm.replace(f"S = {scale:g}", "S")


def _answer(claim: str, measured: str, *parts: Part, significant: bool = True, decides: bool = True) -> Answer:
    """Puts the parts of a claim together, each of which must hold.

    Args:
        claim: its name.
        measured: what was measured, with numbers.
        parts: values by seed, and where the claim expects them.
        significant: whether the numbers inside the runs are; otherwise it did not hold.
        decides: whether such runs can decide the claim.
    """
    held = significant and all(expected.low <= value <= expected.high for values, expected in parts
                               for value in values.values())
    state = combine([verdict(list(values.values()), expected).state for values, expected in parts])
    if not decides:
        state = NOT_MEASURED
    elif state == HELD and not significant:
        state = UNDECIDED
    return Answer(claim, paper_claim(claim).statement, measured, min(len(values) for values, _ in parts), held, state)


def _difference(one: Sequence[MeasuredRun], other: Sequence[MeasuredRun], section: str, name: str) -> Numbers:
    return paired_difference(seed_values(one, section, name), seed_values(other, section, name)).values


def _mean(values: Numbers, form: str = ".3f") -> str:
    if not values:
        return "not defined"
    text = f"{statistics.fmean(values.values()):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values.values()):{form}} to {max(values.values()):{form}})"


_OWN, _PREDICTED = ("compactness", "own"), ("compactness", "predicted")
_ORDERED, _UNORDERED = ("confusion", "ordered_correlation"), ("confusion", "unordered_correlation")
_MEANS = ("confusion", "ordered_means_correlation")
