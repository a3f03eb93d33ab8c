"""Pictures prepared for sending."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fixhead_serving.client import (
    encode_png,
    read_picture,
    thumbnail,
    upright,
)
from fixhead_serving.client import pictures as module
from keras_fixhead.data.pictures import FITS, PictureForm, fit_picture
from keras_fixhead.errors import ArgumentError, DataError

DRAW = np.random.default_rng(0)
ORIENTATION = 0x0112


def encoded(image, form="PNG", orientation=None, **options):
    if orientation is not None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def decoded(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def noise(height, width):
    return DRAW.integers(0, 256, (height, width, 3)).astype(np.uint8)


# PNG


def test_a_png_has_identical_pixels():
    image = noise(5, 4)

    for array in (image, image[::-1, :, ::-1]):
        np.testing.assert_array_equal(decoded(encode_png(array)), array)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.zeros((2, 0, 3), np.uint8), [[[0] * 3]]]
)
def test_invalid_images_are_not_encoded(image):
    with pytest.raises(ArgumentError):
        encode_png(image)


# Orientation

TURNED = {  # what a viewer shows for each EXIF orientation, from the standard (JEITA CP-3451, 4.6.4)
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, 1),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_picture_is_rotated_like_in_a_viewer_without_loss(orientation, form):
    image = noise(4, 7)
    content = encoded(Image.fromarray(image), form, orientation, **({"lossless": True} if form == "WEBP" else {}))
    sent = upright(content)

    np.testing.assert_array_equal(decoded(sent), TURNED[orientation](image))
    assert (sent == content) == (orientation == 1)
    assert upright(sent) == sent  # not rotated a second time


def test_a_rotated_jpeg_has_the_pixels_of_its_own_decoding():
    content = encoded(Image.fromarray(noise(32, 48)), "JPEG", 6)

    np.testing.assert_array_equal(decoded(upright(content)), np.rot90(decoded(content), -1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_pictures_of_every_mode_can_be_rotated(mode):
    picture = Image.fromarray(noise(4, 7)).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        picture = Image.fromarray(DRAW.integers(0, 2**16, (4, 7)).astype(np.uint16))
    form = {"CMYK": "JPEG"}.get(mode, "PNG")
    content = encoded(picture, form, 8)
    turned = Image.open(io.BytesIO(upright(content)))

    assert turned.size == (4, 7)
    if mode == "I;16":  # all 16 bits are kept
        np.testing.assert_array_equal(np.asarray(turned), np.rot90(np.asarray(picture)))
    else:
        stored = Image.open(io.BytesIO(content)).convert("RGB")
        np.testing.assert_array_equal(np.asarray(turned.convert("RGB")), np.rot90(np.asarray(stored)))


@pytest.mark.parametrize("form, orientation, options", [("JPEG", 6, {"quality": 90}), ("TIFF", None, {})])
@pytest.mark.parametrize("fit", FITS)
def test_a_photograph_too_large_as_png_is_sent_as_jpeg_within_one_grey_level(form, orientation, options, fit,
                                                                             monkeypatch):
    """Both are compared at a model's size, as models see far fewer pixels; the noise is like in a photograph."""
    from sklearn.datasets import load_sample_image

    content = encoded(Image.fromarray(load_sample_image("flower.jpg")), form, orientation, **options)
    exact = upright(content)
    monkeypatch.setattr(module, "PNG_LIMIT_BYTES", len(exact) - 1)
    smaller = upright(content)

    assert exact.startswith(b"\x89PNG") and smaller.startswith(b"\xff\xd8") and len(smaller) < 0.7 * len(exact)
    seen = [fit_picture(decoded(each), PictureForm(32, 32, fit)).astype(int) for each in (exact, smaller)]
    assert np.abs(seen[0] - seen[1]).max() <= 1


@pytest.mark.parametrize("orientation", [0, 9, 65535, "6"])
def test_an_invalid_orientation_rotates_nothing(orientation):
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01"
    value = orientation.to_bytes(2, "big") if isinstance(orientation, int) else b"\xff\xff"
    content = encoded(Image.fromarray(noise(4, 7)), "JPEG", exif=exif + value + b"\x00\x00\x00\x00\x00\x00")

    assert upright(content) == content


@given(exif=st.binary(max_size=60))
@settings(max_examples=80, deadline=None)
def test_a_picture_with_damaged_exif_is_still_sent(exif):
    content = encoded(Image.fromarray(np.zeros((2, 3, 3), np.uint8)), "JPEG", exif=b"Exif\x00\x00" + exif)

    assert decoded(upright(content)).size == 18


# Reading


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_files_of_every_format_are_sent_unchanged(form, tmp_path):
    content = encoded(Image.fromarray(noise(8, 8)), form)
    (tmp_path / "no-ending").write_bytes(content)

    assert read_picture(tmp_path / "no-ending") == content


def test_a_multi_picture_jpeg_from_a_phone_is_a_jpeg(tmp_path):
    first, second = Image.fromarray(noise(16, 16)), Image.fromarray(noise(16, 16))
    content = encoded(first, "MPO", save_all=True, append_images=[second])

    assert upright(content) == content


@pytest.mark.parametrize("form, mode, options", [
    ("TIFF", "RGB", {}), ("TIFF", "CMYK", {}), ("AVIF", "RGB", {"quality": 100}), ("BMP", "1", {}),
    ("GIF", "RGBA", {"transparency": 0}),
    ("WEBP", "RGB", {"save_all": True, "append_images": [Image.new("RGB", (16, 16))], "lossless": True})])
def test_pictures_that_servers_do_not_decode_are_sent_as_png_with_the_same_pixels(form, mode, options):
    content = encoded(Image.fromarray(noise(16, 16)).convert(mode), form, **options)
    sent = upright(content)

    assert sent.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decoded(sent), decoded(content))


BROKEN = {
    "text": b"no picture",
    "empty": b"",
    "cut": encoded(Image.fromarray(noise(64, 64)), "JPEG")[:-400],
    "icon": encoded(Image.fromarray(noise(16, 16)), "ICO"),
    "bits": encoded(Image.fromarray(noise(64, 64)))[:200] + b"\x00" * 300,
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_no_server_decodes_are_refused_before_sending(name, tmp_path):
    (tmp_path / "a.png").write_bytes(BROKEN[name])

    with pytest.raises(DataError, match=r"a\.png is not a readable picture\. Give a PNG, JPEG, BMP, "):
        read_picture(tmp_path / "a.png")


def test_an_endless_file_is_not_read_completely(monkeypatch):
    monkeypatch.setattr(module, "FILE_LIMIT_BYTES", 2**20)

    with pytest.raises(DataError, match=r"/dev/zero is larger than 1 MiB\. Is it a picture\?"):
        read_picture("/dev/zero")


def test_a_decompression_bomb_is_refused_before_decoding():
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"0"), b"IEND")
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)

    with pytest.raises(DataError, match="a bomb has more than 89,478,485 pixels"):
        upright(bomb, "a bomb")


@given(st.binary(max_size=120) | st.tuples(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP"]), st.data()).map(
    lambda pair: mutated(*pair)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_picture_or_a_data_error(content):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            upright(content)
        except DataError as error:
            assert "\n" not in str(error)


def mutated(form, data):
    content = bytearray(encoded(Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)), form))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    return bytes(content[: data.draw(st.integers(1, len(content)))])


@pytest.mark.parametrize("shape, shown", [((40, 10), (16, 4)), ((10, 40), (4, 16)), ((8, 8), (8, 8))])
def test_a_thumbnail_fits_into_its_square(shape, shown):
    assert thumbnail(encode_png(noise(*shape)), 16).shape == (*shown, 3)


def test_a_thumbnail_is_upright_and_has_8_bits():
    assert thumbnail(encoded(Image.fromarray(noise(10, 40)), "JPEG", 6), 16).shape == (16, 4, 3)
    grey = Image.fromarray(np.full((2, 2), 0x80FF, np.uint16))
    assert (thumbnail(encoded(grey), 16) == 0x80).all()
