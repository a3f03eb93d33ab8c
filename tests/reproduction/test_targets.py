"""Targets: the paper's tables and figures by name."""
import re

import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction import PLANS
from keras_fixhead.reproduction.targets import PLAN_OF_RECIPE, TARGETS, blocks_of


def test_every_target_has_blocks_of_both_plans_and_all_has_all():
    for name, plans in TARGETS.items():
        assert plans.keys() == PLANS.keys()
        for plan, blocks in plans.items():
            assert set(blocks) <= {block.name for block in PLANS[plan]}, name
    assert {plan: len(blocks) for plan, blocks in TARGETS["all"].items()} == {
        plan: len(blocks) for plan, blocks in PLANS.items()}
    assert set(PLAN_OF_RECIPE.values()) == set(PLANS)


def test_blocks_can_be_named_directly_and_table_5_says_what_it_needs():
    assert blocks_of(["E7", "table2"], "evidence") == ("E7", "E3")
    with pytest.raises(ArgumentError, match="Unknown target 'tabel1'") as error:
        blocks_of(["tabel1"], "evidence")
    assert "table1" in f"{error.value} {error.value.hint}"
    with pytest.raises(ArgumentError, match="Table 5 needs images") as error:
        blocks_of(["table5"], "gpu")
    assert error.value.hint == "fixhead evaluate RUN --dataset cifar10_1"


def test_a_dry_run_shows_the_plan_of_the_recipe(fixhead, tmp_path):
    honest = fixhead("reproduce", "table2", "--recipe", "honest", "--seeds", "0-1", "--out", tmp_path, "--dry-run")

    assert honest.code == 0 and fixhead("reproduce", "tabel1", "--dry-run").code == 2
    assert len(re.findall(r"seed [01]: to do", honest.out)) == 8 and "seed 2" not in honest.out


def test_a_dry_run_shows_the_runs_that_choose_a_scale(fixhead, tmp_path):
    fast = fixhead("reproduce", "table1", "--out", tmp_path, "--seeds", "0", "--dry-run")

    assert "at its S for dot logits, seed 0: waits for the runs that choose its scale" in fast.out
    assert fast.out.count("seed 100: to do") == 10 and "seed 1:" not in fast.out
    assert re.search(r"Left: about [\d.]+ hours on two CPU cores", fast.out)
