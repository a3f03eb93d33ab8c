"""The result of a run: its numbers, from a run directory or from an exported JSON file.

An exported result is a JSON file and, if there are matrices, an .npz file with the same name next to it. Both forms are
read into the same `Result`; reports read nothing else.
"""
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import short_name
from keras_fixhead.config import TrainConfig, file_stem, resolved_fields
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import read_json, write_bytes, write_json
from keras_fixhead.runs.directory import SCHEMA, Run, make_folder, open_run

COMPLETE, FAILED_TO_CONVERGE = "complete", "failed to converge"
"""States of a result: a training that failed to converge also counts as a result."""
TEST_TIME = "flip-shift"
"""The views of test images whose evaluation a result has next to the plain one; those of the CIFAR-10 speed records."""
MATRICES = ("confusion", "cosines")
"""Test images by true class (rows) and predicted class, and cosines between class vectors; both (m, m)."""

_NEEDED: dict[str, dict[str, type | tuple[type, ...]]] = {
    COMPLETE: {"accuracy": dict, "evaluation": dict, "label_names": (list, dict)}, FAILED_TO_CONVERGE: {"reason": str}}

Matrices = Mapping[str, Any]
"""Arrays of a result by name, as in the .npz file next to it."""


@dataclass(frozen=True)
class Result:
    """The result of a trained run.

    Attributes:
        path: the run directory or the JSON file.
        config: the resolved configuration of the run.
        content: the numbers, as in the exported file.
        matrices: function that reads the arrays of `MATRICES`.
    """

    path: Path
    config: TrainConfig
    content: Mapping[str, Any]
    matrices: Callable[[], Matrices]

    @property
    def converged(self) -> bool:
        """Whether the loss stayed finite to the end."""
        return bool(self.content.get("state", COMPLETE) == COMPLETE)  # results of sweeps have no state

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config.seed

    @property
    def extended_from(self) -> str | None:
        """Numbers of epochs at which the run was extended, separated by commas; None if it was not."""
        return self.content.get("extended_from") or self.content["config"].get("extended_from")

    @property
    def curves(self) -> list[dict[str, Any]]:
        """One row of metrics per epoch."""
        return list(self.content.get("curves", []))

    def accuracy(self, split: str = "test") -> float:
        """Returns the accuracy on a split, as a fraction.

        Raises:
            ArgumentError: (a ValueError) if it was not measured.
        """
        if split not in (measured := self.content["accuracy"]):
            raise ArgumentError(f"{self.path} has no accuracy on {split}.", hint=f"It has: {', '.join(measured)}.")
        return float(measured[split])

    def number(self, *names: str) -> float:
        """Returns a number in the content, by its nested keys from the outside in.

        Raises:
            RunError: if it was not measured.

        Example:
            >>> Result(Path("a.json"), TrainConfig(), {"spread": {"mean": 0.5}}, dict).number("spread", "mean")
            0.5
        """
        value: Any = self.content
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                raise RunError(f"{self.path} has no {'.'.join(names)!r}.")
            value = value[name]
        return float(value)


def read_result(path: Path) -> Result:
    """Returns the result from a run directory or an exported JSON file.

    Raises:
        RunError: if it is missing or damaged, or the run is not complete.
    """
    if path.suffix == ".json" and not path.is_dir():
        return _read_exported(path.absolute())
    run = open_run(path)
    if not run.has("result"):
        raise RunError(f"{run.path} is not complete: it has no result.json.", hint=f"Continue it: {run.resume_command}")
    return Result(run.path, run.config(), result_content(run), lambda: _matrices_of_run(run))


def write_result(content: Mapping[str, Any], matrices: Matrices, path: Path) -> None:
    """Writes the matrices, then the JSON file, whose existence means that both are complete.

    Raises:
        RunError: if a file cannot be written.
    """
    if matrices:
        import numpy as np  # a tenth of a second to import

        packed = io.BytesIO()
        np.savez_compressed(packed, **matrices)
        write_bytes(path.with_suffix(".npz"), packed.getvalue())
    write_json(path, content, schema=SCHEMA)


def export_result(run: Run, folder: Path) -> Path:
    """Writes the result of a complete run as a small JSON file and its matrices; returns the path of the JSON file.

    Raises:
        RunError: if the run is not complete, or a file cannot be written.
    """
    config, digest = run.config(), run.digest()
    content = result_content(run)
    make_folder(folder)
    path = folder / f"{file_stem(config)}-s{config.seed}-{digest[:10]}.json"
    write_result(content, _matrices_of_run(run) if _statistics(run).exists() else {}, path)
    return path


def result_content(run: Run) -> dict[str, Any]:
    """Returns the numbers of a complete run, ready for JSON: configuration, accuracies, curves, versions, device.

    They do not contain paths of this machine.

    Raises:
        RunError: if the run is not complete.
    """
    stored = run.stored()
    return {
        "config": portable_config(stored.config),
        "extended_from": stored.extended_from,
        **run.read("result"),
        "curves": run.metrics(),
        "robustness": {file.stem: run.read(f"robustness/{file.stem}")
                       for file in sorted((run.path / "robustness").glob("*.json"))},
        "generalization": {file.stem: {key: value for key, value in run.read(f"generalization/{file.stem}").items()
                                       if key not in ("dataset", "notes")}  # they may have paths
                           for file in sorted((run.path / "generalization").glob("*.json"))},
    }


def portable_config(config: TrainConfig) -> dict[str, Any]:
    """Returns the fields of a configuration without folders of this machine: a path becomes its last part."""
    values = {name: value for name, value in config.as_dict().items() if name not in ("data_dir", "runs_dir")}
    return values | {"dataset": Path(config.dataset).name, "model": short_name(config.model),
                     "weights": Path(config.weights).name,
                     "init_from": None if config.init_from is None else Path(config.init_from).name}


def _read_exported(path: Path) -> Result:
    content = read_json(path, schema=SCHEMA)
    values = content.get("config")
    if not isinstance(values, dict):
        raise RunError(f"{path} is not an exported result: it has no configuration.",
                       hint="`fixhead sweep ... --export-results DIR` writes such files.")
    try:
        config = resolved_fields(values)
    except ArgumentError as error:
        raise RunError(f"{path} is damaged: {error}") from None
    state = content.get("state", COMPLETE)
    if state not in _NEEDED:
        raise RunError(f"{path} is damaged: its state is {state!r}, expected one of {', '.join(_NEEDED)}.")
    for name, kind in _NEEDED[state].items():
        if not isinstance(content.get(name), kind):
            raise RunError(f"{path} is damaged: it has no {name!r}.")
    return Result(path, config, content, lambda: _matrices_next_to(path.with_suffix(".npz")))


def _matrices_next_to(path: Path) -> Matrices:
    found = read_arrays(path)
    if missing := [name for name in MATRICES if name not in found]:
        raise RunError(f"{path} is damaged: it has no {missing[0]!r}.")
    return found


def _statistics(run: Run) -> Path:
    return run.path / "test.npz"


def _matrices_of_run(run: Run) -> Matrices:
    import numpy as np

    from keras_fixhead.analysis.geometry import cosine_matrix

    found = read_arrays(_statistics(run))
    return {"confusion": found["confusion"], "cosines": cosine_matrix(found["class_vectors"]).astype(np.float32)}


def read_arrays(path: Path) -> dict[str, Any]:
    """Returns the arrays in an .npz file.

    Raises:
        RunError: if it is missing or damaged.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise RunError(f"{path} is damaged or missing.") from None
