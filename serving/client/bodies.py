"""Request bodies: arrays and pictures, checked, split into batches, and written as JSON."""

import json
import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from fixhead_serving.client.answers import Array
from keras_fixhead.errors import ArgumentError

# Limits of one request, well below the 32 MiB that our server accepts.
_REQUEST_NUMBERS = 500_000  # at most about 16 bytes each, as JSON
_REQUEST_BYTES = 8 * 2**20
_MOST_IMAGES = 128

Picture = TypeVar("Picture")


def checked_images(images: npt.ArrayLike) -> Array:
    """Returns images as an array that can be written: integers keep their type, everything else becomes float32.

    Raises:
        ArgumentError: if the images are not numbers of shape (N, H, W, 3) with N of at least 1.
    """
    try:
        array = np.asarray(images)
        whole = array.dtype.kind in "ui" and array.dtype.isnative  # "7" is shorter than "7.0" and means the same
        array = np.ascontiguousarray(array, None if whole else np.float32)
    except (TypeError, ValueError):
        raise ArgumentError("images is not a regular array of numbers. Expected an array (N, H, W, 3).") from None
    if array.ndim != 4 or 0 in array.shape:
        raise ArgumentError(f"images has shape {array.shape}. Expected (N, H, W, 3) with N of at least 1.")
    return array


def checked_vectors(vectors: npt.ArrayLike) -> Array:
    """Returns vectors as a float32 array.

    Raises:
        ArgumentError: if the vectors are not numbers of shape (N, D) with N of at least 1.
    """
    try:
        array = np.ascontiguousarray(vectors, np.float32)
    except (TypeError, ValueError):
        raise ArgumentError("vectors is not a regular array of numbers. Expected an array (N, D).") from None
    if array.ndim != 2 or 0 in array.shape:
        raise ArgumentError(f"vectors has shape {array.shape}. Expected (N, D) with N of at least 1.")
    return array


def checked_batch_size(batch_size: int) -> int:
    """Returns a batch size once it is checked.

    Raises:
        ArgumentError: if it is below 1.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size={batch_size} is too small. Expected at least 1.")
    return batch_size


def check_pictures(pictures: Sequence[bytes]) -> None:
    """Checks that a list contains the contents of picture files.

    Raises:
        ArgumentError: if the list is empty, or one of its items is empty or not bytes.
    """
    if isinstance(pictures, (bytes, str)) or not len(pictures):
        raise ArgumentError("There are no pictures to predict. Expected a list with the contents of picture files.")
    for index, picture in enumerate(pictures):
        if not isinstance(picture, bytes) or not picture:
            text = f"Picture {index} is {described(picture)}. Expected the contents of a picture file, as bytes."
            raise ArgumentError(text)


def image_batches(images: Array, batch_size: int | None) -> Iterator[Array]:
    """Yields images in batches of a given size, or of as many as fit into a few megabytes."""
    size = checked_batch_size(_fitting(images) if batch_size is None else batch_size)
    return (images[start : start + size] for start in range(0, len(images), size))


def picture_batches(pictures: Iterable[Picture], size_of: Callable[[Picture], int],
                    batch_size: int) -> Iterator[list[Picture]]:
    """Yields pictures, or their files, in batches limited in number and in bytes."""
    pack: list[Picture] = []
    total = 0
    for picture in pictures:
        size = size_of(picture)
        if pack and (len(pack) == batch_size or total + size > _REQUEST_BYTES):
            yield pack
            pack, total = [], 0
        pack.append(picture)
        total += size
    yield pack


def images_body(signature: str, images: Array) -> bytes:
    """Returns the request body for a batch of images sent as numbers, which a server reads back bit for bit."""
    body = {"signature_name": signature, "inputs": images}
    if images.dtype.kind in "ui" or np.isfinite(images).all():
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps({**body, "inputs": images.tolist()}).encode("ascii")  # orjson would write NaN as null


def pictures_body(signature: str, pictures: Sequence[bytes]) -> bytes:
    """Returns the request body for a batch of encoded pictures."""
    inputs = [{"b64": b64encode(picture).decode("ascii")} for picture in pictures]
    return orjson.dumps({"signature_name": signature, "inputs": inputs})


def described(value: object) -> str:
    """Returns a description of a wrong argument, for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return "empty" if value == b"" else f"a {type(value).__name__}"


def _fitting(images: Array) -> int:
    return max(1, min(_MOST_IMAGES, _REQUEST_NUMBERS // math.prod(images.shape[1:])))
