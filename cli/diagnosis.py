"""The report of `fixhead doctor`: machine, framework, data sets and extras."""
import importlib.util
import platform
from pathlib import Path
from typing import Any

from keras_fixhead import hardware
from keras_fixhead.data.sources import array_files, describe, subset_note
from keras_fixhead.errors import DataError, FixheadError

EXTRAS = {
    "test": ("pytest", "hypothesis", "jax", "build"),
    "dev": ("ruff", "mypy", "importlinter", "build"),
    "cv": ("keras_cv",),
    "imgaug": ("imgaug",),
    "gpu": ("nvidia.cudnn",),
    "jax": ("jax",),
    "onnx": ("tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "hub": ("huggingface_hub", "kagglehub"),
    "keras-hub": ("keras_hub",),
    "peers": ("torch",),
    "ray": ("ray",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
    "docs": ("zensical",),
}


def diagnose(data_dir: str | None) -> dict[str, Any]:
    """Returns facts about this machine and installation, as the JSON of `fixhead doctor`.

    Args:
        data_dir: folder of packed or prepared data sets; None for the usual one.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": hardware.cpu_name(),
        "cpu_count": hardware.cpu_count(),
        "gpus": [name for name, _ in hardware.gpus()],
        "bfloat16_instructions": hardware.cpu_has_bfloat16(),
        **_framework(),
        "datasets": _datasets(data_dir),
        "extras": {name: all(map(_is_installed, modules)) for name, modules in EXTRAS.items()},
    }


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its package is missing
        return False


def _framework() -> dict[str, Any]:
    """Returns facts from the loaded backend, or why it cannot be loaded, which is when people run this command."""
    from fixhead_cli.framework import load_keras

    try:
        load_keras()
    except FixheadError as error:
        return {"backend": hardware.keras_backend(), "problem": error.what}
    from keras_fixhead.training import describe_environment, on_gpu
    from keras_fixhead.training.precision_check import measure_bfloat16_gain

    median, low, high = measure_bfloat16_gain()
    return {
        **describe_environment(),
        "gpu_problem": hardware.gpu_problem(on_gpu()),
        "precision": hardware.resolve_precision("auto", gpu=on_gpu()),
        "bfloat16_speedup": {"median": median, "quartiles": [low, high], "of": "a 3x3 convolution, 10 rounds"},
    }


def _datasets(data_dir: str | None) -> dict[str, str]:
    from keras_fixhead.data.catalog import DATASETS
    from keras_fixhead.data.tfds import data_folder

    folder = data_folder(data_dir)
    return {name: _where(name, folder, data_dir) for name in DATASETS}


def _where(name: str, folder: Path, data_dir: str | None) -> str:
    """Returns a description of where a data set is."""
    from keras_fixhead.data.tfds import is_prepared

    try:
        entry = describe(name, data_dir)
    except DataError as error:
        return error.what
    note = f", {note}" if (note := subset_note(name, entry)) else ""
    if entry.packed is not None:
        return f"packed in {entry.packed}{note}"
    if entry.tfds_name is None:
        return "embedded"
    if array_files(entry, folder) is not None:
        return f"as published, in {folder}{note}"
    return f"prepared in {folder}{note}" if is_prepared(entry.tfds_name, folder) else f"not prepared in {folder}"
