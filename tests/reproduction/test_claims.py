"""The paper's claims judged on synthetic results: the answer follows the numbers."""
import numpy as np
import pytest
from synthetic import CHOSEN, write_matrices, write_result

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.reproduction import paper_claims, plan, read_results
from keras_fixhead.reproduction.claims import QUESTIONS, answer, answers
from keras_fixhead.reproduction.comparisons import arm
from keras_fixhead.reproduction.gpu_blocks import BEST, GPU_BLOCKS, SCALES
from keras_fixhead.reproduction.page import state_text
from keras_fixhead.reproduction.results import Results
from keras_fixhead.reproduction.verdict import HELD, NOT_MEASURED, REFUTED, UNDECIDED, deciding

BY_ARITHMETIC = {"probability-ceiling", "scale-lifts-ceiling"}


def test_every_claim_has_a_question_and_nothing_is_measured_without_results():
    assert list(QUESTIONS) == list(paper_claims())
    for each in answers(Results()):
        assert each.state == (HELD if each.claim.id in BY_ARITHMETIC else NOT_MEASURED)
        assert each.findings or each.question.lacking or each.question.arithmetic


def test_the_plan_runs_all_cells_that_the_claims_need():
    planned = {run.cell.id for run in plan(GPU_BLOCKS, CHOSEN)}
    for each in answers(Results()):
        for finding in each.findings:
            assert {one.id for one in finding.cells} <= planned, (each.claim.id, finding.label)


@pytest.mark.parametrize("gains, state", [
    ((20.0, 21.0, 22.0), HELD), ((-4.0, -5.0, -6.0), REFUTED), ((20.0, 21.0), UNDECIDED), ((-9.0, 9.0, 1.0), UNDECIDED),
])
def test_the_main_effect_is_judged_by_its_paired_interval(tmp_path, gains, state):
    for seed, gain in enumerate(gains):
        # the spread over seeds is larger than the effect and cancels in the paired difference
        write_result(tmp_path, arm("cifar100", "cos", True), seed, 40 + 10 * seed + gain)
        write_result(tmp_path, arm("cifar100", "cos", False), seed, 40 + 10 * seed)
    found = answer("cos-s1-fixed-converges", read_results(tmp_path))
    (measured,) = [each for each in found.findings if each.values]

    assert found.state == state
    assert list(measured.values.values()) == pytest.approx(gains) and measured.paper == pytest.approx(47.3)


def test_comparisons_of_two_seeds_do_not_change_a_held_claim(tmp_path):
    for dataset, model, seeds in (("cifar100", "resnet18", 3), ("cifar10", "resnet18", 3),
                                  ("cifar100", "mobilenet_v2", 2)):
        for seed in range(seeds):
            for fixed in (True, False):
                write_result(tmp_path, arm(dataset, "cos", fixed, model=model), seed, 40 + 20 * fixed + seed)
    found = answer("cos-s1-fixed-converges", read_results(tmp_path))

    assert sorted(each.verdict.state for each in found.findings if each.values) == [HELD, HELD, UNDECIDED]
    assert found.state == HELD


def test_an_existence_claim_is_refuted_only_by_all_comparisons(tmp_path):
    for dataset, seeds in (("cifar100", 3), ("cifar10", 2)):
        for seed in range(3):
            if seed < seeds:
                write_result(tmp_path, arm(dataset, "cos", True), seed, 60.0)
            for fixed in (True, False):
                write_result(tmp_path, arm(dataset, "dot", fixed), seed, 80.0, validation=70 + 5 * fixed)
    found = answer("cos-s1-beats-dot", read_results(tmp_path))

    assert [each.verdict.state for each in found.findings] == [REFUTED, UNDECIDED] and found.state == UNDECIDED


def test_longer_training_decides_if_it_has_enough_seeds(tmp_path):
    for epochs, gain in ((30, -3.0), (100, 2.0)):
        for seed in range(3):
            write_result(tmp_path, arm("cifar100", "dot", True, epochs=epochs), seed, 60 + gain + seed / 10)
            if epochs == 30 or seed < 2:
                write_result(tmp_path, arm("cifar100", "dot", False, epochs=epochs), seed, 60)
    assert answer("dot-accuracy", read_results(tmp_path)).state == REFUTED

    write_result(tmp_path, arm("cifar100", "dot", False, epochs=100), 2, 60)
    found = answer("dot-accuracy", read_results(tmp_path))
    assert found.state == HELD
    assert {each.epochs for each in deciding(found.findings) if each.values} == {100}


def test_the_best_scales_of_both_arms_are_compared_on_the_test_split(tmp_path):
    for fixed, best in ((True, 5.0), (False, 20.0)):
        for scale in SCALES:
            for seed in range(3):
                write_result(tmp_path, BEST.row.cell(fixed, scale), seed, test=70 + fixed + seed / 10,
                             validation=60 + 10 * (scale == best))
    results = read_results(tmp_path)
    (finding,) = answer("no-benefit-of-learning-at-best-scale", results).findings[:1]

    assert finding.note == "S = 5 and 20" and finding.verdict.state == HELD
    assert answer("best-scale-rescues-learned", results).findings[0].note == "S = 20 and 1"


def test_a_run_that_failed_to_converge_is_counted_as_a_result(tmp_path):
    fixed, learned = (arm("cifar100", "dot", each, model="preact_resnet18", lr=0.1, warmup_fraction=0.0)
                      for each in (True, False))
    for seed in range(3):
        write_result(tmp_path, fixed, seed, 72.0)
        write_result(tmp_path, learned, seed, state="failed to converge")
    results = read_results(tmp_path)
    failures = answer("higher-learning-rate", results).findings[0]
    rate = answer("fixed-wins-at-each-rate", results).findings[0]

    assert failures.verdict.state == HELD and failures.values == {0: 1.0, 1: 1.0, 2: 1.0}
    assert rate.verdict.state == UNDECIDED and rate.verdict.n == 0 and rate.failed == (0, 1, 2)
    assert rate.note.startswith("3 of 3 runs of cifar100 preact_resnet18 dot-")
    assert answer("fixed-wins-at-each-rate", results).state == UNDECIDED


def test_a_seed_with_a_failed_run_is_counted_but_not_part_of_the_mean(tmp_path):
    for seed in range(4):
        write_result(tmp_path, arm("cifar100", "cos", True), seed, 70.0 + seed)
        write_result(tmp_path, arm("cifar100", "cos", False), seed, 30.0,
                     state="failed to converge" if seed == 3 else "complete")
    found = answer("cos-s1-fixed-converges", read_results(tmp_path))

    assert found.state == HELD and found.findings[0].verdict.n == 3 and found.findings[0].failed == (3,)
    assert found.findings[0].note == "1 of 4 runs of cifar100 resnet18 cos-learned failed to converge"


def test_a_cell_with_only_failed_runs_is_measured_and_undecided(tmp_path):
    for seed in range(3):
        write_result(tmp_path, arm("cifar100", "cos", True), seed, state="failed to converge")
    found = answer("fixed-compactness-095", read_results(tmp_path))

    assert found.state == UNDECIDED and found.findings[0].verdict.state == UNDECIDED
    assert {each.verdict.state for each in found.findings[1:]} == {NOT_MEASURED}
    assert "1 without a value" in state_text(found)


def test_best_learning_rates_from_two_seeds_are_shown_but_decide_nothing(tmp_path):
    for rate, accuracy in ((0.1, 70.0), (0.01, 75.0), (0.001, 60.0)):
        for seed in (0, 1):
            for fixed in (True, False):
                write_result(tmp_path, arm("cifar100", "dot", fixed, lr=rate, warmup_fraction=0.0), seed,
                             accuracy + 10 * (fixed and rate == 0.1))
    found = answer("higher-learning-rate", read_results(tmp_path)).findings[2]

    assert found.values == pytest.approx({0: 1.0, 1: 1.0}) and found.verdict.state == UNDECIDED


def test_a_cosine_of_070_refutes_095_and_the_reachable_value_is_noted(tmp_path):
    for seed in range(3):
        write_result(tmp_path, arm("cifar100", "cos", True), seed,
                     evaluation={"test": {"predicted_cosine": 0.68 + seed / 100}}, reachable_cosine={"mean": 0.699})
    found = answer("fixed-compactness-095", read_results(tmp_path))

    assert found.state == REFUTED
    assert found.findings[0].note == "reachable without negative features: 0.70"


@pytest.mark.parametrize("dataset", ["cifar100", "cifar10"])
def test_geometry_and_confusion_are_read_from_the_matrices(tmp_path, dataset):
    names = DATASETS[dataset].label_names
    m = len(names)
    groups = DATASETS[dataset].groups or {"animals": names[2:8], "vehicles": (*names[:2], *names[8:])}
    together = np.array([[any(a in group and b in group for group in groups.values()) for b in names] for a in names])
    noise = np.random.default_rng(0).uniform(0, 0.1, (m, m))
    cosines = np.where(together, 0.5, 0.0) + (noise + noise.T) / 2
    confusion = np.where(together, 3, 1) + 40 * np.eye(m, dtype=int)
    for seed in range(3):
        for head in ("dot", "cos"):
            path = write_result(tmp_path, arm(dataset, head, False), seed, label_names=names)
            write_matrices(path, confusion, cosines)
    results = read_results(tmp_path)

    near = {each.label: each for each in answer("similar-classes-near", results).findings}
    assert near[f"{dataset}, dot"].verdict.mean == pytest.approx(0.5, abs=0.02)
    for head in ("dot", "cos"):
        (found,) = [each for each in answer(f"confusion-correlation-{head}", results).findings if each.values]
        assert 0.3 < found.verdict.mean < 1 and found.verdict.state == HELD
        assert found.note == "at most 1.00 is possible"


def test_the_effects_of_the_scale_are_judged_by_their_sign(tmp_path):
    names = DATASETS["cifar100"].label_names
    for scale, cosine, accuracy in ((1.0, 0.9, 30.0), (20.0, 0.6, 74.0), (40.0, 0.7, 74.0)):
        for seed in range(3):
            jitter = seed / 1000
            path = write_result(
                tmp_path, BEST.row.cell(False, scale), seed, accuracy + seed, label_names=names,
                class_vectors_mean_cosine=cosine + jitter, class_vectors_max_cosine=1 - jitter,
                evaluation={"test": {"own_cosine": cosine + jitter, "predicted_cosine": cosine + jitter}})
            write_matrices(path, np.ones((100, 100)), np.eye(100))
    found = {name: answer(name, read_results(tmp_path)) for name in (
        "scale-spreads-class-vectors", "scale-lowers-compactness", "accuracy-compactness-tradeoff",
        "look-alike-errors-fall")}

    assert [each.verdict.state for each in found["scale-spreads-class-vectors"].findings] == [HELD, REFUTED]
    assert [each.verdict.state for each in found["scale-lowers-compactness"].findings] == [HELD, REFUTED]
    assert found["accuracy-compactness-tradeoff"].state == HELD
    assert found["look-alike-errors-fall"].state == REFUTED  # the share is the same at both scales


def test_corruptions_and_separation_are_read_from_the_files(tmp_path):
    for fixed in (True, False):
        for seed in range(3):
            write_result(tmp_path, arm("cifar10", "dot", fixed), seed, 90 + 2 * fixed + seed,
                         separation={"within_to_between": 0.5 - 0.1 * fixed - seed / 100})
    results = read_results(tmp_path)
    corrupted = [each for each in answer("corruption-robustness-kept", results).findings if each.values]
    (separated,) = [each for each in answer("separability-features", results).findings if each.values]

    assert len(corrupted) == 3 and {each.verdict.state for each in corrupted} == {HELD}
    assert corrupted[0].verdict.mean == pytest.approx(1.0) and corrupted[0].paper == pytest.approx(3.1)
    assert separated.verdict.mean == pytest.approx(-0.1) and separated.verdict.state == HELD


def test_a_probability_above_the_ceiling_refutes_the_claim(tmp_path):
    for seed in range(3):
        write_result(tmp_path, arm("cifar100", "cos", True), seed, largest_probability=0.08)

    assert answer("probability-ceiling", read_results(tmp_path)).state == REFUTED


def test_one_cell_where_fixed_cosine_beats_dot_is_enough_for_an_existence_claim(tmp_path):
    for dataset, cos in (("cifar100", 60.0), ("cifar10", 90.0)):
        for seed in range(3):
            write_result(tmp_path, arm(dataset, "cos", True), seed, cos + seed / 10)
            for fixed in (True, False):
                write_result(tmp_path, arm(dataset, "dot", fixed), seed, 80.0, validation=70 + 5 * fixed)
    found = answer("cos-s1-beats-dot", read_results(tmp_path))

    assert [each.verdict.state for each in found.findings] == [REFUTED, HELD] and found.state == HELD
