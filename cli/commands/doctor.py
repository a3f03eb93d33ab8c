"""`fixhead doctor`."""
import importlib.util
import platform
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import data_dir_option, json_option, print_result
from keras_fixhead import hardware
from keras_fixhead.data.sources import describe, subset_note
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
    "peers": ("torch",),
    "mlflow": ("mlflow",),
    "wandb": ("wandb",),
}


@click.command("doctor")
@data_dir_option
@json_option
def command(data_dir: str | None, as_json: bool) -> None:
    """Report versions, devices, data sets and extras.

    \b
    Example:
        fixhead doctor
    """
    report: dict[str, Any] = {
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
    print_result(report, as_json=as_json, text=_text(report))


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # its package is not there
        return False


def _framework() -> dict[str, Any]:
    """What can be said with the backend loaded; or why it cannot be loaded, which is when people ask a doctor."""
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
    """Where a data set is, in words."""
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
    return f"prepared in {folder}{note}" if is_prepared(entry.tfds_name, folder) else f"not prepared in {folder}"


def _text(report: dict[str, Any]) -> list[str]:
    return [
        f"Python {report['python']} on {report['platform']}",
        f"processor: {report['cpu']}, {report['cpu_count']} cores, "
        f"{'with' if report['bfloat16_instructions'] else 'no'} bfloat16 instructions; "
        f"GPUs: {', '.join(report['gpus']) or 'none seen'}",
        *_framework_text(report),
        *[f"data set {name}: {where}" for name, where in report["datasets"].items()],
        "extras: " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in report["extras"].items()),
    ]


def _framework_text(report: dict[str, Any]) -> list[str]:
    if "problem" in report:
        return [f"backend {report['backend']}: {report['problem']}"]
    speedup = report["bfloat16_speedup"]
    return [
        f"backend {report['backend']}, devices: {', '.join(report['devices'])}",
        *([f"no GPU is used: {report['gpu_problem']}"] if report["gpu_problem"] else []),
        "versions: " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        f"precision auto: {report['precision']}; bfloat16 is {speedup['median']:.2f} times as fast as float32 here "
        f"(quartiles {speedup['quartiles'][0]:.2f} to {speedup['quartiles'][1]:.2f}, {speedup['of']})",
    ]
