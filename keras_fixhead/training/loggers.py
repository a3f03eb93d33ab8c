"""Loggers of each epoch's numbers, in addition to metrics.jsonl and metrics.csv."""
import sys
import time
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import DependencyError
from keras_fixhead.runs import Run


class Logger(Protocol):
    """Receives the line of metrics.jsonl after each epoch."""

    def write(self, row: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


def open_loggers(run: Run, config: TrainConfig, rows: Sequence[Mapping[str, Any]]) -> list[Logger]:
    """Returns TensorBoard's logger, with the completed epochs, and the other logger of the configuration, if any.

    Raises:
        DependencyError: if the other logger is not installed.
    """
    loggers: list[Logger] = [EventLog(run.path / "tensorboard")]
    if config.logger == "mlflow":
        loggers.append(MlflowLog(run, config))
    elif config.logger == "wandb":
        loggers.append(WandbLog(run, config))
    for row in rows:
        loggers[0].write(row)  # TensorBoard's files are written again; other loggers keep theirs
    return loggers


class EventLog:
    """Writes each epoch's numbers to a folder for TensorBoard, with TensorBoard's own writer.

    Existing files in the folder are deleted. The writer does not need TensorFlow.
    """

    def __init__(self, folder: Path) -> None:
        # TensorBoard's own switch: with this module it uses its stub instead of an installed TensorFlow
        sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
        from tensorboard.summary.writer.event_file_writer import EventFileWriter  # takes a second to import

        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = EventFileWriter(str(folder))

    def write(self, row: Mapping[str, Any]) -> None:
        """Writes the numbers of a line of metrics.jsonl."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in numbers(row).items()]
        self._writer.add_event(Event(wall_time=time.time(), step=row["epoch"], summary=Summary(value=values)))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class MlflowLog:
    """Writes to MLflow's current experiment ($MLFLOW_TRACKING_URI, $MLFLOW_EXPERIMENT_NAME)."""

    def __init__(self, run: Run, config: TrainConfig) -> None:
        self._mlflow: Any = _imported("mlflow")
        self._run = self._mlflow.start_run(run_name=run.name)
        self._mlflow.log_params(config.as_dict())

    def write(self, row: Mapping[str, Any]) -> None:
        self._mlflow.log_metrics(numbers(row), step=row["epoch"])

    def close(self) -> None:
        self._mlflow.end_run()


class WandbLog:
    """Writes to Weights & Biases ($WANDB_PROJECT, $WANDB_MODE)."""

    def __init__(self, run: Run, config: TrainConfig) -> None:
        self._run: Any = _imported("wandb").init(name=run.name, dir=str(run.path), config=config.as_dict())

    def write(self, row: Mapping[str, Any]) -> None:
        self._run.log(numbers(row), step=row["epoch"])

    def close(self) -> None:
        self._run.finish()


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the measured numbers of a line of metrics.jsonl."""
    return {name: value for name, value in row.items() if isinstance(value, float)}


def _imported(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DependencyError(f"--logger {name} needs {name}, which cannot be imported: {error}.",
                              hint=f"Install it: pip install 'keras-fixhead[{name}]'") from None
