"""Plans of many runs, with trainings that cost nothing; a real sweep is in tests/end_to_end."""
import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fixhead import hardware
from keras_fixhead.analysis.intervals import mean_interval
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, RunError, TrainingError
from keras_fixhead.experiments.comparison import compare_runs
from keras_fixhead.experiments.sweep import (
    export_result,
    parse_grid,
    parse_seeds,
    parse_value,
    plan_runs,
    plan_summary,
    run_plan,
    shared_and_varied,
)
from keras_fixhead.runs import create_run, list_runs


@pytest.fixture
def explicit(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    return {"runs_dir": str(tmp_path / "runs"), "recipe": "smoke", "precision": "float32"}


def complete(resolved, accuracy=0.5):
    """A run directory as a finished training leaves it."""
    config = resolved.config
    run = create_run(resolved)
    run.write_metrics([{"epoch": epoch, "loss": 1.0, "cross_entropy": 2.0 / epoch, "validation_accuracy": accuracy}
                       for epoch in range(1, config.epochs + 1)])
    run.write("result", {"accuracy": {"test": accuracy, "validation": accuracy / 2}, "evaluation": {},
                         "label_names": ["a"], "environment": {"cpu": "some"}})
    (run.path / "checkpoints").mkdir()
    run.newest_checkpoint.write_bytes(b"0" * 1000)
    run.model_path.write_bytes(b"0" * 500)
    run.write_status("complete", epoch=config.epochs)
    return run


@pytest.mark.parametrize("axes, message", [
    (["head"], "A grid axis is FIELD=VALUE"), (["head="], "A grid axis is FIELD=VALUE"),
    (["haed=dot"], r"Unknown configuration field 'haed'.*Did you mean 'head'"),
    (["fixed=maybe"], "fixed must be yes or no, got 'maybe'"), (["epochs=ten"], "epochs must be a number, got 'ten'"),
    (["lr=0.1", "lr=0.2"], "The grid axis lr is given twice"),
])
def test_a_wrong_axis_is_one_line(axes, message):
    with pytest.raises(ArgumentError, match=message):
        parse_grid(axes)


def test_values_have_the_kind_of_their_field():
    assert parse_value("limit_train", "none") is None and parse_value("limit_train", "100") == 100
    assert parse_value("scale", "auto") == "auto" and parse_value("scale", "2.5") == 2.5
    assert parse_value("flip", "default") is None and parse_value("flip", "no") is False
    assert parse_grid(["label-smoothing=0,0.1"]) == {"label_smoothing": [0.0, 0.1]}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=1, max_size=4))
def test_seeds_are_ranges_without_repeats(ranges):
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in ranges)
    expected = [seed for first, more in ranges for seed in range(first, first + more + 1)]

    assert parse_seeds(text) == list(dict.fromkeys(expected))


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1.5", "1--2"])
def test_wrong_seeds_are_refused(text):
    with pytest.raises(ArgumentError, match="Seeds are numbers and ranges"):
        parse_seeds(text)


def test_a_plan_has_every_point_with_every_seed(explicit):
    plan = plan_runs(explicit, {"head": ["dot", "cos"], "lr": [0.1, 0.01]}, [0, 1, 2])

    assert [(each.config.head, each.config.lr, each.config.seed) for each in plan] == [
        (head, lr, seed) for head in ("dot", "cos") for lr in (0.1, 0.01) for seed in (0, 1, 2)]
    assert {each.state for each in plan} == {"new"}
    assert all(resolve(each.config).config == each.config for each in plan)


def test_a_recipe_in_the_grid_and_arms_of_a_recipe_have_their_values(explicit):
    explicit.pop("recipe")
    plan = plan_runs(explicit, {"recipe": ["paper-code"], "head": ["dot"], "fixed": [True, False]}, [0])

    assert [(each.config.lr, each.config.bias, each.config.vector_weight_decay) for each in plan] == [
        (0.1, "fixed", 0.0), (0.001, "learned", 5e-4)]


@pytest.mark.parametrize("grid, shared, message", [
    ({"lr": [0.1]}, {"lr": 0.2}, "lr is given in the grid and beside it"),
    ({"seed": [1, 2]}, {}, "Seeds are given by --seeds"), ({}, {"seed": 3}, "Seeds are given by --seeds"),
    ({"lr": [0.1, 0.1]}, {}, "Two points of the grid are the same run"),
    ({"epochs": [0]}, {}, "epochs must be at least 1"),
])
def test_a_plan_that_contradicts_itself_is_refused(explicit, grid, shared, message):
    with pytest.raises(ArgumentError, match=message):
        plan_runs({**explicit, **shared}, grid, [0])


def test_nothing_that_is_complete_is_trained_again_and_a_failure_stops_nothing(explicit):
    calls = []

    def train(resolved, resume):
        calls.append((resolved.config.lr, resume))
        if resolved.config.lr == 0.3:
            run = create_run(resolved)
            run.write_status("failed", epoch=0, reason="The loss is nan in epoch 1, step 3")
            raise TrainingError("The loss is nan")
        return complete(resolved)

    grid = {"lr": [0.1, 0.2, 0.3, 0.4]}
    done = complete(plan_runs(explicit, grid, [0])[1].resolved)
    half = create_run(plan_runs(explicit, grid, [0])[3].resolved)
    half.write_status("running", epoch=1)  # killed: nobody holds its lock
    outcomes = list(run_plan(plan_runs(explicit, grid, [0]), train))

    assert [each.what for each in outcomes] == ["trained", "done", "failed", "resumed"]
    assert outcomes[1].run.path == done.path and calls[-1][1].path == half.path
    assert outcomes[2].reason == "The loss is nan in epoch 1, step 3"
    assert [lr for lr, _ in calls] == [0.1, 0.3, 0.4]

    again = list(run_plan(plan_runs(explicit, grid, [0]), train))
    assert [each.what for each in again] == ["done", "done", "failed", "done"] and len(calls) == 3
    list(run_plan(plan_runs(explicit, grid, [0]), train, retry_failed=True))
    assert [lr for lr, _ in calls] == [0.1, 0.3, 0.4, 0.3]


def test_a_run_that_another_process_trains_is_left_to_it(explicit):
    run = create_run(plan_runs(explicit, {}, [0])[0].resolved)
    run.write_status("running", epoch=1)
    with run.lock():
        (planned,) = plan_runs(explicit, {}, [0])
        (outcome,) = run_plan([planned], lambda config, resume: pytest.fail("trained"))

    assert planned.state == outcome.what == "running"


def test_what_follows_a_training_comes_before_its_model_is_thrown_away(explicit):
    seen = []

    def then(run):
        assert run.model_path.exists()
        seen.append(run)

    plan = plan_runs(explicit, {}, [0, 1])
    outcomes = list(run_plan(plan, lambda config, resume: complete(config), then=then, discard_models=True))

    assert [each.run for each in outcomes] == seen
    for run in seen:
        assert not run.model_path.exists() and not run.newest_checkpoint.exists()
        assert run.has("result") and run.metrics()
    assert {each.state for each in plan_runs(explicit, {}, [0, 1])} == {"complete"}


def test_what_follows_and_fails_is_reported(explicit):
    def then(run):
        raise RunError("robustness ended with status 1.")

    (outcome,) = run_plan(plan_runs(explicit, {}, [0]), lambda config, resume: complete(config), then=then)
    assert outcome.what == "failed" and "robustness ended" in outcome.reason


def test_hours_and_disk_are_measured_or_said_not_to_be(explicit):
    resolved = plan_runs(explicit, {}, [0])[0].resolved
    assert plan_summary(plan_runs(explicit, {}, [0, 1])) == {
        "runs": 2, "states": {"complete": 0, "interrupted": 0, "failed": 0, "running": 0, "new": 2}, "hours": None,
        "disk_bytes": None}
    complete(resolved)
    hardware.store_step_seconds(resolved.step_time_key, 3.6)
    summary = plan_summary(plan_runs(explicit, {}, [0, 1]))

    assert summary["hours"] == pytest.approx(resolved.config.epochs * 12 * 3.6 / 3600)  # 1,257 images, batches of 100
    assert summary["disk_bytes"] > 1500


def test_an_exported_result_names_no_path_of_this_machine(explicit, tmp_path):
    run = complete(resolve(TrainConfig(data_dir=str(tmp_path), epochs=3, precision="float32",
                                       runs_dir=explicit["runs_dir"])))
    file = export_result(run, tmp_path / "out" / "results")
    content = json.loads(file.read_text())

    assert str(tmp_path) not in file.read_text()
    assert re.fullmatch(r"digits-resnet18-cos-fixed-s0-[0-9a-f]{10}\.json", file.name)
    assert content["accuracy"] == {"test": 0.5, "validation": 0.25} and len(content["curves"]) == 3
    assert content["config"]["epochs"] == 3 and "runs_dir" not in content["config"]


def test_shared_and_varied_fields_leave_seeds_aside():
    shared, varied = shared_and_varied([TrainConfig(seed=0, lr=0.1), TrainConfig(seed=1, lr=0.2, runs_dir="x")])

    assert varied == ["lr"] and shared["dataset"] == "digits" and "seed" not in shared


def test_groups_are_compared_by_seed_with_students_interval(explicit):
    accuracies = {(True, 0): 0.80, (True, 1): 0.82, (True, 2): 0.81,
                  (False, 0): 0.70, (False, 1): 0.75, (False, 3): 0.9}
    runs = [complete(resolve(TrainConfig(fixed=fixed, seed=seed, epochs=1, precision="float32",
                                         runs_dir=explicit["runs_dir"])), accuracy)
            for (fixed, seed), accuracy in accuracies.items()]
    groups, (difference,), shared = compare_runs(runs)

    assert [(group.name, len(group.runs)) for group in groups] == [("fixed=yes", 3), ("fixed=no", 3)]
    assert groups[0].mean == pytest.approx(0.81) and shared["head"] == "cos"
    assert difference.values == pytest.approx({0: -10.0, 1: -7.0}) and difference.mean == pytest.approx(-8.5)
    np.testing.assert_allclose(difference.interval, mean_interval([-10.0, -7.0]), rtol=1e-9)

    _, (single,), _ = compare_runs([runs[0], runs[3]])
    assert single.interval is None and single.mean == pytest.approx(-10)
    _, (apart,), _ = compare_runs([runs[2], runs[3]])
    assert apart.mean is None and apart.values == {}


def test_what_cannot_be_compared_is_said(explicit):
    run = complete(plan_runs(explicit, {}, [0])[0].resolved)
    with pytest.raises(ArgumentError, match="two or more complete runs"):
        compare_runs([run])
    with pytest.raises(ArgumentError, match="are of one configuration and seed"):
        compare_runs([run, run])
    other = complete(plan_runs(explicit, {"lr": [0.5]}, [0])[0].resolved)
    with pytest.raises(ArgumentError, match=r"has no accuracy on train\. It has: test, validation"):
        compare_runs([run, other], split="train")
    unfinished = create_run(plan_runs(explicit, {"lr": [0.7]}, [0])[0].resolved)
    with pytest.raises(RunError, match=r"result\.json is missing"):
        compare_runs([run, unfinished])
    assert len(list(list_runs(explicit["runs_dir"]))) == 3
