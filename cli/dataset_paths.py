"""The Click type of data sets: names in the catalogue, and paths of pictures and embedding sets."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli.paths import PathType, file_problem, folder_problem, missing
from keras_fixhead.errors import DataError


class DatasetName(PathType):
    """A data set in the catalogue, or the path of one; the command gets a string."""

    completes = "dir"

    def __init__(self) -> None:
        super().__init__("the name of a data set, a packed set, a folder with one subfolder of pictures per class, or "
                         "an embedding set",
                         "See the names: fixhead list datasets", error=DataError)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from keras_fixhead.data.sources import is_folder

        if isinstance(value, str) and value and not is_folder(value):
            return value  # a name in the catalogue, or close to one
        return super().convert(value, param, ctx)

    def problem(self, path: Path | None) -> str | None:
        from keras_fixhead.data.embeddings import ENDING
        from keras_fixhead.data.layout import LIST_ENDINGS

        if path is not None and path.suffix.lower() == ENDING and not path.is_dir():
            return missing(path) or file_problem(path, text=False)
        if path is not None and path.suffix.lower() in LIST_ENDINGS and not path.is_dir():
            return missing(path) or file_problem(path, text=True)
        return missing(path) or folder_problem(path)

    def result(self, value: Any) -> Any:
        return str(value)


DATASET = DatasetName()
