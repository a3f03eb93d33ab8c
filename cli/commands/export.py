"""`fixhead export`."""
import dataclasses
from pathlib import Path

import click

from fixhead_cli import paths
from fixhead_cli.checkpoints import checkpoint_content, checkpoint_model
from fixhead_cli.dependent import refuse_data_dir, refuse_typed
from fixhead_cli.exporting import exported_text
from fixhead_cli.output import (
    checkpoint_option,
    data_dir_option,
    json_option,
    print_result,
    quiet_option,
    show_progress,
)
from fixhead_serving.export.formats import FORMATS
from keras_fixhead.runs import Run


@click.command("export")
@click.argument("run", type=paths.RUN)
@click.argument("directory", metavar="DIR", type=paths.OutputFolder("a folder for the versions of a model"))
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), default="saved_model",
              show_default=True, help="SavedModel for TensorFlow Serving, or a single ONNX or LiteRT file.")
@click.option("--calibrate", is_flag=True, help="Fit a temperature on validation images and divide logits by it "
              "before they become probabilities; logits and classes do not change.")
@checkpoint_option
@data_dir_option
@quiet_option
@json_option
def command(run: Run, directory: Path, format_name: str, calibrate: bool, checkpoint: str | None,
            data_dir: str | None, quiet: bool, as_json: bool) -> None:
    """Write a trained run as a SavedModel for serving.

    DIR is the model's folder, and the model takes its name: the first export writes DIR/1, the next DIR/2 (DIR/onnx-1
    for ONNX, DIR/litert-1 for LiteRT). An export is written under a temporary name and renamed once a separate process
    has checked it.

    \b
    Example:
        fixhead export runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 served/cifar10
    """
    if not (calibrate or checkpoint):
        refuse_typed("data_dir", why="without --calibrate or --checkpoint: no data are read")
    refuse_data_dir(run.config().dataset)
    from fixhead_cli.framework import load_keras

    show_progress(quiet)
    load_keras()
    from fixhead_serving.export import export_run

    model = checkpoint_model(run, checkpoint, data_dir)
    exported = export_run(run.path, directory, format=format_name, calibrate=calibrate, data_dir=data_dir,
                          checkpoint=model)
    print_result({"run": str(run.path), **checkpoint_content(checkpoint, model), **dataclasses.asdict(exported),
                  "path": str(exported.path)}, as_json=as_json, text=exported_text(exported, directory))
