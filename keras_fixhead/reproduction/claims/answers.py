"""The paper's claims and how each is tested. The comparisons are in `accuracy_claims` and `geometry_claims`."""
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

from keras_fixhead.catalog import look_up
from keras_fixhead.reproduction.claims import accuracy as on_accuracy
from keras_fixhead.reproduction.claims import geometry as on_geometry
from keras_fixhead.reproduction.claims import outside as on_outside_sets
from keras_fixhead.reproduction.claims.comparisons import Evidence, evidence
from keras_fixhead.reproduction.claims.findings import Finding, combined, deciding
from keras_fixhead.reproduction.claims.settings import GPU, Setting
from keras_fixhead.reproduction.claims.verdict import NOT_MEASURED, REFUTED
from keras_fixhead.reproduction.paper import Claim, paper_claim, paper_claims
from keras_fixhead.reproduction.results import Results

ARITHMETIC = "arithmetic"
"""Instead of a verdict: the claim follows without a run, which is not evidence."""

_WHOLE = "STL-10 and Tiny ImageNet need the whole data sets"


@dataclass(frozen=True)
class Question:
    """How a claim is tested.

    Attributes:
        findings: function of the evidence.
        somewhere: whether the claim is about some cell and not about every one.
        lacking: what cannot be measured with the available data or cells, and how it could be.
        arithmetic: why the claim, or a part of it, holds without a run.
        partly: whether only a part of it does.
        other_data: whether its runs are also measured on data that the plan does not have.
    """

    findings: Callable[[Evidence], list[Finding]] = field(default=lambda seen: [])
    somewhere: bool = False
    lacking: str = ""
    arithmetic: str = ""
    partly: bool = False
    other_data: bool = False


@dataclass(frozen=True)
class Answer:
    """A claim, how it is tested, and its findings."""

    claim: Claim
    question: Question
    findings: tuple[Finding, ...]

    @property
    def state(self) -> str:
        """One of `verdict.STATES`, or `ARITHMETIC`; a measurement that contradicts arithmetic would refute it."""
        found = combined(self.findings, somewhere=self.question.somewhere)
        if self.question.arithmetic and not self.question.partly and found != REFUTED:
            return ARITHMETIC
        return found

    @property
    def measured(self) -> tuple[int, int]:
        """The number of measured comparisons of those that decide it, and of all that do."""
        found = deciding([each for each in self.findings if not each.beside])
        return sum(each.verdict.state != NOT_MEASURED for each in found), len(found)


def answers(results: Results, setting: Setting = GPU) -> list[Answer]:
    """Returns the answer to each claim in a setting, in the order of the paper's claims."""
    seen = evidence(results, setting)
    return [_answer(name, seen) for name in paper_claims()]


def answer(name: str, results: Results, setting: Setting = GPU) -> Answer:
    """Returns the answer to a claim in a setting.

    Raises:
        ArgumentError: (a ValueError) if there is no claim with this name.
        RunError: if the matrices it needs are missing or damaged.

    Example:
        >>> answer("dot-accuracy", Results()).state
        'not measured'
    """
    look_up(QUESTIONS, name, "claim")
    return _answer(name, evidence(results, setting))


def _answer(name: str, seen: Evidence) -> Answer:
    question = QUESTIONS[name]
    return Answer(paper_claim(name), question, tuple(question.findings(seen)))


QUESTIONS: dict[str, Question] = {
    "dot-accuracy": Question(on_accuracy.dot_gain, lacking=_WHOLE),
    "dot-gain-up-to-4": Question(lacking="the paper's largest gains, 3.1 to 4.4 points, are on STL-10: needs the whole "
                                 "set"),
    "dot-gain-classes-many-or-alike": Question(on_accuracy.gain_by_classes, lacking=_WHOLE),
    "similar-classes-near": Question(on_geometry.look_alike_vectors, partly=True,
                                     arithmetic="fixed class vectors cannot merge, by construction"),
    "similar-classes-nearer-with-more-classes": Question(on_geometry.largest_cosines, lacking=_WHOLE),
    "confusion-correlation-dot": Question(functools.partial(on_geometry.correlations, "dot"), lacking=_WHOLE),
    "confusion-correlation-cos": Question(functools.partial(on_geometry.correlations, "cos"), lacking=_WHOLE),
    "higher-learning-rate": Question(on_accuracy.learning_rates, lacking=_WHOLE),
    "fixed-wins-at-each-rate": Question(on_accuracy.at_each_rate, lacking=_WHOLE),
    "probability-ceiling": Question(on_geometry.probabilities, arithmetic="follows from the range of a cosine"),
    "scale-lifts-ceiling": Question(arithmetic="follows from the same formula"),
    "cos-s1-fixed-converges": Question(on_accuracy.cosine_gain, lacking=_WHOLE),
    "fixed-s1-no-scale-needed": Question(on_accuracy.without_a_scale, lacking=_WHOLE),
    "cos-s1-beats-dot": Question(on_accuracy.cosine_against_dot, somewhere=True, lacking=_WHOLE),
    "best-scale-rescues-learned": Question(on_accuracy.learned_at_its_scale, lacking=_WHOLE),
    "no-benefit-of-learning-at-best-scale": Question(on_accuracy.both_at_their_scales, lacking=_WHOLE),
    "scale-spreads-class-vectors": Question(on_geometry.vectors_by_scale),
    "look-alike-errors-fall": Question(on_geometry.look_alike_errors),
    "scale-lowers-compactness": Question(on_geometry.compactness_by_scale),
    "accuracy-compactness-tradeoff": Question(on_geometry.accuracy_by_scale),
    "fixed-compactness-095": Question(on_geometry.predicted_cosines, lacking=_WHOLE),
    "fixed-s1-more-compact": Question(on_geometry.compactness_of_arms),
    "separability-features": Question(on_geometry.separation),
    "generalization-kept": Question(on_outside_sets.generalization, lacking="needs CIFAR-10.1 in the data folder; the "
                                    "paper's other two sets were never published", other_data=True),
    "corruption-robustness-kept": Question(on_accuracy.corruptions, lacking=_WHOLE),
    "margins-gain-by-fixing": Question(on_accuracy.margins),
    "hoffer-comparison": Question(on_accuracy.one_thing_at_a_time),
}
"""Claim -> how it is tested."""
