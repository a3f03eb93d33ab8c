"""Results in progress: of all processes that share a folder of runs, one at a time makes a result."""
from pathlib import Path
from typing import IO

from keras_fixhead.runs import make_folder
from keras_fixhead.runs.locking import locked_file

FOLDER = ".in-progress"
"""In the folder of runs: one file per result, locked while a process trains and measures it."""


class InProgress:
    """The results that this process is making; they are free again once it ends, however it ends.

    Args:
        runs_dir: folder of run directories, which other processes may share.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._folder = runs_dir / FOLDER
        self._files: dict[str, IO[str]] = {}

    def begin(self, name: str) -> bool:
        """Takes a result by its name; returns False if another process is making it.

        Raises:
            RunError: if the folder cannot be written, or its file system has no locks.
        """
        make_folder(self._folder)
        file = locked_file(self._folder / name)
        if file is not None:
            self._files[name] = file
        return file is not None

    def end(self, name: str) -> None:
        """Gives a result back, written or not."""
        if (file := self._files.pop(name, None)) is not None:
            file.close()

    def end_all(self) -> None:
        """Gives all results back."""
        for name in list(self._files):
            self.end(name)
