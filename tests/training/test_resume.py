"""A run that was stopped and resumed against one that went straight: equal to the last bit."""
import errno
import os

import numpy as np
import pytest

from keras_fixhead import train, training
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.models import load_model
from keras_fixhead.runs import list_runs

CLOCKS = {"seconds", "train_seconds", "images_per_second"}


def stop_when_events_are_written(patch):
    """After the first epoch's checkpoint."""
    def stop(self, row):
        raise KeyboardInterrupt

    patch.setattr(training.EventLog, "write", stop)


def stop_within_the_second_epoch(patch):
    original, steps = training.StepTimer.on_train_batch_end, []

    def stop(self, batch, logs=None):
        steps.append(batch)
        if len(steps) == 7:  # five steps an epoch
            raise KeyboardInterrupt
        original(self, batch, logs)

    patch.setattr(training.StepTimer, "on_train_batch_end", stop)


def stop_between_metrics_and_checkpoint(patch):
    """In the second epoch: metrics are then a line ahead of the checkpoint."""
    original = training.save_checkpoint

    def stop(path, model, progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt
        original(path, model, progress)

    patch.setattr(training, "save_checkpoint", stop)


def stop_before_the_best_is_kept(patch):
    """In the first epoch, which is the best so far: its checkpoint is written, but not kept as the best."""
    def stop(source, target):
        raise KeyboardInterrupt

    patch.setattr(training, "copy_file", stop)


def stop_within_the_first_epoch(patch):
    """Before there is any checkpoint."""
    def stop(self, batch, logs=None):
        raise KeyboardInterrupt

    patch.setattr(training.StepTimer, "on_train_batch_end", stop)


def stop_at_the_end(patch):
    """After the last epoch, before the model is saved."""
    def stop(model, path):
        raise KeyboardInterrupt

    patch.setattr(training, "_save_model", stop)


def without_clocks(rows):
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def assert_equal_runs(straight, resumed):
    assert without_clocks(resumed.metrics()) == without_clocks(straight.metrics())
    expected, found = arrays(straight.newest_checkpoint), arrays(resumed.newest_checkpoint)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for a, b in zip(load_model(straight.path).get_weights(), load_model(resumed.path).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("accuracy", "evaluation", "epoch", "data_digest"):
        assert resumed.read("result")[name] == straight.read("result")[name]
    assert resumed.read("status")["state"] == "complete"


@pytest.fixture
def stopped(tiny, monkeypatch, tmp_path):
    """Returns a function that trains, is stopped, and gives the run."""
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
    """Runs that went straight, by their configuration: several interruptions are compared with the same one."""
    return {}


@pytest.mark.parametrize("stop, done, values", [
    (stop_when_events_are_written, 1, {"fixed": False}),
    (stop_within_the_first_epoch, 0, {"fixed": False}),
    (stop_within_the_second_epoch, 1, {"precision": "bfloat16"}),
    (stop_between_metrics_and_checkpoint, 2, {"precision": "float16"}),
    (stop_at_the_end, 3, {"selection": "last", "flip": True}),
    (stop_before_the_best_is_kept, 1, {"lr": 0.0}),  # all epochs are equal: the first wins
], ids=lambda value: getattr(value, "__name__", None))
def test_a_resumed_run_equals_a_straight_one_to_the_bit(tiny, stopped, straight_runs, stop, done, values):
    values = {"epochs": 3, "schedule": "one_cycle", "warmup_fraction": 0.3, **values}
    config = tiny(**values)
    if config.digest not in straight_runs:
        straight_runs[config.digest] = train(config)
    straight = straight_runs[config.digest]
    run = stopped(stop, **values)
    status = run.read("status")
    assert (status["state"], status["epoch"]) == ("interrupted", done)
    assert status["resume"] == run.resume_command and not run.model_path.exists()

    resumed = train(run.config(), resume=run)

    assert resumed.path == run.path and [row["epoch"] for row in resumed.metrics()] == [1, 2, 3]
    assert_equal_runs(straight, resumed)


def test_a_run_that_failed_for_want_of_space_can_be_resumed(tiny, stopped):
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


def test_a_damaged_checkpoint_is_an_error_and_stays_where_it_is(stopped):
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


def test_a_run_is_resumed_with_its_own_configuration_only(tiny, stopped):
    run = stopped(stop_when_events_are_written)
    status = run.read("status")
    with pytest.raises(ArgumentError, match=f"The configuration is not that of {run.path}"):
        train(tiny(lr=0.3), resume=run)

    assert run.read("status") == status
