"""`fixhead doctor`."""
import importlib.util
from typing import Any

import click

from fixhead_cli.output import data_dir_option, json_option, print_result
from keras_fixhead import hardware

EXTRAS = {
    "test": ("pytest", "hypothesis", "jax", "build"),
    "dev": ("ruff", "mypy", "importlinter", "build"),
    "cv": ("keras_cv",),
    "imgaug": ("imgaug",),
    "jax": ("jax",),
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
    from fixhead_cli.framework import load_keras

    load_keras()
    from keras_fixhead.training import describe_environment
    from keras_fixhead.training.precision_check import measure_bfloat16_gain

    median, low, high = measure_bfloat16_gain()
    report: dict[str, Any] = {
        **describe_environment(),
        "precision": {
            "auto": hardware.resolve_precision("auto"),
            "bfloat16_instructions": hardware.cpu_has_bfloat16(),
            "bfloat16_speedup": {"median": median, "quartiles": [low, high], "of": "a 3x3 convolution, 10 rounds"},
        },
        "datasets": _datasets(data_dir),
        "extras": {name: all(importlib.util.find_spec(module) is not None for module in modules)
                   for name, modules in EXTRAS.items()},
    }
    print_result(report, as_json=as_json, text=_text(report))


def _datasets(data_dir: str | None) -> dict[str, str]:
    from keras_fixhead.catalog import DATASETS
    from keras_fixhead.data.tfds import data_folder, is_prepared

    folder = data_folder(data_dir)
    return {
        name: "embedded" if entry.tfds_name is None
        else f"prepared in {folder}" if is_prepared(name, folder)
        else f"not prepared in {folder}"
        for name, entry in DATASETS.items()
    }


def _text(report: dict[str, Any]) -> list[str]:
    precision = report["precision"]
    speedup = precision["bfloat16_speedup"]
    return [
        f"Python {report['python']} on {report['platform']}, backend {report['backend']}",
        "versions: " + ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        f"devices: {', '.join(report['devices'])}",
        f"processor: {report['cpu']}, {report['cpu_count']} cores; GPUs: {', '.join(report['gpus']) or 'none seen'}",
        f"precision auto: {precision['auto']}; bfloat16 is {speedup['median']:.2f} times as fast as float32 here "
        f"(quartiles {speedup['quartiles'][0]:.2f} to {speedup['quartiles'][1]:.2f}, {speedup['of']})",
        *[f"data set {name}: {where}" for name, where in report["datasets"].items()],
        "extras: " + ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in report["extras"].items()),
    ]
