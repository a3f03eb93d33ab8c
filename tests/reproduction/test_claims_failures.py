"""What runs that failed, or that learned nothing, do to the claims, on synthetic results."""
import pytest
from synthetic import arm, write_result

from keras_fixhead.reproduction import read_results
from keras_fixhead.reproduction.claims.answers import answer
from keras_fixhead.reproduction.claims.verdict import HELD, NOT_MEASURED, REFUTED, UNDECIDED
from keras_fixhead.reproduction.pages.evidence import state_text


def test_a_run_that_failed_to_converge_is_counted_as_a_result(tmp_path):
    fixed, learned = (arm("cifar100", "dot", each, model="preact_resnet18", lr=0.1, warmup_fraction=0.0)
                      for each in (True, False))
    for seed in range(6):
        write_result(tmp_path, fixed, seed, 72.0)
        write_result(tmp_path, learned, seed, state="failed to converge")
    results = read_results(tmp_path)
    failures = answer("higher-learning-rate", results).findings[1]
    rate = answer("fixed-wins-at-each-rate", results).findings[2]

    assert failures.verdict.state == HELD and failures.values == dict.fromkeys(range(6), 1.0)
    assert failures.verdict.p_held == 0.03125 and failures.verdict.interval is None
    assert rate.verdict.state == UNDECIDED and rate.verdict.n == 0 and rate.failed == tuple(range(6))
    assert rate.note.startswith("6 of 6 runs of cifar100 preact_resnet18 dot-")
    assert answer("fixed-wins-at-each-rate", results).state == UNDECIDED


def test_a_seed_with_a_failed_run_is_counted_but_not_part_of_the_mean(tmp_path):
    for seed in range(4):
        write_result(tmp_path, arm("cifar100", "cos", True), seed, 70.0 + seed)
        write_result(tmp_path, arm("cifar100", "cos", False), seed, 30.0,
                     state="failed to converge" if seed == 3 else "complete")
    found = answer("cos-s1-fixed-converges", read_results(tmp_path))

    assert found.findings[0].verdict.state == HELD and found.findings[0].verdict.n == 3
    assert found.findings[0].failed == (3,)
    assert found.findings[0].note == "1 of 4 runs of cifar100 resnet18 cos-learned failed to converge"


def test_a_cell_with_only_failed_runs_is_measured_and_undecided(tmp_path):
    for seed in range(3):
        write_result(tmp_path, arm("cifar100", "cos", True, signed_features=True), seed, state="failed to converge")
    found = answer("fixed-compactness-095", read_results(tmp_path))

    assert found.state == UNDECIDED
    assert [each.verdict.state for each in found.findings if each.failed] == [UNDECIDED]
    assert {each.verdict.state for each in found.findings if not each.failed} == {NOT_MEASURED}
    assert "1 without a value" in state_text(found)


def test_a_run_that_ends_below_twice_chance_on_its_training_images_counts_as_untrained(tmp_path):
    """CIFAR-100: below 2 %. It has a number for a loss, and yet it learned nothing."""
    for seed in range(6):
        for fixed in (True, False):
            write_result(tmp_path, arm("cifar100", "dot", fixed, lr=0.1, warmup_fraction=0.0), seed, 50,
                         curves=[{"epoch": 1, "accuracy": 0.3 if fixed else 0.019}])
    (found,) = [each for each in answer("higher-learning-rate", read_results(tmp_path)).findings
                if each.label == "failed or untrained at rate 0.1, learned minus fixed, ResNet18"]

    assert found.verdict.state == HELD and found.note == "6 of 6 learned"


def test_nothing_is_decided_in_favour_of_an_arm_that_failed(tmp_path):
    for seed in range(4):
        write_result(tmp_path, arm("cifar100", "cos", True), seed, 70.0 + seed,
                     state="failed to converge" if seed == 3 else "complete")
        write_result(tmp_path, arm("cifar100", "cos", False), seed, 30.0)
    found = answer("cos-s1-fixed-converges", read_results(tmp_path))

    assert found.state == UNDECIDED and found.findings[0].verdict.mean > 40


@pytest.mark.parametrize("failing, gain, state", [
    ("fixed", -0.2, UNDECIDED), ("learned", -0.2, HELD), ("fixed", -3.0, REFUTED), ("learned", -3.0, UNDECIDED)])
def test_a_verdict_in_favour_of_an_arm_that_failed_is_void_whatever_the_sign(tmp_path, failing, gain, state):
    """'At least as accurate' favours the fixed arm although its mean is a little lower."""
    for seed in range(6):
        for fixed, name in ((True, "fixed"), (False, "learned")):
            write_result(tmp_path, arm("cifar100", "dot", fixed), seed, 75 + gain * fixed + 0.01 * seed * fixed,
                         state="failed to converge" if seed > 2 and name == failing else "complete")
    found = answer("dot-accuracy", read_results(tmp_path))

    assert found.findings[0].verdict.state == state and found.findings[0].failed == (3, 4, 5)


def test_failures_count_in_differences_between_sets_and_between_rates(tmp_path):
    fails = {"state": "failed to converge"}
    for seed in range(6):
        for dataset, gain in (("cifar100", 2.0), ("cifar10", 0.0)):
            for fixed in (True, False):
                more = fails if dataset == "cifar100" and fixed and seed > 2 else {}
                write_result(tmp_path, arm(dataset, "dot", fixed), seed, 75 + (gain + seed / 10) * fixed, **more)
        for rate, gain in ((0.1, -1.0), (0.01, -5.0)):
            for fixed in (True, False):
                more = fails if rate == 0.01 and not fixed and seed > 2 else {}
                write_result(tmp_path, arm("cifar100", "dot", fixed, lr=rate, warmup_fraction=0.0), seed,
                             75 + (gain + seed / 10) * fixed, **more)
    results = read_results(tmp_path)
    (sets,) = answer("dot-gain-classes-many-or-alike", results).findings
    rates = answer("higher-learning-rate", results).findings[3]

    assert sets.verdict.mean > 1 and sets.verdict.state == UNDECIDED  # it would favour the arm that failed
    assert rates.verdict.mean > 3 and rates.failed == (3, 4, 5)
    assert rates.verdict.state == UNDECIDED  # what the learned arm loses at the higher rate may be its failures below
    assert "3 of 6 runs" in rates.note


def test_an_arm_that_fails_at_every_rate_is_below_the_lowest(tmp_path):
    for rate, accuracy in ((0.1, 70.0), (0.01, 72.0), (0.001, 75.0)):
        for seed in range(6):
            write_result(tmp_path, arm("cifar100", "dot", True, lr=rate, warmup_fraction=0.0), seed, accuracy)
            write_result(tmp_path, arm("cifar100", "dot", False, lr=rate, warmup_fraction=0.0), seed,
                         state="failed to converge")
    found = answer("higher-learning-rate", read_results(tmp_path)).findings[5]

    assert found.values == dict.fromkeys(range(6), 1.0) and found.verdict.state == HELD
