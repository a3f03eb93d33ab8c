"""JPEG files decoded at a part of their size: at which, and that a picture stays where it was."""
import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import load_dataset, pixel_cache
from keras_fixhead.data.outside import outside_dataset
from keras_fixhead.data.pictures import FITS, PictureForm, decoding_ratio, picture_array, upright_picture
from keras_fixhead.evaluation import Predictor
from keras_fixhead.models import build_model

REDUCED = PictureForm(24, 20, decoding="reduced")
FULL = PictureForm(24, 20)


def photograph(height, width):
    """Smooth, so that hardly anything is lost where it is reduced, and with edges of strong colours."""
    draw = np.random.default_rng(height)
    coarse = Image.fromarray(draw.integers(0, 256, (4, 5, 3)).astype(np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(picture, turn=None, **options):
    if turn is not None:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = turn
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize("rows, columns, fit, ratio", [
    (71, 900, "crop", 1), (72, 60, "crop", 2), (72, 59, "crop", 1),  # 72 = 2 * 1.5 * 24, and 60 = 2 * 1.5 * 20
    (143, 900, "crop", 2), (144, 120, "crop", 4), (288, 240, "crop", 8), (9_000, 9_000, "crop", 8), (1, 1, "crop", 1),
    (72, 60, "squash", 2), (72, 59, "squash", 1), (4_000, 60, "squash", 2),
    (72, 10, "pad", 2), (10, 60, "pad", 2), (30, 60, "pad", 2), (30, 59, "pad", 1)])
def test_a_file_is_reduced_as_far_as_one_and_a_half_times_the_pixels_are_left(rows, columns, fit, ratio):
    assert decoding_ratio(rows, columns, PictureForm(24, 20, fit, decoding="reduced")) == ratio
    assert decoding_ratio(rows, columns, PictureForm(24, 20, fit)) == 1


@pytest.mark.parametrize("turn", [None, *range(2, 9)])
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("height, width", [(301, 307), (309, 302), (203, 157), (91, 123), (77, 501)])
def test_a_reduced_picture_shows_the_same_in_the_same_place(height, width, fit, turn):
    """Moved by one of the pixels that are left out, it would differ by more than these levels."""
    content = jpeg(photograph(height, width), turn)
    reduced, full = (picture_array(content, "a", PictureForm(24, 20, fit, decoding=each)).astype(int)
                     for each in ("reduced", "full"))

    assert upright_picture(content, "a", PictureForm(24, 20, fit, decoding="reduced")).ratio > 1
    assert np.abs(reduced - full).mean() < 0.5 and np.abs(reduced - full).max() <= 6


@pytest.mark.parametrize("mode, options", [("L", {}), ("CMYK", {}), ("RGB", {"progressive": True}),
                                           ("RGB", {"subsampling": 0})])
def test_every_kind_of_jpeg_is_reduced(mode, options):
    content = jpeg(photograph(300, 301).convert(mode), **options)
    found = upright_picture(content, "a", REDUCED)

    assert (found.rows, found.columns, found.ratio, found.pixels.size) == (300, 301, 8, (38, 38))
    assert np.abs(picture_array(content, "a", REDUCED).astype(int) - picture_array(content, "a", FULL)).mean() < 1


def test_only_jpeg_is_reduced():
    file = io.BytesIO()
    photograph(300, 300).save(file, "PNG")

    assert upright_picture(file.getvalue(), "a", REDUCED).pixels.size == (300, 300)


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(5):
            noise = Image.fromarray(draw.integers(0, 256, (100, 100, 3)).astype(np.uint8))
            (tmp_path / "pictures" / name / f"{number}.jpg").write_bytes(jpeg(noise, 6 if number == 2 else None))
    return tmp_path / "pictures"


def test_training_evaluation_and_prediction_see_the_same_reduced_pixels(folder):
    form = PictureForm(24, 24, decoding="reduced")
    data = load_dataset(str(folder), image_size=24, decoding="reduced", hold_out=False)
    files = sorted(folder.rglob("*.jpg"))
    expected = {str(file): picture_array(file.read_bytes(), "", form) for file in files}
    predictor = Predictor(build_model("resnet18", (24, 24, 3), 2, width=1 / 64), ("a", "b"), "crop", "reduced")
    outside = outside_dataset(str(folder), None, form).test

    for split in (data.train, data.test, outside):
        assert all((image == expected[file]).all() for image, file in zip(split.images, split.files, strict=True))
    found = predictor.picture_images([each.read_bytes() for each in files], list(map(str, files)))
    np.testing.assert_array_equal(found, list(expected.values()))


def test_pixels_of_both_ways_are_kept_apart(folder):
    before = len(pixel_cache.kept())
    digests = [[load_dataset(str(folder), image_size=24, decoding=each).digest() for each in ("full", "reduced", None)]
               for _ in range(2)]

    assert digests[0] == digests[1] and digests[0][0] == digests[0][2] != digests[0][1]
    assert len(pixel_cache.kept()) == before + 2


def test_pixels_kept_before_files_could_be_reduced_are_still_used(monkeypatch):
    """The key of a version without `decoding`, computed by it for no files."""
    monkeypatch.setattr("PIL.__version__", "12.0.0")
    form = PictureForm(24, 24)

    assert pixel_cache._state([], form, True) == "93c737554fd56dcc076e80e89d60e343"


def test_the_choice_belongs_to_folders_of_pictures(folder):
    asked = {"image_size": 24, "decoding": "reduced"}

    assert resolve(TrainConfig(dataset=str(folder), **asked)).config.decoding == "reduced"
    assert resolve(TrainConfig(dataset="digits", decoding="reduced")).config.decoding == "full"
