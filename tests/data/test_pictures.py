import io
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data.pictures import FITS, PictureForm, decode_picture, fit_picture, picture_array, picture_sides
from keras_fixhead.errors import ArgumentError, DataError

COLOURS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype("uint8")


def encoded(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_lossless_pictures_are_decoded_exactly(format):
    found = decode_picture(encoded(Image.fromarray(COLOURS), format), "a")

    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, COLOURS)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_are_decoded_too(format):
    flat = Image.new("RGB", (20, 10), (200, 30, 60))
    found = decode_picture(encoded(flat, format), "a")

    assert found.shape == (10, 20, 3)
    assert np.abs(found.astype(int) - [200, 30, 60]).max() <= 4  # lossy


def test_grey_pictures_become_three_equal_channels():
    grey = COLOURS[..., 0]
    found = decode_picture(encoded(Image.fromarray(grey)), "a")

    np.testing.assert_array_equal(found, grey[..., None].repeat(3, axis=2))


def test_16_bit_pixels_keep_their_upper_8_bits():
    deep = np.array([[0, 255, 256, 40_000, 65_535]], np.uint16)
    found = decode_picture(encoded(Image.fromarray(deep)), "a")

    assert found.shape == (1, 5, 3) and found[0, :, 0].tolist() == [0, 0, 1, 156, 255]
    assert (found == found[..., :1]).all()


def test_transparency_is_dropped():
    alpha = np.dstack([COLOURS, COLOURS[..., :1]])

    np.testing.assert_array_equal(decode_picture(encoded(Image.fromarray(alpha)), "a"), COLOURS)


def test_palette_pictures_become_rgb():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putdata([1, 0])

    assert decode_picture(encoded(palette), "a").tolist() == [[[200, 100, 50], [10, 20, 30]]]


def test_1_bit_pictures_become_black_and_white():
    bits = Image.fromarray(np.array([[True, False]]))

    assert decode_picture(encoded(bits), "a").tolist() == [[[255] * 3, [0] * 3]]


def test_the_first_frame_of_an_animation_is_used():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert decode_picture(content, "a")[0, 0].tolist() == [255, 0, 0]


def png_of_declared_size(width, height):
    """Returns a PNG whose header declares a size that its data do not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 10)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks)


PNG = encoded(Image.fromarray(COLOURS))
JPEG = encoded(Image.fromarray(COLOURS), "JPEG")


@pytest.mark.parametrize("content", [
    b"", b"no picture", b"\x89PNG\r\n\x1a\n", PNG[: len(PNG) // 2], PNG[:-60], JPEG[:100],
    PNG[:40] + b"\xff" * 20 + PNG[60:],
    b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
], ids=["empty", "text", "signature", "half a PNG", "truncated PNG", "truncated JPEG", "damaged PNG", "PDF",
        "SVG"])
def test_an_unreadable_picture_is_a_one_line_error_with_its_name(content):
    with pytest.raises(DataError, match=r"photo\.png is not a readable picture\. Give a PNG, JPEG") as caught:
        decode_picture(content, "photo.png")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("width, height", [(60_000, 60_000), (15_000, 10_000)])
def test_a_picture_of_too_many_pixels_is_called_that(width, height):
    """A large scan was called 'not a readable picture'."""
    with pytest.raises(DataError, match=r"scan\.png has more than 89,478,485 pixels\. Make it smaller first"):
        decode_picture(png_of_declared_size(width, height), "scan.png")


def test_training_pictures_are_cropped_to_the_central_square():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255

    assert (fit_picture(image, PictureForm(10, 10)) == 255).all()
    np.testing.assert_array_equal(fit_picture(image[:, :10], PictureForm(10, 10)), image[:, :10])


@pytest.mark.parametrize("height, width", [(9, 7), (7, 9), (20, 33), (40, 21)])
def test_training_pictures_are_resized_by_pillow(height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype("uint8")
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    expected = Image.fromarray(image[top : top + edge, left : left + edge]).resize((16, 16), Image.Resampling.BICUBIC)
    found = fit_picture(image, PictureForm(16, 16))

    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_a_crop_has_the_aspect_ratio_of_the_array():
    image = np.zeros((30, 30, 3), np.uint8)
    image[10:20] = 200

    assert (fit_picture(image, PictureForm(5, 15, "crop")) == 200).all()


def test_a_squashed_picture_is_whole():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 15:] = 200
    found = fit_picture(image, PictureForm(8, 8, "squash"))

    assert found.dtype == np.uint8 and found.shape == (8, 8, 3)
    assert (found[:, 0] == 0).all() and (found[:, -1] == 200).all()


@pytest.mark.parametrize("height, width, bars", [(10, 30, (slice(None), 0)), (30, 10, (0, slice(None)))])
def test_a_padded_picture_is_whole_and_keeps_its_proportions_between_black_bars(height, width, bars):
    found = fit_picture(np.full((height, width, 3), 90, np.uint8), PictureForm(9, 9, "pad"))
    inner = found[3:6] if height < width else found[:, 3:6]

    assert (inner == 90).all() and found.sum() == inner.sum()


@pytest.mark.parametrize("height, width", [(1, 400), (400, 1), (1, 1), (3, 2)])
@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_pictures_of_any_proportions_can_be_fitted(height, width, fit):
    assert fit_picture(np.zeros((height, width, 3), np.uint8), PictureForm(16, 8, fit)).shape == (16, 8, 3)


def test_deep_tiff_and_cmyk_pictures_are_read():
    deep = Image.fromarray(np.array([[0, 256, 65_535]], np.uint16))

    assert decode_picture(encoded(deep, "TIFF"), "a")[0, :, 0].tolist() == [0, 1, 255]
    red = Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    assert decode_picture(encoded(red, "TIFF"), "a")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("size, sides", [(64, (64, 64)), ("64", (64, 64)), ("96x64", (64, 96)), ("96X64", (64, 96))])
def test_a_size_is_a_side_or_width_times_height(size, sides):
    assert picture_sides(size) == sides


@pytest.mark.parametrize("size, said", [("96x", "WIDTHxHEIGHT, got '96x'"), ("a", "got 'a'"), ("9x9x9", "got '9x9x9'"),
                                        ("7x64", "at least 8"), ("64x5000", "at most 4096"), ("-8", "got '-8'")])
def test_a_malformed_size_is_refused_with_an_example(size, said):
    with pytest.raises(ArgumentError, match=said):
        picture_sides(size)


def test_threads_that_decode_leave_the_filters_of_warnings_as_they_were(monkeypatch):
    content = encoded(Image.fromarray(COLOURS).convert("P"))
    before, interval = list(warnings.filters), sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: decode_picture(content, "a"), range(300)))
    finally:
        sys.setswitchinterval(interval)

    assert list(warnings.filters) == before


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("format, orientation", [("JPEG", 1), ("JPEG", 6), ("PNG", 1)])
def test_a_file_and_its_pixels_are_fitted_alike(fit, channels, format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.tile(COLOURS, (9, 7, 1))).save(file, format, exif=exif)
    form = PictureForm(20, 15, fit, channels=channels)

    np.testing.assert_array_equal(picture_array(file.getvalue(), "a", form),
                                  fit_picture(decode_picture(file.getvalue(), "a"), form))


@pytest.mark.parametrize("pixels, said", [
    (np.linspace(0, 1, 63).reshape(7, 9).astype(np.float32), "floats, mode F"),
    (np.arange(63, dtype=np.int32).reshape(7, 9), "integers, mode I")])
def test_numbers_of_32_bits_are_refused_because_nothing_says_which_is_white(pixels, said):
    with pytest.raises(DataError, match=rf"^a\.tif has pixels of 32 bits \({said}\).*convert it to 8 or 16 bits\.$"):
        decode_picture(encoded(Image.fromarray(pixels), "TIFF"), "a.tif")
