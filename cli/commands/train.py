"""`fixhead train`."""
import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.config_options import config_options
from fixhead_cli.output import command_line, json_option, percent, print_result, quiet_option, show_progress
from keras_fixhead.config import Resolved, TrainConfig, read_config_file, resolve
from keras_fixhead.errors import ArgumentError
from keras_fixhead.hardware import stored_step_seconds
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run, extended


@click.command("train")
@config_options()
@click.option("--config", "config_file", metavar="FILE", type=paths.CONFIG_FILE,
              help="Take the fields that are not given from a JSON file.")
@click.option("--resume", "run", metavar="RUN", type=paths.RUN,
              help="Continue an unfinished run; with --epochs, extend a finished one.")
@click.option("--dry-run", is_flag=True, help="Print the resolved configuration as JSON, which --config takes back.")
@quiet_option
@json_option
def command(config_file: Path | None, run: Run | None, dry_run: bool, quiet: bool, as_json: bool,
            **fields: Any) -> None:
    """Train a model; write a run directory.

    Options win over --config, that over the recipe, that over the defaults given here.

    \b
    Example:
        fixhead train --dataset cifar10 --head cos --fixed --recipe cpu
        fixhead train --resume runs/20261123-120000-cifar10-resnet18-cos-fixed-s0
    """
    explicit = {name: value for name, value in fields.items() if value is not None}
    if run is not None:
        config = _resumed_config(run, explicit, config_file)
        if _is_complete(run) and config.epochs == run.config().epochs:
            click.echo(f"{run.path} is complete: there is nothing to resume. Extend it: --epochs N.", err=True)
            _print_run(run, as_json)
            return
    else:
        config = build_config(explicit, read_config_file(config_file) if config_file else None)
    resolved = resolve(config)  # any mistake is reported before Keras is loaded
    if dry_run:
        print_result(_plan(resolved), as_json=True)
        return

    from fixhead_cli.framework import load_keras, load_reader, results_kept_clean
    from keras_fixhead.data import check_available

    # before Keras, which takes seconds to load
    check_available(config.dataset, config.data_dir, image_size=config.image_size)
    load_keras()
    load_reader(config.dataset, config.data_dir)
    from fixhead_cli.progress import progress_bars
    from keras_fixhead.training import is_first, is_one_of_several, start, train

    with contextlib.ExitStack() as stack:
        if is_one_of_several():  # only the first of them speaks
            stack.enter_context(results_kept_clean())
            resolved = start(resolved)
            quiet = quiet or not is_first()
        show_progress(quiet)
        run = train(resolved, resume=run, callbacks=progress_bars(config.epochs, quiet))
    if is_first():
        _print_run(run, as_json)


def _is_complete(run: Run) -> bool:
    return run.has("status") and run.read("status").get("state") == "complete"


def _resumed_config(run: Run, explicit: dict[str, Any], config_file: Path | None) -> TrainConfig:
    epochs = explicit.pop("epochs", None)
    others = [f"--{name.replace('_', '-')}" for name in explicit if not TrainConfig.field(name).metadata["resumable"]]
    others += ["--config"] if config_file else []
    if others:
        raise ArgumentError(f"--resume goes on with the run's own configuration; {', '.join(others)} cannot change it.",
                            hint="Leave those options out, or start a new run.")
    config = run.config()
    if epochs is not None and epochs != config.epochs:
        config = extended(run, epochs)
    return dataclasses.replace(config, **explicit)


def _plan(resolved: Resolved) -> dict[str, Any]:
    steps = resolved.config.epochs * resolved.steps_per_epoch
    step_seconds = stored_step_seconds(resolved.step_time_key)
    return {
        "asked": resolved.asked.as_dict(),
        "config": resolved.config.as_dict(),
        "config_digest": resolved.digest,
        "class_vectors_digest": resolved.class_vectors_digest,
        "steps": steps,
        "estimated_seconds": None if step_seconds is None else step_seconds * steps,
        "estimate": "not measured yet" if step_seconds is None else "from a step timed before on this machine",
    }


def _print_run(run: Run, as_json: bool) -> None:
    result = run.read("result")
    text = [f"run: {run.path}"]
    for split, each in result["evaluation"].items():
        text.append(f"{split}: {percent(each['accuracy'])} of {each['n']} "
                    f"(95 % interval {percent(each['accuracy_low'])} to {percent(each['accuracy_high'])})")
    speed = f"{result['images_per_second']:.0f} images/s{_rate(result)}"
    text.append(f"{result['seconds']:.0f} s, {speed}, {_memory(result)}"
                + (f"; stopped early: {result['stop_reason']}" if result.get("stop_reason") else ""))
    text.append(f"figures: {run.path / 'curves.png'}, confusion.png, predictions.png")
    text += ["Next:", f"  {command_line('show', run.path)}",
             f"  {command_line('export', run.path, f'served/{Path(run.config().dataset).name}')}"]
    print_result({"run": str(run.path), **{name: result[name] for name in (
        "accuracy", "evaluation", "config_digest", "class_vectors_digest", "epoch", "seconds", "images_per_second")},
        **{name: result.get(name) for name in ("flops_per_second", "share_of_peak", "peak_memory_bytes",
                                               "device_peak_memory_bytes")}},
        as_json=as_json, text=text)


def _rate(result: dict[str, Any]) -> str:
    """The arithmetic of the steps a second, of a run that has it."""
    rate = result.get("flops_per_second")
    if rate is None:
        return ""
    text = f", {rate / 1e12:.1f} TFLOP/s" if rate >= 1e12 else f", {rate / 1e9:.1f} GFLOP/s"
    if result["share_of_peak"] is not None:
        text += (f" ({percent(result['share_of_peak'])} of the {result['peak_flops_per_second'] / 1e12:.0f} that are "
                 f"stated for {result['peak_device']})")
    return text


def _memory(result: dict[str, Any]) -> str:
    text = f"{result['peak_memory_bytes'] / 2**20:,.0f} MB at most"
    device = result.get("device_peak_memory_bytes")
    return text if device is None else f"{text}, {device / 2**20:,.0f} MB of the device"
