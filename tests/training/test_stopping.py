"""Ending before the last epoch: patience, time limit and the plateau schedule."""
import keras
import numpy as np
import pytest

from keras_fixhead import train
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.schedule import WarmupDecay, after_plateau
from keras_fixhead.training.steps import StepGuard


def test_training_ends_after_patience_epochs_without_improvement(tiny):
    run = train(tiny(epochs=20, lr=0.0, patience=3))  # nothing changes: the first epoch stays the best
    result = run.read("result")

    assert len(run.metrics()) == 4 and result["epochs_done"] == 4 and result["epoch"] == 1
    assert result["stop_reason"] == run.read("status")["reason"] == "no better accuracy in 3 epochs"
    assert run.read("status")["state"] == "complete" and run.read("status")["epoch"] == 4


def test_training_ends_with_the_epoch_in_which_the_time_limit_passes(tiny):
    run = train(tiny(epochs=20, max_minutes=0.0))

    assert len(run.metrics()) == run.read("result")["epochs_done"] == 1  # so that there is a result
    assert run.read("result")["stop_reason"] == "0 minutes are over"


def test_the_rate_drops_on_a_plateau_and_stays_low_after_resuming(tiny):
    rows = train(tiny(epochs=6, lr=1e-9, schedule="plateau", warmup_fraction=0.0, plateau_patience=1)).metrics()

    assert [row["lr"] for row in rows] == pytest.approx([1e-9, 1e-9, 1e-9, 2e-10, 2e-10, 4e-11], rel=1e-4)


def test_the_plateau_schedule_matches_torch():
    """ReduceLROnPlateau(mode='max', factor=0.2, patience=3, threshold=1e-4 per cent), written out from its rule."""
    accuracies = np.round(np.random.default_rng(0).uniform(0.4, 0.6, 60), 6)
    accuracies[10:20] = 0.7 + 1e-7 * np.arange(10)  # gains below the threshold do not count
    progress, best, bad, expected, found = Progress(), -np.inf, 0, [], []
    for accuracy in accuracies:
        if 100 * accuracy > 100 * best + 1e-4:
            best, bad = accuracy, 0
        else:
            bad += 1
        cut = bad > 3
        bad = 0 if cut else bad
        expected.append(cut)
        progress, cut = after_plateau(progress, accuracy, patience=3)
        found.append(cut)

    assert found == expected and sum(found) > 8


def test_a_constant_rate_warms_up_and_stays():
    schedule = WarmupDecay(0.5, total_steps=100, warmup_fraction=0.1, shape="constant")
    rates = [float(schedule(step)) for step in (0, 4, 9, 50, 99, 500)]

    assert rates == pytest.approx([0.05, 0.25, 0.5, 0.5, 0.5, 0.5])


def test_a_schedule_may_start_at_a_later_step():
    late, early = (WarmupDecay(0.5, 50, 0.0, "cosine", first_step=first) for first in (70, 0))

    for step in range(50):
        assert float(late(70 + step)) == pytest.approx(float(early(step)), abs=1e-7)


def test_user_callbacks_are_called_at_every_step(tiny):
    seen = []

    class Counter(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            assert isinstance(logs["loss"], float)

    run = train(tiny(), callbacks=[Counter()])
    assert seen == [0, 1, 2, 3, 4] * 2
    assert [row["loss"] for row in run.metrics()] == [row["loss"] for row in train(tiny()).metrics()]


def test_steps_are_not_awaited_without_callbacks(tiny, monkeypatch):
    seen = []
    check = StepGuard.on_train_batch_end
    monkeypatch.setattr(StepGuard, "on_train_batch_end",
                        lambda guard, batch, logs=None: (seen.append(logs["loss"]), check(guard, batch, logs)))

    train(tiny())
    assert len(seen) == 10 and not any(isinstance(loss, float) for loss in seen)
