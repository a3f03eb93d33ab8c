"""`fixhead predict`."""
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli.counting import counting
from fixhead_cli.output import json_option, print_result, quiet_option
from fixhead_cli.predictions import Predictions, line
from fixhead_cli.server_options import is_url, server_options
from fixhead_cli.targets import Array, Target, run_target, server_target
from fixhead_serving.client import (
    ARRAY_ENDINGS,
    BATCH_SIZE,
    Client,
    curl_line,
    find_pictures,
    picture_batches,
    predict_files,
    read_images,
)
from keras_fixhead.errors import ArgumentError, DataError

_SHOWN_REASONS = 20


@click.command("predict")
@click.argument("name", metavar="RUN|URL")
@click.argument("paths", metavar="FILE|FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top-k", type=click.IntRange(min=1), default=1, show_default=True, help="Classes shown of each.")
@click.option("--labels", metavar="FILE", help="URL: names of all classes, one a line (labels.txt of the export).")
@click.option("--sheet", metavar="FILE.png", type=click.Path(path_type=Path),
              help="Draw a contact sheet of the pictures with their labels.")
@click.option("--batch-size", type=click.IntRange(min=1), default=BATCH_SIZE, show_default=True,
              help="Pictures read and asked for at a time.")
@click.option("--gzip", "compress", is_flag=True, help="URL: compress images that are sent as numbers.")
@click.option("--curl", is_flag=True, help="URL: print the curl command for it, and ask nothing.")
@server_options
@quiet_option
@json_option
def command(name: str, paths: tuple[Path, ...], top_k: int, labels: str | None, sheet: Path | None, batch_size: int,
            compress: bool, curl: bool, token: str | None, ca_cert: str | None, timeout: float, quiet: bool,
            as_json: bool) -> int:
    """Classify pictures, by a run or by a server.

    FILE is a picture, or an .npy or .npz file of images (N, H, W, 3): uint8 of any size, or float of the model's size.
    In a FOLDER are pictures at any depth. Files that cannot be read are left out, named on standard error, and make
    the exit status 1.

    \b
    Example:
        fixhead predict runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 picture.png
        fixhead predict http://127.0.0.1:8501/v1/models/cifar10 photographs --top-k 3 --sheet sheet.png
    """
    files = find_pictures(path for path in paths if not _is_array(path))
    arrays = {path: read_images(path) for path in paths if _is_array(path)}
    if curl:
        lines = _curl_lines(name, files, arrays, batch_size, token=token is not None, ca_cert=ca_cert, timeout=timeout)
        print_result({"curl": lines}, as_json=as_json, text=lines)
        return 0
    if is_url(name):
        client = Client(name, timeout, token=token, ca_cert=ca_cert, compress=compress)
        click.get_current_context().call_on_close(client.close)
        target = server_target(client, labels, batch_size)
    elif labels is None:
        target = run_target(name)
    else:
        raise ArgumentError("--labels is for a server: a run knows the names of its classes.", hint="Leave it out.")
    predictions = Predictions(top_k, target.label_names)
    with counting(len(files) + sum(map(len, arrays.values())), "Predicted", quiet) as update:
        skipped = _predict_files(target, files, batch_size, predictions, update)
        _predict_arrays(target, arrays, batch_size, predictions, update)
    rows = predictions.rows()
    if not rows:
        raise _nothing_read(skipped)
    result = {"target": name, "predictions": rows, "skipped": [
        {"file": file, "reason": reason} for file, reason in skipped.items()]}
    text = [line(row) for row in rows]
    if sheet:
        from fixhead_cli.sheet import draw_sheet

        result["sheet"] = str(draw_sheet(sheet, rows, arrays))
        text.append(f"Sheet: {sheet}")
    print_result(result, as_json=as_json, text=text)
    _report(skipped, len(files))
    return 1 if skipped else 0


def _is_array(path: Path) -> bool:
    return path.suffix.lower() in ARRAY_ENDINGS


def _predict_files(target: Target, files: Sequence[Path], batch_size: int, predictions: Predictions,
                   update: Callable[[int], None]) -> dict[str, str]:
    """Returns the files that were left out, with the reason."""
    skipped: dict[str, str] = {}
    for batch in predict_files(target.pictures, files, batch_size):
        if batch.files:
            predictions.add([{"file": str(file)} for file in batch.files], batch.outputs)
        skipped |= {str(file): reason for file, reason in batch.skipped.items()}
        update(len(batch.files) + len(batch.skipped))
    return skipped


def _predict_arrays(target: Target, arrays: Mapping[Path, Array], batch_size: int, predictions: Predictions,
                    update: Callable[[int], None]) -> None:
    for path, images in arrays.items():
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            sources = [{"file": str(path), "index": start + number} for number in range(len(part))]
            predictions.add(sources, target.images(part))
            update(len(part))


def _curl_lines(name: str, files: Sequence[Path], arrays: Mapping[Path, Array], batch_size: int,
                **options: Any) -> list[str]:
    if not is_url(name):
        raise ArgumentError(f"{name} is no server's address: nothing to ask with curl.",
                            hint="Expected http://HOST:PORT/v1/models/NAME.")
    if arrays:
        raise ArgumentError(f"{next(iter(arrays))} is no picture: a shell cannot turn arrays into a request.",
                            hint="Give pictures, or ask without --curl.")
    return [curl_line(name, batch, **options)
            for batch in picture_batches(files, lambda file: file.stat().st_size, batch_size)]


def _nothing_read(skipped: Mapping[str, str]) -> DataError:
    first, *others = skipped.values()
    return DataError(first + "".join(f" {each}" for each in others[:_SHOWN_REASONS]),
                     hint="Give PNG, JPEG, BMP, GIF or WebP files.")


def _report(skipped: Mapping[str, str], total: int) -> None:
    if skipped:
        click.echo(f"Left out {len(skipped):,} of {total:,} files:", err=True)
    for reason in list(skipped.values())[:_SHOWN_REASONS]:
        click.echo(f"  {reason}", err=True)
    if len(skipped) > _SHOWN_REASONS:
        click.echo(f"  and {len(skipped) - _SHOWN_REASONS:,} more (--json names all)", err=True)
