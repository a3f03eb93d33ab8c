"""Prepares picture files for sending: checks them, so that one broken file fails alone, and turns them upright.

Servers of models that were not exported by this library ignore the orientation that cameras store in EXIF: a portrait
would arrive on its side. A picture that is stored upright, as nearly all are, is sent byte for byte; any other is
rotated and written as PNG, and so is one that servers do not decode, or not to the same pixels. What a picture's pixels
are, the room `keras_fixhead.data.pictures` says; it is imported when a picture is read.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fixhead_serving.client.answers import Array
from fixhead_serving.client.bodies import described
from keras_fixhead.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from PIL import Image

PNG_LIMIT_BYTES = 8 * 2**20
"""A photograph whose PNG is larger would not fit in a request, and is written as JPEG instead."""

FILE_LIMIT_BYTES = 256 * 2**20
"""The most that is read: a file may be a device that never ends."""

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_JPEG_QUALITY = 95
_TRANSPOSES = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""Numbers of `PIL.Image.Transpose` that show a picture upright, by its EXIF orientation."""


def read_picture(path: str | os.PathLike[str]) -> bytes:
    """Returns the contents of a picture file in the form in which they are sent.

    Args:
        path: a PNG, JPEG, BMP, GIF, WebP, TIFF or AVIF file, with any name.

    Raises:
        DataError: if the file cannot be read or is not such a picture.
    """
    return upright(read_file(path), os.fspath(path))


def read_unchanged(path: str | os.PathLike[str]) -> bytes:
    """Returns the contents of a picture file as they are, for a model that turns it upright itself.

    Raises:
        DataError: as for `read_picture`.
    """
    from keras_fixhead.data.pictures import decode_picture
    from keras_fixhead.encodings import decoded_alike

    content, name = read_file(path), os.fspath(path)
    with open_picture(content, name):
        if not decoded_alike(content):
            decode_picture(content, name)  # which refuses some that Pillow reads
    return content


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Returns a file's contents.

    Raises:
        DataError: if the file cannot be read or is too large.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    if len(content) > FILE_LIMIT_BYTES:
        raise DataError(f"{os.fspath(path)} is larger than {FILE_LIMIT_BYTES // 2**20} MiB.",
                        hint="Is it a picture?")  # fmt: skip
    return content


def upright(content: bytes, name: str = "The picture") -> bytes:
    """Returns a picture file that servers show upright; the same bytes if there is nothing to change.

    Args:
        content: the bytes of the file.
        name: what to call it in a message.

    Raises:
        DataError: if it is not a readable picture.
    """
    from PIL import Image

    from keras_fixhead.data.orientation import orientation
    from keras_fixhead.data.pictures import decode_picture
    from keras_fixhead.encodings import decoded_alike

    with open_picture(content, name) as picture:
        if not decoded_alike(content):
            return _as_sent(Image.fromarray(decode_picture(content, name)))
        if (how := orientation(content)) == 1:
            return content
        turned = picture.transpose(Image.Transpose(_TRANSPOSES[how]))
    return _as_sent(turned if turned.mode in _PNG_MODES else turned.convert("RGB"))  # such as CMYK


def _as_sent(picture: "Image.Image") -> bytes:
    png = _encoded(picture, "PNG")
    if len(png) <= PNG_LIMIT_BYTES or picture.mode != "RGB":
        return png
    return _encoded(picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0)


@contextmanager
def open_picture(content: bytes, name: str) -> Iterator["Image.Image"]:
    """Yields a fully decoded picture; for an animation, its first frame.

    Raises:
        DataError: if it is not a readable picture.
    """
    from PIL import Image

    from keras_fixhead.data.pictures import KNOWN, SMALLER, UNREADABLE, readable_formats, without_warnings

    try:
        with without_warnings():
            picture = Image.open(io.BytesIO(content), formats=readable_formats())
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels.", hint=SMALLER) from None
    except UNREADABLE:
        raise DataError(f"{name} is not a readable picture.", hint=KNOWN) from None
    with picture:
        yield picture


def thumbnail(content: bytes, side: int) -> npt.NDArray[np.uint8]:
    """Returns the pixels of a picture, upright and scaled down to fit in a square.

    Args:
        content: the bytes of the file.
        side: the side of the square, in pixels.

    Returns:
        uint8 array (H, W, 3), the longer of H and W at most `side`.

    Raises:
        DataError: if it is not a readable picture.
    """
    from PIL import Image

    from keras_fixhead.data.pictures import decode_picture

    small = Image.fromarray(decode_picture(content, "The picture"))
    small.thumbnail((side, side))
    return np.asarray(small)


def encode_png(image: Array) -> bytes:
    """Returns an image as the contents of a PNG file, from which a server decodes exactly the same pixels.

    Args:
        image: uint8 array (H, W, 3), or (H, W, 1) of grey.

    Raises:
        ArgumentError: if `image` is not such an array.
    """
    from PIL import Image  # imported here: callers who already have files do not need Pillow

    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ArgumentError(f"{described(image)} is not an image to encode. Expected a uint8 array (H, W, 3) or "
                            "(H, W, 1).")
    if 0 in image.shape:
        raise ArgumentError(f"An image of shape {image.shape} has no pixels.")
    return _encoded(Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)), "PNG")


def _encoded(picture: "Image.Image", form: str, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()
