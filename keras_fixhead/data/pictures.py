"""Encoded pictures as arrays."""
import io
import warnings

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import DataError


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8]:
    """Returns the pixels of an encoded picture (PNG, JPEG, BMP, GIF's first frame, WebP).

    Args:
        content: the bytes of its file.
        name: what to call it in a message.

    Returns:
        uint8 array of shape (H, W, 3); transparency is dropped.

    Raises:
        DataError: if it is no picture that can be read.

    Example:
        >>> decode_picture(b"no picture", "a.png")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.DataError: a.png is no picture that can be read. Give a PNG, JPEG, BMP, GIF or WebP file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as picture:
                if picture.mode.startswith("I"):  # 16 bits a pixel: the upper 8, as TensorFlow decodes it
                    grey = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)
                    return np.repeat(grey[:, :, None], 3, axis=2)
                return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError,
            Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} is no picture that can be read.",
                        hint="Give a PNG, JPEG, BMP, GIF or WebP file.") from None
