"""The cells of the plan, their order and their names."""
from collections import Counter

import pytest
from synthetic import CHOSEN, portable, write_result

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import Decisions, blocks_named, cell, plan, read_results
from keras_fixhead.reproduction.planning.cells import Chosen
from keras_fixhead.reproduction.planning.gpu_blocks import BEST, GPU_BLOCKS, SCALES
from keras_fixhead.reproduction.results import chosen

# block 6 shares seed 0 of three arms with block 5, and runs it once
RUNS = {"1": 12, "2": 12, "3": 24, "4": 30, "5": 12 + 6 + 3 + 12, "5b": 12, "6": 24 - 3, "7": 36, "7b": 36, "7c": 36,
        "7d": 24, "8": 8, "9": 24, "9b": 9, "10": 4, "11": 4, "12": 120}


def test_blocks_are_in_order_of_priority_and_have_the_expected_runs():
    assert [block.name for block in GPU_BLOCKS] == list(RUNS)
    assert Counter(each.block for each in plan(GPU_BLOCKS, CHOSEN)) == RUNS


def test_every_run_is_a_valid_configuration_with_a_unique_name():
    runs = list(plan(GPU_BLOCKS, CHOSEN))
    names = {run.cell.file_name(run.seed) for run in runs}
    digests = {resolve(build_config(run.cell.explicit(run.seed)), gpu=False).digest for run in runs}

    assert len(names) == len(digests) == len(runs)


def test_all_seeds_of_a_pair_run_before_the_next_pair():
    first = list(plan(GPU_BLOCKS, CHOSEN))[:6]

    assert [(run.seed, run.cell.config.fixed) for run in first] == [
        (seed, fixed) for seed in (0, 1, 2) for fixed in (True, False)]
    assert {run.cell.config.dataset for run in first} == {"cifar100"}


def test_small_subsets_are_trained_for_as_many_steps_as_the_whole_set():
    whole = cell(dataset="cifar100", head="dot", epochs=30).config
    parts = [run.cell.config for run in plan(blocks_named(["5b"]), CHOSEN)]

    assert {config.epochs * resolve(config).steps_per_epoch for config in parts} == {
        30 * resolve(whole).steps_per_epoch}


def test_block_4_waits_until_the_best_scale_can_be_chosen():
    waiting = [run for run in plan(blocks_named(["4"]), Decisions()) if run.cell is None]

    assert len(waiting) == 10 and all("best S" in run.label for run in waiting)


def test_the_best_scale_is_chosen_by_validation_over_three_seeds(tmp_path):
    for scale in SCALES:
        for seed in range(3):
            # test accuracy says the opposite and is not used
            write_result(tmp_path, BEST.row.cell(True, scale), seed, test=90 - scale, validation=50 + scale)
            if scale < 40 or seed < 2:
                write_result(tmp_path, BEST.row.cell(False, scale), seed)

    assert chosen(BEST, read_results(tmp_path)) == {True: Chosen(40.0, at_edge=True)}


def test_the_name_of_a_cell_depends_on_its_settings_and_not_on_the_machine():
    one = cell(dataset="cifar10", head="cos", epochs=30)

    assert one.id == cell(epochs=30, dataset="cifar10", fixed=True, recipe="honest", scale=1.0).id
    assert one.id == cell(dataset="cifar10", epochs=30, precision="bfloat16", threads=16, runs_dir="elsewhere").id
    assert one.id != cell(dataset="cifar10", epochs=30, scale=2.0).id


def test_a_cell_recognises_its_own_runs():
    one = cell(dataset="cifar10", epochs=30)
    config = resolve(build_config(one.explicit(3)), gpu=False).config

    assert one.agrees(config)
    assert one.agrees(TrainConfig(**portable(config)))
    for name, value in (("width", 0.125), ("epochs", 2), ("limit_train", 2_000), ("fixed", False)):
        assert not one.agrees(TrainConfig(**portable(config) | {name: value}))


@pytest.mark.parametrize("name", ["5", "6"])
def test_both_forms_of_preact_resnet18_are_in_the_blocks_on_architecture(name):
    forms = {run.cell.config.signed_features for run in plan(blocks_named([name]), CHOSEN)
             if run.cell.config.model == "preact_resnet18"}

    assert forms == {True, False}
