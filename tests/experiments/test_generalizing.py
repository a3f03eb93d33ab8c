"""Comparing runs on an outside set, from files alone."""
import numpy as np
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.generalizing import compare_outside
from keras_fixhead.runs.generalization import Generalization, read_generalization, write_generalization
from keras_fixhead.runs.result import read_result

NAME = "cifar10_1"


@pytest.fixture
def runs(explicit, complete):
    """Fixed and learned runs of two seeds: as accurate on their own 100 images, and 10 and 20 of 50 wrong outside."""
    found = []
    for fixed in (True, False):
        for seed in (0, 1):
            run = complete(resolve(TrainConfig(fixed=fixed, seed=seed, epochs=1, precision="float32",
                                               runs_dir=explicit["runs_dir"])))
            own, outside = np.arange(100) >= 5, np.arange(50) >= (10 if fixed else 20)
            write_generalization(run.path, NAME, Generalization(
                {"n_own": 100, "n_outside": 50, "images": "same", "notes": []}, own, outside))
            found.append(run)
    return found


def test_a_group_has_its_drop_and_groups_are_compared_image_by_image(runs):
    (fixed, learned), shared = compare_outside([read_result(run.path) for run in runs], NAME)
    outside, drop = learned.minus(fixed)

    assert shared["head"] == "cos" and [group.name for group in (fixed, learned)] == ["fixed=yes", "fixed=no"]
    assert (fixed.own, fixed.outside, fixed.drop.mean) == (0.95, 0.8, pytest.approx(15))
    assert outside.mean == pytest.approx(-20) and outside.verdict == "less accurate"
    assert drop.mean == pytest.approx(20) and drop.verdict == "drops more" and drop.n_seeds == 2


def test_single_runs_are_compared_over_images(runs):
    (fixed, learned), _ = compare_outside([read_result(run.path) for run in (runs[0], runs[3])], NAME)
    outside, drop = learned.minus(fixed)

    assert outside.n_seeds is drop.n_seeds is None and drop.mean == pytest.approx(20)


def test_what_cannot_be_compared_is_refused(runs):
    results = [read_result(run.path) for run in runs]
    with pytest.raises(RunError, match="has not been measured on stl10") as error:
        compare_outside(results, "stl10")
    assert error.value.hint == f"Measure it: fixhead evaluate {runs[0].path} --dataset stl10"
    write_generalization(runs[1].path, NAME, Generalization(
        {"n_own": 100, "n_outside": 50, "images": "others", "notes": []}, np.ones(100, bool), np.ones(50, bool)))
    with pytest.raises(ArgumentError, match="fixed=yes, seed 1, was measured on other images than the first"):
        compare_outside(results, NAME)
    (runs[0].path / "generalization" / f"{NAME}.npz").write_bytes(
        (runs[1].path / "generalization" / f"{NAME}.npz").read_bytes()[:100])
    with pytest.raises(RunError, match="is damaged or missing"):
        read_generalization(runs[0].path, NAME)
