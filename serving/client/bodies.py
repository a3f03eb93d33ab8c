"""What is sent: arrays and pictures, checked, cut into batches, written as JSON."""

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

# Bounds of one request, well below the 32 MiB that a server of ours takes.
_REQUEST_NUMBERS = 500_000  # about 16 bytes each at the most, written as JSON
_REQUEST_BYTES = 8 * 2**20
_MOST_IMAGES = 128

Picture = TypeVar("Picture")


def checked_images(images: npt.ArrayLike) -> Array:
    """Returns images as an array that can be written: integers stay what they are, all else becomes float32.

    Raises:
        ArgumentError: if they are not numbers of shape (N, H, W, 3) with N of at least 1.
    """
    try:
        array = np.asarray(images)
        whole = array.dtype.kind in "ui" and array.dtype.isnative  # "7" is shorter than "7.0", and the same to a server
        array = np.ascontiguousarray(array, None if whole else np.float32)
    except (TypeError, ValueError):
        raise ArgumentError("images are not numbers of one shape. Expected an array (N, H, W, 3).") from None
    if array.ndim != 4 or 0 in array.shape:
        raise ArgumentError(f"images have shape {array.shape}. Expected (N, H, W, 3) with N of at least 1.")
    return array


def checked_batch_size(batch_size: int) -> int:
    """Returns a batch size.

    Raises:
        ArgumentError: if it is below 1.
    """
    if batch_size < 1:
        raise ArgumentError(f"batch_size={batch_size} is not a number of pictures. Expected at least 1.")
    return batch_size


def check_pictures(pictures: Sequence[bytes]) -> None:
    """Checks that these are contents of picture files.

    Raises:
        ArgumentError: if there is none, or one is not bytes, or empty.
    """
    if isinstance(pictures, (bytes, str)) or not len(pictures):
        raise ArgumentError("There are no pictures to predict. Expected a list of the contents of picture files.")
    for index, picture in enumerate(pictures):
        if not isinstance(picture, bytes) or not picture:
            text = f"Picture {index} is {described(picture)}. Expected the contents of a picture file, as bytes."
            raise ArgumentError(text)


def image_batches(images: Array, batch_size: int | None) -> Iterator[Array]:
    """Yields images in batches of a size, or of as many as fit in some megabytes."""
    size = checked_batch_size(_fitting(images) if batch_size is None else batch_size)
    return (images[start : start + size] for start in range(0, len(images), size))


def picture_batches(pictures: Iterable[Picture], size_of: Callable[[Picture], int],
                    batch_size: int) -> Iterator[list[Picture]]:
    """Yields pictures, or their files, in batches that are small enough in number and in bytes."""
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
    """Returns the request for a batch of images as numbers, which a server reads back to the bit."""
    body = {"signature_name": signature, "inputs": images}
    if images.dtype.kind in "ui" or np.isfinite(images).all():
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps({**body, "inputs": images.tolist()}).encode("ascii")  # orjson would write NaN as null


def pictures_body(signature: str, pictures: Sequence[bytes]) -> bytes:
    """Returns the request for a batch of encoded pictures."""
    inputs = [{"b64": b64encode(picture).decode("ascii")} for picture in pictures]
    return orjson.dumps({"signature_name": signature, "inputs": inputs})


def described(value: object) -> str:
    """Returns what a wrong argument is, in words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    return "empty" if value == b"" else f"a {type(value).__name__}"


def _fitting(images: Array) -> int:
    return max(1, min(_MOST_IMAGES, _REQUEST_NUMBERS // math.prod(images.shape[1:])))
