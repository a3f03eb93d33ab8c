import logging

import pytest

from keras_fixhead import hardware
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.training import estimate
from keras_fixhead.training.estimate import StepTimer, announce_if_long, announce_stored_estimate, duration

LONG = resolve(TrainConfig(dataset="cifar10", precision="float32", threads=2))  # 200 epochs of 351 steps


@pytest.fixture(autouse=True)
def _on_a_cpu_with_an_empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(estimate, "on_gpu", lambda: False)


@pytest.mark.parametrize("seconds, words", [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"),
                                            (5_400, "1.5 h"), (172_800, "2.0 days")])
def test_durations_are_given_in_a_fitting_unit(seconds, words):
    assert duration(seconds) == words


def test_a_long_run_is_announced_with_its_time_and_a_shorter_alternative(caplog):
    with caplog.at_level(logging.INFO):
        announce_if_long(LONG.config, 2.0, 70_200, "measured just now")

    assert "about 39.0 h on this CPU: 70200 steps of 2.00 s (measured just now)" in caplog.text
    assert "--recipe cpu" in caplog.text


def test_a_short_run_or_a_gpu_gives_no_announcement(caplog, monkeypatch):
    with caplog.at_level(logging.INFO):
        announce_if_long(LONG.config, 1e-3, 70_200, "")
        announce_stored_estimate(LONG, 351)  # no step time is stored
        monkeypatch.setattr(estimate, "on_gpu", lambda: True)
        announce_if_long(LONG.config, 2.0, 70_200, "")

    assert not caplog.text


def test_a_known_step_time_is_announced_at_once(caplog):
    hardware.store_step_seconds(LONG.step_time_key, 2.0)
    with caplog.at_level(logging.INFO):
        announce_stored_estimate(LONG, 351)

    assert "as measured before on this machine" in caplog.text


def test_steps_that_compile_are_not_timed(monkeypatch, caplog):
    """Two steps of 100 s, which compile, then four of 2 s each."""
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])
    timer = StepTimer(LONG, 351)
    timer.on_epoch_begin(0)
    with caplog.at_level(logging.INFO):
        for seconds in (100, 100, 2, 2, 2, 2, 2):
            now[0] += seconds
            timer.on_train_batch_end(0)

    assert hardware.stored_step_seconds(LONG.step_time_key) == 2.0
    assert caplog.text.count("steps of 2.00 s (measured just now)") == 1


def test_the_time_of_a_whole_epoch_replaces_that_of_the_first_steps(monkeypatch):
    short = resolve(TrainConfig(limit_train=300, batch_size=100, precision="float32", threads=2))  # 3 steps per epoch
    now = [0.0]
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: now[0])
    timer = StepTimer(short, 3)
    for epoch, seconds in enumerate((30, 6)):
        timer.on_epoch_begin(epoch)
        for _ in range(3):
            now[0] += seconds / 3
            timer.on_train_batch_end(0)
        timer.on_epoch_end(epoch)
        assert timer.epoch_seconds == pytest.approx(seconds)
        if epoch == 0:
            assert hardware.stored_step_seconds(short.step_time_key) is None

    assert hardware.stored_step_seconds(short.step_time_key) == pytest.approx(2.0)
