"""`fixhead export`."""
import dataclasses
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.output import command_line, data_dir_option, json_option, print_result, quiet_option, show_progress
from fixhead_serving.export.formats import FORMATS
from keras_fixhead.runs import Run


@click.command("export")
@click.argument("run", type=paths.RUN)
@click.argument("directory", metavar="DIR", type=paths.OutputFolder("a folder for the versions of a model"))
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), default="saved_model",
              show_default=True, help="SavedModel for TensorFlow Serving, or a single ONNX or LiteRT file.")
@click.option("--calibrate", is_flag=True, help="Fit a temperature on validation images and divide logits by it "
              "before they become probabilities; logits and classes do not change.")
@data_dir_option
@quiet_option
@json_option
def command(run: Run, directory: Path, format_name: str, calibrate: bool, data_dir: str | None, quiet: bool,
            as_json: bool) -> None:
    """Write a trained run as a SavedModel for serving.

    DIR is the model's folder, and the model takes its name: the first export writes DIR/1, the next DIR/2 (DIR/onnx-1
    for ONNX, DIR/litert-1 for LiteRT). An export is written under a temporary name and renamed once a separate process
    has checked it.

    \b
    Example:
        fixhead export runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 served/cifar10
    """
    from fixhead_cli.framework import load_keras

    show_progress(quiet)
    load_keras()
    from fixhead_serving.export import export_run

    exported = export_run(run.path, directory, format=format_name, calibrate=calibrate, data_dir=data_dir)
    after = ["Next:", f"  {command_line('serve', directory)}"] if format_name == "saved_model" else []
    print_result({"run": str(run.path), **dataclasses.asdict(exported), "path": str(exported.path)}, as_json=as_json,
                 text=[f"{exported.name}, version {exported.version}: {exported.path}",
                       f"{exported.size_bytes / 1e6:.1f} MB; {exported.images_per_second:,.0f} images per second here "
                       f"in batches of 32; logits match the Keras model's to {exported.largest_difference:.0e}.",
                       *after])
