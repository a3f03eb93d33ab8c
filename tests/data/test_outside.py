import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import load_dataset, rows
from keras_fixhead.data.outside import check_measurable, outside_dataset, outside_notes, resized
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


@pytest.mark.parametrize("parts, measured", [(["val"], "validation"), (["train", "val"], "validation"),
                                             (["val", "test"], "test"), (["test"], "test"), (["train"], "train")])
def test_a_folder_is_measured_on_its_test_part_or_else_on_validation_and_says_so(folder, tmp_path, parts, measured):
    """Nothing is held out of what is there, and no part 'train' is needed."""
    data = tmp_path / "parts"
    for number, part in enumerate(parts):
        (data / part / "cat").mkdir(parents=True)
        shutil.copy(folder / "cat" / f"{number}.png", data / part / "cat" / f"{part}.png")
    found = outside_dataset(str(data), None, PictureForm(16, 16))

    assert [Path(file).stem for file in found.test.files] == [measured.removesuffix("idation")]
    assert found.label_names == ("cat",)
    assert outside_notes(str(data), found) == (
        [] if measured == "test" else [f"Measured on its {measured} part: it has no test part."])


def test_one_class_with_one_picture_is_enough_to_be_measured_on(folder):
    """A folder of a single class was refused, although nothing is trained."""
    shutil.rmtree(folder / "dog")
    for number in (1, 2):
        (folder / "cat" / f"{number}.png").unlink()
    found = outside_dataset(str(folder), None, PictureForm(16, 16))

    assert found.label_names == ("cat",) and len(found.test) == 1
    with pytest.raises(DataError, match="at least 2"):
        load_dataset(str(folder), image_size=16)


def test_parts_of_another_folder_need_not_have_the_same_classes(folder, tmp_path):
    data = tmp_path / "parts"
    for part, name in (("train", "cat"), ("test", "dog")):
        (data / part).mkdir(parents=True)
        (data / part / name).symlink_to(folder / name)
    found = outside_dataset(str(data), None, PictureForm(16, 16))

    assert found.label_names == ("cat", "dog") and found.test.labels.tolist() == [1, 1, 1]


def test_a_folder_without_class_folders_cannot_be_measured_on(folder, tmp_path):
    flat = tmp_path / "flat"
    shutil.copytree(folder / "cat", flat)
    with pytest.raises(DataError) as caught:
        check_measurable(str(flat))

    assert (caught.value.what, caught.value.hint) == (
        f"{flat} has no subfolders with pictures.", "Expected FOLDER/CLASS/PICTURE, with the names of the classes.")


def test_a_list_without_the_split_train_can_be_measured_on(folder):
    (folder / "list.csv").write_text("path,label,split\ncat/0.png,cat,val\ndog/1.png,dog,val\n")

    assert outside_dataset(str(folder / "list.csv"), None, PictureForm(16, 16)).test.labels.tolist() == [0, 1]


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
