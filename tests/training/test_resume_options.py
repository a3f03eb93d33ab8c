"""Runs with the options of optimisation, stopped within an epoch and resumed, equal uninterrupted ones bit for bit.

Each run has many options at once, because every training has to be compiled.
"""
import dataclasses

import numpy as np
import pytest
from interruptions import assert_equal_runs, at_step, interrupt_by_signal

from keras_fixhead import train
from keras_fixhead.catalog import MODELS
from keras_fixhead.runs import extended, list_runs

FAST = {"epochs": 2.6, "selection": "last", "crop_padding": 2, "crop_border": "reflect", "flip_mode": "alternating",
        "flip": True, "schedule": "triangular", "warmup_fraction": 0.23, "norm_offset_lr": 8.0, "fixed": False,
        "lookahead_every": 3, "whitening_bias_epochs": 1, "label_smoothing": 0.2, "decay_norms": True}
TUNED = {"epochs": 2.6, "optimizer": "adamw", "lr": 1e-2, "ema": 0.7, "accumulate": 2, "fixed": False,
         "class_weights": "balanced", "sampling": "balanced", "label_smoothing": 0.1}


@pytest.fixture
def whitened(tiny, monkeypatch):
    """Returns a function that makes configurations of a tiny network with a whitening layer."""
    monkeypatch.setitem(MODELS, "resnet18", dataclasses.replace(MODELS["resnet18"],
                                                               builder="tiny_network:build_whitened"))
    return tiny


@pytest.mark.parametrize("values, step", [(FAST, 7), (TUNED, 12)], ids=["fast", "tuned"])
def test_a_resumed_run_equals_an_uninterrupted_one_with_every_option(whitened, monkeypatch, tmp_path, values, step):
    """13 steps, three of them in the partial third epoch."""
    straight = train(whitened(**values))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        at_step(step, interrupt_by_signal)(patch)
        train(whitened(**values, runs_dir=str(tmp_path / "stopped")))
    (run,) = list_runs(str(tmp_path / "stopped"))
    resumed = train(run.config(), resume=run)

    assert_equal_runs(straight, resumed)
    rows, result = resumed.metrics(), resumed.read("result")
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 5), (2, 10), (3, 13)]
    assert result["epochs_done"] == 2.6 and run.read("status")["epoch"] == 3
    if values is FAST:
        assert rows[-1]["lr"] == pytest.approx(0.07 * 0.1)
        extend(run)
    else:
        best = max(row["validation_accuracy"] for row in rows)
        assert result["accuracy"]["validation"] == best  # of the averages, as measured after that epoch


def extend(run):
    """Extends a run of 2.6 epochs to 4: the partial epoch stays, and one whole one follows."""
    before = run.metrics()
    train(extended(run, 4), resume=run)
    rows = run.metrics()

    assert rows[:3] == before and [(row["epoch"], row["step"]) for row in rows[3:]] == [(4, 18)]
    assert rows[3]["lr"] == pytest.approx(0.07 * 0.1) and run.read("result")["epochs_done"] == 4
    with np.load(run.newest_checkpoint) as file:  # after the last step the slow copies were taken whole
        slow = [file[name] for name in file.files if name.startswith("optimizer_")]
        weights = [file[name] for name in file.files if name.startswith("weight_")]
    assert all(any(one.shape == other.shape and (one == other).all() for other in slow) for one in weights)
