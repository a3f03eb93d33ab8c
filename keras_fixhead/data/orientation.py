"""The EXIF orientation of a picture's file, without a library: a graph reads it in the same way."""
import struct

import numpy as np
from numpy.typing import NDArray

TURNS = ((False, False, False), (False, False, True), (False, True, True), (False, True, False),
         (True, False, False), (True, False, True), (True, True, True), (True, True, False))
"""For EXIF orientations 1 to 8, what shows the picture upright: transpose, then reverse rows, then reverse columns."""

_ORIENTATION = 0x0112  # the EXIF tag


def orientation(content: bytes) -> int:
    """Returns the EXIF orientation in a JPEG, PNG or WebP file, 1 to 8; 1 if there is none, or its EXIF is damaged.

    It is read from the first EXIF block; a graph reads it in the same way.

    Example:
        >>> orientation(b"no picture")
        1
    """
    try:
        start = _exif_start(content)
        return 1 if start is None else _orientation_at(content, start)
    except (IndexError, struct.error):
        return 1


def turned(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Returns an image as it is shown with an EXIF orientation.

    Example:
        >>> turned(np.array([[[1], [2]]], np.uint8), 6)[..., 0].tolist()
        [[1], [2]]
    """
    transpose, rows, columns = TURNS[orientation - 1]
    image = image.transpose(1, 0, 2) if transpose else image
    return np.ascontiguousarray(image[:: -1 if rows else 1, :: -1 if columns else 1])


def _exif_start(content: bytes) -> int | None:
    """The position of the TIFF header in the first EXIF block of a file."""
    if content[:2] == b"\xff\xd8":
        return _jpeg_exif(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return _chunk(content, 8, b"eXIf", ">I4s", trailer=4)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        start = _chunk(content, 12, b"EXIF", "<4sI", trailer=0)
        return start + 6 if start is not None and content[start : start + 6] == b"Exif\0\0" else start
    return None


def _jpeg_exif(content: bytes) -> int | None:
    position = 2
    while content[position] == 0xFF and content[position + 1] not in (0xDA, 0xD9):  # start of scan, end of image
        if content[position + 1] == 0xFF:
            position += 1  # a fill byte
            continue
        if content[position + 1] == 0xE1 and content[position + 4 : position + 10] == b"Exif\0\0":
            return position + 10
        position += 2 + int.from_bytes(content[position + 2 : position + 4], "big")
    return None


def _chunk(content: bytes, position: int, kind: bytes, header: str, trailer: int) -> int | None:
    """The position of the content of the first chunk of a kind, in PNG or RIFF."""
    while position + 8 <= len(content):
        found = struct.unpack_from(header, content, position)
        name, size = found if isinstance(found[0], bytes) else found[::-1]
        if name == kind:
            return position + 8
        position += 8 + size + (trailer or size % 2)
    return None


def _orientation_at(content: bytes, start: int) -> int:
    order = {b"II": "<", b"MM": ">"}.get(content[start : start + 2])
    if order is None:
        return 1
    directory = start + struct.unpack_from(order + "I", content, start + 4)[0]
    (count,) = struct.unpack_from(order + "H", content, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from(order + "H", content, entry)[0] == _ORIENTATION:
            (value,) = struct.unpack_from(order + "H", content, entry + 8)
            return value if value in range(1, 9) else 1
    return 1
