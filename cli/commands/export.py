"""`fixhead export`."""
import dataclasses

import click

from fixhead_cli.output import command_line, json_option, print_result, quiet_option, show_progress
from fixhead_serving.export.formats import FORMATS
from keras_fixhead.runs import open_run


@click.command("export")
@click.argument("run")
@click.argument("directory", metavar="DIR")
@click.option("--format", "format_name", type=click.Choice(list(FORMATS)), default="saved_model",
              show_default=True, help="SavedModel for TensorFlow Serving, or one file of ONNX or LiteRT.")
@quiet_option
@json_option
def command(run: str, directory: str, format_name: str, quiet: bool, as_json: bool) -> None:
    """Write a trained run as a SavedModel for serving.

    DIR is the model's base path: its name is the model's, and the first export writes DIR/1, the next DIR/2; of ONNX
    DIR/onnx-1, of LiteRT DIR/litert-1. It is written aside, and checked by a process of its own before it gets its
    name.

    \b
    Example:
        fixhead export runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 served/cifar10
    """
    opened = open_run(run)

    from fixhead_cli.framework import load_keras

    show_progress(quiet)
    load_keras()
    from fixhead_serving.export import export_run

    exported = export_run(opened.path, directory, format=format_name)
    after = ["Next:", f"  {command_line('serve', directory)}"] if format_name == "saved_model" else []
    print_result({"run": str(opened.path), **dataclasses.asdict(exported), "path": str(exported.path)}, as_json=as_json,
                 text=[f"{exported.name}, version {exported.version}: {exported.path}",
                       f"{exported.size_bytes / 1e6:.1f} MB; {exported.images_per_second:,.0f} images a second here in "
                       f"batches of 32; logits are the Keras model's to {exported.largest_difference:.0e}.", *after])
