"""CIFAR-10.1 from synthetic files with the names, shapes and types of the published ones, which are not here."""
import numpy as np
import pytest

from keras_fixhead.data import check_available, load_dataset, reads_tfds, tfds
from keras_fixhead.data.packing import pack_dataset
from keras_fixhead.data.sources import describe
from keras_fixhead.errors import DataError


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(tfds, "_answers", lambda url: False)


def write(folder, version, count):
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(count, dtype=np.int64) % 10
    np.save(folder / f"cifar10.1_{version}_data.npy", images)
    np.save(folder / f"cifar10.1_{version}_labels.npy", labels)
    return images, labels


@pytest.mark.parametrize("place", [".", "CIFAR-10.1/datasets"])
def test_published_files_are_read_as_they_are_and_v6_is_the_default(tmp_path, place):
    (six, labels), _ = write(tmp_path / place, "v6", 20), write(tmp_path / place, "v4", 21)
    found = {name: load_dataset(name, str(tmp_path)) for name in ("cifar10_1", "cifar10_1/v6", "cifar10_1/v4")}

    np.testing.assert_array_equal(found["cifar10_1"].test.images, six)
    np.testing.assert_array_equal(found["cifar10_1"].test.labels, labels)
    assert found["cifar10_1"].digest() == found["cifar10_1/v6"].digest()
    assert len(found["cifar10_1/v4"].test) == 21 and len(found["cifar10_1"].train) == 0
    assert found["cifar10_1"].label_names[6] == "frog" and "20 of 2,000 test images" in found["cifar10_1"].subset
    assert not reads_tfds("cifar10_1", str(tmp_path))


def test_a_version_is_packed_under_a_name_without_a_slash(tmp_path):
    images, _ = write(tmp_path, "v4", 12)
    folder, index = pack_dataset("cifar10_1/v4", tmp_path / "packed", data_dir=str(tmp_path))

    assert folder.name == "cifar10_1-v4.packed" and index.name == "cifar10_1/v4"
    assert describe("cifar10_1/v4", str(tmp_path / "packed")).packed == str(folder)
    np.testing.assert_array_equal(load_dataset("cifar10_1/v4", str(tmp_path / "packed")).test.images, images)


def test_when_it_is_not_there_the_message_says_where_to_get_which_files(tmp_path):
    with pytest.raises(DataError, match=r"cifar10_1/v4 is neither in .* nor can be downloaded") as error:
        check_available("cifar10_1/v4", str(tmp_path))
    assert "Copy cifar10.1_v4_data.npy and cifar10.1_v4_labels.npy from the folder datasets of " in error.value.hint
    assert "https://github.com/modestyachts/CIFAR-10.1" in error.value.hint


@pytest.mark.parametrize("which, change, message", [
    ("data", lambda array: array.astype(np.float32), "has float32 values of shape"),
    ("data", lambda array: array[:, :16], r"not uint8 of \(N, 32, 32, 3\)"),
    ("labels", lambda array: array[:-1], "does not have one label from 0 to 9 for each of the 20 images"),
    ("labels", lambda array: array + 1, "does not have one label"),
    ("labels", lambda array: None, r"labels\.npy is not a readable \.npy file of numbers\."),
])
def test_damaged_files_are_named(tmp_path, which, change, message):
    write(tmp_path, "v6", 20)
    path = tmp_path / f"cifar10.1_v6_{which}.npy"
    changed = change(np.load(path))
    if changed is None:
        path.write_bytes(b"not an array")
    else:
        np.save(path, changed)
    with pytest.raises(DataError, match=message):
        load_dataset("cifar10_1", str(tmp_path))
