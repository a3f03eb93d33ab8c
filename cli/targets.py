"""The models that `fixhead predict` and `fixhead robustness` query: a run in this process, or a server."""
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import click
import numpy as np
from numpy.typing import NDArray

from fixhead_serving.client import BATCH_SIZE, Client, encode_png, read_label_names
from fixhead_serving.client.pictures import read_unchanged
from keras_fixhead.data.class_map import find_class
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.errors import ArgumentError, FixheadWarning
from keras_fixhead.runs import Run

Array = NDArray[Any]
Outputs = dict[str, Array]
"""'label', 'class_index' and 'probabilities', one row per image; from a model that never has all probabilities,
'top_classes', 'top_labels' and 'top_probabilities'."""


class Target(Protocol):
    """A model to query; `label_names` are the names of all its classes, or None if they are not known."""

    label_names: Sequence[str] | None

    def form(self) -> PictureForm:
        """Returns how a picture becomes an image that the model takes."""

    def read(self, file: Path) -> bytes:
        """Returns a picture file's contents as `pictures` takes them; raises a DataError if it is not a picture."""

    def pictures(self, contents: list[bytes], names: list[str]) -> Outputs:
        """Returns the outputs for encoded pictures of any size; `names` are for messages."""

    def arrays(self, images: Array) -> Outputs:
        """Returns the outputs for images, (N, H, W, 3): uint8 of any size, or float of the model's size."""

    def classifier(self, data: Any) -> Callable[[Array], Array]:
        """Returns a function from images of a data set to predicted classes, numbered as in the data set; -1 for a
        class that it does not have."""


class RunTarget:
    """The model of a run, in this process.

    Raises:
        RunError: if the run has no model.
    """

    def __init__(self, run: Run, checkpoint: str | None = None) -> None:
        from fixhead_cli.checkpoints import checkpoint_model
        from fixhead_cli.framework import load_keras

        load_keras()
        from keras_fixhead.evaluation import run_predictor

        model = checkpoint_model(run, checkpoint)
        self._predictor = model.predictor if model else run_predictor(run)
        self.label_names: Sequence[str] | None = self._predictor.label_names

    def read(self, file: Path) -> bytes:
        return read_unchanged(file)

    def pictures(self, contents: list[bytes], names: list[str]) -> Outputs:
        return self._outputs(self._predictor.picture_images(contents, names))

    def arrays(self, images: Array) -> Outputs:
        if images.dtype.kind == "f":
            return self._outputs(images.astype(np.float32))
        return self._outputs(self._predictor.resized(images))

    def form(self) -> PictureForm:
        return self._predictor.form

    def classifier(self, data: Any) -> Callable[[Array], Array]:
        self._predictor.check_fits(data)
        return self._predictor.classes

    def _outputs(self, images: Array) -> Outputs:
        if self._predictor.streams:
            classes, shares = self._predictor.best(images)
            return {"top_classes": classes, "top_labels": self._named(classes), "top_probabilities": shares}
        probabilities = self._predictor.probabilities(images)
        index = probabilities.argmax(axis=1)
        return {"label": self._named(index), "class_index": index, "probabilities": probabilities}

    def _named(self, classes: Array) -> Array:
        """The names of classes, an array of the same shape."""
        names = self._predictor.label_names
        return np.array([names[each] for each in classes.ravel().tolist()]).reshape(classes.shape)


class ServerTarget:
    """A served model.

    Args:
        client: a client for it.
        labels: file with the names of its classes, if there is one.
        batch_size: largest number of images per request.

    Raises:
        DataError: if that file cannot be read.
    """

    def __init__(self, client: Client, labels: Path | None, batch_size: int) -> None:
        self._client, self._batch_size = client, batch_size
        self.label_names: Sequence[str] | None = read_label_names(labels) if labels else None

    def form(self) -> PictureForm:
        form = self._client.picture_form()
        if form is None:
            form = PictureForm.of(self._client.image_shape())
            warnings.warn(f"{self._client.url} fits pictures to its images in its own way. Here they are {form}.",
                          FixheadWarning, stacklevel=2)
        return form

    def read(self, file: Path) -> bytes:
        return self._client.read_picture(file)

    def pictures(self, contents: list[bytes], names: list[str]) -> Outputs:
        return self._client.predict_pictures(contents, self._batch_size)

    def arrays(self, images: Array) -> Outputs:
        if images.ndim == 2:
            return self._client.predict_vectors(images)
        if images.dtype.kind == "f":
            return self._client.predict_images(images)
        return self.pictures([encode_png(image) for image in images], [])

    def classifier(self, data: Any) -> Callable[[Array], Array]:
        known: dict[str, int] = {}

        def classes(images: Array) -> Array:
            labels = self._client.classify(images)["label"].tolist()
            for name in set(labels) - known.keys():
                found = find_class(name, data.label_names)
                known[name] = -1 if found is None else found
            if max(known.values()) < 0:
                raise ArgumentError(f"The server's labels are not those of this data set: "
                                    f"{', '.join(sorted(known)[:3])} instead of {', '.join(data.label_names[:3])}.",
                                    hint="Give a data set with classes of the model: --dataset NAME")
            return np.array([known[name] for name in labels])

        return classes


def open_target(target: Run | str, connection: Mapping[str, Any], labels: Path | None = None, *,
                batch_size: int = BATCH_SIZE, compress: bool = False, reach: bool = False,
                checkpoint: str | None = None) -> Target:
    """Returns a run, or the server at an address, as a model to query; the command's end closes the connection.

    Args:
        target: a run, or a served model's address.
        connection: `token`, `ca_cert` and `timeout` of `client_options`.
        labels: file with the names of a served model's classes.
        batch_size: largest number of images per request.
        compress: whether to compress images that are sent as numbers.
        reach: whether to request a server's status now, before any slow work.
        checkpoint: 'best' or 'newest' for the model of a run's checkpoint; None for its trained model.

    Raises:
        ArgumentError: for `labels` with a run, or `checkpoint` with a server.
        ServingError: with `reach`, if the server does not answer.
    """
    if isinstance(target, Run):
        if labels is not None:
            raise ArgumentError("--labels applies only to a server: a run knows the names of its classes.",
                                hint="Leave --labels out.")
        return RunTarget(target, checkpoint)
    if checkpoint is not None:
        raise ArgumentError("--checkpoint applies only to a run: a server has the model that was exported.",
                            hint="Leave --checkpoint out.")
    client = Client(target, compress=compress, **connection)
    click.get_current_context().call_on_close(client.close)
    if reach:
        client.status()
    return ServerTarget(client, labels, batch_size)
