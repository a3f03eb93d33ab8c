"""Click types for the weights that a training starts from; paths like those in `paths`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from keras_fixhead.errors import RunError


class TrainedModel(paths.PathType):
    """A finished run or a .keras file; the command gets a string."""

    def __init__(self) -> None:
        super().__init__("a finished run, or a .keras file", "List your runs: fixhead list runs", error=RunError)

    def problem(self, path: Path | None) -> str | None:
        if paths.missing(path) or path is None:
            return paths.missing(path)
        if path.is_dir():
            finished = (path / "model.keras").is_file()
            return paths.folder_problem(path) or (None if finished else "has no model.keras: it is not a finished run")
        return paths.file_problem(path, text=False) or (None if path.suffix == ".keras" else "is not a .keras file")

    def result(self, value: Any) -> Any:
        return str(paths.expanded(value))


class WeightsFile(paths.InputFile):
    """A file of weights, or one of the words for none; the command gets a string."""

    def __init__(self) -> None:
        super().__init__("imagenet, none, or a file of weights without the classifier",
                         "Files of Keras have 'notop' or 'no_top' in their names.", text=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value in ("imagenet", "none") else str(super().convert(value, param, ctx))


TRAINED_MODEL = TrainedModel()
WEIGHTS = WeightsFile()
