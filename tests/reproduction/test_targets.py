"""Targets: the paper's tables and figures by name."""
import re

import pytest

from keras_fixhead.config import dataset_entry, length_of, train_size
from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction import PLANS, Decisions, blocks_named, plan
from keras_fixhead.reproduction.claims.settings import setting_of
from keras_fixhead.reproduction.planning.cells import Choice
from keras_fixhead.reproduction.planning.targets import PLAN_OF_RECIPE, TARGETS, blocks_of


def config_steps(config):
    return length_of(config, train_size(config, dataset_entry(config))).total


def test_every_target_has_blocks_of_every_plan_and_all_has_all():
    for name, plans in TARGETS.items():
        assert plans.keys() == PLANS.keys()
        for at, blocks in plans.items():
            assert set(blocks) <= {block.name for block in PLANS[at]}, name
    assert {at: len(blocks) for at, blocks in TARGETS["all"].items()} == {
        at: len(blocks) for at, blocks in PLANS.items()}
    assert set(PLAN_OF_RECIPE.values()) == set(PLANS)


def test_blocks_can_be_named_directly():
    assert blocks_of(["E7", "table2"], "evidence") == ("E7", "E3")
    with pytest.raises(ArgumentError, match="Unknown target 'tabel1'") as error:
        blocks_of(["tabel1"], "evidence")
    assert error.value.hint == "Did you mean 'table1'?"


@pytest.mark.parametrize("target, recipe, said, hint", [
    ("E1", "honest", "E1 is a block of --recipe fast, not of --recipe honest. Expected table1 to table9, figure2 to "
     "figure5, correlations, all, or a block of --recipe honest: 1, 2, 3, ", "Add --recipe fast."),
    ("7b", "fast", "7b is a block of --recipe honest, cpu, paper, paper-code, not of --recipe fast. Expected "
     "table1 to table9, figure2 to figure5, correlations, all, or a block of --recipe fast: E0, E1, ",
     "Add --recipe honest."),
])
def test_a_block_of_another_plan_is_refused_with_what_would_be_valid(fixhead, target, recipe, said, hint):
    answer = fixhead("reproduce", target, "--recipe", recipe, "--dry-run")

    assert answer.code == 2 and f"Error: {said}" in answer.err and answer.err.splitlines()[-1].strip() == hint


def test_a_dry_run_shows_the_plan_of_the_recipe(fixhead, tmp_path):
    honest = fixhead("reproduce", "figure2", "--recipe", "honest", "--seeds", "0-1", "--out", tmp_path, "--dry-run")

    assert honest.code == 0 and fixhead("reproduce", "tabel1", "--dry-run").code == 2
    assert len(re.findall(r"seed [01]: to do", honest.out)) == 8 and "seed 2" not in honest.out
    assert "\nRuns: 8, of which 0 are done, 8 are to do.\n" in honest.out


def test_a_table_needs_only_the_runs_of_its_logits(fixhead, tmp_path):
    for names, heads in (["table1"], {"dot"}), (["table2"], {"cos"}), (["table1", "table2"], {"dot", "cos"}):
        shown = fixhead("reproduce", *names, "--recipe", "honest", "--out", tmp_path, "--dry-run")
        assert set(re.findall(r" (dot|cos)-(?:fixed|learned)", shown.out)) == heads


def test_seeds_that_no_run_has_are_refused(fixhead):
    answer = fixhead("reproduce", "table1", "--seeds", "77", "--dry-run")

    assert answer.code == 2 and "No run of E0, E1, E2 has seed 77." in answer.err
    assert "The seeds of these blocks are 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100." in answer.err


def test_a_data_folder_that_does_not_exist_is_reported_before_the_first_run(fixhead, tmp_path):
    answer = fixhead("reproduce", "table1", "--data-dir", tmp_path / "none", "--out", tmp_path, "--runs-dir", tmp_path)

    assert answer.code == 1 and answer.out == "" and not list(tmp_path.iterdir())
    assert answer.err.startswith(f"Error: The data folder {tmp_path / 'none'} does not exist.")


def test_a_plan_with_nothing_left_has_no_hours_and_no_disk_space(fixhead, tmp_path):
    answer = fixhead("reproduce", "table1", "--only", "failed", "--out", tmp_path, "--dry-run")

    assert answer.out.splitlines() == ["Runs: 0, of which 0 are done, 0 are to do.", "Nothing is left to run."]


def test_an_address_without_ray_is_refused_before_anything_is_planned(fixhead):
    answer = fixhead("reproduce", "table1", "--address", "auto", "--dry-run")

    assert answer.code == 2 and "--address is for a Ray cluster." in answer.err


@pytest.mark.parametrize("recipe, epochs, unit", [("cpu", 10, "hours on two CPU cores"), ("paper", 200, "GPU hours"),
                                                  ("paper-code", 80, "GPU hours")])
def test_every_table_can_be_planned_by_other_recipes(fixhead, tmp_path, recipe, epochs, unit):
    tables = [name for name in TARGETS if name != "all"]
    shown = fixhead("reproduce", *tables, "--recipe", recipe, "--out", tmp_path, "--dry-run")
    configs = [run.cell.config for run in plan(PLANS[recipe], Decisions()) if run.cell is not None]

    assert shown.code == 0 and re.search(rf"Left: about [\d.]+ {unit}", shown.out)
    assert f"cifar100 resnet18 dot-fixed, recipe {recipe}, seed 0: to do" in shown.out
    assert {config.recipe for config in configs} == {recipe}
    whole = [config for config in configs if config.limit_train in (None, 20_480) and config.vector_seed is None]
    assert {config.epochs for config in whole} == {epochs, 2 * epochs}  # twice, for whether the learned arm is slow


def test_scales_are_chosen_on_held_out_images_by_every_recipe():
    for name, blocks in PLANS.items():
        choices = [row.scale for block in blocks for row in block.rows if isinstance(row.scale, Choice)]
        planned = {run.cell.id for run in plan(blocks, Decisions()) if run.cell is not None}
        assert choices
        for cells in (choice.cells(fixed) for choice in choices for fixed in (True, False)):
            assert all(one.config.hold_out for one in cells.values())
            assert {one.id for one in cells.values()} <= planned, name


def test_parts_of_a_set_take_as_many_steps_as_all_of_it():
    (block,) = blocks_named(["5b"], "cpu")
    whole, *parts = (config_steps(row.cell(True, 1.0).config) for row in (setting_of("cpu").main, *block.rows))

    assert whole == 10 * (20_480 // 128) and parts == pytest.approx([whole] * 2, rel=0.05)


def test_a_dry_run_shows_the_runs_that_choose_a_scale(fixhead, tmp_path):
    fast = fixhead("reproduce", "table1", "--out", tmp_path, "--seeds", "0", "--dry-run")

    assert "at its S for dot logits, seed 0: waits for the runs that choose its scale" in fast.out
    assert fast.out.count("seed 100: to do") == 10 and "seed 1:" not in fast.out
    assert re.search(r"Left: about [\d.]+ hours on two CPU cores", fast.out)
