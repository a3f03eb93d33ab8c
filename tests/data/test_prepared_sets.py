"""Sets read through TensorFlow Datasets, on synthetic folders with their layout.

Real pixels are not available for fashion_mnist and cifar10_1, and only in part for stl10 and tiny_imagenet: the slow
tests read these parts.
"""
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import check_available, choose_classes, load_dataset, long_tail, tfds
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.label_names import CIFAR100, CIFAR100_GROUPS
from keras_fixhead.data.sources import describe
from keras_fixhead.errors import ArgumentError, DataError

DRAW = np.random.default_rng(0)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(tfds, "_answers", lambda url: False)


def prepare(folder, name, version, image_shape, num_classes, sizes, config=None):
    """Writes a data set of random images with the features and folder layout of TensorFlow Datasets."""
    import tensorflow_datasets

    features = tensorflow_datasets.features.FeaturesDict({
        "image": tensorflow_datasets.features.Image(shape=image_shape),
        "label": tensorflow_datasets.features.ClassLabel(num_classes=num_classes)})
    parts = {split: [(number, {"image": DRAW.integers(0, 256, image_shape).astype("uint8"),
                               "label": number % num_classes}) for number in range(size)]
             for split, size in sizes.items()}
    tensorflow_datasets.dataset_builders.store_as_tfds_dataset(
        name=name, version=version, features=features, split_datasets=parts, data_dir=str(folder), config=config,
        disable_shuffling=True)
    return {split: np.stack([each["image"] for _, each in part]) for split, part in parts.items()}


def test_fashion_mnist_is_grey_with_a_black_border(tmp_path, offline, caplog):
    images = prepare(tmp_path, "fashion_mnist", "3.0.1", (28, 28, 1), 10, {"train": 60, "test": 20})
    dataset = load_dataset("fashion_mnist", str(tmp_path))

    assert dataset.test.images.shape == (20, 32, 32, 3) and len(dataset.train) + len(dataset.validation) == 60
    np.testing.assert_array_equal(dataset.test.images[:, 2:-2, 2:-2], np.repeat(images["test"], 3, axis=3))
    border = np.ones((32, 32), bool)
    border[2:-2, 2:-2] = False
    assert not dataset.test.images[:, border].any()
    assert dataset.label_names[9] == "Ankle boot"
    assert "a subset of fashion_mnist: 60 of 60,000 training and 20 of 10,000 test images" in caplog.text


def test_cifar10_1_is_a_test_set_with_the_names_of_cifar10(tmp_path, offline):
    prepare(tmp_path, "cifar10_1", "1.1.0", (32, 32, 3), 10, {"test": 30}, config="v6")
    dataset = load_dataset("cifar10_1", str(tmp_path))

    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [0, 0, 30]
    assert dataset.label_names == DATASETS["cifar10"].label_names
    assert dataset.train.images.shape == (0, 32, 32, 3)


def test_a_subset_is_reported_with_its_sizes_before_it_is_read(tmp_path, offline, caplog):
    prepare(tmp_path, "stl10", "1.0.0", (96, 96, 3), 10, {"train": 40, "test": 10})
    entry = describe("stl10", str(tmp_path))
    dataset = load_dataset("stl10", str(tmp_path))

    assert (entry.train, entry.validation, entry.test) == (36, 4, 10)
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [36, 4, 10]
    assert dataset.subset.startswith("a subset of stl10: 40 of 5,000") and dataset.subset in caplog.text
    whole = load_dataset("stl10", str(tmp_path), hold_out=False)
    assert (len(whole.train), len(whole.validation)) == (40, 0)


@pytest.fixture(scope="module")
def tiny_archive(tmp_path_factory):
    """The official layout: 200 classes of 3 training and 1 validation image each, some grey; test images unlabelled."""
    folder = tmp_path_factory.mktemp("tiny") / "downloads" / "manual"
    folder.mkdir(parents=True)
    numbers = [f"n{10_000_000 + 37 * number}" for number in range(200)]
    shuffled = [numbers[place] for place in DRAW.permutation(200)]
    root = "tiny-imagenet-200"
    with zipfile.ZipFile(folder / "tiny-imagenet-200.zip", "w") as archive:
        archive.writestr(f"{root}/wnids.txt", "\n".join(shuffled))
        archive.writestr(f"{root}/words.txt", "".join(f"{number}\tthing {place}, other name\n"
                                                      for place, number in enumerate(numbers)))
        lines = []
        for place, number in enumerate(numbers):
            archive.writestr(f"{root}/train/{number}/{number}_boxes.txt", "")
            for copy in range(3):
                archive.writestr(f"{root}/train/{number}/images/{number}_{copy}.JPEG", jpeg(place, grey=copy == 0))
            archive.writestr(f"{root}/val/images/val_{place}.JPEG", jpeg(place))
            lines.append(f"val_{place}.JPEG\t{number}\t0\t0\t1\t1\n")
        archive.writestr(f"{root}/val/val_annotations.txt", "".join(lines))
        archive.writestr(f"{root}/test/images/test_0.JPEG", jpeg(0))
    return folder.parents[1]


def jpeg(level, *, grey=False):
    content = io.BytesIO()
    Image.new("L" if grey else "RGB", (64, 64), level if grey else (level,) * 3).save(content, "JPEG", quality=95)
    return content.getvalue()


def test_tiny_imagenet_is_prepared_from_its_archive(tiny_archive, offline):
    check_available("tiny_imagenet", str(tiny_archive))
    before = describe("tiny_imagenet", str(tiny_archive))
    dataset = load_dataset("tiny_imagenet", str(tiny_archive))

    assert (before.train, before.validation, before.test) == (540, 60, 200)
    assert [len(dataset.split(name)) for name in ("train", "validation", "test")] == [540, 60, 200]
    assert dataset.label_names[:2] == ("thing_0", "thing_1") and dataset.num_classes == 200
    for name in ("train", "test"):
        split = dataset.split(name)
        assert split.images.shape[1:] == (64, 64, 3)
        levels = split.images.mean(axis=(1, 2, 3))
        assert np.abs(levels - split.labels).max() <= 1.5  # the grey level of a picture is its class; JPEG rounds
    assert describe("tiny_imagenet", str(tiny_archive), classes="thing_3,thing_7").num_classes == 2
    again = load_dataset("tiny_imagenet", str(tiny_archive))  # now from the prepared files
    assert again.digest() == dataset.digest()


def test_tiny_imagenet_without_archive_or_network_says_where_to_put_the_archive(tmp_path, offline):
    with pytest.raises(DataError, match=r"tiny-imagenet-200\.zip in its folder downloads/manual"):
        check_available("tiny_imagenet", str(tmp_path))


def test_a_damaged_archive_is_a_one_line_error(tmp_path, offline):
    folder = tmp_path / "downloads" / "manual"
    folder.mkdir(parents=True)
    (folder / "tiny-imagenet-200.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"tiny_imagenet in .* cannot be read") as caught:
        load_dataset("tiny_imagenet", str(tmp_path))
    assert "\n" not in str(caught.value)


def test_classes_are_selected_by_name_and_renumbered():
    digits = load_dataset("digits")
    some = choose_classes(digits, "8, 1,5")

    assert some.label_names == ("1", "5", "8") and some.num_classes == 3
    for name in ("train", "validation", "test"):
        split, whole = some.split(name), digits.split(name)
        kept = np.isin(whole.labels, [1, 5, 8])
        np.testing.assert_array_equal(split.images, whole.images[kept])
        np.testing.assert_array_equal(np.array([1, 5, 8])[split.labels], whole.labels[kept])
    np.testing.assert_array_equal(some.mean, digits.mean)
    assert choose_classes(digits, None) is digits


@pytest.mark.parametrize("classes, message", [("3", "at least 2 classes"), ("3,nine", "Unknown class 'nine'"),
                                              ("", "Unknown class ''"), ("3,3", "at least 2")])
def test_an_invalid_selection_of_classes_is_refused(classes, message):
    with pytest.raises(ArgumentError, match=message):
        choose_classes(load_dataset("digits"), classes)


def test_cifar100_has_20_groups_of_five_classes():
    assert len(CIFAR100_GROUPS) == 20 and len(CIFAR100) == len(set(CIFAR100)) == 100
    assert {len(names) for names in CIFAR100_GROUPS.values()} == {5}
    entry = describe("cifar100", "/nowhere", classes="fish,bee")
    assert entry.label_names == ("aquarium_fish", "bee", "flatfish", "ray", "shark", "trout")
    assert (entry.num_classes, entry.train, entry.test) == (6, 2_700, 600)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 10.0, 100.0, 1e6])
def test_a_long_tail_decays_exponentially_over_the_classes(ratio):
    digits = load_dataset("digits")
    counts = np.bincount(long_tail(digits, ratio).train.labels, minlength=10)
    smallest = np.bincount(digits.train.labels).min()
    if ratio == 1:
        assert long_tail(digits, ratio) is digits
        return
    assert counts[0] == smallest
    np.testing.assert_allclose(counts, np.maximum(1, smallest * ratio ** (-np.arange(10) / 9)), atol=0.5)
