"""`fixhead predict`."""
from pathlib import Path
from typing import Any

import click
import numpy as np

from fixhead_cli.output import json_option, percent, print_result
from keras_fixhead.errors import DataError
from keras_fixhead.runs import open_run


@click.command("predict")
@click.argument("target", metavar="RUN|URL")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def command(target: str, pictures: tuple[Path, ...], as_json: bool) -> None:
    """Classify pictures, by a run or by a server.

    \b
    Example:
        fixhead predict runs/20261123-120000-cifar10-resnet18-cos-fixed-s0 picture.png
        fixhead predict http://127.0.0.1:8501/v1/models/cifar10 picture.png
    """
    contents = [_read(path) for path in pictures]
    if target.startswith(("http://", "https://")):
        answer = _ask_server(target, contents)
    else:
        answer = _ask_run(target, contents, [str(path) for path in pictures])
    rows: list[dict[str, Any]] = [
        {"file": str(path), "label": str(label), "class_index": int(index), "probability": float(probabilities[index])}
        for path, label, index, probabilities in zip(
            pictures, answer["label"], answer["class_index"], answer["probabilities"], strict=True)
    ]
    print_result({"predictions": rows}, as_json=as_json,
                 text=[f"{row['file']}: {row['label']} ({percent(row['probability'])})" for row in rows])


def _read(path: Path) -> bytes:
    from keras_fixhead.data.pictures import decode_picture

    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    decode_picture(content, str(path))  # a server would not say which picture of a batch is the broken one
    return content


def _ask_server(url: str, contents: list[bytes]) -> dict[str, Any]:
    from fixhead_serving.client import Client

    with Client(url) as client:
        return client.predict_pictures(contents)


def _ask_run(path: str, contents: list[bytes], names: list[str]) -> dict[str, Any]:
    run = open_run(path)

    from fixhead_cli.framework import load_keras

    load_keras()
    from keras_fixhead.evaluation import classify_pictures
    from keras_fixhead.models import load_model

    model = load_model(run.path)
    labels = run.read("result")["label_names"]
    probabilities = classify_pictures(model, contents, names)
    index = probabilities.argmax(axis=1)
    return {"label": np.array(labels)[index], "class_index": index, "probabilities": probabilities}
