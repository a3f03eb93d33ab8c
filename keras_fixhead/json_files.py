"""JSON text and files. Files are written atomically: readers see either the old or the new one."""
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fixhead.errors import RunError

_EXPECTED = (
    ("Expecting property name", "a name in double quotes"),
    ("Expecting ':'", "a colon after the name"),
    ("Expecting ','", "a comma or a closing bracket"),
    ("Extra data", "the end of the text"),
    ("Illegal trailing comma", "another entry after the comma"),
)
"""How a message of Python's parser begins -> what would be valid in that place."""
_VALUE = "a value: text in double quotes, a number, true, false, null, [...] or {...}"
_IN_TEXT = (
    ("Unterminated string", "the text that begins here has no closing double quote"),
    ("Invalid control character", r"text cannot have a line break or tab in it; expected \n or \t"),
    ("Invalid \\", r"a single backslash; expected \\ or an escape such as \n or \u00e9"),
)
"""How a message of Python's parser begins -> what is wrong within text, and what would be valid."""


class NotJson(ValueError):
    """Text is not JSON: the message has the line, the column, what is wrong and what would be valid."""


class _Twice(ValueError):
    """A name appears twice in an object."""


def parse_json(content: str | bytes, *, first_line: int = 1) -> Any:
    """Returns the value in JSON text; bytes must be UTF-8.

    Args:
        content: the text.
        first_line: number of its first line, if it is a part of a file.

    Raises:
        NotJson: (a ValueError) if it is not valid, or an object has the same name twice.

    Example:
        >>> parse_json('{"epochs" 3}')
        Traceback (most recent call last):
            ...
        keras_fixhead.json_files.NotJson: line 1, column 11: expected a colon after the name, got '3'
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        raise NotJson(f"{_place(before, len(before), first_line)}: expected UTF-8 text, got the byte "
                      f"0x{error.object[error.start]:02x}") from None
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise NotJson(_said(error, first_line)) from None
    except _Twice as error:
        name = re.escape(json.dumps(str(error), ensure_ascii=False))
        *_, at = [0, *(found.start() for found in re.finditer(rf"{name}\s*:", text))]  # 0: it is written with escapes
        place = _place(text, at, first_line)
        raise NotJson(f"{place}: {str(error)!r} appears twice; expected each name once") from None
    except RecursionError:
        raise NotJson("its brackets are nested too deeply") from None
    except ValueError:  # Python converts no longer ones
        raise NotJson("a number has too many digits; expected fewer than 4,300") from None


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


def _place(text: str, at: int, first_line: int) -> str:
    return f"line {first_line + text.count(chr(10), 0, at)}, column {at - text.rfind(chr(10), 0, at)}"


def _said(error: json.JSONDecodeError, first_line: int) -> str:
    """The place of an error of Python's parser, what is wrong there, and what would be valid."""
    for beginning, problem in _IN_TEXT:
        if error.msg.startswith(beginning):
            return f"{_place(error.doc, error.pos, first_line)}: {problem}"
    expected = next((valid for beginning, valid in _EXPECTED if error.msg.startswith(beginning)), _VALUE)
    rest = error.doc[error.pos :].lstrip()
    found = re.match(r"[\w.+-]{1,20}|.", rest)
    return (f"{_place(error.doc, len(error.doc) - len(rest), first_line)}: expected {expected}, got "
            f"{repr(found[0]) if found else 'the end of the text'}")


def read_json(path: Path, *, schema: int) -> dict[str, Any]:
    """Returns the object in a JSON file, without its schema number.

    Raises:
        RunError: if the file is missing, unreadable, not a JSON object, or from a newer version of this library.
    """
    try:
        content = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    except NotJson as error:
        raise RunError(f"{path} is damaged: {error}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("schema"), int):
        raise RunError(f"{path} is damaged: expected a JSON object with a 'schema' number.")
    if content["schema"] > schema:
        raise RunError(
            f"{path} has schema {content['schema']}; this version of keras_fixhead reads up to {schema}.",
            hint="Upgrade: pip install -U keras-fixhead",
        )
    del content["schema"]
    return content


def strict_json(value: Any) -> Any:
    """Returns a value with None in place of NaN and infinity, which JSON does not have.

    Example:
        >>> strict_json({"loss": float("nan"), "rows": (1.0, float("inf"))})
        {'loss': None, 'rows': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {key: strict_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, content: Mapping[str, Any], *, schema: int) -> None:
    """Writes an object to a JSON file.

    Raises:
        RunError: if it cannot be written; an existing file is left unchanged.
    """
    text = json.dumps({"schema": schema, **content}, indent=1, allow_nan=True) + "\n"
    write_bytes(path, text.encode())


def copy_file(source: Path, target: Path) -> None:
    """Copies `source` to `target` atomically, as a hard link if the file system supports it.

    Raises:
        RunError: if it cannot be written; an existing file is left unchanged.
    """
    aside = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        aside.unlink(missing_ok=True)
        try:
            os.link(source, aside)  # safe, because files are never changed in place
        except OSError:
            shutil.copyfile(source, aside)
        aside.replace(target)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise RunError(f"{target} cannot be written: {error.strerror}.") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a temporary file, flushes it to disk and renames it.

    Raises:
        RunError: if it cannot be written; an existing file is left unchanged.
    """
    aside = None
    try:
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).chmod(0o644)  # mkstemp uses 0600, but another user's server may have to read the run
        Path(aside).replace(path)
    except OSError as error:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)
        raise RunError(f"{path} cannot be written: {error.strerror}.") from None
