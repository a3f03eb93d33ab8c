"""`fixhead export`."""
import click

from fixhead_cli.output import command_line, json_option, print_result
from keras_fixhead.runs import open_run


@click.command("export")
@click.argument("run")
@click.argument("directory", metavar="DIR")
@json_option
def command(run: str, directory: str, as_json: bool) -> None:
    """Write a trained run as a SavedModel for serving.

    DIR is the model's base path: its name is the model's, and the first export writes DIR/1, the next DIR/2.

    \b
    Example:
        fixhead export runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 served/cifar10
    """
    opened = open_run(run)

    from fixhead_cli.framework import load_keras

    load_keras()
    from fixhead_serving.export import export_run

    exported = export_run(opened.path, directory)
    print_result({"run": str(opened.path), "name": exported.name, "version": exported.version,
                  "path": str(exported.path)}, as_json=as_json,
                 text=[f"{exported.name}, version {exported.version}: {exported.path}", "Next:",
                       f"  {command_line('serve', directory)}"])
