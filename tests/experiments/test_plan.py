"""Plans of many runs. Real sweeps are in tests/end_to_end."""
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_fixhead import hardware
from keras_fixhead.config import TrainConfig, earlier_digest, resolve
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.disk import SMALL_FILES, computed_bytes, disk_bytes
from keras_fixhead.experiments.plan import (
    parse_grid,
    parse_seeds,
    parse_value,
    plan_runs,
    plan_summary,
    plan_warnings,
    shared_and_varied,
)


@pytest.mark.parametrize("axes, message", [
    (["head"], "A grid axis has the form FIELD=VALUE"), (["head="], "A grid axis has the form FIELD=VALUE"),
    (["haed=dot"], r"Unknown configuration field 'haed'.*Did you mean 'head'"),
    (["fixed=maybe"], "fixed must be yes or no, got 'maybe'"), (["epochs=ten"], "epochs must be a number, got 'ten'"),
    (["lr=0.1", "lr=0.2"], "The grid axis lr is given twice"),
])
def test_an_invalid_axis_is_a_one_line_error(axes, message):
    with pytest.raises(ArgumentError, match=message):
        parse_grid(axes)


def test_values_have_the_type_of_their_field():
    assert parse_value("limit_train", "none") is None and parse_value("limit_train", "100") == 100
    assert parse_value("scale", "auto") == "auto" and parse_value("scale", "2.5") == 2.5
    assert parse_value("flip", "default") is None and parse_value("flip", "no") is False
    assert parse_grid(["label-smoothing=0,0.1"]) == {"label_smoothing": [0.0, 0.1]}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), min_size=1, max_size=4))
def test_seeds_are_ranges_without_repeats(ranges):
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in ranges)
    expected = [seed for first, more in ranges for seed in range(first, first + more + 1)]

    assert parse_seeds(text) == list(dict.fromkeys(expected))


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "-1", "1.5", "1--2", "²", "9" * 5_000, "0-999999999"])
def test_invalid_seeds_are_refused(text):
    with pytest.raises(ArgumentError, match="Seeds must be numbers and ranges"):
        parse_seeds(text)


def test_a_plan_combines_every_point_with_every_seed(explicit):
    plan = plan_runs(explicit, {"head": ["dot", "cos"], "lr": [0.1, 0.01]}, [0, 1, 2])

    assert [(each.config.head, each.config.lr, each.config.seed) for each in plan] == [
        (head, lr, seed) for head in ("dot", "cos") for lr in (0.1, 0.01) for seed in (0, 1, 2)]
    assert {each.state for each in plan} == {"new"}
    assert all(resolve(each.config).config == each.config for each in plan)


def test_recipes_in_the_grid_and_in_arms_set_their_values(explicit):
    explicit.pop("recipe")
    plan = plan_runs(explicit, {"recipe": ["paper-code"], "head": ["dot"], "fixed": [True, False]}, [0])

    assert [(each.config.lr, each.config.bias, each.config.vector_weight_decay) for each in plan] == [
        (0.1, "fixed", 0.0), (0.001, "learned", 5e-4)]


@pytest.mark.parametrize("grid, shared, message", [
    ({"lr": [0.1]}, {"lr": 0.2}, "lr is given both in the grid and as an option"),
    ({"seed": [1, 2]}, {}, "Set seeds with --seeds"), ({}, {"seed": 3}, "Set seeds with --seeds"),
    ({"lr": [0.1, 0.1]}, {}, "Two points of the grid are the same run"),
    ({"epochs": [0]}, {}, "epochs must be at least 1"),
])
def test_a_plan_that_contradicts_itself_is_refused(explicit, grid, shared, message):
    with pytest.raises(ArgumentError, match=message):
        plan_runs({**explicit, **shared}, grid, [0])


def test_hours_are_measured_and_disk_space_is_measured_or_computed(explicit, complete):
    resolved = plan_runs(explicit, {}, [0])[0].resolved
    summary = plan_summary(plan_runs(explicit, {}, [0, 1]))
    assert summary["runs"] == summary["states"]["new"] == 2 and summary["hours"] is None
    assert summary["disk_bytes"] == 2 * computed_bytes(resolved) and summary["free_bytes"] > 0
    assert plan_summary(plan_runs(explicit, {}, [0, 1]), discard_models=True)["disk_bytes"] == (
        computed_bytes(resolved) + SMALL_FILES)
    done = complete(resolved)
    hardware.store_step_seconds(resolved.step_time_key, 3.6)
    summary = plan_summary(plan_runs(explicit, {}, [0, 1]))

    assert summary["hours"] == pytest.approx(resolved.config.epochs * 12 * 3.6 / 3600)  # 1,257 images, batches of 100
    assert summary["disk_bytes"] == disk_bytes(done) > 1500


def test_a_run_of_an_earlier_version_is_not_trained_again(explicit, complete):
    resolved = plan_runs(explicit, {}, [0])[0].resolved
    run = complete(resolved)
    run.write_config(dataclasses.replace(run.stored(), digest=earlier_digest(resolved)))

    assert [each.state for each in plan_runs(explicit, {}, [0, 1])] == ["complete", "new"]


def test_shared_and_varied_fields_ignore_seeds():
    shared, varied = shared_and_varied([TrainConfig(seed=0, lr=0.1), TrainConfig(seed=1, lr=0.2, runs_dir="x")])

    assert varied == ["lr"] and shared["dataset"] == "digits" and "seed" not in shared


def test_a_plan_warns_once_about_learned_class_vectors_at_a_small_scale(explicit, complete):
    grid = {"head": ["cos", "dot"], "fixed": [True, False]}
    plan = plan_runs(explicit, grid, [0, 1])
    (text,) = plan_warnings(plan)

    assert text.startswith("Learned class vectors with cosine logits and S = 1 are known to fall behind for 10 classes")
    for each in plan:
        if each.config.head == "cos" and not each.config.fixed:
            complete(each.resolved)
    assert plan_warnings(plan_runs(explicit, grid, [0, 1])) == []  # nothing left to warn about
