"""The plan for two CPU cores: its seeds, its choices, and what they decide."""
from collections import Counter

import pytest
from synthetic import write_result

from keras_fixhead.config import resolve
from keras_fixhead.recipes import RECIPES, build_config
from keras_fixhead.reproduction import Decisions, blocks_named, decide, plan, read_results
from keras_fixhead.reproduction.pages.plan import programme_block
from keras_fixhead.reproduction.planning.cells import Chosen
from keras_fixhead.reproduction.planning.evidence_blocks import COS_SCALE, DOT_SCALE, EVIDENCE_BLOCKS
from keras_fixhead.reproduction.results import chosen

BOTH = (True, False)
DECIDED = Decisions({DOT_SCALE: dict.fromkeys(BOTH, Chosen(0.2, at_edge=False)),
                     COS_SCALE: {True: Chosen(5.0, at_edge=False), False: Chosen(20.0, at_edge=False)}})
RUNS = {"E0": 10, "E1": 12, "E2": 12, "E3": 12, "E4": 24, "E5": 24, "E6": 48, "E7": 24, "E8": 72, "E9": 6, "E10": 27,
        "E11": 6, "E12": 4}


@pytest.fixture(scope="module")
def planned():
    return list(plan(EVIDENCE_BLOCKS, DECIDED))


def test_blocks_have_the_runs_of_the_plan(planned):
    assert Counter(run.block for run in planned) == RUNS
    assert [run for run in plan(EVIDENCE_BLOCKS, Decisions()) if run.cell is None]


def test_every_run_is_a_valid_configuration_with_a_unique_name(planned):
    names = {run.cell.file_name(run.seed) for run in planned}
    digests = {resolve(build_config(run.cell.explicit(run.seed)), gpu=False).digest for run in planned}

    assert len(names) == len(digests) == len(planned)


def test_evidence_has_no_smoothing_whole_training_sets_and_no_choice_on_test_images(planned):
    for run in planned:
        config = run.cell.config
        assert config.selection == "last" and (config.label_smoothing == 0 or run.block == "E9")
        if config.recipe == "fast":
            assert not config.hold_out and config.limit_train is None


def test_scales_are_chosen_on_held_out_images_and_seeds_that_no_comparison_uses(planned):
    choosing = {one.id for each in (DOT_SCALE, COS_SCALE) for fixed in BOTH for one in each.cells(fixed).values()}
    seeds = {run.seed for run in planned if run.cell.id in choosing}

    assert {run.cell.config.hold_out for run in planned if run.cell.id in choosing} == {True}
    assert seeds == {100} and not seeds & {run.seed for run in planned if run.cell.id not in choosing}


def test_parts_of_the_data_are_trained_for_as_many_steps_as_the_whole(planned):
    whole = build_config({"recipe": "fast-90", "dataset": "cifar100"})
    configs = [run.cell.config for run in planned if run.block == "E5"]

    assert {resolve(config).total_steps for config in configs} == {resolve(whole).total_steps} == {144}
    # the bias of the whitening layer learns for the same share of the steps
    assert {config.whitening_bias_epochs for config in configs} == {12, 3}


def test_rates_and_lengths_are_multiples_of_the_recipe(planned):
    values = RECIPES["fast-90"].values
    assert sorted({run.cell.config.lr / values["lr"] for run in planned if run.block == "E6"}) == pytest.approx(
        [0.1, 0.3, 1, 3])
    assert sorted({run.cell.config.epochs / values["epochs"] for run in planned if run.block == "E7"}) == pytest.approx(
        [1, 2, 4, 8])


def write_choice(folder, best, *, learned_best=None, skip=()):
    """Writes the runs of block E0; the validation accuracy of both arms is highest at their best scale."""
    for fixed in BOTH:
        for scale, one in DOT_SCALE.cells(fixed).items():
            if (fixed, scale) not in skip:
                favourite = best if fixed or learned_best is None else learned_best
                # test accuracy says the opposite and is not used
                write_result(folder, one, 100, test=10 * scale, validation=80 - abs(scale - favourite))


def test_both_arms_get_the_scale_that_is_best_on_average(tmp_path):
    write_choice(tmp_path, 0.2, learned_best=1.0, skip=[(False, 1.0)])
    assert chosen(DOT_SCALE, read_results(tmp_path)) == {}

    write_choice(tmp_path, 0.2, learned_best=1.0)
    found = chosen(DOT_SCALE, read_results(tmp_path))
    assert found[True] == found[False] and found[True].scale in (0.2, 0.5, 1.0) and not found[True].at_edge


def test_a_scale_at_which_a_run_failed_is_not_the_best_and_the_edge_of_the_grid_is_noted(tmp_path):
    write_choice(tmp_path, 1.0, skip=[(True, 1.0)])
    write_result(tmp_path, DOT_SCALE.cells(True)[1.0], 100, state="failed to converge")
    assert chosen(DOT_SCALE, read_results(tmp_path))[True] == Chosen(0.5, at_edge=False)
    write_result(tmp_path, DOT_SCALE.cells(True)[1.0], 100, validation=80)
    for scale, one in DOT_SCALE.cells(False).items():
        write_result(tmp_path, one, 100, validation=70 + scale)
    results = read_results(tmp_path)
    assert chosen(DOT_SCALE, results)[True] == Chosen(1.0, at_edge=True)
    assert "| fixed | 79.05 | 79.11 | 79.20 | 79.50 | 80.00 | 1 | 1 |" in programme_block(results)


@pytest.mark.parametrize("spread, seeds", [(0.1, 6), (1.0, 10)])
def test_e1_gets_more_seeds_if_its_differences_vary_too_much(tmp_path, spread, seeds):
    write_choice(tmp_path, 0.5)
    (row,) = blocks_named(["E1"], "evidence")[0].rows
    for seed in range(6):
        for fixed in BOTH:
            write_result(tmp_path, row.cell(fixed, 0.5), seed, 93.0 + (spread * (seed % 3 - 1) if fixed else 0.0))
    decisions = decide(read_results(tmp_path), EVIDENCE_BLOCKS)

    assert len({run.seed for run in plan(blocks_named(["E1"], "evidence"), decisions)}) == seeds
    assert len({run.seed for run in plan(blocks_named(["E2"], "evidence"), decisions)}) == 6
