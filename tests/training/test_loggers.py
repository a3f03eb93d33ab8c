import csv
import sys
import types

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_fixhead import train
from keras_fixhead.errors import DependencyError
from keras_fixhead.runs import list_runs
from keras_fixhead.training.loggers import EventLog


def test_tensorboard_reads_the_event_files(tmp_path):
    log = EventLog(tmp_path / "tensorboard")
    log.write({"epoch": 1, "loss": 2.5, "name": "not a number"})
    log.write({"epoch": 2, "loss": 1.25})
    log.close()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()

    assert found.Tags()["scalars"] == ["loss"]
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [(1, 2.5), (2, 1.25)]


def test_the_curves_of_a_run_are_logged(digits_run):
    found = EventAccumulator(str(digits_run.path / "tensorboard")).Reload()
    for name in ("loss", "validation_accuracy"):
        assert [event.value for event in found.Scalars(name)] == [pytest.approx(row[name])
                                                                  for row in digits_run.metrics()]


def test_a_restarted_event_log_has_no_duplicates(tmp_path):
    for _ in range(2):
        log = EventLog(tmp_path)
        log.write({"epoch": 1, "loss": 2.5})
        log.close()

    assert len(EventAccumulator(str(tmp_path)).Reload().Scalars("loss")) == 1


def test_the_csv_file_has_the_metrics(digits_run):
    with (digits_run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert [{name: float(value) for name, value in row.items()} for row in rows] == digits_run.metrics()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_logger_is_reported_before_the_first_step(tiny, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match=rf"--logger {name} needs {name}.*\[{name}\]"):
        train(tiny(logger=name))
    (run,) = list_runs(tiny().runs_dir)

    assert run.metrics() == [] and run.read("status")["state"] == "failed"


def test_every_epoch_goes_to_the_other_logger(tiny, monkeypatch):
    """Uses a stand-in with MLflow's four calls; .ci/long uses the real one."""
    calls = []
    stand_in = types.SimpleNamespace(
        start_run=lambda run_name: calls.append(("start", run_name)),
        log_params=lambda params: calls.append(("params", params["epochs"])),
        log_metrics=lambda values, step: calls.append((step, values["loss"])),
        end_run=lambda: calls.append(("end",)))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    run = train(tiny(logger="mlflow"))

    assert calls == [("start", run.name), ("params", 2), *((row["epoch"], row["loss"]) for row in run.metrics()),
                     ("end",)]
