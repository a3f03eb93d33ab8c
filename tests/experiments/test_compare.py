"""Grouped results and their paired differences."""
import numpy as np
import pytest

from fixhead_cli.comparing import comparison_table
from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.config import TrainConfig, resolve, to_store
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.compare import compare_results
from keras_fixhead.experiments.plan import plan_runs
from keras_fixhead.runs import create_run, list_runs
from keras_fixhead.runs.result import read_result


def results(runs):
    return [read_result(run.path) for run in runs]


def test_groups_are_compared_by_seed_with_a_student_t_interval(explicit, complete):
    accuracies = {(True, 0): 0.80, (True, 1): 0.82, (True, 2): 0.81,
                  (False, 0): 0.70, (False, 1): 0.75, (False, 3): 0.9}
    runs = [complete(resolve(TrainConfig(fixed=fixed, seed=seed, epochs=1, precision="float32",
                                         runs_dir=explicit["runs_dir"])), accuracy)
            for (fixed, seed), accuracy in accuracies.items()]
    (fixed, learned), shared = compare_results(results(runs))
    difference = learned.minus(fixed)

    assert [(group.name, len(group.results)) for group in (fixed, learned)] == [("fixed=yes", 3), ("fixed=no", 3)]
    assert fixed.mean == pytest.approx(0.81) and shared["head"] == "cos"
    assert difference.values == pytest.approx({0: -10.0, 1: -7.0}) and difference.mean == pytest.approx(-8.5)
    np.testing.assert_allclose(difference.interval, mean_interval([-10.0, -7.0]), rtol=1e-9)

    (one, other), _ = compare_results(results([runs[0], runs[3]]))
    assert other.minus(one).interval is None and other.minus(one).mean == pytest.approx(-10)
    (one, other), _ = compare_results(results([runs[2], runs[3]]))
    assert other.minus(one).mean is None and other.minus(one).values == {}


def test_the_balanced_accuracy_stands_beside_where_classes_are_unequal(explicit, complete):
    runs = [complete(resolve(TrainConfig(fixed=fixed, seed=seed, epochs=1, precision="float32",
                                         runs_dir=explicit["runs_dir"])), 0.8) for fixed in (True, False)
            for seed in (0, 1)]
    for run, balanced in zip(runs, (0.5, 0.6, 0.8, 0.8), strict=True):
        result = run.read("result")
        result["evaluation"] = {"test": {"balanced_accuracy": balanced}}
        run.write("result", result)
    groups, _ = compare_results(results(runs))
    head, *rows = comparison_table(groups, "test")

    assert [group.balanced("test") for group in groups] == [pytest.approx(0.55), None]
    assert "balanced accuracy" in head and any("80.00 %" in row and "55.00 %" in row for row in rows)


def test_an_extended_run_is_not_grouped_with_one_trained_without_interruption(explicit, complete):
    config = plan_runs(explicit, {}, [0])[0].resolved
    straight, extended = complete(config), complete(config)
    extended.write_config(to_store(config, extended_from="1"))
    groups, _ = compare_results(results([straight, extended]))

    assert [group.name for group in groups] == ["extended_from=None", "extended_from=1"]


def test_incomparable_results_are_refused(explicit, complete):
    (run,) = results([complete(plan_runs(explicit, {}, [0])[0].resolved)])
    with pytest.raises(ArgumentError, match="two or more complete runs"):
        compare_results([run])
    with pytest.raises(ArgumentError, match="have the same configuration and seed"):
        compare_results([run, run])
    (other,) = results([complete(plan_runs(explicit, {"lr": [0.5]}, [0])[0].resolved)])
    with pytest.raises(ArgumentError, match=r"has no accuracy on train\. It has: test, validation"):
        compare_results([run, other], split="train")
    unfinished = create_run(plan_runs(explicit, {"lr": [0.7]}, [0])[0].resolved)
    with pytest.raises(RunError, match=r"is not complete: it has no result\.json"):
        read_result(unfinished.path)
    assert len(list(list_runs(explicit["runs_dir"]))) == 3
