"""What `fixhead predict` asks: a run in this process, or a server, through the same two functions."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixhead_serving.client import Client, encode_png, read_label_names

Array = NDArray[Any]


@dataclass(frozen=True)
class Target:
    """A model to ask.

    Args:
        pictures: gives the outputs for encoded pictures of any size; it is told their names as well, for messages.
        numbers: gives the outputs for float images of the model's size, (N, H, W, 3).
        label_names: names of all its classes, where they are known.
    """

    pictures: Callable[[list[bytes], list[str]], dict[str, Array]]
    numbers: Callable[[Array], dict[str, Array]]
    label_names: Sequence[str] | None

    def images(self, images: Array) -> dict[str, Array]:
        """Returns the outputs for images, (N, H, W, 3): uint8 of any size, or float of the model's."""
        if images.dtype.kind == "f":
            return self.numbers(images)
        names = [f"image {number}" for number in range(len(images))]
        return self.pictures([encode_png(image) for image in images], names)


def server_target(client: Client, labels: str | None, batch_size: int) -> Target:
    """Returns a served model.

    Args:
        client: its client.
        batch_size: how many images go into one request at the most.
        labels: file of its classes' names, if there is one.

    Raises:
        DataError: if that file cannot be read.
    """
    names = read_label_names(labels) if labels else None
    return Target(lambda contents, _: client.predict_pictures(contents, batch_size), client.predict_images, names)


def run_target(path: str) -> Target:
    """Returns the model of a run.

    Raises:
        RunError: if the run has no model.
    """
    from keras_fixhead.runs import open_run

    run = open_run(path)
    from fixhead_cli.framework import load_keras

    load_keras()
    from keras_fixhead.evaluation import run_predictor

    predictor = run_predictor(run)

    def outputs(probabilities: Array) -> dict[str, Array]:
        index = probabilities.argmax(axis=1)
        return {"label": np.array(predictor.label_names)[index], "class_index": index, "probabilities": probabilities}

    return Target(lambda contents, names: outputs(predictor.picture_probabilities(contents, names)),
                  lambda images: outputs(predictor.probabilities(images.astype(np.float32))), predictor.label_names)
