"""The paper's claims that an analysis can answer, asked of given runs.

`reproduction.claims.answers` puts all of the paper's claims to planned runs of full length. Here each claim is asked of
whatever runs were given. Measures, tolerances and verdicts are the same: both put the same findings together by the
same functions.
"""
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.catalog import find_model
from keras_fixhead.reproduction.claims import answers as claims
from keras_fixhead.reproduction.claims.accuracy import GAP_POINTS, NEAR_POINTS, TOLERANCE_POINTS
from keras_fixhead.reproduction.claims.comparisons import voided
from keras_fixhead.reproduction.claims.findings import BOUND, COSINE, EDGE, POINTS, Finding
from keras_fixhead.reproduction.claims.geometry import TOLERANCE_CORRELATION, TOLERANCE_COSINE
from keras_fixhead.reproduction.claims.verdict import Expectation, above, below, near, not_below
from keras_fixhead.reproduction.paper import paper_claim, paper_correlations
from keras_fixhead.run_analysis.measured import MeasuredRun, by_arm, fixed_and_learned, seed_values

Numbers = Mapping[int, float]
Runs = Sequence[MeasuredRun]
Scales = Mapping[float, Runs]


@dataclass(frozen=True)
class Answer:
    """What runs say about a claim.

    Attributes:
        claim: its name.
        statement: the claim.
        measured: what was measured, with numbers.
        findings: the same as comparisons.
    """

    claim: str
    statement: str
    measured: str
    findings: tuple[Finding, ...] = field(repr=False)

    @property
    def n(self) -> int:
        """Number of seeds that it rests on, or of pairs of seeds for a difference."""
        return min(len(each.values) for each in self._counted)

    @property
    def held(self) -> bool:
        """Whether it held for each of these runs; not if a part of the claim was not measured in them."""
        return not self._lacks_a_part and not any(each.unresolved for each in self._counted) and all(
            each.expected.low <= value <= each.expected.high for each in self._counted
            for value in each.values.values())

    @property
    def verdict(self) -> str:
        """The verdict of `reproduction.claims` on these findings; with fewer than three seeds nothing is decided."""
        return claims.Answer(paper_claim(self.claim), claims.QUESTIONS[self.claim], self.findings).state

    @property
    def _lacks_a_part(self) -> bool:
        return any(each.required and not each.values for each in self.findings)

    @property
    def _counted(self) -> Sequence[Finding]:
        return [each for each in self.findings if each.values and not each.beside] or self.findings

    def as_dict(self) -> dict[str, Any]:
        """Returns what is written to numbers.json; `held` is None where it takes other runs, or more, to decide."""
        verdict = self.verdict
        is_open = verdict == "not measured" or self._lacks_a_part
        return {"claim": self.claim, "statement": self.statement, "measured": self.measured, "n": self.n,
                "held": None if is_open else self.held, "verdict": verdict}


def answer_claims(runs: Runs) -> list[Answer]:
    """Returns the answers that these runs allow, in the order of the paper's argument.

    Runs that failed to converge have no value, as in `reproduction.results.Results`.
    """
    arms = by_arm(runs)
    groups = _by_scale(arms)
    found = [*(answer for arm, members in arms.items() for answer in _of_one_arm(arm, members, arms)),
             *(answer for one, other in fixed_and_learned(runs) for answer in _of_a_pair(one, other, groups)),
             *(answer for members in arms.values() for answer in _against_best_scale(members, groups)),
             *(answer for scales in groups.values() if len(scales) > 1 for answer in _of_scales(scales))]
    return [each for each in found if all(finding.values or finding.required for finding in each.findings)]


def _of_one_arm(arm: str, members: Runs, arms: Mapping[str, Runs]) -> Iterator[Answer]:
    config, fixed = members[0].config, arms.get(arm.replace("-learned", "-fixed", 1), ())
    if not config.fixed and _is_asked(members):
        if _values(members, *_NEARNESS):
            yield _nearness(arm, members, fixed)
        if _values(members, *_ORDERED):
            yield _correlation(arm, members, fixed)
    if config.scale == 1 and (ceiling := _values(members, "calibration", "ceiling")):
        largest = _values(members, *_LARGEST)
        below_ceiling = {seed: ceiling[seed] - value for seed, value in largest.items()}
        yield _answer("probability-ceiling", f"{arm}: largest probability {max(largest.values(), default=0):.4f}, "
                      f"ceiling {max(ceiling.values()):.4f}", _one(arm, members, below_ceiling, above()))
    if config.head == "cos" and config.fixed and config.scale == 1:
        predicted, best = _values(members, *_PREDICTED), _values(members, "reach", "best_cosine")
        possible = f", {_mean(best)} at the smallest possible loss" if best else ""
        signed = find_model(config.model).ends_signed(config.signed_features)
        asked = "" if signed else "; decided with features that can be negative (--signed-features)"
        yield _answer("fixed-compactness-095", f"{arm}: mean cosine to the predicted class's vector {_mean(predicted)}"
                      f"{possible}{asked}", _one(arm, members, predicted, near(0.95, TOLERANCE_COSINE),
                                                 beside=not signed))


def _nearness(arm: str, members: Runs, fixed: Runs) -> Answer:
    """Look-alike classes against others, minus the same of the class vectors as they were drawn."""
    found, p = _values(members, *_NEARNESS), _values(members, "class_vectors", "groups_p_value")
    text = f"{arm}: mean cosine within groups minus across {_mean(found)}{_largest_p(p)}"
    net = _pair("net of the draw", members, fixed, _NEARNESS, above())
    if not net.values:
        return _answer("similar-classes-near", f"{text}; runs with fixed class vectors, which stay as drawn, decide",
                       _one(arm, members, found, above(), beside=True))
    return _answer("similar-classes-near", f"{text}; minus that of the draw {_mean(net.values, '+.3f')}"
                   f"{_marked(fixed)}", net)


def _correlation(arm: str, members: Runs, fixed: Runs) -> Answer:
    """As in the paper, unless ties make that impossible, and larger than with fixed class vectors, if given."""
    config, found = members[0].config, _values(members, *_ORDERED)
    paper = paper_correlations().get(config.head, {}).get(config.dataset)
    expected = above(0 if paper is None else round(paper - TOLERANCE_CORRELATION, 2))
    bound = min(_values(members, "confusion", "ordered_ceiling").values(), default=1.0)
    printed = "" if paper is None else f" (the paper: {paper:.2f}; expected: {expected.text})"
    ties = f", at most {bound:.2f} is possible" if bound < 1 else ""
    control = _pair("minus the fixed arm", members, fixed, _ORDERED, above())
    beside = f"; with fixed class vectors {_mean(_values(fixed, *_ORDERED))}{_marked(fixed)}" * bool(control.values)
    text = (f"{arm}: Spearman over ordered pairs {_mean(found)}{printed}{ties}"
            f"{_largest_p(_values(members, 'confusion', 'ordered_p_value'))}; over unordered pairs "
            f"{_mean(_values(members, *_UNORDERED))}; with class means instead of class vectors "
            f"{_mean(_values(members, *_MEANS))}{beside}")
    own = _one("ordered pairs", members, found, expected, unresolved=BOUND if bound <= expected.low else "")
    return _answer(f"confusion-correlation-{config.head}", text, own, *([control] if control.values else []))


def _of_a_pair(fixed: Runs, learned: Runs, groups: Mapping[str, Scales]) -> Iterator[Answer]:
    config, arms = fixed[0].config, f"{fixed[0].arm} minus {learned[0].arm}"
    if not _is_asked(fixed):
        return
    expected = not_below(TOLERANCE_POINTS) if config.head == "dot" else above(GAP_POINTS)
    gain = _pair(arms, fixed, learned, _ACCURACY, expected, unit=POINTS)
    text = (f"{arms}: test accuracy, points {_mean(gain.values, '+.2f')} (expected: {expected.text})"
            f"{_marked(fixed)}{_marked(learned)}")
    if config.head == "dot":
        yield _answer("dot-accuracy", text, gain)
    else:
        words, own = _near_its_best(fixed, groups)
        yield _answer("cos-s1-fixed-converges", f"{text}; {words}", gain, own)
    signed = bool(config.reaches_everywhere)
    ratio = _pair(arms, fixed, learned, _SPREAD, below(), beside=not signed)
    beside = "; ".join(f"{words} {_mean(_pair(words, fixed, learned, number, above()).values, '+.3f')}"
                       for words, number in (("share of images nearest to the mean of their class", _NEAREST_MEAN),
                                             ("smallest angle between class means, degrees", _SMALLEST_ANGLE)))
    yield _answer("separability-features", f"{arms}: spread of embeddings inside classes divided by that between "
                  f"classes {_mean(ratio.values, '+.3f')} (smaller is better separated{_by_signed(signed)}); {beside}"
                  f"{_marked(fixed)}{_marked(learned)}", ratio)


def _near_its_best(fixed: Runs, groups: Mapping[str, Scales]) -> tuple[str, Finding]:
    """Fixed class vectors at S = 1 minus the same at their best S, which needs runs at other scales."""
    scales = groups.get(_without_scale(fixed[0].arm, 1.0), {})
    label, expected = "S = 1 minus the best S", not_below(NEAR_POINTS)
    if (best := _best_scale(scales)) is not None and best != 1:
        loss = replace(_pair(label, fixed, scales[best], _ACCURACY, expected, unit=POINTS,
                             unresolved=_edge(best, scales)), required=True)
        if loss.values:
            return f"minus S = {best:g}, {_chosen_by(scales)} {_mean(loss.values, '+.2f')} ({expected.text})", loss
    return (f"not held without runs at other S: S = 1 must be within {NEAR_POINTS:g} points of the best",
            Finding(label, {}, expected, POINTS, required=True))


def _against_best_scale(fixed: Runs, groups: Mapping[str, Scales]) -> Iterator[Answer]:
    """Compactness of fixed class vectors at S = 1 and of learned ones at their best S, if other scales were given."""
    config, arm = fixed[0].config, fixed[0].arm
    scales = groups.get(_without_scale(arm, 1.0).replace("-fixed", "-learned", 1), {})
    if config.head != "cos" or not config.fixed or config.scale != 1 or not scales.keys() - {1.0}:
        return
    if (best := _best_scale(scales)) is not None:
        signed = bool(config.reaches_everywhere)
        own, predicted = (_pair(f"{name} class", fixed, scales[best], number, above(), unresolved=_edge(best, scales),
                                beside=name == "predicted" or not signed)
                          for name, number in (("own", _OWN), ("predicted", _PREDICTED)))
        edge = ", which is the smallest or largest S here: unresolved" if own.unresolved else ""
        yield _answer("fixed-s1-more-compact", f"{arm} minus {scales[best][0].arm}, {_chosen_by(scales)}{edge}: mean "
                      f"cosine to the own class's vector {_mean(own.values, '+.3f')}, to the predicted class's "
                      f"{_mean(predicted.values, '+.3f')}{_by_signed(signed)}", own, predicted)


def _of_scales(members: Scales) -> Iterator[Answer]:
    """What becomes of a number from the smallest scale to the next one, and of compactness from each to the next."""
    first, scales = min(members), sorted(members)
    config = members[first][0].config
    asked: list[tuple[str, tuple[tuple[str, str, Expectation], ...], bool]] = [
        ("scale-lifts-ceiling", ((*_LARGEST, above()),), True)]
    if not config.fixed:
        asked += [("scale-spreads-class-vectors", (("class_vectors", "high_cosine", below()),
                                                   ("class_vectors", "groups_within", below())), False),
                  ("look-alike-errors-fall", (("confusion", "errors_inside_groups", below()),), False),
                  ("scale-lowers-compactness", ((*_PREDICTED, below()),), True),
                  ("accuracy-compactness-tradeoff", ((*_ACCURACY, above()), (*_OWN, below())), False)]
    for claim, numbers, all_steps in asked:
        known = [each for each in numbers if any(_values(runs, *each[:2]) for runs in members.values())]
        steps = list(itertools.pairwise(scales))[: None if all_steps else 1]
        findings = [_pair(f"{name}, S = {high:g} minus S = {low:g}", members[high], members[low], (section, name),
                          expected, unit=POINTS if name == "accuracy" else COSINE,
                          beside=claim == "scale-lifts-ceiling")
                    for section, name, expected in known for low, high in steps]
        texts = [f"{name.replace('_', ' ') + ' ' if len(known) > 1 else ''}"
                 + ", ".join(f"{_mean(_values(members[scale], section, name))} at S = {scale:g}" for scale in scales)
                 for section, name, _ in known]
        if findings:
            yield _answer(claim, f"cos-{'fixed' if config.fixed else 'learned'}: {'; '.join(texts)}", *findings)


def _is_asked(runs: Runs) -> bool:
    """Whether the claims on single arms are about runs like these: dot logits at any scale, cosines at S = 1."""
    return runs[0].config.head == "dot" or runs[0].config.scale == 1


def _by_scale(arms: Mapping[str, Runs]) -> dict[str, dict[float, Runs]]:
    """Arms of cosines that differ in nothing but a scale that is a number: name without S -> S -> runs."""
    found: dict[str, dict[float, Runs]] = {}
    for arm, members in arms.items():
        scale = members[0].config.scale
        if members[0].config.head == "cos" and isinstance(scale, float):
            found.setdefault(_without_scale(arm, scale), {})[scale] = members
    return found


def _without_scale(arm: str, scale: float) -> str:
    return arm.replace(f"S = {scale:g}", "S")


def _best_scale(scales: Scales) -> float | None:
    """The scale with the best mean accuracy: on validation images, or on test images if some run has no others."""
    number = ("accuracy", "validation_accuracy") if _have_validation(scales) else _ACCURACY
    means = {scale: statistics.fmean(found.values()) for scale, runs in scales.items()
             if (found := _values(runs, *number)) and len(found) == len(runs)}
    return max(means, key=lambda scale: means[scale]) if means else None


def _have_validation(scales: Scales) -> bool:
    return all(_values(runs, "accuracy", "validation_accuracy") for runs in scales.values())


def _chosen_by(scales: Scales) -> str:
    return f"the most accurate here on {'validation' if _have_validation(scales) else 'test'} images"


def _edge(best: float, scales: Scales) -> str:
    """Why a best scale decides nothing: a better one may lie beyond those that were given."""
    return EDGE if best in (min(scales), max(scales)) else ""


def _answer(claim: str, measured: str, *findings: Finding) -> Answer:
    return Answer(claim, paper_claim(claim).statement, measured, findings)


def _one(label: str, runs: Runs, values: Numbers, expected: Expectation, *, unresolved: str = "",
         beside: bool = False) -> Finding:
    return Finding(label, values, expected, COSINE, failed=_failed(runs), unresolved=unresolved, beside=beside,
                   void=voided(_failed(runs), (), None))


def _pair(label: str, one: Runs, other: Runs, number: tuple[str, str], expected: Expectation, *, unit: str = COSINE,
          unresolved: str = "", beside: bool = False) -> Finding:
    """One arm minus another, paired by seed; nothing is decided in favour of an arm that failed at some seed."""
    factor = 100 if unit == POINTS else 1
    values = {seed: factor * value for seed, value in
              paired_difference(_values(one, *number), _values(other, *number)).values.items()}
    void = voided(_failed(one), _failed(other), expected if unit == POINTS else None)
    return Finding(label, values, expected, unit, failed=(*_failed(one), *_failed(other)), beside=beside, void=void,
                   unresolved=unresolved)


def _failed(runs: Runs) -> tuple[int, ...]:
    return tuple(each.config.seed for each in runs if not each.converged)


def _values(runs: Runs, section: str, name: str) -> dict[int, float]:
    return seed_values([each for each in runs if each.converged], section, name)


def _marked(runs: Runs) -> str:
    """A warning about runs of an arm that failed to converge or do not know more than the most frequent class."""
    warnings = [(len(_failed(runs)), "failed to converge"),
                (sum(each.converged and each.at_chance for each in runs), "no more accurate than chance")]
    return "".join(f"; {count} of {len(runs)} runs of {runs[0].arm} {words}" for count, words in warnings if count)


def _by_signed(signed: bool) -> str:
    return "" if signed else "; decided by runs with --signed-features"


def _largest_p(p: Numbers) -> str:
    return f", largest p = {max(p.values()):.2g}" if p else ""


def _mean(values: Numbers, form: str = ".3f") -> str:
    if not values:
        return "not defined"
    text = f"{statistics.fmean(values.values()):{form}}"
    return text if len(values) == 1 else f"{text} ({min(values.values()):{form}} to {max(values.values()):{form}})"


_ACCURACY, _SPREAD = ("accuracy", "accuracy"), ("separability", "within_to_between")
_OWN, _PREDICTED = ("compactness", "own"), ("compactness", "predicted")
_ORDERED, _UNORDERED = ("confusion", "ordered_correlation"), ("confusion", "unordered_correlation")
_MEANS = ("confusion", "ordered_means_correlation")
_NEARNESS, _LARGEST = ("class_vectors", "groups_difference"), ("calibration", "largest_probability")
_NEAREST_MEAN = ("separability", "nearest_mean_accuracy")
_SMALLEST_ANGLE = ("separability", "smallest_inter_class_angle")
