"""An analysis and a report say the same about the same runs: equal values, equal verdicts."""
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from keras_fixhead.analysis import summary
from keras_fixhead.analysis.geometry import cosine_matrix, largest_probability, separation
from keras_fixhead.analysis.summary import Arrays, Facts
from keras_fixhead.config import resolve
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction.claims.answers import answer
from keras_fixhead.reproduction.claims.comparisons import arm
from keras_fixhead.reproduction.claims.settings import GPU
from keras_fixhead.reproduction.planning.cells import Decisions
from keras_fixhead.reproduction.results import Results
from keras_fixhead.run_analysis.answered_claims import answer_claims
from keras_fixhead.run_analysis.measured import arm_names
from keras_fixhead.runs.result import Result

SET = DATASETS["cifar100"]
SEEDS = (0, 1, 2)
ARMS = {"cos": [(True, 1.0), (False, 1.0), (False, 20.0), (False, 40.0)], "dot": [(True, 1.0), (False, 1.0)]}
ALONE = ("scale-lifts-ceiling", "fixed-s1-more-compact")
"""Claims for which a report measures nothing, or other runs than these: the best scale of its own grid, signed."""
CLAIMS = {
    "cos": {"similar-classes-near", "confusion-correlation-cos", "probability-ceiling", "cos-s1-fixed-converges",
            "fixed-compactness-095", "scale-lifts-ceiling", "scale-spreads-class-vectors", "look-alike-errors-fall",
            "scale-lowers-compactness", "accuracy-compactness-tradeoff"},
    "dot": {"similar-classes-near", "confusion-correlation-dot", "dot-accuracy"}}


def arrays_of(head, fixed, scale, seed):
    """Returns the arrays of a made-up model: noisy features; learned class vectors of look-alikes are near."""
    draw = np.random.default_rng([seed, head == "cos", fixed, int(scale)])
    m, dim, count = SET.num_classes, 24, 1_500
    vectors = np.random.default_rng(seed).standard_normal((m, dim))
    if not fixed:
        groups = {name: number for number, names in enumerate(SET.similar.values()) for name in names}
        vectors += (3 / scale**0.2) * draw.standard_normal((len(SET.similar), dim))[
            [groups[name] for name in SET.label_names]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = np.arange(count) % m
    features = 3 * vectors[labels] + draw.standard_normal((count, dim)) * (0.9 if fixed else 1.0 + 0.1 * np.log(scale))
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    return Arrays(features, (scale * units if head == "cos" else features) @ vectors.T, labels, vectors)


def run_and_result(row, head, fixed, scale, seed, converged=True):
    """Returns the same made-up run as an analysis and as a report see it."""
    cell = arm(row, "cifar100", head, fixed, scale).cell(Decisions())
    config = resolve(build_config(cell.explicit(seed)), gpu=False).config
    found = arrays_of(head, fixed, scale, seed)
    facts = Facts(SET.label_names, SET.similar, scale if head == "cos" else None)
    numbers = {
        "accuracy": summary.accuracy_numbers(found), "class_vectors": summary.class_vector_numbers(
            found.class_vectors, facts), "confusion": summary.confusion_numbers(found, facts),
        "compactness": summary.compactness(found.features, found.class_vectors, found.labels, found.predicted),
        "separability": summary.separability(found.features, found.labels),
        "calibration": summary.calibration_numbers(found, facts, None)}
    accuracy = float((found.predicted == found.labels).mean())
    content = {"state": "complete" if converged else "failed to converge", "finished": "2026-11-25T13:00:00+00:00",
               "accuracy": {"test": accuracy, "validation": accuracy}, "label_names": list(SET.label_names),
               "evaluation": {"test": {f"{name}_cosine": numbers["compactness"][name]
                                       for name in ("own", "predicted")}},
               "separation": separation(found.features, found.labels), "class_vectors_mean_cosine": 0.0,
               "class_vectors_max_cosine": 0.0, "largest_probability": largest_probability(found.logits)}
    matrices = {"confusion": found.confusion, "cosines": cosine_matrix(found.class_vectors)}
    return (SimpleNamespace(config=config, numbers=numbers, converged=converged, at_chance=False),
            cell.id, Result(Path("a.json"), config, content, lambda: matrices))


def both_views(row, arms, failed=()):
    """Returns runs for an analysis, and results for a report."""
    runs, results = [], {}
    for (head, fixed, scale), seed in itertools.product(arms, SEEDS):
        run, cell_id, result = run_and_result(row, head, fixed, scale, seed, (fixed, seed) not in failed)
        runs.append(run)
        results.setdefault(cell_id, {})[seed] = result
    for run, name in zip(runs, arm_names([each.config for each in runs]), strict=True):
        run.arm = name
    return runs, Results(results)


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    monkeypatch.setattr(summary, "PERMUTATIONS", 19)
    monkeypatch.setattr(summary, "DRAWS", 3)


@pytest.mark.parametrize("head", ["cos", "dot"])
@pytest.mark.parametrize("failed", [(), ((False, 0),), ((True, 1),)], ids=["all converged", "learned", "fixed"])
def test_values_and_verdicts_are_those_of_the_report(head, failed):
    runs, results = both_views(GPU.main, [(head, *each) for each in ARMS[head]], failed)
    answers = answer_claims(runs)

    assert CLAIMS[head] <= {each.claim for each in answers}
    for each in answers:
        reported = answer(each.claim, results, GPU)
        if len([other for other in answers if other.claim == each.claim]) == 1:
            assert each.verdict == reported.state, each.claim
        for finding in each.findings:
            assert each.claim in ALONE or any(
                other.values == pytest.approx(finding.values, abs=1e-6) for other in reported.findings), finding.label


def test_separability_is_that_of_the_report():
    runs, results = both_views(GPU.signed, [("cos", True, 1.0), ("cos", False, 1.0)])
    (found,) = [each for each in answer_claims(runs) if each.claim == "separability-features"]
    reported = answer("separability-features", results, GPU)
    (finding,) = [each for each in reported.findings if each.values]

    assert found.verdict == reported.state == "held"
    assert found.findings[0].values == pytest.approx(finding.values)
