"""Turns pictures into arrays: decodes them, turns them upright, and fits them to one size.

This is the only definition: training, evaluation, `fixhead predict` and the client use these functions, and an exported
model computes the same pixels in its graph (`fixhead_serving.export.picture_graph`).
"""
import functools
import io
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.orientation import TURNS, orientation, turned
from keras_fixhead.data.reduced import DECODINGS, GAP, Upright, part_of, ratio_of
from keras_fixhead.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from PIL import Image

FITS = ("crop", "squash", "pad")
FILTER = "bicubic"
"""Pillow's bicubic filter (a = -0.5), whose support grows with the reduction: it is anti-aliased."""

LUMA = (19_595, 38_470, 7_471)
"""What red, green and blue contribute to a level of grey, in units of 2^-16; together 1."""

# What Pillow raises for damaged files; UnidentifiedImageError is an OSError
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError,
              struct.error)
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "AVIF")
"""The formats that are read, by Pillow's names; AVIF only where Pillow was built with it."""
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif")
SMALLER = "Make it smaller first; a model sees far less of it."
KNOWN = "Give a PNG, JPEG, BMP, GIF, WebP, TIFF or AVIF file."
MIN_SIDE, MAX_SIDE = 8, 4_096
_TURNED_BY_BYTES = ("JPEG", "MPO", "PNG", "WEBP")  # as an exported graph does, which reads their orientation too
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class PictureForm:
    """How a picture of any size becomes a uint8 array of one shape.

    Attributes:
        height, width: size of the array, in pixels.
        fit: 'crop' takes the largest central part with the array's proportions; 'squash' takes the whole picture and
            changes its proportions; 'pad' takes the whole picture and adds black bars on two sides.
        filter: 'bicubic', as in Pillow, with anti-aliasing and rounding to whole levels.
        channels: 3, or 1 for levels of grey.
        decoding: 'full'; or 'reduced' to decode JPEG files at 1/2, 1/4 or 1/8 of their size, see `decoding_ratio`.
    """

    height: int
    width: int
    fit: str = "crop"
    filter: str = FILTER
    channels: int = 3
    decoding: str = DECODINGS[0]

    @classmethod
    def of(cls, image_shape: Sequence[int], fit: str = FITS[0], decoding: str = DECODINGS[0]) -> "PictureForm":
        """Returns the form of arrays of shape (H, W, C)."""
        height, width, channels = image_shape
        return cls(height, width, fit, channels=channels, decoding=decoding)

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary."""
        return asdict(self)

    def __str__(self) -> str:
        words = {"crop": "cropped to the centre", "squash": "squashed", "pad": "padded with black"}[self.fit]
        grey = ", levels of grey" if self.channels == 1 else ""
        reduced = (f"; JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where {GAP[0] / GAP[1]:g} times these "
                   "pixels are left" if self.decoding == "reduced" else "")
        return f"{words} to {self.width}x{self.height} pixels, {self.filter} with anti-aliasing{grey}{reduced}"


@dataclass(frozen=True)
class Placement:
    """Which part of a picture goes where in an array.

    Attributes:
        top, left, rows, columns: the part of the picture.
        above, before, height, width: the place that it is resized to in the array; the rest of the array is black.
    """

    top: Any
    left: Any
    rows: Any
    columns: Any
    above: Any
    before: Any
    height: Any
    width: Any


def place(rows: Any, columns: Any, form: PictureForm, at_most: Callable[[Any, Any], Any] = min,
          at_least: Callable[[Any, Any], Any] = max) -> Placement:
    """Returns where a picture goes in an array.

    Args:
        rows, columns: size of the upright picture: integers, or scalar tensors.
        form: size of the array, and how the picture is fitted to it.
        at_most, at_least: minimum and maximum for these numbers.

    Example:
        >>> place(30, 60, PictureForm(8, 8, "pad"))
        Placement(top=0, left=0, rows=30, columns=60, above=2, before=0, height=4, width=8)
    """
    height, width = form.height, form.width
    if form.fit == "crop":
        kept_rows = at_least(1, at_most(rows, columns * height // width))
        kept_columns = at_least(1, at_most(columns, rows * width // height))
        return Placement((rows - kept_rows) // 2, (columns - kept_columns) // 2, kept_rows, kept_columns,
                         0, 0, height, width)
    if form.fit == "squash":
        return Placement(0, 0, rows, columns, 0, 0, height, width)
    inner_height = at_least(1, at_most(height, (2 * rows * width + columns) // (2 * columns)))
    inner_width = at_least(1, at_most(width, (2 * columns * height + rows) // (2 * rows)))
    return Placement(0, 0, rows, columns, (height - inner_height) // 2, (width - inner_width) // 2,
                     inner_height, inner_width)


def decoding_ratio(rows: Any, columns: Any, form: PictureForm, at_most: Callable[[Any, Any], Any] = min,
                   at_least: Callable[[Any, Any], Any] = max,
                   pick: Callable[[tuple[int, ...], Any], Any] = tuple.__getitem__) -> Any:
    """Returns at which part of its size a JPEG file is decoded: 1, 2, 4 or 8.

    Args:
        rows, columns: size of the upright picture: integers, or scalar tensors.
        form: what is made of it.
        at_most, at_least, pick: minimum, maximum, and element of a tuple, for these numbers.

    Example:
        >>> decoding_ratio(600, 400, PictureForm(64, 64, decoding="reduced"))
        4
    """
    if form.decoding == "full":
        return 1
    where = place(rows, columns, form, at_most, at_least)
    return ratio_of(where.rows, where.columns, where.height, where.width, at_most, pick)


def picture_sides(size: int | str) -> tuple[int, int]:
    """Returns (height, width) of a size: the side of a square, or 'WIDTHxHEIGHT'.

    Raises:
        ArgumentError: (a ValueError) if it is neither, or a side is out of range.

    Example:
        >>> picture_sides(64), picture_sides("96x64")
        ((64, 64), (64, 96))
    """
    parts = str(size).lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ArgumentError(f"image_size must be a side in pixels, or WIDTHxHEIGHT, got {size!r}.",
                            hint="Such as --image-size 64 or --image-size 96x64.")
    width, height = int(parts[0]), int(parts[-1])
    for side in (width, height):
        if side < MIN_SIDE:
            raise ArgumentError(f"image_size must be at least {MIN_SIDE}, got {size}.")
        if side > MAX_SIDE:
            raise ArgumentError(f"image_size must be at most {MAX_SIDE}, got {size}.")
    return height, width


def picture_array(content: bytes, name: str, form: PictureForm) -> NDArray[np.uint8]:
    """Returns an encoded picture of any size as an array of the form's shape.

    Args:
        content: the bytes of the file.
        name: name of the picture in messages.
        form: size of the array, and how the picture is fitted to it.

    Returns:
        uint8 array of shape (form.height, form.width, form.channels).

    Raises:
        DataError: if it cannot be read.
    """
    return fit_upright(upright_picture(content, name, form), form)


def decode_picture(content: bytes, name: str) -> NDArray[np.uint8]:
    """Returns the pixels of an encoded picture, upright: as its EXIF orientation says.

    Of an animation, it is the first frame. Grey levels become three equal channels, palettes their colours, and CMYK
    RGB. 16-bit pixels are reduced to their upper 8 bits; floats and integers of 32 bits are refused. Transparency is
    dropped, without a background.

    Args:
        content: the bytes of a PNG, JPEG, BMP, GIF, WebP or TIFF file, or of an AVIF file if Pillow reads them.
        name: name of the picture in messages.

    Returns:
        uint8 array of shape (H, W, 3).

    Raises:
        DataError: if it cannot be read.

    Example:
        >>> decode_picture(b"no picture", "a.png")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.DataError: a.png is not a readable picture. Give a PNG, JPEG, BMP, GIF, WebP, \
TIFF or AVIF file.
    """
    return np.asarray(upright_picture(content, name).pixels)


def upright_picture(content: bytes, name: str, form: PictureForm | None = None) -> Upright:
    """Returns an encoded picture as an upright Pillow image of mode RGB, decoded as `decode_picture` does.

    Args:
        content, name: as in `decode_picture`.
        form: what is to be made of it: a JPEG file is decoded at the part of its size that this says.

    Raises:
        DataError: if it cannot be read.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("L", (300, 200)).save(file, "JPEG")
        >>> picture = upright_picture(file.getvalue(), "a.jpg", PictureForm(32, 32, decoding="reduced"))
        >>> picture.columns, picture.ratio, picture.pixels.mode, picture.pixels.size
        (300, 4, 'RGB', (75, 50))
    """
    from PIL import Image, ImageOps

    try:
        with without_warnings():
            picture = Image.open(io.BytesIO(content), formats=readable_formats())
        how = orientation(content) if picture.format in _TURNED_BY_BYTES else 1
        stored = _loaded(picture, how, form)
        if picture.format == "JPEG" and picture.mode == "RGB":
            return replace(stored, pixels=_turned(picture, how))
        with picture, without_warnings():
            _check_range(picture, name)
            if picture.format in _TURNED_BY_BYTES:
                return replace(stored, pixels=_turned(_in_colour(picture), how))
            return _whole(_in_colour(ImageOps.exif_transpose(picture)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name} has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels.", hint=SMALLER) from None
    except UNREADABLE:
        raise DataError(f"{name} is not a readable picture.", hint=KNOWN) from None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignores warnings, except that of a picture of too many pixels, which becomes an error.

    Filters belong to the whole process: two threads that change and restore them would leave them changed.

    Example:
        >>> with without_warnings():
        ...     warnings.warn("not seen", stacklevel=1)
    """
    from PIL import Image

    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Returns the formats that this machine's Pillow reads, of `FORMATS`."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def fit_picture(image: NDArray[np.uint8], form: PictureForm) -> NDArray[np.uint8]:
    """Returns a picture as an array of the form's shape.

    Args:
        image: uint8, shape (H, W, 3) or (H, W, 1), of any size.
        form: size of the array, and how the picture is fitted to it.

    Returns:
        uint8 array of shape (form.height, form.width, form.channels).

    Example:
        >>> fit_picture(np.zeros((20, 30, 3), np.uint8), PictureForm(10, 12)).shape
        (10, 12, 3)
    """
    from PIL import Image

    if image.shape[:2] == (form.height, form.width):
        return in_channels(image, form.channels)
    levels = image[..., 0] if image.shape[2] == 1 else image
    return fit_upright(_whole(Image.fromarray(np.ascontiguousarray(levels))), form)


def fit_upright(upright: Upright, form: PictureForm) -> NDArray[np.uint8]:
    """Returns an upright picture, a Pillow image of mode RGB or L, as `fit_picture` does.

    Only the result becomes an array: the pixels of a photograph are not copied.

    Example:
        >>> from PIL import Image
        >>> fit_upright(Upright(Image.new("RGB", (30, 20)), 20, 30), PictureForm(10, 12)).shape
        (10, 12, 3)
    """
    from PIL import Image

    picture = _in_mode(upright.pixels, "L" if form.channels == 1 else "RGB")
    where = place(upright.rows, upright.columns, form)
    down = part_of(where.top, where.rows, upright.ratio, upright.above)
    across = part_of(where.left, where.columns, upright.ratio, upright.before)
    if (across.first, down.first, across.last, down.last) != (0, 0, *picture.size):
        picture = picture.crop((across.first, down.first, across.last, down.last))
    resampling = Image.Resampling[form.filter.upper()]
    # rows first, then columns: which one Pillow itself starts with depends on its version
    if (where.width, 0) != (across.length, across.start):
        picture = picture.resize((where.width, picture.height), resampling,
                                 (across.start, 0, across.start + across.length, picture.height))
    if (where.height, 0) != (down.length, down.start):
        picture = picture.resize((where.width, where.height), resampling,
                                 (0, down.start, where.width, down.start + down.length))
    part = np.asarray(picture).reshape(where.height, where.width, form.channels)
    if part.shape[:2] == (form.height, form.width):
        return part
    array = np.zeros((form.height, form.width, form.channels), np.uint8)
    array[where.above : where.above + where.height, where.before : where.before + where.width] = part
    return array


def in_channels(images: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Returns pixels with one channel, of grey, or with three.

    Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in whole numbers as Pillow computes it; three equal channels
    give their level.

    Args:
        images: uint8, shape (..., 3) or (..., 1).
        channels: 1 or 3.

    Example:
        >>> in_channels(np.array([[255, 0, 0], [9, 9, 9]], np.uint8), 1).tolist()
        [[76], [9]]
    """
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    weighted = images.astype(np.uint32) * np.array(LUMA, np.uint32)
    return ((weighted.sum(axis=-1, keepdims=True, dtype=np.uint32) + 0x8000) >> 16).astype(np.uint8)


def _loaded(picture: "Image.Image", orientation: int, form: PictureForm | None) -> Upright:
    """Decodes a picture; its pixels are as they are stored, and what is said of it holds when it is upright."""
    transpose, upwards, leftwards = TURNS[orientation - 1]
    columns, rows = picture.size[::-1] if transpose else picture.size
    is_jpeg = picture.format in ("JPEG", "MPO")
    ratio = decoding_ratio(rows, columns, form) if is_jpeg and form is not None else 1
    if ratio > 1:  # Pillow takes the largest ratio that leaves at least this size
        picture.draft(None, (picture.width // ratio, picture.height // ratio))
    picture.load()
    return Upright(picture, rows, columns, ratio, -rows % ratio * upwards, -columns % ratio * leftwards)


def _whole(picture: "Image.Image") -> Upright:
    return Upright(picture, picture.height, picture.width)


def _check_range(picture: "Image.Image", name: str) -> None:
    """Refuses numbers of 32 bits: nothing says which of them is white. In a PNG, mode I has 16 bits."""
    if picture.mode == "F" or (picture.mode == "I" and picture.format != "PNG"):
        kind = "floats" if picture.mode == "F" else "integers"
        raise DataError(f"{name} has pixels of 32 bits ({kind}, mode {picture.mode}), without saying which is white; "
                        "convert it to 8 or 16 bits.")


def _in_colour(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if picture.mode.startswith("I"):  # more than 8 bits per pixel: the upper 8 of 16, as TensorFlow decodes it
        grey = (np.clip(np.asarray(picture), 0, 2**16 - 1).astype(np.uint16) >> 8).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return picture.convert("RGB")


def _turned(picture: "Image.Image", orientation: int) -> "Image.Image":
    from PIL import Image

    return picture if orientation == 1 else Image.fromarray(turned(np.asarray(picture), orientation))


def _in_mode(picture: "Image.Image", mode: str) -> "Image.Image":
    return picture if picture.mode == mode else picture.convert(mode)
