"""Hints about models that take vectors, and about publishing: each produced in its situation, and followed."""
import dataclasses

import numpy as np
import pytest
from hints import follow, hint_of, leads_out

from fixhead_serving.export import FORMATS
from fixhead_serving.export import answers as answers_module
from keras_fixhead.config import resolve
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

TRAIN = ("train", "--dataset", "vectors", "--width", "0.0625", "--batch-size", "20", "--epochs", "1", "--streaming",
         "yes", "--runs-dir", "runs", "--quiet", "--json")


@pytest.fixture
def vectors_run(fixhead, tmp_path, monkeypatch):
    """Returns a run on an embedding set of four classes, whose loss streams."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors").mkdir()
    labels = np.arange(120) % 4
    np.save("vectors/features.npy", np.eye(6, dtype="float32")[labels])
    np.save("vectors/labels.npy", labels)
    answer = fixhead(*TRAIN)
    assert answer.code == 0, answer.err
    return answer.json["run"]


@leads_out("Leave out --format.", "Leave out --calibrate.", "Train with --class-vectors rademacher --no-store-vectors.")
def test_a_model_of_vectors_is_exported_without_what_it_cannot_have(fixhead, vectors_run, monkeypatch, checked_here):
    monkeypatch.setitem(FORMATS, "onnx", dataclasses.replace(FORMATS["onnx"], packages=()))
    for option in (("--format", "onnx"), ("--calibrate",)):
        assert hint_of(fixhead("export", vectors_run, "served/m", *option)) == f"Leave out {option[0]}."
    assert fixhead("export", vectors_run, "served/m").code == 0

    monkeypatch.setattr(answers_module, "TABLE_BYTES", 100)
    hint = hint_of(fixhead("export", vectors_run, "served/m"))
    options = hint.removeprefix("Train with ").removesuffix(".").split()
    drawn = fixhead(*TRAIN, *options)
    assert drawn.code == 0, drawn.err
    assert fixhead("export", drawn.json["run"], "served/m").code == 0


@leads_out("Finish it: fixhead train --resume ")
@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_an_unfinished_run_is_trained_before_it_is_published(fixhead, tmp_path):
    run = create_run(resolve(build_config({"recipe": "smoke", "width": 1 / 16, "limit_train": 100, "epochs": 1,
                                           "runs_dir": str(tmp_path / "runs")})))
    publish = ("publish", run.path, "hf://me/digits", "--dry-run")
    follow(fixhead, hint_of(fixhead(*publish)))

    assert fixhead(*publish).code == 0
