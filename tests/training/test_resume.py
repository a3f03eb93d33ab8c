"""A run that was stopped and resumed is bit-identical to an uninterrupted one."""
import dataclasses
import errno
import json
import logging
import os
import signal
import time

import keras
import numpy as np
import pytest
from interruptions import assert_equal_runs, at_step, stop_by_a_signal

from keras_fixhead import train, training
from keras_fixhead.config import earlier_digest, resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.evaluation import Measurer
from keras_fixhead.runs import extended, list_runs
from keras_fixhead.training import loggers, loop, outcome
from keras_fixhead.vectors import class_vectors, vectors_digest


def stop_when_events_are_written(patch):
    """Stops after the checkpoint of the first epoch."""
    def stop(self, row):
        raise KeyboardInterrupt

    patch.setattr(loggers.EventLog, "write", stop)


def interrupt():
    raise KeyboardInterrupt


def stop_within_the_second_epoch(patch):
    """Stops at once, as after a second signal: the second epoch starts again."""
    at_step(7, interrupt)(patch)


def stop_by_a_signal_in_an_epochs_last_step(patch):
    at_step(10, lambda: signal.raise_signal(signal.SIGINT))(patch)


def stop_by_a_signal_in_the_last_step(patch):
    at_step(15, lambda: signal.raise_signal(signal.SIGINT))(patch)


def stop_by_a_signal_in_validation(patch):
    original = Measurer.evaluate

    def evaluate(self, split):
        signal.raise_signal(signal.SIGINT)
        return original(self, split)

    patch.setattr(Measurer, "evaluate", evaluate)


def stop_between_metrics_and_checkpoint(patch):
    """Stops in the second epoch, when metrics are one line ahead of the checkpoint."""
    original = loop.save_progress

    def stop(run, model, progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt
        original(run, model, progress)

    patch.setattr(loop, "save_progress", stop)


def stop_before_the_best_is_kept(patch):
    """Stops in the first epoch, the best so far, after writing its checkpoint but before keeping it as the best."""
    def stop(source, target):
        raise KeyboardInterrupt

    patch.setattr(loop, "copy_file", stop)


def stop_within_the_first_epoch(patch):
    """Stops before there is any checkpoint."""
    at_step(1, interrupt)(patch)


def stop_at_the_end(patch):
    """Stops after the last epoch, before the model is saved."""
    def stop(model, path):
        raise KeyboardInterrupt

    patch.setattr(outcome, "save_model", stop)


@pytest.fixture
def stopped(tiny, monkeypatch, tmp_path):
    """Returns a function that starts training, stops it and returns the run."""
    def stop_and_open(stop, error=KeyboardInterrupt, **values):
        config = tiny(runs_dir=str(tmp_path / "stopped"), **values)
        with monkeypatch.context() as patch:
            stop(patch)
            with pytest.raises(error):
                train(config)
        (run,) = list_runs(config.runs_dir)
        return run

    return stop_and_open


@pytest.fixture(scope="module")
def straight_runs():
    """Uninterrupted runs by configuration, shared by all interruptions that are compared with them."""
    return {}


@pytest.mark.parametrize("stop, done, values", [
    (stop_when_events_are_written, 1, {"fixed": False}),
    (stop_within_the_first_epoch, 0, {"fixed": False}),
    (stop_within_the_second_epoch, 1, {"precision": "bfloat16"}),
    (stop_by_a_signal, 1, {"precision": "bfloat16"}),
    (stop_by_a_signal, 1, {"precision": "float16", "mixup": 0.4, "randaugment": 1}),
    (stop_by_a_signal, 1, {"schedule": "plateau", "warmup_fraction": 0.0, "plateau_patience": 0, "patience": 2}),
    (stop_by_a_signal_in_an_epochs_last_step, 1, {"fixed": False}),
    (stop_by_a_signal_in_the_last_step, 2, {"fixed": False}),
    (stop_by_a_signal_in_validation, 1, {"selection": "test", "hold_out": False, "partial_batch": True}),
    (stop_between_metrics_and_checkpoint, 2, {"precision": "float16"}),
    (stop_at_the_end, 3, {"selection": "last", "flip": True}),
    (stop_before_the_best_is_kept, 1, {"lr": 0.0}),  # all epochs are equal, so the first one wins
], ids=lambda value: getattr(value, "__name__", None))
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tiny, stopped, straight_runs, stop, done, values):
    values = {"epochs": 3, "schedule": "one_cycle", "warmup_fraction": 0.3, **values}
    config = tiny(**values)
    key = repr({**config.values(), "runs_dir": None})
    if key not in straight_runs:
        straight_runs[key] = train(config)
    straight = straight_runs[key]
    run = stopped(stop, **values)
    status = run.read("status")
    assert (status["state"], status["epoch"]) == ("interrupted", done)
    assert status["resume"] == run.resume_command and not run.model_path.exists()

    resumed = train(run.config(), resume=run)

    rows = resumed.metrics()
    assert resumed.path == run.path and [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))
    assert_equal_runs(straight, resumed)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the other backends refuse augment_on='device', which "
                    "tests/config/test_resolved.py checks; .ci/run runs this on JAX")
@pytest.mark.parametrize("goes_on", ["device", "host"])
def test_a_resumed_run_augmented_on_the_device_equals_an_uninterrupted_one_on_the_host(tiny, stopped, goes_on):
    values = {"epochs": 3, "flip": True, "crop_padding": 2, "rotation": 10.0, "randaugment": 2, "cutout": 4,
              "erasing": 0.5, "mixup": 0.4, "cutmix": 1.0}
    straight = train(tiny(**values, augment_on="host"))
    run = stopped(stop_by_a_signal, **values, augment_on="device")
    assert run.read("environment")["augmented_on"] == "device"
    resumed = train(dataclasses.replace(run.config(), augment_on=goes_on), resume=run)

    assert_equal_runs(straight, resumed)
    assert resumed.read("environment")["augmented_on"] == goes_on


def test_a_run_that_ran_out_of_disk_space_can_be_resumed(tiny, stopped):
    def fill_the_disk(patch):
        original = training.checkpoint.write_bytes

        def write(path, content):
            if original.calls == 1:
                raise RunError(f"{path} cannot be written: {os.strerror(errno.ENOSPC)}.")
            original.calls += 1
            original(path, content)

        original.calls = 0
        patch.setattr(training.checkpoint, "write_bytes", write)

    values = {"epochs": 2, "selection": "last"}
    run = stopped(fill_the_disk, error=RunError, **values)
    status = run.read("status")

    assert status["state"] == "failed" and "No space left on device" in status["reason"]
    assert_equal_runs(train(tiny(**values)), train(run.config(), resume=run))


def test_damaged_checkpoints_stay_in_place_if_none_is_usable(stopped):
    run = stopped(stop_when_events_are_written)
    whole, rows = run.newest_checkpoint.read_bytes(), run.metrics()
    one_bit = whole[:400] + bytes([whole[400] ^ 1]) + whole[401:]
    for content in (whole[: len(whole) // 2], b"", b"no archive", one_bit):
        run.newest_checkpoint.write_bytes(content)
        with pytest.raises(RunError, match=r"The checkpoint .*newest\.npz is damaged") as caught:
            train(run.config(), resume=run)

        assert "\n" not in str(caught.value)
        assert run.newest_checkpoint.read_bytes() == content and run.metrics() == rows
        assert run.read("status")["state"] == "failed"


def test_the_newest_undamaged_checkpoint_is_used_and_the_damage_reported(tiny, stopped, caplog):
    """There is a checkpoint of every step. The damaged one is lost, and so are the metrics after the previous one."""
    values = {"epochs": 3, "checkpoint_minutes": 0.0}
    straight = train(tiny(**values))
    run = stopped(at_step(8, interrupt), **values)
    run.newest_checkpoint.write_bytes(run.newest_checkpoint.read_bytes()[:-100])

    assert run.previous_checkpoint.is_file()
    resumed = train(run.config(), resume=run)

    assert "newest.npz is damaged" in caplog.text and "Using the previous one" in caplog.text
    assert run.newest_checkpoint.with_name("newest.npz.damaged").is_file()
    assert_equal_runs(straight, resumed)


def test_a_damaged_checkpoint_does_not_become_the_best(tiny, stopped):
    """The previous checkpoint is from the first epoch, which is the best: at a rate of 0 all epochs are equal."""
    values = {"epochs": 3, "lr": 0.0}
    straight = train(tiny(**values))
    run = stopped(stop_by_a_signal, **values)
    run.best_checkpoint.unlink()
    run.newest_checkpoint.write_bytes(b"damaged")

    assert_equal_runs(straight, train(run.config(), resume=run))
    assert run.read("result")["epoch"] == 1


@pytest.fixture
def python_handles_interrupts():
    """Python does so unless the process was started with SIGINT ignored, like shell background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_stops_at_once(stopped, python_handles_interrupts):
    def twice():
        signal.raise_signal(signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            pass  # Python may merge two simultaneous signals, so wait until the first is handled
        signal.raise_signal(signal.SIGINT)
        time.sleep(1)

    run = stopped(at_step(7, twice))
    assert (run.read("status")["state"], run.read("status")["epoch"]) == ("interrupted", 1)
    with np.load(run.newest_checkpoint) as file:
        assert json.loads(str(file["meta"]))["step"] == 0  # the start of the epoch: nothing was written later
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_can_be_extended_and_logs_its_schedule(tiny, caplog, monkeypatch, tmp_path):
    run = train(tiny(epochs=2, runs_dir=str(tmp_path / "extended")))
    before, digest = run.metrics(), run.digest()
    config = extended(run, 4)
    with caplog.at_level(logging.INFO):
        train(config, resume=run)
    rows = run.metrics()

    assert rows[:2] == before and [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert "epochs 3 to 4 follow a new cosine schedule without warm-up, from a rate of 0.1 down to 0" in caplog.text
    # after 5 of the 10 added steps, 4 of 9 remain: 0.1 (1 - cos(4 pi / 9)) / 2
    assert rows[2]["lr"] == pytest.approx(0.05 * (1 - np.cos(np.pi * 4 / 9)), rel=1e-5)
    assert rows[3]["lr"] == pytest.approx(0, abs=1e-8)
    assert run.stored().extended_from == "2" and run.digest() != digest
    assert run.digest() != resolve(tiny(epochs=4)).digest
    assert run.read("result")["epochs_done"] == 4 and run.read("status")["state"] == "complete"

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_by_a_signal(patch)
        train(extended(run, 7), resume=run)
    assert run.stored().extended_from == "2,4"
    with pytest.raises(ArgumentError, match=r"is not finished, so it cannot be extended\. Continue it: fixhead train"):
        extended(run, 9)
    train(run.config(), resume=run)  # an interrupted extension resumes like any run
    assert [row["epoch"] for row in run.metrics()] == list(range(1, 8))
    with pytest.raises(ArgumentError, match="already has 7 epochs; epochs must be larger, got 7"):
        extended(run, 7)


def test_a_run_of_schema_1_resumes_bit_identically_and_becomes_schema_2(tiny, stopped):
    straight = train(tiny())
    run = stopped(stop_by_a_signal)
    stored = run.stored()
    resolved = resolve(run.config())
    drawn = class_vectors(stored.config.class_vectors, resolved.data.num_classes, resolved.dim,
                          stored.config.vector_seed)
    (run.path / "config.json").write_text(json.dumps({
        "schema": 1, **stored.config.as_dict(), "class_vectors_digest": vectors_digest(drawn),
        "extended_from": None, "config_digest": earlier_digest(resolved)}))
    train(run.config(), resume=run)

    assert_equal_runs(straight, run)
    assert json.loads((run.path / "config.json").read_text())["schema"] == 2
    assert run.digest() == stored.digest


def test_two_processes_cannot_train_the_same_run(stopped):
    run = stopped(stop_when_events_are_written)
    with run.lock(), pytest.raises(RunError, match="is being trained by another process"):
        train(run.config(), resume=run)
    assert run.read("status")["state"] == "interrupted" and not run.is_locked()


def test_a_run_can_only_be_resumed_with_its_own_configuration(tiny, stopped):
    run = stopped(stop_when_events_are_written)
    status = run.read("status")
    with pytest.raises(ArgumentError, match=f"The configuration differs from that of {run.path}"):
        train(tiny(lr=0.3), resume=run)

    assert run.read("status") == status


def test_a_process_whose_checkpoint_differs_from_the_first_does_not_train(tiny, monkeypatch):
    original = training.processes.from_first
    monkeypatch.setattr(training.processes, "from_first",
                        lambda value: {**value, "epoch": 1} if isinstance(value, dict) else original(value))
    with pytest.raises(RunError, match="differs from that of the first process"):
        train(tiny(epochs=2))
