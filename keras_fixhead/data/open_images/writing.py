"""Writes the folder of a gathered set: aside first, and renamed when it is complete."""
import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_fixhead.data.layout import MANIFEST
from keras_fixhead.data.open_images.manifest import SCHEMA
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.json_files import write_json


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yields a folder that gets the name `path` at the end, and is removed if anything fails.

    Raises:
        ArgumentError: (a ValueError) if `path` exists and is not an empty folder.
        RunError: if it cannot be created.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ArgumentError(f"{path} already exists.", hint="Give a new folder, or remove it first.")
    aside = path.absolute().with_name(f".{path.absolute().name}-{os.getpid()}")
    try:
        aside.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_image(path: Path, content: bytes) -> None:
    """Writes the file of an image, in a folder that is created if it is missing."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Writes the manifest of a set."""
    write_json(folder / MANIFEST, content, schema=SCHEMA)
