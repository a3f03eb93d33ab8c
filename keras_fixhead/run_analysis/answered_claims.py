"""The paper's claims that an analysis can answer, put to the runs at hand.

`reproduction.claims` puts all of the paper's claims to planned runs of full length. Here each claim is asked of
whatever runs were given, so its answer is about them only: how many there are stands next to it.
"""
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.reproduction.paper import paper_claim, paper_correlations
from keras_fixhead.run_analysis.measured import MeasuredRun, by_arm, fixed_and_learned, seed_values

ALPHA = 0.05
NEAR = 0.05
"""Largest difference from 0.95 that counts as about 0.95."""

Numbers = Mapping[int, float]


@dataclass(frozen=True)
class Answer:
    """What runs say about a claim.

    Attributes:
        claim: its name.
        statement: the claim.
        measured: what was measured, with numbers.
        n: number of runs that it rests on.
        held: whether it held for these runs.
    """

    claim: str
    statement: str
    measured: str
    n: int
    held: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def answer_claims(runs: Sequence[MeasuredRun]) -> list[Answer]:
    """Returns the answers that these runs allow, in the order of the paper's argument."""
    arms = by_arm(runs)
    return [*(answer for arm, members in arms.items() for answer in _of_one_arm(arm, members)),
            *(answer for one, other in fixed_and_learned(runs) for answer in _of_a_pair(one, other)),
            *(answer for scales in _by_scale(arms) for answer in _of_scales(scales))]


def _of_one_arm(arm: str, members: Sequence[MeasuredRun]) -> Iterator[Answer]:
    config, dataset = members[0].config, members[0].config.dataset
    nearness, p = (seed_values(members, "class_vectors", name) for name in ("groups_difference", "groups_p_value"))
    if nearness and not config.fixed:
        yield _answer("similar-classes-near", f"{arm}: mean cosine within groups minus across {_mean(nearness)}, "
                      f"largest p = {max(p.values()):.2g}", nearness,
                      min(nearness.values()) > 0 and max(p.values()) < ALPHA)
    correlations, ps = (seed_values(members, "confusion", f"ordered_{name}") for name in ("correlation", "p_value"))
    if correlations and not config.fixed:
        name = f"confusion-correlation-{config.head}"
        paper = paper_correlations().get(config.head, {}).get(dataset)
        printed = "" if paper is None else f" (the paper: {paper:.2f})"
        yield _answer(name, f"{arm}: Spearman over ordered pairs {_mean(correlations)}{printed}, largest p = "
                      f"{max(ps.values()):.2g}; over unordered pairs {_mean(seed_values(members, *_UNORDERED))}; with "
                      f"class means instead of class vectors {_mean(seed_values(members, *_MEANS))}", correlations,
                      min(correlations.values()) > 0 and max(ps.values()) < ALPHA)
    if (ceiling := seed_values(members, "calibration", "ceiling")) and config.scale == 1:
        largest = seed_values(members, "calibration", "largest_probability")
        yield _answer("probability-ceiling", f"{arm}: largest probability {max(largest.values()):.4f}, ceiling "
                      f"{next(iter(ceiling.values())):.4f}", largest,
                      all(largest[seed] <= ceiling[seed] + 1e-6 for seed in largest))
    if config.head == "cos" and config.fixed and config.scale == 1:
        predicted, best = seed_values(members, "compactness", "predicted"), seed_values(members, "reach", "best_cosine")
        possible = f", {_mean(best)} at the smallest possible loss" if best else ""
        yield _answer("fixed-compactness-095", f"{arm}: mean cosine to the predicted class's vector {_mean(predicted)}"
                      f"{possible}", predicted, all(abs(each - 0.95) <= NEAR for each in predicted.values()))


def _of_a_pair(fixed: Sequence[MeasuredRun], learned: Sequence[MeasuredRun]) -> Iterator[Answer]:
    config = fixed[0].config
    ratio = _difference(fixed, learned, "separability", "angle_ratio")
    if ratio:
        yield _answer("separability-features", f"{fixed[0].arm} minus {learned[0].arm}: angle inside classes divided "
                      f"by that between class means {_mean(ratio)} (smaller is better separated)", ratio,
                      max(ratio.values()) < 0)
    if config.head == "cos" and config.scale == 1:
        found = {name: _difference(fixed, learned, "compactness", name) for name in ("own", "predicted")}
        if all(found.values()):
            yield _answer("fixed-s1-more-compact", f"{fixed[0].arm} minus {learned[0].arm}: mean cosine to the own "
                          f"class's vector {_mean(found['own'])}, to the predicted class's {_mean(found['predicted'])}",
                          found["own"], all(min(each.values()) > 0 for each in found.values()))


def _of_scales(members: Mapping[float, Sequence[MeasuredRun]]) -> Iterator[Answer]:
    config = next(iter(members.values()))[0].config
    asked = [("scale-lifts-ceiling", "calibration", "largest_probability", 1)]
    if not config.fixed:
        asked += [("scale-spreads-class-vectors", "class_vectors", "max_cosine", -1),
                  ("look-alike-errors-fall", "confusion", "errors_inside_groups", -1),
                  ("scale-lowers-compactness", "compactness", "predicted", -1)]
    for claim, section, name, sign in asked:
        found = {scale: seed_values(runs, section, name) for scale, runs in sorted(members.items())}
        if all(found.values()):
            means = [statistics.fmean(each.values()) for each in found.values()]
            text = ", ".join(f"{_mean(each)} at S = {scale:g}" for scale, each in found.items())
            yield Answer(claim, paper_claim(claim).statement, f"cos-{'fixed' if config.fixed else 'learned'}: {text}",
                         sum(map(len, found.values())),
                         all(sign * (after - before) > 0 for before, after in itertools.pairwise(means)))


def _by_scale(arms: Mapping[str, Sequence[MeasuredRun]]) -> list[dict[float, Sequence[MeasuredRun]]]:
    """Arms of cosines that differ in nothing but a scale that is a number: S -> runs."""
    found: dict[str, dict[float, Sequence[MeasuredRun]]] = {}
    for arm, members in arms.items():
        scale = members[0].config.scale
        if members[0].config.head == "cos" and isinstance(scale, float):
            found.setdefault(arm.replace(f"S = {scale:g}", "S"), {})[scale] = members
    return [each for each in found.values() if len(each) > 1]


def _answer(claim: str, measured: str, values: Numbers, held: bool) -> Answer:
    return Answer(claim, paper_claim(claim).statement, measured, len(values), held)


def _difference(one: Sequence[MeasuredRun], other: Sequence[MeasuredRun], section: str, name: str) -> Numbers:
    return paired_difference(seed_values(one, section, name), seed_values(other, section, name)).values


def _mean(values: Numbers) -> str:
    if not values:
        return "not defined"
    text = f"{statistics.fmean(values.values()):.3f}"
    return text if len(values) == 1 else f"{text} ({min(values.values()):.3f} to {max(values.values()):.3f})"


_UNORDERED = ("confusion", "unordered_correlation")
_MEANS = ("confusion", "ordered_means_correlation")
