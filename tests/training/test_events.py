import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_fixhead.training.events import EventLog


def test_tensorboard_reads_what_was_written(tmp_path):
    log = EventLog(tmp_path / "tensorboard")
    log.write({"epoch": 1, "loss": 2.5, "name": "not a number"})
    log.write({"epoch": 2, "loss": 1.25})
    log.close()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()

    assert found.Tags()["scalars"] == ["loss"]
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(1, 2.5), (2, 1.25)]


def test_the_curves_of_a_run_are_there(digits_run):
    found = EventAccumulator(str(digits_run.path / "tensorboard")).Reload()
    for name in ("loss", "validation_accuracy"):
        assert [event.value for event in found.Scalars(name)] == [pytest.approx(row[name])
                                                                  for row in digits_run.metrics()]
