"""How a served model fits a picture to the size of its images, and how it decodes JPEG files.

TensorFlow Serving's protocol cannot say, so the model is asked.

Two pictures of other proportions are sent as files, and as pixels that were fitted here in each of the known ways. The
way whose answers are those to the files is the model's. A third file shows how JPEG is decoded.
"""

import dataclasses
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fixhead_serving.client.answers import Array
from fixhead_serving.client.pictures import encode_png

if TYPE_CHECKING:
    from keras_fixhead.data.pictures import PictureForm

_PATCHES = 4  # patches of one colour along the shorter side: coarse enough for any network to see
_FINE = 15  # in the order of a JPEG file, this frequency and those after it are not in a picture of half the size
_COMPARED = ("logits", "probabilities")
_SAME = 0.05
"""Answers are the same if they differ by less than this share of what the ways differ by: GPUs may round to 10 bits."""


def served_fit(
    height: int,
    width: int,
    channels: int,
    answers_to_files: Callable[[Sequence[bytes]], dict[str, Array]],
    answers_to_images: Callable[[npt.NDArray[np.uint8]], dict[str, Array]],
) -> str | None:
    """Returns how a model fits pictures to its size: 'crop', 'squash' or 'pad'; None if it is none of these.

    Args:
        height, width, channels: size of the model's images, in pixels, and 3 channels, or 1 of grey.
        answers_to_files: function from PNG files of any size to outputs, with one row per file.
        answers_to_images: function from images of the model's size, (N, H, W, C), to outputs, with one row per image.

    Example:
        >>> from keras_fixhead.data.pictures import decode_picture, fit_picture
        >>> def mean_of_corner(images):
        ...     return {"logits": np.stack([image[:3, :3].mean((0, 1)) for image in images])}
        >>> form = forms(8, 12, 3)[1]
        >>> served_fit(8, 12, 3, lambda files: mean_of_corner([fit_picture(decode_picture(file, ""), form)
        ...                                                    for file in files]), mean_of_corner)
        'squash'
    """
    from keras_fixhead.data.pictures import fit_picture

    pictures = [_patches(height, 2 * width, seed=0), _patches(2 * height, width, seed=1)]
    ways = forms(height, width, channels)
    fitted = np.stack([fit_picture(picture, form) for form in ways for picture in pictures])
    by_file, by_image = answers_to_files([encode_png(picture) for picture in pictures]), answers_to_images(fitted)
    name = next((name for name in _COMPARED if name in by_file and name in by_image), None)
    if name is None:
        return None
    expected = by_image[name].reshape(len(ways), *by_file[name].shape)
    differences = np.abs(expected - by_file[name]).reshape(len(ways), -1).max(axis=1)
    best = int(differences.argmin())
    return ways[best].fit if differences[best] <= _SAME * np.ptp(expected, axis=0).max() else None


def served_decoding(
    form: "PictureForm",
    answers_to_files: Callable[[Sequence[bytes]], dict[str, Array]],
    answers_to_images: Callable[[npt.NDArray[np.uint8]], dict[str, Array]],
) -> "PictureForm":
    """Returns the form of a model's pictures with the decoding, 'full' or 'reduced', that its answers are closer to.

    Args:
        form: size of the model's images, and how pictures are fitted to it, from `served_fit`.
        answers_to_files, answers_to_images: as for `served_fit`.
    """
    from keras_fixhead.data.pictures import picture_array
    from keras_fixhead.data.reduced import DECODINGS

    file = _striped(form.height, form.width)
    ways = [dataclasses.replace(form, decoding=each) for each in DECODINGS]
    images = np.stack([picture_array(file, "a picture of stripes", way) for way in ways])
    by_file, by_image = answers_to_files([file]), answers_to_images(images)
    name = next(name for name in _COMPARED if name in by_file and name in by_image)
    differences = np.abs(by_image[name] - by_file[name]).reshape(len(ways), -1).max(axis=1)
    return ways[int(differences.argmin())]


def forms(height: int, width: int, channels: int) -> list["PictureForm"]:
    """Returns the known ways to fit a picture to a size."""
    from keras_fixhead.data.pictures import FITS, PictureForm

    return [PictureForm(height, width, fit, channels=channels) for fit in FITS]


def _patches(rows: int, columns: int, seed: int) -> npt.NDArray[np.uint8]:
    """A picture of patches of random colours, none of them black."""
    side = -(-min(rows, columns) // _PATCHES)
    colours = np.random.default_rng(seed).integers(40, 256, (-(-rows // side), -(-columns // side), 3))
    return np.kron(colours, np.ones((side, side, 1), int))[:rows, :columns].astype(np.uint8)


def _striped(height: int, width: int) -> bytes:
    """A JPEG file, three times as large, whose fine stripes go far beyond black and white.

    In full they are cut off there, which makes the picture darker. In a reduced picture they are left out before.
    """
    from PIL import Image

    stripes = np.where(np.arange(3 * width)[:, None] % 2, 30, -30)
    levels = 150 + _patches(3 * height, 3 * width, seed=2)[..., :1] // 4 + stripes
    file = io.BytesIO()
    Image.fromarray(levels[..., 0].astype(np.uint8)).save(file, "JPEG", qtables=[[1] * 64])
    content = file.getvalue()
    fine = content.index(b"\xff\xdb") + 5 + _FINE
    return content[:fine] + bytes([12]) * (64 - _FINE) + content[fine + 64 - _FINE :]  # 12 times the amplitude
