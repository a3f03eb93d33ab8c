"""Hints of analysing runs: each is printed in its situation, and leads out."""
import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from hints import follow, leads_out, refused
from test_analyze import write_images

from keras_fixhead.analysis import summary
from keras_fixhead.errors import ArgumentError
from keras_fixhead.run_analysis import RunOutputs
from keras_fixhead.run_analysis.measured import measure_runs
from keras_fixhead.run_analysis.outputs import Arrays
from keras_fixhead.run_analysis.temperature import fitted_temperature
from keras_fixhead.runs import Run, open_run

DRAW = np.random.default_rng(0)
LABELS = np.arange(40, dtype=np.int32) % 10


def arrays():
    """Outputs for 40 images of 10 classes."""
    features = DRAW.normal(size=(40, 8)).astype(np.float32)
    logits = (DRAW.normal(size=(40, 10)) + 2 * np.eye(10)[LABELS]).astype(np.float32)
    return Arrays(features, logits, LABELS, np.eye(10, 8, dtype=np.float32) + 0.1)


@leads_out("List your runs: fixhead list runs", "Give each run once.", "Give one of them.",
           "Give a --data-dir with test images.")
def test_listed_runs_are_measured_once_with_test_images(digits_run, fixhead, monkeypatch, tmp_path):
    """The outputs are small arrays, and none if the folder of data is not given."""
    monkeypatch.chdir(digits_run.path.parent.parent)
    monkeypatch.setattr(summary, "PERMUTATIONS", 3)
    monkeypatch.setattr(summary, "DRAWS", 3)
    monkeypatch.setattr(RunOutputs, "arrays", lambda self, split: arrays() if self._data_dir and split == "test"
                        else None)
    with pytest.raises(ArgumentError) as caught:
        measure_runs([])
    command = f"{caught.value.hint} --runs-dir {digits_run.path.parent} --json"
    run = open_run(follow(fixhead, command).json["runs"][0]["run"])
    with refused("Give each run once."):
        measure_runs([run, run], "whole")
    again = open_run(shutil.copytree(run.path, tmp_path / "again"))
    with refused("Give one of them."):
        measure_runs([run, again], "whole")
    measure_runs([again], "whole")
    with refused("Give a --data-dir with test images."):
        measure_runs([run])
    (found,) = measure_runs([run], "whole")
    assert found.numbers["accuracy"]["accuracy"] > 0.1
    assert "--data-dir" in fixhead("analyze", "--help").out


@leads_out("Give a data set with images of that size.", "Measure it: fixhead evaluate ...")
def test_outputs_are_computed_of_images_of_the_size_and_with_all_logits(digits_run, fixhead, tmp_path):
    np.savez(tmp_path / "vectors.npz", features=np.ones((20, 6), np.float32), labels=np.arange(20) % 2)
    write_images(tmp_path / "flowers", 40)  # 32 by 32, as the run's
    outputs = RunOutputs(digits_run)
    with refused("Give a data set with images of that size."):
        outputs.unknown(str(tmp_path / "vectors.npz"))
    assert len(outputs.unknown(str(tmp_path / "flowers"))[1]) == 4

    write_images(tmp_path / "more", 40)
    outputs._predictor = SimpleNamespace(streams=True)
    with pytest.raises(ArgumentError) as caught:
        outputs.unknown(str(tmp_path / "more"))
    assert "accuracy" in follow(fixhead, f"{caught.value.hint} --split test --json").json


@leads_out("Leave out --calibrate, or train with --hold-out.")
def test_a_temperature_is_fitted_on_images_that_are_held_out(fixhead):
    def outputs(validation):
        return SimpleNamespace(run=SimpleNamespace(path="RUN"), arrays={"validation": validation, "test": None}.get)

    with refused("Leave out --calibrate, or train with --hold-out."):
        fitted_temperature(outputs(None))
    assert fitted_temperature(outputs(arrays())).value > 0
    train = ("train", "--dataset", "digits", "--recipe", "paper-code", "--dry-run")
    assert [fixhead(*train, *option).json["config"]["hold_out"] for option in ((), ("--hold-out",))] == [False, True]


@leads_out("Give another data set: --unknown NAME")
def test_unknown_classes_are_those_of_another_data_set(digits_run, tmp_path, monkeypatch):
    monkeypatch.setattr(summary, "PERMUTATIONS", 3)
    monkeypatch.setattr(summary, "DRAWS", 3)
    with refused("Give another data set: --unknown NAME"):
        measure_runs([digits_run], unknown="digits")
    write_images(tmp_path / "flowers", 40)
    (found,) = measure_runs([digits_run], unknown=str(tmp_path / "flowers"))
    assert found.unknown_facts == {"data": "flowers", "images": 4, "classes": 2}

    config = dataclasses.replace(digits_run.config(), dataset=str(tmp_path / "flowers"))
    monkeypatch.setattr(Run, "config", lambda run: config)
    with refused("Give another data set: --unknown NAME"):
        measure_runs([digits_run], unknown=f"{tmp_path}/./flowers/")  # in other letters
