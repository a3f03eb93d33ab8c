"""Sizes from headers, checked against files written by Pillow and the definitions of the formats."""
import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fixhead_serving.export.self_check import ANIMATED_WEBP
from fixhead_serving.server import Limits
from fixhead_serving.server.pictures import check_pictures, count_pixels, is_picture
from fixhead_serving.server.refusals import InvalidRequest, TooLarge


def encoded(width, height, kind, mode="RGB", **options):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype("uint8")).convert(mode).save(
        file, kind, **options
    )
    return file.getvalue()


EXAMPLES = {
    "png": lambda w, h: encoded(w, h, "PNG"),
    "grey png": lambda w, h: encoded(w, h, "PNG", "L"),
    "jpeg": lambda w, h: encoded(w, h, "JPEG"),
    "progressive jpeg": lambda w, h: encoded(w, h, "JPEG", progressive=True),
    "jpeg with a thumbnail": lambda w, h: encoded(w, h, "JPEG", exif=b"Exif\0\0" + encoded(5, 4, "JPEG")),
    "gif": lambda w, h: encoded(w, h, "GIF"),
    "bmp": lambda w, h: encoded(w, h, "BMP"),
    "webp": lambda w, h: encoded(w, h, "WEBP"),
    "lossless webp": lambda w, h: encoded(w, h, "WEBP", lossless=True),
    "webp with a profile": lambda w, h: encoded(w, h, "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("width, height", [(1, 1), (7, 300), (640, 3)])
def test_the_number_of_pixels_is_read_from_the_header(name, width, height):
    data = EXAMPLES[name](width, height)

    assert is_picture(data)
    assert count_pixels(data) == width * height


@pytest.mark.parametrize("name", EXAMPLES)
def test_truncated_or_modified_pictures_do_not_raise(name):
    data = EXAMPLES[name](9, 8)
    for end in range(min(len(data), 400)):
        count_pixels(data[:end])
        count_pixels(data[:end] + bytes([data[end] ^ 0xFF]) + data[end + 1 :])


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF1234WEBP", b"BM", b"\xff\x0a",
                        b"\0\0\0\x0cJXL \r\n\x87\n"]), st.binary(max_size=200))  # fmt: skip
def test_arbitrary_bytes_do_not_raise(start, rest):
    pixels = count_pixels(start + rest)

    assert pixels is None or pixels >= 0


def test_bytes_before_jpeg_markers_are_skipped_like_in_decoders():
    data = EXAMPLES["jpeg"](12, 5)

    assert count_pixels(data[:2] + b"\xff\xff" + data[2:3] + data[3:]) == 60
    start = data.index(b"\xff\xdb")  # the marker of the tables
    assert count_pixels(data[:start] + b"junk" + data[start:]) == 60


def test_all_frames_of_a_gif_count():
    frames = [Image.new("P", (100, 100), index) for index in range(40)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], optimize=False)

    assert count_pixels(file.getvalue()) == 40 * 100 * 100 // 8
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60000, 50000, 0) + b"\x02\0"  # larger than the declared screen
    assert count_pixels(b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + frame + b";") == 60000 * 50000


def _jxl(width, height, ratio=0):
    """Returns the SizeHeader of a codestream (ISO/IEC 18181-1): least significant bits first, 30-bit lengths."""
    bits, at = 0, 0
    across = [] if ratio else [(3, 2), (width - 1, 30)]
    for value, count in [(0, 1), (3, 2), (height - 1, 30), (ratio, 3), *across]:
        bits |= value << at
        at += count
    return b"\xff\x0a" + bits.to_bytes(12, "little")


def test_jpeg_xl_sizes_are_read_with_and_without_a_container():
    small = b"\xff\x0a" + (1 | 4 << 1 | 1 << 6).to_bytes(12, "little")  # in units of 8: 8 * (4 + 1) rows, square
    container = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
    boxed = container + struct.pack(">I4s", 0, b"jxlc")
    part = container + struct.pack(">I4sI", 0, b"jxlp", 0)

    assert count_pixels(small) == 40 * 40
    assert count_pixels(_jxl(100000, 70000)) == count_pixels(boxed + _jxl(100000, 70000)) == 100000 * 70000
    assert count_pixels(part + _jxl(0, 900, ratio=5)) == 900 * 1600


@pytest.mark.parametrize("text", [b"", b"BMW is a car, and no picture", b"GIF", b"label", b"\x0a\x05\x0a\x03"])
def test_text_is_not_taken_for_a_picture(text):
    assert not is_picture(text) and count_pixels(text) is None


def bomb(width, height):
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(60)


@pytest.mark.parametrize(
    "pictures, text",
    [
        ([b"x" * 1000, bomb(100, 101)], r"Picture 1 decodes to 10100 pixels\. Expected at most 10000\."),
        ([b"\xff\xd8\xff" + bytes(498)], r"Picture 0 has 501 bytes\. Expected at most 500\."),
        ([bomb(100, 90)] * 3, r"decode to 27000 pixels together\. Expected at most 20000\."),
    ],
)
def test_pictures_above_a_limit_are_refused(pictures, text):
    limits = Limits(picture_bytes=500, picture_pixels=10_000, request_pixels=20_000)

    check_pictures([b"x" * 1000, bomb(100, 100), bomb(50, 200)], limits)
    with pytest.raises(TooLarge, match=text):  # 413 over REST
        check_pictures(pictures, limits)


def test_an_animated_webp_is_refused_because_it_would_crash_tensorflow():
    still = EXAMPLES["webp with a profile"](4, 3)
    with Image.open(io.BytesIO(ANIMATED_WEBP)) as picture:
        assert picture.n_frames == 2

    assert check_pictures([still], Limits()) == 12
    for animated in (ANIMATED_WEBP, still[:20] + bytes([still[20] | 2]) + still[21:]):  # whatever the frames are
        with pytest.raises(InvalidRequest, match=r"^Picture 1 is an animated WebP.*use `fixhead predict`"):
            check_pictures([still, animated], Limits())
