"""Click types for paths: each path is checked before any work, and a wrong one is reported in one line.

Every option or argument that takes a path has one of these types; a test checks that for all commands. A check never
reads from a pipe: `--config <(fixhead train --dry-run)` works.
"""
import abc
import codecs
import contextlib
import difflib
import itertools
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from keras_fixhead.errors import ArgumentError, FixheadError, RunError, ServingError
from keras_fixhead.json_files import NotJson, parse_json

ABSENT = "does not exist"
_TEXT_BYTES = 2**20
_SIBLINGS = 1_000


class PathType(click.ParamType, abc.ABC):  # type: ignore[type-arg]  # generic only in newer versions of Click
    """Base class of the path types: a path that cannot be used raises an error of one line with a hint.

    Args:
        expected: what is expected, as in "Expected {expected}."
        hint: what to type next.
        error: class of the error; decides the exit status (2 for an ArgumentError, otherwise 1).
    """

    name = "path"
    completes = "file"

    def __init__(self, expected: str, hint: str | None = None, *, error: type[FixheadError] = ArgumentError) -> None:
        self.expected, self.hint, self.error = expected, hint, error

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if problem := self.problem(expanded(value)):
            name = f"{param.opts[-1]}: " if isinstance(param, click.Option) else ""
            near = _near(expanded(value))
            raise self.error(f"{name}{shown(value)} {problem}. Expected {self.expected}.",
                             hint=f"Did you mean {near}?" if near else self.hint)
        return self.result(value)

    @abc.abstractmethod
    def problem(self, path: Path | None) -> str | None:
        """Returns what is wrong with a path (None for an empty one), as in "PATH {problem}.", or None."""

    def result(self, value: Any) -> Any:
        """Returns the value for the command."""
        return expanded(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=self.completes)]


class InputFile(PathType):
    """A file to read; the command gets a Path.

    Args:
        text: whether it must be UTF-8 text.
    """

    def __init__(self, expected: str, hint: str | None = None, *, text: bool = True,
                 error: type[FixheadError] = ArgumentError) -> None:
        super().__init__(expected, hint, error=error)
        self._text = text

    def problem(self, path: Path | None) -> str | None:
        return missing(path) or file_problem(path, text=self._text)


class InputFolder(PathType):
    """A folder to read; the command gets a Path.

    Args:
        optional: whether it may be missing.
        as_text: whether the command gets a string, for fields of the configuration.
    """

    completes = "dir"

    def __init__(self, expected: str, hint: str | None = None, *, optional: bool = False, as_text: bool = False,
                 error: type[FixheadError] = ArgumentError) -> None:
        super().__init__(expected, hint, error=error)
        self.optional, self._as_text = optional, as_text

    def problem(self, path: Path | None) -> str | None:
        problem = missing(path)
        return None if self.optional and problem == ABSENT else problem or folder_problem(path)

    def result(self, value: Any) -> Any:
        return str(expanded(value)) if self._as_text else expanded(value)


class OutputFile(PathType):
    """A file to write, in a folder that exists; the command gets a Path.

    Args:
        ending: required ending of its name.
    """

    def __init__(self, expected: str, hint: str | None = None, *, ending: str = "") -> None:
        super().__init__(expected, hint)
        self._ending = ending

    def problem(self, path: Path | None) -> str | None:
        problem = missing(path)
        if path is None or problem not in (None, ABSENT):
            return problem
        if path.is_dir():
            return "is a folder"
        if not path.parent.is_dir():
            return f"cannot be written: {shown(path.parent)} does not exist"
        if unwritable(path.parent):
            return unwritable(path.parent)
        return None if path.name.lower().endswith(self._ending) else f"does not end in {self._ending}"


class OutputFolder(PathType):
    """A folder to write into, created if it is missing; the command gets a Path, or a string with `as_text`."""

    completes = "dir"

    def __init__(self, expected: str, hint: str | None = None, *, as_text: bool = False) -> None:
        super().__init__(expected, hint)
        self._as_text = as_text

    def problem(self, path: Path | None) -> str | None:
        problem = missing(path)
        if path is None or problem not in (None, ABSENT):
            return problem
        if problem is None:
            return folder_problem(path) or unwritable(path)
        return unwritable(next(each for each in path.absolute().parents if os.path.lexists(each)))

    def result(self, value: Any) -> Any:
        return str(expanded(value)) if self._as_text else expanded(value)


class RunDirectory(PathType):
    """A run directory; the command gets a `Run`. With `or_url`, also a served model's address, as a string."""

    completes = "dir"

    def __init__(self, *, or_url: bool = False) -> None:
        what = "a run directory, or a served model's address (http://HOST:PORT/v1/models/NAME)"
        super().__init__(what if or_url else "a run directory", "List your runs: fixhead list runs", error=RunError)
        self.or_url = or_url

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self.or_url and is_url(str(value)):
            return str(value)
        return super().convert(value, param, ctx)

    def problem(self, path: Path | None) -> str | None:
        return missing(path) or folder_problem(path)

    def result(self, value: Any) -> Any:
        from keras_fixhead.runs import open_run

        return open_run(expanded(value) or "")


class RunOrResults(PathType):
    """A run, a folder of runs, or an exported result (a JSON file); the command gets a Path."""

    def __init__(self, expected: str = "a run directory, a folder of runs, or a result exported as JSON") -> None:
        super().__init__(expected, "List your runs: fixhead list runs", error=RunError)

    def problem(self, path: Path | None) -> str | None:
        if path is None or missing(path):
            return missing(path)
        if path.is_dir():
            return folder_problem(path)
        return file_problem(path, text=True) if path.suffix == ".json" else "is not a JSON file"


class ClassWeights(InputFile):
    """'balanced', or a JSON file of class and weight; the command gets the word or the text of the file."""

    def __init__(self) -> None:
        super().__init__('balanced, or a JSON file: {"cat": 2.0, "dog": 1.0}')

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "balanced":
            return value
        content = super().convert(value, param, ctx).read_bytes()
        try:
            parse_json(content)
        except NotJson as error:
            raise ArgumentError(f"--class-weights: {shown(value)} is not valid JSON: {error}. Expected "
                                f"{self.expected}.") from None
        return content.decode("utf-8-sig")


class SuiteName(PathType):
    """A suite of corruptions, or a folder of published corrupted images; the command gets a string."""

    completes = "dir"

    def __init__(self) -> None:
        super().__init__("the name of a suite, or a folder of corrupted images such as CIFAR-10-C",
                         "See the names: fixhead list corruptions")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from keras_fixhead.data.sources import is_folder

        if isinstance(value, str) and value and not is_folder(value):
            return value  # a name, or close to one
        return super().convert(value, param, ctx)

    def problem(self, path: Path | None) -> str | None:
        return missing(path) or folder_problem(path)

    def result(self, value: Any) -> Any:
        return expanded(value)


class ServedFolder(PathType):
    """[NAME=]DIR, a model's folder of versions; the command gets a string."""

    completes = "dir"

    def __init__(self) -> None:
        super().__init__("a folder of exported versions (DIR/1)", "Make one: fixhead export RUN DIR",
                         error=ServingError)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        _, equals, path = str(value).partition("=")
        super().convert(path if equals and missing(expanded(value)) else value, param, ctx)
        return str(value)

    def problem(self, path: Path | None) -> str | None:
        return missing(path) or folder_problem(path)


class Pictures(PathType):
    """A picture, an array file or a folder of pictures; the command gets a Path.

    Missing and damaged files are accepted here: the command leaves them out and reports the reason.
    """

    def __init__(self) -> None:
        super().__init__("a picture, an .npy or .npz file, or a folder of pictures")

    def problem(self, path: Path | None) -> str | None:
        problem = missing(path)
        return problem if path is None or (problem or "").startswith("cannot be ") else None


RUN = RunDirectory()
RUN_OR_URL = RunDirectory(or_url=True)
RUN_OR_RESULTS = RunOrResults()
SUITE = SuiteName()
DATA_DIR = InputFolder("a folder of packed or prepared data sets", optional=True, as_text=True)
RUNS_DIR = OutputFolder("a folder of run directories", as_text=True)
CONFIG_FILE = InputFile("a JSON file of a configuration", "Write one: fixhead train --dry-run > config.json")
PICTURES = Pictures()
PNG_FILE = OutputFile("the name of a PNG file to write", ending=".png")
SERVED_FOLDER = ServedFolder()
TOKEN_FILE = InputFile("a text file with the token", "Make one: openssl rand -hex 32 > FILE")
CA_CERT = InputFile("a file of certificates in PEM form", "Leave it out to trust the usual authorities.")
TLS_CERT = InputFile("a certificate in PEM form")
TLS_KEY = InputFile("a private key in PEM form")
CLASS_MAP = InputFile('a JSON file: {"name in the data set": "name in the run", "to be left out": null}')
CLASS_WEIGHTS = ClassWeights()
OUT_DIR = OutputFolder("a folder to write the result to")
BASELINE = RunOrResults("a run directory, or RUN/robustness/SUITE.json")
CSV_FILE = OutputFile("the name of a CSV file to write", ending=".csv")
LABELS_FILE = InputFile("a text file with the name of one class per line",
                        "An export has it as DIR/VERSION/assets.extra/labels.txt.")
MODELS_CONFIG = InputFile("a text file of models, in TensorFlow Serving's models.config form",
                          'Such as: model_config_list { config { name: "m" base_path: "/models/m" } }')


def is_url(target: str) -> bool:
    """Returns whether a target is a served model's address rather than a run.

    Example:
        >>> is_url("http://127.0.0.1:8501/v1/models/m"), is_url("runs/1")
        (True, False)
    """
    return target.lower().startswith(("http://", "https://"))


def expanded(value: Any) -> Path | None:
    """Returns a path with ~ expanded; None for an empty one, which `Path` would take for the current folder."""
    if not os.fspath(value):
        return None
    try:
        return Path(value).expanduser()
    except RuntimeError:  # there is no such user, but a file may have that name
        return Path(value)


def shown(path: Any) -> str:
    """Returns a path as it is shown in messages, on one line.

    Example:
        >>> shown("a b"), shown("a\\nb"), shown("")
        ('a b', "'a\\\\nb'", 'The empty path')
    """
    text = os.fspath(path)
    return (text if text.isprintable() else repr(text)) or "The empty path"


def missing(path: Path | None) -> str | None:
    """Returns why nothing can be found at a path, or None if something exists there."""
    if path is None:
        return "is not the name of a file or folder"
    try:
        path.stat()
    except FileNotFoundError:
        return f"is a link to {shown(path.readlink())}, which does not exist" if path.is_symlink() else ABSENT
    except NotADirectoryError:
        file = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
        return f"cannot exist: {shown(file)} is a file"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:  # a null character
        return f"cannot be a path: {error}"
    return None


def file_problem(path: Path | None, *, text: bool) -> str | None:
    """Returns why an existing path is not a readable, non-empty file, or None."""
    if path is None or path.is_dir():
        return "is a folder"
    if not stat.S_ISREG(path.stat().st_mode):
        return None  # a pipe or a device: reading would consume its content
    try:
        with path.open("rb") as file:
            start = file.read(_TEXT_BYTES)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not start:
        return "is empty"
    return "is not UTF-8 text" if text and not _is_text(start) else None


def folder_problem(path: Path | None) -> str | None:
    """Returns why an existing path is not a readable folder, or None."""
    if path is None or not path.is_dir():
        return "is a file, not a folder"
    try:
        with os.scandir(path):
            return None
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def unwritable(folder: Path) -> str | None:
    """Returns why a folder is not writable, or None."""
    return None if os.access(folder, os.W_OK | os.X_OK) else f"cannot be written: no permission in {shown(folder)}"


def _is_text(start: bytes) -> bool:
    try:
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(start)  # the last character may be cut
    except UnicodeDecodeError:
        return False


def _near(path: Path | None) -> str | None:
    """Returns a path with nearly the same name as a missing one, in the same folder."""
    if path is None or not path.name or os.path.lexists(path):
        return None
    names: Iterable[str] = ()
    with contextlib.suppress(OSError, ValueError), os.scandir(path.parent) as entries:
        names = [entry.name for entry in itertools.islice(entries, _SIBLINGS)]
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return shown(path.with_name(near[0])) if near else None
