"""The pictures and arrays given to `fixhead predict`, and the loop that classifies them."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixhead_cli.counting import counting
from fixhead_cli.predictions import Predictions
from fixhead_cli.targets import Array, Target
from fixhead_serving.client import (
    ARRAY_ENDINGS,
    curl_line,
    find_pictures,
    picture_batches,
    predict_files,
    read_images,
)
from keras_fixhead.data.rows import first_not_finite
from keras_fixhead.errors import ArgumentError, DataError


@dataclass(frozen=True)
class Inputs:
    """Picture files, and the images of array files, by path."""

    files: Sequence[Path]
    arrays: Mapping[Path, Array]

    def __len__(self) -> int:
        return len(self.files) + sum(map(len, self.arrays.values()))

    @property
    def sends_numbers(self) -> bool:
        """Whether some are sent to a server as numbers, and not as encoded pictures."""
        return any(each.ndim == 2 or each.dtype.kind == "f" for each in self.arrays.values())


def find_inputs(paths: Sequence[Path]) -> Inputs:
    """Returns the pictures at the given paths, in folders at any depth, and the images of .npy and .npz files.

    Raises:
        DataError: if an array file cannot be read, or a folder has no pictures.
    """
    return Inputs(find_pictures(path for path in paths if not _is_array(path)),
                  {path: read_images(path) for path in paths if _is_array(path)})


def predict_inputs(target: Target, inputs: Inputs, batch_size: int, top_k: int,
                   quiet: bool) -> tuple[Predictions, dict[str, str]]:
    """Returns a row for each picture and image; and the files that were left out, with the reason.

    Args:
        target: the model.
        inputs: pictures and images.
        batch_size: number of images read and classified at a time.
        top_k: classes per row.
        quiet: whether to show no progress.

    Raises:
        DataError: for an image or vector in an array file that has NaN or infinity.
    """
    predictions, skipped = Predictions(top_k, target.label_names), dict[str, str]()
    with counting(len(inputs), "Predicted", quiet) as update:
        for batch in predict_files(target.pictures, inputs.files, batch_size, target.read):
            if batch.files:
                predictions.add([{"file": str(file)} for file in batch.files], batch.outputs)
            skipped |= {str(file): reason for file, reason in batch.skipped.items()}
            update(len(batch.files) + len(batch.skipped))
        for path, images in inputs.arrays.items():
            for start in range(0, len(images), batch_size):
                part = images[start : start + batch_size]
                if (row := first_not_finite(part)) is not None:
                    raise DataError(f"{path} has NaN or infinity, first in row {start + row:,}.", hint="Leave it out.")
                predictions.add([{"file": str(path), "index": start + number} for number in range(len(part))],
                                target.arrays(part))
                update(len(part))
    return predictions, skipped


def curl_lines(target: Any, inputs: Inputs, batch_size: int, connection: Mapping[str, Any]) -> list[str]:
    """Returns the curl commands that send pictures to a server.

    Args:
        target: a served model's address.
        inputs: pictures.
        batch_size: number of pictures per request.
        connection: `token`, `ca_cert` and `timeout` of `client_options`.

    Raises:
        ArgumentError: (a ValueError) for a run, or arrays.
    """
    if not isinstance(target, str):
        raise ArgumentError(f"{target.path} is a run, but --curl needs a server.",
                            hint="Expected http://HOST:PORT/v1/models/NAME. Serve the run: fixhead export, then "
                            "fixhead serve.")
    if inputs.arrays:
        raise ArgumentError(f"{next(iter(inputs.arrays))} is not a picture: --curl cannot send arrays.",
                            hint="Give pictures, or leave --curl out.")
    options = {**connection, "token": connection["token"] is not None}
    return [curl_line(target, batch, **options)
            for batch in picture_batches(inputs.files, lambda file: file.stat().st_size, batch_size)]


def _is_array(path: Path) -> bool:
    return path.suffix.lower() in ARRAY_ENDINGS
