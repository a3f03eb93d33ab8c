"""The run directory: its paths, readers and writers.

All files of a run are read and written here, so that reports depend neither on Keras nor on each other.
"""
import contextlib
import csv
import dataclasses
import datetime
import io
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.config import (
    CONFIG_SCHEMA,
    Resolved,
    Stored,
    TrainConfig,
    epoch_count,
    file_stem,
    from_stored,
    names_draw,
    option,
    run_digest,
    to_store,
)
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import NotJson, parse_json, read_json, write_bytes, write_json
from keras_fixhead.runs.locking import locked_file

SCHEMA = 1
"""Schema number of the JSON files of a run, except config.json."""

_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    "status": {"state": str, "epoch": int},
    "result": {"accuracy": dict, "evaluation": dict, "label_names": (list, dict)},
}


@dataclass(frozen=True)
class Run:
    """A run directory.

    Attributes:
        path: its absolute path.
    """

    path: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def model_path(self) -> Path:
        """Path of the selected model."""
        return self.path / "model.keras"

    @property
    def newest_checkpoint(self) -> Path:
        """Path of the newest checkpoint."""
        return self.path / "checkpoints" / "newest.npz"

    @property
    def previous_checkpoint(self) -> Path:
        """Path of the checkpoint before the newest."""
        return self.path / "checkpoints" / "previous.npz"

    @property
    def best_checkpoint(self) -> Path:
        """Path of the checkpoint of the best epoch."""
        return self.path / "checkpoints" / "best.npz"

    @property
    def resume_command(self) -> str:
        """The command that continues the run."""
        return f"fixhead train --resume {shlex.quote(str(self.path))}"

    def stored(self) -> Stored:
        """Returns the configuration in config.json: as asked for, as resolved, and its digest.

        Raises:
            RunError: if config.json is missing, damaged, or not a configuration.
        """
        path = self.path / "config.json"
        try:
            return from_stored(read_json(path, schema=CONFIG_SCHEMA))
        except ArgumentError as error:
            raise RunError(f"{path} is damaged: {error}") from None

    def config(self) -> TrainConfig:
        """Returns the resolved configuration; raises the same errors as `stored`."""
        return self.stored().config

    def digest(self) -> str:
        """Returns the digest that identifies the run; raises the same errors as `stored`."""
        return self.stored().digest

    def write_config(self, stored: Stored) -> None:
        """Writes config.json."""
        write_json(self.path / "config.json", stored.as_dict(), schema=CONFIG_SCHEMA)

    def read(self, name: str) -> dict[str, Any]:
        """Returns one of the run's JSON files (status, result, environment, ...) by its name without extension.

        Raises:
            RunError: if it is missing or damaged, or lacks a required key.
        """
        path = self.path / f"{name}.json"
        content = read_json(path, schema=SCHEMA)
        for key, kind in _NEEDED.get(name, {}).items():
            if not isinstance(content.get(key), kind):
                raise RunError(f"{path} is damaged: it has no {key!r}.")
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Writes one of the run's JSON files by its name without extension."""
        path = self.path / f"{name}.json"
        make_folder(path.parent)
        write_json(path, content, schema=SCHEMA)

    def write_arrays(self, name: str, **arrays: Any) -> None:
        """Writes NumPy arrays to a compressed file with this name."""
        import numpy as np  # a tenth of a second to import

        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        write_bytes(self.path / name, content.getvalue())

    def has(self, name: str) -> bool:
        """Returns whether the run has a JSON file with this name."""
        return (self.path / f"{name}.json").is_file()

    def is_complete(self) -> bool:
        """Returns whether the run is complete."""
        return self.has("status") and self.read("status")["state"] == "complete"

    def write_status(self, state: str, *, epoch: int, reason: str | None = None) -> None:
        """Writes status.json: running, interrupted, failed or complete, and the command to continue."""
        self.write("status", {
            "state": state,
            "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "epoch": epoch,
            "reason": reason,
            "resume": None if state == "complete" else self.resume_command,
            "process": os.getpid(),
        })

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Prevents other processes from training this run; the lock is released when its process ends.

        Raises:
            RunError: if another process has the lock, or the file system has no locks.
        """
        file = locked_file(self.path / ".lock")
        if file is None:
            raise RunError(f"{self.path} is being trained by another process.",
                           hint="Wait until it is finished, or stop it.")
        with file:
            yield

    def is_locked(self) -> bool:
        """Returns whether a process is training this run."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with self.lock():
                return False
        except RunError:
            return True

    def metrics(self) -> list[dict[str, Any]]:
        """Returns the lines of metrics.jsonl, one per epoch.

        Raises:
            RunError: if a line is not a JSON object.
        """
        path = self.path / "metrics.jsonl"
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        try:
            rows = [parse_json(line, first_line=number) for number, line in enumerate(lines, start=1)]
        except NotJson as error:
            raise RunError(f"{path} is damaged: {error}.") from None
        if not all(isinstance(row, dict) and "epoch" in row for row in rows):
            raise RunError(f"{path} is damaged: expected JSON objects with an epoch.")
        return rows

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """Rewrites metrics.jsonl and metrics.csv, so that a resumed run leaves no gaps and no duplicates."""
        write_bytes(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
        table = io.StringIO()
        writer = csv.DictWriter(table, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(self.path / "metrics.csv", table.getvalue().encode())


class UnwrittenRun(Run):
    """A run that another process writes; here it is read only."""

    def write_config(self, stored: Stored) -> None:
        pass

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        pass

    def write_arrays(self, name: str, **arrays: Any) -> None:
        pass

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        pass

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        yield


def create_run(resolved: Resolved) -> Run:
    """Creates a new run directory in the configuration's `runs_dir`, with config.json in it.

    Raises:
        RunError: if the directory cannot be created.
    """
    config = resolved.config
    runs_dir = Path(config.runs_dir).absolute()
    make_folder(runs_dir)
    time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{time}-{file_stem(config)}-s{config.seed}"
    for suffix in ("", *(f"-{count}" for count in range(2, 1000))):
        path = runs_dir / (name + suffix)
        try:
            path.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"{path} cannot be created: {error.strerror}.", hint="Choose another --runs-dir.") from None
        run = Run(path)
        run.write_config(to_store(resolved))
        return run
    raise RunError(f"{runs_dir} already has 999 runs with this name and time.")


def open_run(path: str | os.PathLike[str]) -> Run:
    """Returns the run in a directory.

    Raises:
        RunError: if the directory does not exist or has no config.json.
    """
    folder = Path(path).absolute()
    if not (folder / "config.json").is_file():
        what = "is not a run directory: it has no config.json" if folder.is_dir() else "does not exist"
        raise RunError(f"{path} {what}.", hint="List the runs: fixhead list runs")
    return Run(folder)


def resumed(run: Run, changes: Mapping[str, Any]) -> TrainConfig:
    """Returns the configuration for resuming a run, or for extending a finished one.

    Args:
        run: the run to continue.
        changes: fields to change: `epochs`, or fields that do not affect the result.

    Raises:
        ArgumentError: (a ValueError) for other fields, or if the run cannot be extended.
    """
    others = [option(name, value) for name, value in changes.items()
              if name != "epochs" and not TrainConfig.field(name).metadata["resumable"]]
    if others:
        raise ArgumentError(f"A run is resumed with its own configuration; {', '.join(others)} cannot change it.",
                            hint=f"Leave out {', '.join(others)}, or start a new run.")
    config = run.config()
    epochs = changes.get("epochs", config.epochs)
    config = config if epochs == config.epochs else extended(run, epochs)
    return dataclasses.replace(config, **changes)


def extended(run: Run, epochs: float) -> TrainConfig:
    """Returns the configuration that continues a finished run for more epochs.

    The added epochs follow a new schedule without warm-up, from the peak rate down again (a warm restart); the
    schedules 'constant' and 'plateau' continue at the same rate. A partial last epoch stays as it is.

    Raises:
        ArgumentError: (a ValueError) if the run is not finished, or already has this many epochs.
    """
    config = run.config()
    if not run.is_complete():
        raise ArgumentError(f"{run.path} is not finished, so it cannot be extended.",
                            hint=f"Continue it: {run.resume_command}")
    if not run.newest_checkpoint.exists():
        raise ArgumentError(f"{run.path} has no checkpoint left to continue from.",
                            hint="Train again with more epochs.")
    if epochs <= (least := epoch_count(config.epochs)):
        larger = "larger" if least == config.epochs else f"larger than {least}"
        raise ArgumentError(f"{run.path} already has {config.epochs} epochs; epochs must be {larger}, got {epochs}.")
    return dataclasses.replace(config, epochs=epochs)


def continued(run: Run, resolved: Resolved) -> Stored:
    """Returns the stored configuration of a run that is continued with a resolved one: its own, or an extension.

    Raises:
        ArgumentError: (a ValueError) if it is a different configuration, or the run cannot be extended.
    """
    before, config = run.stored(), resolved.config
    extends = config.epochs > before.config.epochs
    if extends:
        extended(run, config.epochs)  # raises if the run cannot be extended
    history = [*([before.extended_from] if before.extended_from else []), *([str(before.config.epochs)] * extends)]
    same = dataclasses.replace(config, epochs=before.config.epochs) if extends else config
    if run_digest(same, before.class_vectors_digest, before.extended_from) != _digest_of(before):
        raise ArgumentError(f"The configuration differs from that of {run.path}.",
                            hint="Resume with the run's own configuration: train(run.config(), resume=run)")
    if before.class_vectors_digest and not names_draw(before.class_vectors_digest, resolved):
        raise ArgumentError(
            f"{run.path} was trained with class vectors of digest {before.class_vectors_digest[:16]}, but kind "
            f"{config.class_vectors!r} with seed {config.vector_seed} gives {resolved.class_vectors_digest[:16]} here.",
            hint="Resume it with the version of keras_fixhead, and on the type of machine, that started it.")
    asked = dataclasses.replace(before.asked, epochs=config.epochs, **config.values("place"))
    return to_store(resolved, asked, ",".join(history) or None)


def _digest_of(stored: Stored) -> str:
    return run_digest(stored.config, stored.class_vectors_digest, stored.extended_from)


def list_runs(runs_dir: str | os.PathLike[str]) -> Iterator[Run]:
    """Yields the runs in a folder, oldest first."""
    folder = Path(runs_dir).absolute()
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if (path / "config.json").is_file():
                yield Run(path)


def make_folder(path: Path) -> None:
    """Creates a folder and its parents.

    Raises:
        RunError: if it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path} cannot be created: {error.strerror}.",
                       hint="Choose a writable folder.") from None
