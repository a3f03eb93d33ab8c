"""JSON files with a schema number. They are written atomically: readers see either the old or the new file."""
import json
import math
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_fixhead.errors import RunError


def read_json(path: Path, *, schema: int) -> dict[str, Any]:
    """Returns the object in a JSON file, without its schema number.

    Raises:
        RunError: if the file is missing, unreadable, not a JSON object, or from a newer version of this library.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing.") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
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
