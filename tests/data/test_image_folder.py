"""Image folders, valid and broken."""
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import Augmentation, epoch_order, load_dataset, make_batch, pixel_cache, rows, run_dataset
from keras_fixhead.data.folder_check import check_folder
from keras_fixhead.data.image_folder import sample_files
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.data.rows import Rows
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.errors import ArgumentError, DataError

DRAW = np.random.default_rng(0)


def write_pictures(folder, count, *, level=0, size=(20, 20), ending=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((size[1], size[0], 3), level, np.uint8)
        pixels[0, 0] = number  # all different
        Image.fromarray(pixels).save(folder / f"{number:03}{ending}")


@pytest.fixture
def folder(tmp_path):
    for level, name in ((200, "dogs"), (50, "cats"), (120, "old cars")):
        write_pictures(tmp_path / "things" / name, 20, level=level)
    return tmp_path / "things"


def test_subfolders_are_classes_and_one_picture_in_five_is_a_test_image(folder):
    dataset = load_dataset(str(folder))

    assert dataset.label_names == ("cats", "dogs", "old cars")
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [44, 4, 12]
    assert np.bincount(dataset.test.labels).tolist() == [4, 4, 4]
    assert dataset.train.images.shape == (44, 20, 20, 3) and dataset.train.images.dtype == np.uint8
    for images, labels in ((dataset.split(name).images, dataset.split(name).labels) for name in ("train", "test")):
        assert images[:, 5, 5, 0].tolist() == [(50, 200, 120)[label] for label in labels]


def test_splits_share_no_picture_and_are_deterministic(folder):
    one, other = load_dataset(str(folder)), load_dataset(str(folder))
    images = [image.tobytes() for name in ("train", "validation", "test") for image in one.split(name).images]

    assert len(set(images)) == 60 and one.digest() == other.digest()


def test_a_limit_takes_equally_many_pictures_from_unequal_classes(tmp_path):
    """A proportional limit would leave no images of the smallest class."""
    for name, count in (("many", 100), ("some", 40), ("few", 6)):
        write_pictures(tmp_path / name, count)
    data = run_dataset(str(tmp_path), limit_train=12)

    assert data.label_names == ("few", "many", "some")
    assert np.bincount(data.train.labels).tolist() == [4, 4, 4]


def test_existing_train_and_test_folders_are_kept(tmp_path):
    for part, count in (("train", 10), ("test", 3)):
        for name in ("a", "b"):
            write_pictures(tmp_path / part / name, count)
    dataset = load_dataset(str(tmp_path))

    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [18, 2, 6]


def test_pictures_are_cropped_to_a_square_and_resized_if_a_size_is_given(folder):
    write_pictures(folder / "cats", 2, level=50, size=(60, 30), ending=".jpg")
    dataset = load_dataset(str(folder), image_size=16)

    assert dataset.train.images.shape[1:] == (16, 16, 3)
    assert set(np.unique(dataset.train.images[:, 8, 8]).tolist()) <= set(range(48, 53)) | {200, 120}


def test_differing_sizes_are_reported_if_no_size_is_given(folder):
    write_pictures(folder / "zebras", 2, size=(24, 24))
    write_pictures(folder / "zebras", 1, size=(30, 20))
    with pytest.raises(DataError, match=r"2 of 62 files cannot be used\. .*zebras/000\.png has 30x20 pixels, not the "
                       r"20x20 of the first picture.*--image-size"):
        load_dataset(str(folder))


def test_a_size_is_required_if_the_first_picture_is_not_square(folder):
    write_pictures(folder / "ants", 2, size=(30, 20))
    with pytest.raises(DataError, match=r"ants/000\.png has 30x20 pixels and is not square\. Give --image-size"):
        resolve(TrainConfig(dataset=str(folder)))


def test_broken_and_small_files_are_all_named_at_once(folder):
    (folder / "cats" / "broken.png").write_bytes(b"no picture")
    (folder / "dogs" / "half.png").write_bytes((folder / "dogs" / "000.png").read_bytes()[:40])
    write_pictures(folder / "tiny", 2, size=(5, 5))
    with pytest.raises(DataError) as caught:
        load_dataset(str(folder), image_size=20)
    text = str(caught.value)

    assert "4 of 64 files cannot be used" in text and "\n" not in text
    for name in ("cats/broken.png", "dogs/half.png", "tiny/000.png", "tiny/001.png", "5x5 pixels"):
        assert name in text


def test_the_first_ten_of_many_broken_files_are_named_and_where_to_find_all(folder):
    for number in range(14):
        (folder / "cats" / f"broken{number:02}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"14 of 74 .*broken09\.png.* And 4 more\.") as caught:
        load_dataset(str(folder), image_size=20)
    report, _ = check_folder(str(folder))

    assert str(caught.value.hint).endswith(f"fixhead data check {folder} --json") and len(report.broken) == 14


@pytest.mark.parametrize("spoil, message", [
    (lambda folder: write_pictures(folder / "one", 1), r"has one with 1 picture; a class needs at least 2"),
    (lambda folder: [write_pictures(folder / "train" / name, 2) for name in "ab"],
     r"has train next to cats, dogs, old cars: is it a split or a class\? .* rename them, such as train to "
     "train-class"),
])
def test_an_invalid_image_folder_is_refused_before_reading_anything(folder, spoil, message):
    spoil(folder)
    with pytest.raises(DataError, match=message):
        describe(str(folder))


def test_broken_pictures_are_passed_over_on_request_and_counted(folder, caplog):
    (folder / "cats" / "000.png").write_bytes(b"no picture")
    (folder / "dogs" / "new.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 61 files cannot be used.*skip them with --skip-broken"):
        load_dataset(str(folder), image_size=20)
    data = load_dataset(str(folder), image_size=20, skip_broken=True)

    assert data.skipped == 2 and "2 of 61 files cannot be used" in caplog.text
    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [44, 4, 11]
    assert {tuple(image[5, 5]) for image in data.train.images[data.train.labels == 1]} == {(200, 200, 200)}


@pytest.mark.parametrize("held", [True, False])
def test_a_validation_folder_is_the_validation_part(tmp_path, held):
    for part, count, level in (("Train", 10, 10), ("VALID", 3, 20), ("test", 4, 30)):
        for name in ("a", "b"):
            write_pictures(tmp_path / part / name, count, level=level)
    data = load_dataset(str(tmp_path), hold_out=held)

    assert [len(data.split(name)) for name in ("train", "validation", "test")] == [20 if held else 26, 6 * held, 8]
    assert not held or set(data.validation.images[:, 5, 5, 0].tolist()) == {20}
    assert set(data.test.images[:, 5, 5, 0].tolist()) == {30}


def test_pictures_are_decoded_once_and_read_from_disk_afterwards(folder, monkeypatch):
    first = load_dataset(str(folder), image_size=12)
    monkeypatch.setattr(pixel_cache, "upright_picture", None)
    monkeypatch.setattr(rows, "IN_MEMORY_BYTES", 0)
    again = load_dataset(str(folder), image_size=12)

    assert isinstance(again.train.images, Rows) and again.digest() == first.digest()
    np.testing.assert_array_equal(again.mean, first.mean)
    for name in ("train", "validation", "test"):
        order = epoch_order(len(first.split(name)), seed=1, epoch=2)
        changes = Augmentation(crop_padding=2, flip=True, mixup=0.2)
        one, other = (make_batch(data.split(name), order[3:9], changes, seed=1, epoch=2) for data in (first, again))
        np.testing.assert_array_equal(one[0], other[0])
    monkeypatch.undo()
    write_pictures(folder / "cats", 20, level=51)  # files that have changed are decoded again
    assert load_dataset(str(folder), image_size=12).digest() != first.digest()


@pytest.mark.parametrize("switch", ["on", "off"])
@pytest.mark.parametrize("broken", [range(0, 20, 3), range(20), range(7, 60), (59,)])
def test_pixels_keep_the_order_of_the_files_where_some_are_broken(folder, monkeypatch, switch, broken):
    files = sorted(folder.rglob("*.png"))
    for number, file in enumerate(files):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(file)
    for number in broken:
        files[number].write_bytes(b"no picture")
    monkeypatch.setenv(pixel_cache.SWITCH, switch)
    decoded = pixel_cache.decode_files(files, PictureForm(20, 20), any_size=False)

    whole = [number for number in range(60) if number not in broken]
    assert decoded.used.tolist() == whole and decoded.pixels[:, 9, 9, 0].tolist() == whole
    assert [reason.split(" is not")[0] for reason in decoded.refused] == [str(files[number]) for number in broken]


def test_a_file_that_could_not_be_opened_is_tried_again(folder, monkeypatch):
    """Its size and time of change stay the same when its permissions are corrected."""
    files, form, read = sorted(folder.rglob("*.png")), PictureForm(20, 20), Path.read_bytes

    def denied(path):
        if path == files[3]:
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as context:
        context.setattr(Path, "read_bytes", denied)
        before = pixel_cache.decode_files(files, form, any_size=False)
    after = pixel_cache.decode_files(files, form, any_size=False)

    assert before.refused == (f"{files[3]} cannot be read: Permission denied.",) and len(before.used) == 59
    assert after.refused == () and len(after.used) == len(pixel_cache.decode_files(files, form, any_size=False).used)


def test_what_a_killed_process_has_left_is_removed_after_a_day(folder):
    unfinished = {name: pixel_cache.folder_of_pixels() / f".tmp-{name}" for name in ("old", "new")}
    for name, each in unfinished.items():
        each.mkdir(parents=True)
        (each / "pixels.npy").write_bytes(b"some")
        for path in (each / "pixels.npy", each):
            os.utime(path, (time.time() - (90_000 if name == "old" else 0),) * 2)
    pixel_cache.decode_files(sorted(folder.rglob("*.png")), PictureForm(18, 18), any_size=True)

    assert not unfinished["old"].exists() and unfinished["new"].exists()


@pytest.mark.parametrize("switch", ["on", "off"])
def test_pixels_are_kept_in_memory_if_there_is_no_space_for_them(folder, monkeypatch, caplog, switch):
    expected = load_dataset(str(folder), image_size=13).digest()
    monkeypatch.setenv(pixel_cache.SWITCH, switch)
    monkeypatch.setattr(pixel_cache, "_FREE_SHARE", 10**12)
    monkeypatch.setattr(pixel_cache, "_VERSION", 0)

    assert load_dataset(str(folder), image_size=13).digest() == expected
    assert ("Pixels are kept in memory" in caplog.text) == (switch == "on")


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="has 0 subfolders with pictures; a folder of images needs one subfolder per "
                       "class"):
        describe(str(tmp_path))
    with pytest.raises(DataError, match=r"does not exist\. Give a data set's name"):
        describe(str(tmp_path / "nothing"))


def test_splits_with_different_classes_are_refused(tmp_path):
    for part, names in (("train", "ab"), ("test", "bc")):
        for name in names:
            write_pictures(tmp_path / part / name, 2)
    with pytest.raises(DataError, match=r"have different classes: only train has a and only test has c"):
        describe(str(tmp_path))


def test_data_set_names_are_not_taken_for_folders_and_unknown_names_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").mkdir()  # a prepared set may be in the current folder
    (tmp_path / "photographs").mkdir()

    assert not is_folder("cifar10") and is_folder("photographs") and is_folder("./cifar10")
    with pytest.raises(ArgumentError, match="Unknown dataset 'photos'"):
        TrainConfig(dataset="photos")


def test_a_configuration_has_the_absolute_path_and_the_number_of_steps(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    found = resolve(TrainConfig(dataset="things", batch_size=10))
    config = found.config

    assert (config.dataset, config.crop_padding) == (str(folder), 2)
    assert found.steps_per_epoch == 4 and resolve(config).config == config


def test_a_class_without_usable_pictures_is_not_trained_on(folder):
    for file in (folder / "cats").iterdir():
        file.write_bytes(b"no picture")
    write_pictures(folder / "cats", 1)
    with pytest.raises(DataError, match=r"has cats \(1\) with too few pictures that can be used; a class needs"):
        load_dataset(str(folder), image_size=20, skip_broken=True)
    write_pictures(folder / "cats", 2)

    assert load_dataset(str(folder), image_size=20, skip_broken=True).skipped == 18


@pytest.mark.parametrize("damage", [
    lambda pixels: pixels.write_bytes(pixels.read_bytes()[:200]), lambda pixels: pixels.write_bytes(b""),
    lambda pixels: pixels.unlink(), lambda pixels: np.save(pixels, np.zeros((60, 6, 6, 3), np.uint8)),
    lambda pixels: pixels.with_name("facts.json").write_text("{")])
def test_damaged_pixels_are_decoded_again(folder, damage, tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    expected = load_dataset(str(folder), image_size=12).digest()
    (pixels,) = pixel_cache.folder_of_pixels().glob("*/pixels.npy")
    damage(pixels)

    assert load_dataset(str(folder), image_size=12).digest() == expected
    assert load_dataset(str(folder), image_size=12).digest() == expected
    assert list(pixel_cache.folder_of_pixels().glob("*/pixels.npy")) == [pixels]


def test_a_sample_of_files_has_only_usable_ones_of_the_chosen_classes(folder):
    for name in ("000.png", "001.png"):
        (folder / "cats" / name).write_bytes(b"no picture")
    write_pictures(folder / "cats", 4, size=(20, 5), ending=".bmp")
    for file in (folder / "dogs").glob("*.png"):
        file.write_bytes(b"")
    (folder / "dogs" / "000.png").unlink()
    (folder / "dogs" / "000.png").symlink_to(folder / "nothing")
    found = sample_files(str(folder), 8, "cats,dogs")

    assert 3 <= len(found) <= 8 and found[0] == folder / "cats" / "002.png"
    assert {file.parent.name for file in found} == {"cats"} and {file.suffix for file in found} == {".png"}
    assert len(sample_files(str(folder), 6)) >= 3
