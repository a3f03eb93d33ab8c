"""Saving and loading models."""
import contextlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from keras_fixhead import hubs
from keras_fixhead.errors import ArgumentError, RunError, VectorsError

_WEIGHTS = "model.weights.h5"  # in the folder that Keras writes for a hub


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Writes a model to a .keras file atomically: an existing file stays until the new one is complete.

    Raises:
        ArgumentError: (a ValueError) if the path does not end in .keras: Keras reads other endings as other formats.
        RunError: if the file cannot be written.
        VectorsError: if its class vectors were changed by hand to values that a fixed head cannot have.
    """
    if not isinstance(model, keras.Model):
        raise ArgumentError(f"model must be a Keras model, got {type(model).__name__}.")
    file = _checked_path(path)
    if file.suffix != ".keras":
        raise ArgumentError(f"A model is saved as a .keras file, got the path {os.fspath(path)!r}.",
                            hint=f"Use {os.fspath(file.with_suffix('.keras'))!r}.")
    aside = None
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".model-", suffix=".keras")
        os.close(descriptor)
        aside = Path(name)
        model.save(aside)
        with aside.open("rb+") as written:
            os.fsync(written.fileno())
        aside.chmod(0o644)
        aside.replace(file)
    except OSError as error:
        raise RunError(f"{file} cannot be written: {error.strerror or error}.") from None
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)


def save_folder(model: keras.Model, folder: str | os.PathLike[str]) -> None:
    """Writes a model as the folder of files that Keras reads from a hub (`hf://`): configuration and weights."""
    keras.saving.save_model(model, os.fspath(folder), zipped=False)


def load_model(path: str | os.PathLike[str]) -> keras.Model:
    """Returns the trained model from a run directory, a .keras file, or a hub.

    Args:
        path: a run directory; a .keras file; a folder of a published model; or a published model's name:
            `hf://NAMESPACE/NAME` on Hugging Face, `kaggle://OWNER/MODEL/keras/VARIATION` on Kaggle, where `/VERSION`
            may follow. A hub's model is downloaded once and then read from that hub's cache.

    Raises:
        RunError: if there is no such model, or the file is damaged.
        VectorsError: if its fixed class vectors do not match its configuration.
        HubError: if the hub cannot be reached, or has no such model.
        DependencyError: if the hub's package is not installed: `pip install 'keras-fixhead[hub]'`.
    """
    file = hubs.download(hubs.parse_target(path)) if isinstance(path, str) and hubs.is_target(path) else (
        _checked_path(path))
    if file.is_dir() and not (file / _WEIGHTS).is_file():
        file = file / "model.keras"
        if hubs.is_target(path):
            raise RunError(f"{path} has no {_WEIGHTS}: it is not a model that Keras saved.")
        if not file.is_file() and not file.with_name("config.json").is_file():
            raise RunError(f"{path} is not a run directory, and has no model.keras.",
                           hint="Pass a run directory or a .keras file; list runs with: fixhead list runs")
        if not file.is_file():
            from keras_fixhead.runs import Run  # not above: importing a layer must not load data and configurations

            raise RunError(f"{path} has no model.keras: the run is not finished.",
                           hint=f"Finish it: {Run(file.parent).resume_command}")
    if not file.exists():
        raise RunError(f"{path} does not exist.", hint="Pass a run directory or a .keras file.")
    if file.is_file() and not zipfile.is_zipfile(file):
        raise RunError(f"{file} is damaged: it is not a complete .keras file.")
    shown = path if hubs.is_target(path) else file
    try:
        return keras.models.load_model(file)
    except (ValueError, TypeError, OSError, KeyError, EOFError, UnboundLocalError, zipfile.BadZipFile) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        for line in lines:
            if line.startswith("The class vectors "):  # the head's own error, wrapped by Keras
                raise VectorsError(f"{shown}: {line}") from None
        raise RunError(f"{shown} is damaged, or not a model of keras_fixhead: {lines[0]}") from error


def _checked_path(path: Any) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in os.fsdecode(path):
        raise ArgumentError(f"path must be a run directory or a .keras file, got {path!r}.")
    return Path(path)
