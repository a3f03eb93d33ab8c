import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import rows
from keras_fixhead.data.outside import outside_dataset, resized
from keras_fixhead.data.pictures import PictureForm, fit_picture
from keras_fixhead.errors import DataError


@pytest.fixture
def folder(tmp_path):
    draw = np.random.default_rng(0)
    for name, size in [("cat", (40, 30)), ("dog", (30, 50))]:
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(draw.integers(0, 256, (*size, 3)).astype("uint8")).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_a_folder_without_parts_is_measured_whole_in_the_size_of_the_model(folder):
    form = PictureForm(16, 16)
    data = outside_dataset(str(folder), None, form)
    picture = np.asarray(Image.open(folder / "dog" / "1.png"))

    assert (len(data.train), len(data.validation), len(data.test)) == (0, 0, 6)
    assert [file.removeprefix(f"{folder}/") for file in data.test.files] == [
        "cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(data.test.images[4], fit_picture(picture, form))


def test_a_folder_with_parts_keeps_them(folder, tmp_path):
    parts = tmp_path / "parts"
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (parts / part).mkdir(parents=True, exist_ok=True)
            (parts / part / name).symlink_to(folder / name)
    data = outside_dataset(str(parts), None, PictureForm(16, 16))

    assert (len(data.train), len(data.validation), len(data.test)) == (6, 0, 6)


def test_a_named_set_keeps_its_size_until_it_is_resized():
    data = outside_dataset("digits", None, PictureForm(16, 16))

    assert data.test.images.shape[1:] == (32, 32, 3)
    small = resized(data.test.take(np.arange(3)), PictureForm(16, 16))
    np.testing.assert_array_equal(small.images[1], fit_picture(data.test.images[1], PictureForm(16, 16)))


def test_a_large_folder_is_measured_without_reading_it_into_memory(folder, monkeypatch):
    expected = outside_dataset(str(folder), None, PictureForm(16, 16)).test
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    found = outside_dataset(str(folder), None, PictureForm(16, 16)).test

    assert isinstance(found.images, rows.Rows) and found.files.tolist() == expected.files.tolist()
    np.testing.assert_array_equal(found.images[:], expected.images)


def test_broken_pictures_of_another_folder_are_passed_over_on_request(folder):
    (folder / "cat" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="skip them with --skip-broken"):
        outside_dataset(str(folder), None, PictureForm(16, 16))

    assert outside_dataset(str(folder), None, PictureForm(16, 16), skip_broken=True).skipped == 1
