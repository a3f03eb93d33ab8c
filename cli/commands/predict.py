"""`fixhead predict`."""
from pathlib import Path
from typing import Any

import click

from fixhead_cli import paths
from fixhead_cli.client_options import client_options
from fixhead_cli.dependent import refuse_typed
from fixhead_cli.inputs import curl_lines, find_inputs, predict_inputs
from fixhead_cli.output import checkpoint_option, json_option, print_result, quiet_option
from fixhead_cli.predictions import print_predictions
from fixhead_cli.targets import open_target
from fixhead_serving.client import BATCH_SIZE
from keras_fixhead.runs import Run


@click.command("predict")
@click.argument("target", metavar="RUN|URL", type=paths.RUN_OR_URL)
@click.argument("pictures", metavar="FILE|FOLDER...", nargs=-1, required=True, type=paths.PICTURES)
@click.option("--top-k", type=click.IntRange(min=1), default=1, show_default=True, help="Classes shown per picture.")
@click.option("--labels", metavar="FILE", type=paths.LABELS_FILE,
              help="URL: names of all classes, one per line (labels.txt of the export).")
@click.option("--sheet", metavar="FILE.png", type=paths.PNG_FILE, help="Draw a contact sheet of pictures and labels.")
@click.option("--batch-size", type=click.IntRange(min=1), default=BATCH_SIZE, show_default=True,
              help="Pictures read and predicted at a time.")
@click.option("--gzip", "compress", is_flag=True, help="URL: compress images that are sent as numbers.")
@click.option("--curl", is_flag=True, help="URL: print curl commands instead of sending requests.")
@checkpoint_option
@client_options
@quiet_option
@json_option
def command(target: Run | str, pictures: tuple[Path, ...], top_k: int, labels: Path | None, sheet: Path | None,
            batch_size: int, compress: bool, curl: bool, checkpoint: str | None, quiet: bool, as_json: bool,
            **connection: Any) -> int:
    """Classify pictures with a run or a server.

    FILE is a picture, or an .npy or .npz file of images (N, H, W, 3): uint8 of any size, or float of the model's size.
    A FOLDER may contain pictures at any depth. Files that cannot be read are left out and named on standard error; the
    exit status is then 1.

    \b
    Example:
        fixhead predict runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 picture.png
        fixhead predict http://127.0.0.1:8501/v1/models/cifar10 photographs --top-k 3 --sheet sheet.png
    """
    if isinstance(target, Run):
        refuse_typed("compress", "token", "ca_cert", "timeout", why="with a run: it is for a server")
    if curl:
        refuse_typed("top_k", "labels", "sheet", "compress", "checkpoint", why="with --curl, which prints commands")
        lines = curl_lines(target, find_inputs(pictures), batch_size, connection)
        print_result({"curl": lines}, as_json=as_json, text=lines)
        return 0
    inputs = find_inputs(pictures)
    if not inputs.sends_numbers:
        refuse_typed("compress", why="on pictures, which are sent as they are")
    model = open_target(target, connection, labels, batch_size=batch_size, compress=compress, checkpoint=checkpoint)
    predictions, skipped = predict_inputs(model, inputs, batch_size, top_k, quiet)
    return print_predictions(target, predictions, inputs, skipped, sheet, as_json=as_json)
