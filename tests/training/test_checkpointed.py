"""The models of checkpoints: of an interrupted run, and of its best and newest epochs."""
import json
import signal

import numpy as np
import pytest

from keras_fixhead import train
from keras_fixhead.data import run_dataset
from keras_fixhead.errors import RunError
from keras_fixhead.evaluation import evaluate_run, measure_run
from keras_fixhead.models import load_model
from keras_fixhead.runs import list_runs
from keras_fixhead.training.checkpointed import checkpoint_predictor
from keras_fixhead.training.estimate import StepTimer


def test_the_best_checkpoint_of_a_finished_run_is_its_model(tiny):
    run = train(tiny())
    found = checkpoint_predictor(run, "best")
    images = run_dataset(**run.config().data_fields).test.images[:8]

    np.testing.assert_array_equal(found.predictor.logits(images), load_model(run.path).predict(images, verbose=0))
    assert found.epoch == run.read("result")["epoch"] and found.text == f"after epoch {found.epoch}"
    measured = measure_run(run, predictor=found.predictor).splits
    assert {split: each.evaluation for split, each in measured.items()} == evaluate_run(run)


@pytest.fixture
def interrupted(tiny, monkeypatch):
    """A run that was stopped after the second step of its second epoch."""
    original, steps = StepTimer.on_train_batch_end, []

    def stop(self, batch, logs=None):
        steps.append(batch)
        original(self, batch, logs)
        if len(steps) == 7:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(StepTimer, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(tiny(selection="last", epochs=3))
    [run] = list_runs(tiny().runs_dir)
    return run


def test_an_interrupted_run_has_the_model_of_its_newest_step(interrupted, fixhead, tmp_path):
    np.save(tmp_path / "images.npy", run_dataset(**interrupted.config().data_fields).test.images[:3])
    answer = fixhead("evaluate", interrupted.path, "--checkpoint", "newest", "--split", "test", "--json")
    predicted = fixhead("predict", interrupted.path, tmp_path / "images.npy", "--checkpoint", "newest", "--json").json

    assert "The newest checkpoint: after epoch 1 and step 2 of the next." in answer.err
    assert answer.json["checkpoint"] == {"which": "newest", "epoch": 1, "step": 2}
    assert answer.json["evaluation"]["test"]["n"] == 360 and len(predicted["predictions"]) == 3
    with pytest.raises(RunError, match=r"has no best checkpoint\. Use --checkpoint newest"):
        checkpoint_predictor(interrupted, "best")


def test_a_server_has_no_checkpoints(fixhead, tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((1, 8, 8, 3), np.uint8))
    answer = fixhead("predict", "http://127.0.0.1:9/v1/models/m", tmp_path / "images.npy", "--checkpoint", "best")

    assert answer.code == 2 and "--checkpoint applies only to a run" in answer.err


@pytest.mark.slow
def test_an_interrupted_run_is_exported_with_the_epoch_on_its_card(interrupted, fixhead, tmp_path):
    answer = fixhead("export", interrupted.path, tmp_path / "served" / "tiny", "--checkpoint", "newest", "--quiet",
                     "--json")
    refused = fixhead("export", interrupted.path, tmp_path / "served" / "tiny", "--checkpoint", "newest", "--quiet",
                      "--calibrate")
    assert answer.code == 0, answer.err
    card = json.loads((tmp_path / "served" / "tiny" / "1" / "assets.extra" / "model_card.json").read_text())

    assert answer.json["checkpoint"]["epoch"] == 1 and card["training"]["selected_epoch"] == 1
    assert refused.code == 2 and "leave out --calibrate or --checkpoint" in refused.err
