"""Turns pictures into arrays: decodes, crops and resizes them.

`PictureForm` describes how. Two forms are in use: `training_form` for the pictures of a folder, and `prediction_form`
for pictures to be classified by a trained model; an exported model processes them in the same way.
"""
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import DataError


@dataclass(frozen=True)
class PictureForm:
    """How a picture of any size becomes an array of one shape.

    Attributes:
        height, width: size of the array, in pixels.
        fit: 'crop' takes the largest central part with the array's proportions; 'squash' takes the whole picture and
            changes its proportions.
        filter: 'bilinear' or 'bicubic', with anti-aliasing.
        rounded: whether levels are rounded to uint8; otherwise they are float32 in [0, 255].
    """

    height: int
    width: int
    fit: str
    filter: str
    rounded: bool


def training_form(side: int) -> PictureForm:
    """Returns the form for a folder's pictures: the central square, resized, as uint8."""
    return PictureForm(side, side, fit="crop", filter="bicubic", rounded=True)


def prediction_form(image_shape: tuple[int, ...]) -> PictureForm:
    """Returns the form for pictures to be classified: the whole picture, resized to the model's (H, W, 3)."""
    return PictureForm(image_shape[0], image_shape[1], fit="squash", filter="bilinear", rounded=False)


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8]:
    """Returns the pixels of an encoded picture (PNG, JPEG, BMP, the first frame of a GIF, WebP).

    Grey levels become three equal channels, 16-bit pixels are reduced to their upper 8 bits, and transparency is
    dropped. The orientation in EXIF data is not applied.

    Args:
        content: the bytes of the file.
        name: name of the picture in messages.

    Returns:
        uint8 array of shape (H, W, 3).

    Raises:
        DataError: if it cannot be read.

    Example:
        >>> decode_picture(b"no picture", "a.png")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.DataError: a.png is not a readable picture. Give a PNG, JPEG, BMP, GIF or WebP file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.mode.startswith("I"):  # 16 bits per pixel: the upper 8, as TensorFlow decodes it
                    grey = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
                    return np.repeat(grey[:, :, None], 3, axis=2)
                return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError,
            Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} is not a readable picture.",
                        hint="Give a PNG, JPEG, BMP, GIF or WebP file.") from None


def fit_picture(image: NDArray[np.uint8], form: PictureForm) -> NDArray[Any]:
    """Returns a picture as an array of the form's shape.

    Args:
        image: uint8, shape (H, W, 3), of any size.
        form: size of the array, and how the picture is fitted to it.

    Returns:
        array of shape (form.height, form.width, 3), uint8 or float32.

    Example:
        >>> fit_picture(np.zeros((20, 30, 3), np.uint8), training_form(10)).shape
        (10, 10, 3)
    """
    image = _middle(image, form) if form.fit == "crop" else image
    if image.shape[:2] != (form.height, form.width):
        image = _resized(image, form)
    return image if form.rounded else np.clip(image.astype(np.float32), 0.0, 255.0)


def _middle(image: NDArray[np.uint8], form: PictureForm) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    rows = min(height, width * form.height // form.width)
    columns = min(width, height * form.width // form.height)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]


def _resized(image: NDArray[np.uint8], form: PictureForm) -> NDArray[Any]:
    from PIL import Image

    size, filter = (form.width, form.height), Image.Resampling[form.filter.upper()]
    if form.rounded:
        return np.asarray(Image.fromarray(image).resize(size, filter))
    channels = np.moveaxis(image.astype(np.float32), 2, 0)  # Pillow's floating-point images have one channel
    return np.stack([np.asarray(Image.fromarray(each).resize(size, filter)) for each in channels], axis=2)
