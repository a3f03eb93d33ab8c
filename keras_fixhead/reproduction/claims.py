"""The paper's claims, each tested by comparisons of cells, paired by seed.

Each function from results to findings belongs to the claim that names it in `QUESTIONS`.
"""
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from keras_fixhead.analysis.confusion import correlation_bound
from keras_fixhead.analysis.paired import paired_difference
from keras_fixhead.catalog import look_up
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction.cells import Cell
from keras_fixhead.reproduction.comparisons import (
    Measure,
    accuracy,
    arm,
    at_best_scale,
    below_ceiling,
    best,
    best_of_seed,
    correlation,
    corrupted,
    difference,
    errors_inside,
    evaluated,
    failures,
    failures_text,
    gain,
    group_nearness,
    minus,
    printed,
    recorded,
    single,
)
from keras_fixhead.reproduction.gpu_blocks import BEST
from keras_fixhead.reproduction.paper import Claim, paper_claim, paper_claims, paper_correlations, paper_table
from keras_fixhead.reproduction.results import Results
from keras_fixhead.reproduction.verdict import (
    COSINE,
    DECADES,
    HELD,
    POINTS,
    REFUTED,
    SHARE,
    Finding,
    above,
    below,
    combined,
    near,
    not_below,
)
from keras_fixhead.vectors import ceiling

TOLERANCE_POINTS = 0.5
"""'About zero' in points: the sampling error of an accuracy of 60 to 80 % on 10,000 images."""
TOLERANCE_COSINE = 0.05
TOLERANCE_DECADES = 0.5

_SETS = ("cifar100", "cifar10")
_FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PreActResNet18, signed", "preact_resnet18", {"signed_features": True}),
    ("PreActResNet18, ReLU", "preact_resnet18", {"signed_features": False}),
    ("MobileNetV2", "mobilenet_v2", {}),
)
_CORRUPTIONS = {"impulse_noise": "salt_and_pepper", "jpeg_compression": "jpeg_compression", "defocus_blur": "blurring"}


def dot_gain(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy with dot logits, by data set, network and length of training."""
    paper, expected = paper_table(1).gains(), not_below(TOLERANCE_POINTS)
    return [
        *(gain(results, f"{dataset}, ResNet18", accuracy, expected, dataset=dataset, head="dot", epochs=epochs,
               paper=paper[dataset, "resnet18"]) for dataset, epochs in (
                   ("cifar100", 30), ("cifar10", 30), ("cifar100", 100))),
        *(gain(results, f"cifar100, {name}", accuracy, expected, dataset="cifar100", head="dot", model=model, **extra,
               paper=paper["cifar100", model]) for name, model, extra in _FORMS),
    ]


def gain_by_classes(results: Results) -> list[Finding]:
    """The gain from fixing with dot logits for many classes, minus that for few."""
    many, few = ((arm(name, "dot", True), arm(name, "dot", False)) for name in _SETS)
    gains = [gain(results, name, accuracy, above(), dataset=name, head="dot").values for name in _SETS]
    values = paired_difference(*gains).values
    paper = paper_table(1).gains()
    return [Finding("gain on cifar100 minus gain on cifar10, ResNet18", values, above(), cells=(*many, *few),
                    note=failures_text(results, *many, *few), failed=failures(results, *many, *few),
                    paper=paper["cifar100", "resnet18"] - paper["cifar10", "resnet18"])]


def look_alike_vectors(results: Results) -> list[Finding]:
    """How much closer the learned class vectors of one group of classes are than others."""
    return [single(results, f"{dataset}, {head}", arm(dataset, head, False), group_nearness, above(), unit=COSINE)
            for dataset in _SETS for head in ("dot", "cos")]


def largest_cosines(results: Results) -> list[Finding]:
    """The largest cosine between learned class vectors of 100 classes minus that of 10."""
    return [difference(results, "dot, ResNet18", arm("cifar100", "dot", False), arm("cifar10", "dot", False),
                       recorded("class_vectors_max_cosine"), above(), unit=COSINE)]


def correlations(head: str, results: Results) -> list[Finding]:
    """The correlation of cosines between learned class vectors with errors, and the largest possible one given ties."""
    found = []
    for dataset in _SETS:
        one = arm(dataset, head, False)
        bounds = [correlation_bound(result.matrices()["confusion"]) for result in results.of(one).values()]
        found.append(single(results, dataset, one, correlation, above(), unit=COSINE,
                            paper=paper_correlations()[head][dataset],
                            note=f"at most {min(bounds):.2f} is possible" if bounds else ""))
    return found


def learning_rates(results: Results) -> list[Finding]:
    """Failures at the highest learning rate, and the best learning rate of each arm."""
    high = [_rate_cell("preact_resnet18", 0.1, fixed) for fixed in (True, False)]
    fixed, learned = (results.all_of(one) for one in high)
    failed = [{seed: float(not result.converged) for seed, result in each.items()} for each in (learned, fixed)]
    return [
        Finding("failures at rate 0.1, learned minus fixed, PreActResNet18", paired_difference(*failed).values, above(),
                SHARE, tuple(high),
                paper=1.0),
        *(_best_rate(results, model, name) for model, name in (
            ("preact_resnet18", "PreActResNet18"), ("resnet18", "ResNet18"))),
    ]


def _best_rate(results: Results, model: str, name: str) -> Finding:
    """The best learning rate on validation of the fixed arm over that of the learned arm, seed by seed."""
    rates = (0.1, 0.01, 0.001)
    arms = [{rate: _rate_cell(model, rate, fixed) for rate in rates} for fixed in (True, False)]
    cells = tuple(one for each in arms for one in each.values())
    values, failed = {}, []
    for seed in (0, 1):
        chosen = [best_of_seed(results, cells, seed) for cells in arms]
        if chosen[0] is not None and chosen[1] is not None:
            values[seed] = math.log10(chosen[0] / chosen[1])
        elif all(seed in results.all_of(one) for one in cells):  # an arm did not converge at any rate
            failed.append(seed)
    return Finding(f"best rate, fixed over learned, {name}", values, not_below(TOLERANCE_DECADES), DECADES, cells,
                   note=failures_text(results, *cells), failed=tuple(failed))


def at_each_rate(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy at each learning rate."""
    found = []
    for number, model, name in ((7, "preact_resnet18", "PreActResNet18"), (8, "resnet18", "ResNet18")):
        paper = paper_table(number).gains()
        for rate in (0.1, 0.01, 0.001):
            found.append(difference(results, f"cifar100, {name}, rate {rate:g}", _rate_cell(model, rate, True),
                                    _rate_cell(model, rate, False), accuracy, above(),
                                    paper=paper.get(("cifar100", f"{rate:g}"))))
    return found


def _rate_cell(model: str, rate: float, fixed: bool) -> Cell:
    return arm("cifar100", "dot", fixed, model=model, lr=rate, warmup_fraction=0.0)


def probabilities(results: Results) -> list[Finding]:
    """How far the largest softmax probability at S = 1 stays below its ceiling."""
    found = []
    for dataset in _SETS:
        largest, _ = ceiling(DATASETS[dataset].num_classes, 1.0)
        for fixed in (True, False):
            one = arm(dataset, "cos", fixed)
            found.append(single(results, f"{largest:.4f} minus the largest on {dataset}, {one.label.split()[-1]}", one,
                                below_ceiling(largest), above(), unit=SHARE))
    return found


def cosine_gain(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy with cosine logits at S = 1, by data set and network."""
    paper = paper_table(2).gains()
    return [
        *(gain(results, f"{dataset}, ResNet18", accuracy, above(), dataset=dataset, head="cos",
               paper=paper[dataset, "resnet18"]) for dataset in _SETS),
        *(gain(results, f"cifar100, {name}", accuracy, above(), dataset="cifar100", head="cos", model=model, **extra,
               paper=paper["cifar100", model]) for name, model, extra in _FORMS),
    ]


def without_a_scale(results: Results) -> list[Finding]:
    """Fixed at S = 1 against learned, and against fixed, at its best scale."""
    one, top = paper_table(2).cells, paper_table(3).cells
    name = ("cifar100", "resnet18")
    return [
        at_best_scale(results, "cifar100, fixed S = 1 minus learned best S", (True, 1.0), (False, None), accuracy,
                       minus(one[*name, "fixed"], top[*name, "learned"]), tolerance=TOLERANCE_POINTS),
        at_best_scale(results, "cifar100, fixed S = 1 minus fixed best S", (True, 1.0), (True, None), accuracy,
                       minus(one[*name, "fixed"], top[*name, "fixed"]), tolerance=TOLERANCE_POINTS),
    ]


def cosine_against_dot(results: Results) -> list[Finding]:
    """Fixed cosine at S = 1 minus the dot arm that is better on validation."""
    found = []
    for dataset in _SETS:
        one, dot = arm(dataset, "cos", True), {float(fixed): arm(dataset, "dot", fixed) for fixed in (True, False)}
        better = best(dot, results)
        cells = paper_table(1).cells
        paper = minus(paper_table(2).cells[dataset, "resnet18", "fixed"],
                       max(printed(cells[dataset, "resnet18", each]) for each in ("fixed", "learned")))
        found.append(Finding(f"{dataset}, ResNet18", {}, above(), paper=paper, cells=(one, *dot.values()),
                             note=failures_text(results, one, *dot.values()),
                             failed=failures(results, one, *dot.values()))
                     if better is None else
                     difference(results, f"{dataset}, ResNet18", one, dot[better], accuracy, above(), paper=paper))
    return found


def learned_at_its_scale(results: Results) -> list[Finding]:
    """What the learned arm gains from its best scale over S = 1."""
    name = ("cifar100", "resnet18", "learned")
    return [at_best_scale(results, "cifar100, learned best S minus S = 1", (False, None), (False, 1.0), accuracy,
                           minus(paper_table(3).cells[name], paper_table(2).cells[name]))]


def both_at_their_scales(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy, each at its best scale."""
    return [at_best_scale(results, "cifar100, ResNet18", (True, None), (False, None), accuracy,
                           paper_table(3).gains()["cifar100", "resnet18"], tolerance=TOLERANCE_POINTS, epochs=epochs)
            for epochs in (30, 100)]


def _scale_effect(measure: Measure, label: str, results: Results, *, low: float = 1.0, high: float = 20.0,
                  rises: bool = False, unit: str = COSINE) -> Finding:
    """The effect of a larger scale on learned cosine models."""
    return difference(results, f"{label}, S = {high:g} minus S = {low:g}", BEST.row.cell(False, high),
                      BEST.row.cell(False, low), measure, above() if rises else below(), unit=unit)


def vectors_by_scale(results: Results) -> list[Finding]:
    """The effect of a larger scale on the cosines between learned class vectors."""
    return [_scale_effect(recorded(f"class_vectors_{kind}_cosine"), f"{kind} cosine", results)
            for kind in ("mean", "max")]


def look_alike_errors(results: Results) -> list[Finding]:
    """The effect of a larger scale on the share of errors between look-alike classes."""
    return [_scale_effect(errors_inside, "share of errors inside groups", results, unit=SHARE)]


def accuracy_by_scale(results: Results) -> list[Finding]:
    """The effect of a larger scale on accuracy and on the cosine to the own class vector (learned)."""
    return [_scale_effect(accuracy, "accuracy", results, rises=True, unit=POINTS),
            _scale_effect(evaluated("own_cosine"), "cosine to the own class's vector", results)]


def compactness_by_scale(results: Results) -> list[Finding]:
    """The effect of a larger scale on the cosine to the predicted class vector (learned)."""
    measure = evaluated("predicted_cosine")
    return [_scale_effect(measure, "cosine to the predicted class's vector", results, low=low, high=high)
            for low, high in ((1.0, 20.0), (20.0, 40.0))]


def predicted_cosines(results: Results) -> list[Finding]:
    """The cosine to the predicted class vector, fixed at S = 1, by data set and network."""
    cells = {
        **{f"{dataset}, ResNet18, ReLU": arm(dataset, "cos", True) for dataset in _SETS},
        **{f"{dataset}, ResNet18, signed": arm(dataset, "cos", True, signed_features=True) for dataset in _SETS},
        **{f"{dataset}, {name}": arm(dataset, "cos", True, model=model, **extra)
           for name, model, extra in _FORMS for dataset in _SETS},
    }
    found = []
    for label, one in cells.items():
        reach = [result.number("reachable_cosine", "mean") for result in results.of(one).values()
                 if "reachable_cosine" in result.content and not result.config.signed_features]
        found.append(single(results, label, one, evaluated("predicted_cosine"), near(0.95, TOLERANCE_COSINE),
                            unit=COSINE, paper=0.95,
                            note=f"reachable without negative features: {max(reach):.2f}" if reach else ""))
    return found


def compactness_of_arms(results: Results) -> list[Finding]:
    """The cosine to the predicted class vector, fixed at S = 1 minus learned at its best scale."""
    return [at_best_scale(results, "cifar100, ResNet18", (True, 1.0), (False, None), evaluated("predicted_cosine"),
                           None, unit=COSINE)]


def separation(results: Results) -> list[Finding]:
    """The spread of embeddings within classes over that between classes, fixed minus learned."""
    return [gain(results, f"{dataset}, {head}", recorded("separation", "within_to_between"), below(), unit=SHARE,
                 dataset=dataset, head=head) for dataset in _SETS for head in ("dot", "cos")]


def corruptions(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy on corrupted images, by corruption, data set and head."""
    paper = paper_table(6).gains()
    found = []
    for name, in_paper in _CORRUPTIONS.items():
        for dataset in _SETS:
            for head in ("dot", "cos"):
                found.append(gain(results, f"{dataset}, {head}, {name}", corrupted(name), not_below(TOLERANCE_POINTS),
                                  dataset=dataset, head=head, paper=paper[in_paper, dataset, head]))
    return found


def margins(results: Results) -> list[Finding]:
    """Fixed minus learned accuracy with an ArcFace margin."""
    return [gain(results, "cifar100, ResNet18, ArcFace 0.5, S = 30", accuracy, not_below(TOLERANCE_POINTS),
                 dataset="cifar100", head="cos", scale=30.0, margin="arcface")]


_WHOLE = "STL-10 and Tiny ImageNet need the whole data sets"


@dataclass(frozen=True)
class Question:
    """How a claim is tested.

    Attributes:
        findings: function of the results.
        somewhere: whether the claim is about some cell and not about every one.
        lacking: what cannot be measured with the available data or cells, and how it could be.
        arithmetic: why the claim holds without a run, if it does.
    """

    findings: Callable[[Results], list[Finding]] = field(default=lambda results: [])
    somewhere: bool = False
    lacking: str = ""
    arithmetic: str = ""


@dataclass(frozen=True)
class Answer:
    """A claim, how it is tested, and its findings."""

    claim: Claim
    question: Question
    findings: tuple[Finding, ...]

    @property
    def state(self) -> str:
        """One of `verdict.STATES`."""
        found = combined(self.findings, somewhere=self.question.somewhere)
        return HELD if self.question.arithmetic and found != REFUTED else found


def answers(results: Results) -> list[Answer]:
    """Returns the answer to each claim, in the order of the paper's claims."""
    return [answer(name, results) for name in paper_claims()]


def answer(name: str, results: Results) -> Answer:
    """Returns the answer to a claim.

    Raises:
        ArgumentError: (a ValueError) if there is no claim with this name.
        RunError: if the matrices it needs are missing or damaged.

    Example:
        >>> answer("dot-accuracy", Results()).state
        'not measured'
    """
    question = look_up(QUESTIONS, name, "claim")
    return Answer(paper_claim(name), question, tuple(question.findings(results)))


QUESTIONS: dict[str, Question] = {
    "dot-accuracy": Question(dot_gain, lacking=_WHOLE),
    "dot-gain-up-to-4": Question(lacking="the paper's largest gains, 3.1 to 4.4 points, are on STL-10: needs the whole "
                                 "set"),
    "dot-gain-classes-many-or-alike": Question(gain_by_classes, lacking=_WHOLE),
    "similar-classes-near": Question(look_alike_vectors),
    "similar-classes-nearer-with-more-classes": Question(largest_cosines, lacking=_WHOLE),
    "confusion-correlation-dot": Question(functools.partial(correlations, "dot"), lacking=_WHOLE),
    "confusion-correlation-cos": Question(functools.partial(correlations, "cos"), lacking=_WHOLE),
    "higher-learning-rate": Question(learning_rates, lacking=_WHOLE),
    "fixed-wins-at-each-rate": Question(at_each_rate, lacking=_WHOLE),
    "probability-ceiling": Question(probabilities, arithmetic="follows from the range of a cosine"),
    "scale-lifts-ceiling": Question(arithmetic="follows from the same formula"),
    "cos-s1-fixed-converges": Question(cosine_gain, lacking=_WHOLE),
    "fixed-s1-no-scale-needed": Question(without_a_scale, lacking=_WHOLE),
    "cos-s1-beats-dot": Question(cosine_against_dot, somewhere=True, lacking=_WHOLE),
    "best-scale-rescues-learned": Question(learned_at_its_scale, lacking=_WHOLE),
    "no-benefit-of-learning-at-best-scale": Question(both_at_their_scales, lacking=_WHOLE),
    "scale-spreads-class-vectors": Question(vectors_by_scale),
    "look-alike-errors-fall": Question(look_alike_errors),
    "scale-lowers-compactness": Question(compactness_by_scale),
    "accuracy-compactness-tradeoff": Question(accuracy_by_scale),
    "fixed-compactness-095": Question(predicted_cosines, lacking=_WHOLE),
    "fixed-s1-more-compact": Question(compactness_of_arms),
    "separability-features": Question(separation),
    "generalization-kept": Question(lacking="needs CIFAR-10.1 (`fixhead evaluate RUN --dataset cifar10_1`); the "
                                    "paper's other two sets were never published"),
    "corruption-robustness-kept": Question(corruptions, lacking=_WHOLE),
    "margins-gain-by-fixing": Question(margins),
    "hoffer-comparison": Question(lacking="no cell has a learned scale yet: `fixhead sweep --dataset cifar100 --epochs "
                                  "30 --head cos --scale learned --bias learned --grid fixed=yes,no --seeds 0-2`"),
}
"""Claim -> how it is tested."""
