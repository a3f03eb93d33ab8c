"""From a box to a square image: which part of the picture is cut out, and which boxes are left out."""
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.open_images.tables import Box
from keras_fixhead.data.orientation import orientation
from keras_fixhead.data.pictures import UNREADABLE, PictureForm, decode_picture, fit_picture
from keras_fixhead.errors import DataError

OVERLAP = 0.3
"""Largest overlap (intersection over union) with a box of another class."""
INSIDE = 0.75
"""Smallest share of the box that the square must contain."""
POLICY = (
    "Boxes of groups, depictions, views from inside, and truncated objects are left out (flag 1; -1 is unknown); "
    "occluded ones are kept.",
    "A box is left out if people said that the picture does not show its class.",
    f"A box is left out if it overlaps one of another class by more than {OVERLAP:g} (intersection over union).",
    "Of each picture and class, the largest remaining box is used.",
    "Pictures that have to be turned, by the list of rotations or by EXIF, are left out.",
    "The square has the box's longer side, or the picture's shorter side if that is less; its centre is the box's, "
    "moved as little as needed to lie within the picture.",
    f"A box is left out if the square contains less than {INSIDE:.0%} of it, or if its shorter side has fewer pixels "
    "than the images.",
    "The square is resized with Pillow's bicubic filter, with anti-aliasing.",
)
"""How crops are made, in words, as the manifest states it."""


@dataclass(frozen=True)
class Square:
    """A square part of a picture, in pixels from its upper left corner."""

    left: int
    top: int
    side: int


def chosen_boxes(boxes: Iterable[Box], absent: set[tuple[str, str]], rotated: set[str],
                 ) -> tuple[dict[str, list[Box]], dict[str, int]]:
    """Returns the boxes that may be cut out, by class, and how many were left out for which reason.

    Args:
        boxes: boxes of the classes, of any pictures, also those left out by their flags: they hide others.
        absent: (image id, class) that people said is not shown.
        rotated: ids of pictures that have to be turned.
    """
    by_image: dict[tuple[str, str], list[Box]] = {}
    for box in boxes:
        by_image.setdefault((box.split, box.image), []).append(box)
    found: dict[str, list[Box]] = {}
    left_out: dict[str, int] = {}
    for mine in by_image.values():
        best: dict[str, Box] = {}
        for box in sorted(mine, key=_place):
            reason = _refusal(box, mine, absent, rotated)
            if not reason and box.label in best:
                reason = "another box of the picture is larger"
                if box.area > best[box.label].area:
                    best[box.label] = box
            elif not reason:
                best[box.label] = box
            if reason:
                left_out[reason] = left_out.get(reason, 0) + 1
        for label, box in best.items():
            found.setdefault(label, []).append(box)
    return found, dict(sorted(left_out.items()))


def in_order(boxes: Iterable[Box], seed: int) -> list[Box]:
    """Returns boxes in an order that depends on the seed and on each box alone.

    A picture that is missing on one machine does not change the order of the others.
    """
    return sorted(boxes, key=lambda box: hashlib.sha256(
        f"{seed} {box.label} {box.split} {box.image} {_place(box)}".encode()).hexdigest())


def square_of(box: Box, width: int, height: int, side: int) -> Square | str:
    """Returns the square that is cut out for a box, or the reason why the box is left out.

    Args:
        box: the box.
        width, height: size of the picture, in pixels.
        side: side of the images, in pixels.

    Example:
        >>> square_of(Box("test", "0" * 16, "cat", 0.0, 0.5, 0.25, 0.5), 400, 400, 32)
        Square(left=0, top=50, side=200)
        >>> square_of(Box("test", "0" * 16, "cat", 0.0, 0.5, 0.25, 0.3), 400, 400, 32)
        'smaller than the images'
    """
    columns, rows = (box.right - box.left) * width, (box.bottom - box.top) * height
    if min(columns, rows) < side:
        return "smaller than the images"
    length = min(round(max(columns, rows)), width, height)
    left = min(max(0, round((box.left + box.right) / 2 * width - length / 2)), width - length)
    top = min(max(0, round((box.top + box.bottom) / 2 * height - length / 2)), height - length)
    across = min(left + length, box.right * width) - max(left, box.left * width)
    down = min(top + length, box.bottom * height) - max(top, box.top * height)
    if across * down < INSIDE * columns * rows:
        return "too long for a square of the picture"
    return Square(left, top, length)


def cut(picture: NDArray[np.uint8], square: Square, side: int) -> NDArray[np.uint8]:
    """Returns a square part of a picture as an image, uint8, shape (side, side, 3)."""
    part = picture[square.top : square.top + square.side, square.left : square.left + square.side]
    return fit_picture(part, PictureForm(side, side))


def crop_of(content: bytes, box: Box, side: int) -> tuple[Square, NDArray[np.uint8]] | str:
    """Returns the square and the image of a box, or the reason why it is left out.

    Args:
        content: the bytes of the picture's file.
        box: the box.
        side: side of the image, in pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as header:
            width, height = header.size
        if orientation(content) != 1:
            return "the picture has to be turned"
        square = square_of(box, width, height, side)
        return square if isinstance(square, str) else (square, cut(decode_picture(content, box.image), square, side))
    except (*UNREADABLE, DataError):
        return "the picture cannot be read"


def bmp_bytes(image: NDArray[np.uint8]) -> bytes:
    """Returns an image as a BMP file: without compression, its bytes depend on its pixels alone.

    Example:
        >>> len(bmp_bytes(np.zeros((32, 32, 3), np.uint8)))
        3126
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "BMP")
    return file.getvalue()


def _refusal(box: Box, others: Sequence[Box], absent: set[tuple[str, str]], rotated: set[str]) -> str:
    if box.refused:
        return box.refused
    if box.image in rotated:
        return "the picture has to be turned"
    if (box.image, box.label) in absent:
        return "people said that the class is absent"
    if any(other.label != box.label and box.overlap(other) > OVERLAP for other in others):
        return "overlaps another class"
    return ""


def _place(box: Box) -> tuple[float, float, float, float]:
    return (box.left, box.right, box.top, box.bottom)


def total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Returns the sums of counts by reason, in alphabetical order.

    Example:
        >>> total([{"b": 1}, {"a": 2, "b": 3}])
        {'a': 2, 'b': 4}
    """
    sums: dict[str, int] = {}
    for each in counts:
        for reason, count in each.items():
            sums[reason] = sums.get(reason, 0) + count
    return dict(sorted(sums.items()))
