"""Sizes of encoded pictures, read from their headers: a small file may decode to a picture that fills the memory."""
import struct
from collections.abc import Callable, Iterable

from fixhead_serving.server.limits import Limits
from fixhead_serving.server.refusals import InvalidRequest, TooLarge
from keras_fixhead.encodings import is_animated_webp

# Start-of-frame markers, which contain a JPEG's size: all of C0 to CF but tables (C4, CC) and an extension (C8).
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
# GIF frames decode to one byte per pixel, a picture to 15 in all (bytes and float32 of three colours).
_GIF_FRAME_SHARE = 8


def check_pictures(values: Iterable[bytes], limits: Limits) -> int:
    """Returns the total number of pixels that pictures decode to; values that are not pictures are ignored.

    An animated WebP is refused, whoever made the model: TensorFlow writes all of its frames into memory for one.

    Args:
        values: the values of a string input.
        limits: `picture_bytes`, `picture_pixels` and `request_pixels` apply.

    Raises:
        InvalidRequest: if one is an animated WebP.
        TooLarge: if one picture, or all of them together, exceed the limits.
    """
    total = 0
    for index, value in enumerate(values):
        if not is_picture(value):
            continue
        if len(value) > limits.picture_bytes:
            text = f"Picture {index} has {len(value)} bytes. Expected at most {limits.picture_bytes}."
            raise TooLarge(text)
        if is_animated_webp(value):
            text = f"Picture {index} is an animated WebP, which TensorFlow cannot decode. Send its first frame alone"
            raise InvalidRequest(f"{text}, or use `fixhead predict`, which does that.")
        pixels = count_pixels(value) or 0
        if pixels > limits.picture_pixels:
            text = f"Picture {index} decodes to {pixels} pixels. Expected at most {limits.picture_pixels}."
            raise TooLarge(text)
        total += pixels
    if total > limits.request_pixels:
        text = f"The pictures decode to {total} pixels together. Expected at most {limits.request_pixels}."
        raise TooLarge(text)
    return total


def is_picture(data: bytes) -> bool:
    """Returns whether bytes start like a PNG, JPEG, GIF, BMP, WebP or JPEG XL file."""
    return _reader(data) is not None


def is_form(body: bytes) -> bool:
    """Returns whether a body looks like a form with files."""
    return body[:2] == b"--" and b"content-disposition: form-data" in body[:1000].lower()


def count_pixels(data: bytes) -> int | None:
    """Returns how many pixels a picture decodes to, or None if its header does not say.

    If the header is damaged, decoders refuse the file as well. An animation counts as its largest frame, or as the
    sum of its frames if that needs more memory.

    Args:
        data: the contents of a PNG, JPEG, GIF, BMP, WebP or JPEG XL file; only the header is read.

    Example:
        >>> count_pixels(b"GIF89a" + bytes([4, 0, 3, 0]))
        12
    """
    reader = _reader(data)
    try:
        return None if reader is None else reader(data)
    except (struct.error, IndexError):  # the header is truncated
        return None


def _reader(data: bytes) -> Callable[[bytes], int | None] | None:
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png
    if data[:4] == b"GIF8":
        return _gif
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp
    if data[:2] == b"BM" and data[6:10] == bytes(4):  # two reserved words: text that starts with BM is not a picture
        return _bmp
    if data[:2] == b"\xff\x0a" or data[:12] == _JXL_BOX:
        return _jxl
    return None


def _png(data: bytes) -> int | None:
    width, height = struct.unpack_from(">II", data, 16)
    return width * height if data[12:16] == b"IHDR" else None


def _jpeg(data: bytes) -> int | None:
    at = 2
    while True:
        at = data.find(b"\xff", at)  # bytes before a marker are skipped, as decoders do
        if at < 0:
            return None
        while data[at] == 0xFF:  # fill bytes
            at += 1
        marker = data[at]
        at += 1
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            return int(width * height)
        if marker == 0xD9:
            return None
        if marker and marker not in _JPEG_BARE:
            at += max(2, struct.unpack_from(">H", data, at)[0])


def _gif(data: bytes) -> int | None:
    width, height = struct.unpack_from("<HH", data, 6)
    frames, largest = 0, width * height
    try:
        at = 13 + _gif_colours(data[10])
        while data[at] != 0x3B:  # the end
            if data[at] == 0x2C:  # a frame
                width, height = struct.unpack_from("<HH", data, at + 5)
                frames += width * height
                largest = max(largest, width * height)
                at += 11 + _gif_colours(data[at + 9])  # descriptor, colours, code size
            else:
                at += 2  # an extension
            while data[at]:
                at += data[at] + 1
            at += 1
    except (struct.error, IndexError):  # truncated: the frames seen so far count
        pass
    return max(largest, frames // _GIF_FRAME_SHARE)


def _gif_colours(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _bmp(data: bytes) -> int | None:
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width * height)


def _webp(data: bytes) -> int | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return width * height
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return (width & 0x3FFF) * (height & 0x3FFF)
    return None


def _jxl(data: bytes) -> int | None:
    if data[:2] == b"\xff\x0a":
        return _jxl_size(data[2:18])
    at = len(_JXL_BOX)
    while True:  # the boxes of the container
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            start = at + 16
        if kind in (b"jxlc", b"jxlp"):
            start += 4 if kind == b"jxlp" else 0  # a part's number
            return _jxl_size(data[start + 2 : start + 18]) if data[start : start + 2] == b"\xff\x0a" else None
        if length < 8:
            return None
        at += length


def _jxl_size(header: bytes) -> int:
    """The size of a JPEG XL codestream: bits, lowest first (ISO/IEC 18181-1, SizeHeader)."""
    bits = int.from_bytes(header, "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = length()
    ratio = take(3)
    if not ratio:
        return height * length()
    across, down = _JXL_RATIOS[ratio - 1]
    return height * (height * across // down)
