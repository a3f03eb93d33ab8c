"""Folders of corrupted images in the published layouts, read and written.

The files are synthetic: the published images are not part of the tests.
"""
import json

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import Split
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.label_names import TINY_IMAGENET
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt, measure_robustness
from keras_fixhead.robustness.published import published_names, published_suite
from keras_fixhead.robustness.scores import error_line
from keras_fixhead.robustness.writing import write_corrupted

DRAW = np.random.default_rng(0)
SPLIT = Split(DRAW.integers(0, 256, (20, 16, 16, 3)).astype("uint8"), DRAW.integers(0, 3, 20).astype("int32"))
NAMES = ("a", "b", "c")


def by_brightness(images):
    return np.digitize(images.mean(axis=(1, 2, 3)), [126, 129])


# CIFAR-10-C's layout

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    write_corrupted(SPLIT, made, corruptions=["fog", "frost", "saturate"], seed=2)
    return made


def test_blocks_have_one_severity_each_in_the_order_of_the_images(folder):
    for name in ("fog", "saturate"):
        blocks = np.load(folder / f"{name}.npy")
        assert blocks.shape == (100, 16, 16, 3) and blocks.dtype == np.uint8
        for severity in SEVERITIES:
            np.testing.assert_array_equal(blocks[20 * (severity - 1) : 20 * severity],
                                          corrupt(SPLIT.images, name, severity, seed=2))
    np.testing.assert_array_equal(np.load(folder / "labels.npy"), np.tile(SPLIT.labels, 5))
    assert "not the published files" in json.loads((folder / "made.json").read_text())["note"]
    assert not list(folder.glob(".*"))


def test_files_give_the_numbers_that_the_images_in_memory_give(folder):
    suite = published_suite(folder, SPLIT.labels, NAMES, (16, 16, 3))
    found = measure_robustness(by_brightness, SPLIT, suite=suite, limit=15)
    expected = measure_robustness(by_brightness, SPLIT, suite="cifar-c", seed=2, limit=15,
                                  corruptions=["fog", "frost", "saturate"])

    assert found.accuracy == expected.accuracy and found.engine == "files"
    assert list(found.accuracy) == ["frost", "fog", "saturate"]  # in the published order
    assert found.in_mean == ("fog",)  # saturate is an extra, and this frost is not the published one


@pytest.fixture
def permuted(folder, tmp_path):
    """The folder with its images and labels in another order, as the published files have them."""
    order = np.random.default_rng(1).permutation(20)
    for file in folder.glob("*.npy"):
        blocks = np.load(file)
        np.save(tmp_path / file.name, blocks.reshape(5, 20, *blocks.shape[1:])[:, order].reshape(blocks.shape))
    labels = np.load(tmp_path / "labels.npy")
    assert (labels[:20] == SPLIT.labels[order]).all() and (labels[:20] != SPLIT.labels).any()
    np.save(tmp_path / "labels.npy", labels.astype(np.uint8))
    return tmp_path


def test_the_order_of_the_files_does_not_matter(folder, permuted):
    found, expected = (measure_robustness(by_brightness, SPLIT, suite=published_suite(each, SPLIT.labels, NAMES,
                                                                                      (16, 16, 3)))
                       for each in (permuted, folder))

    assert found.accuracy == expected.accuracy and found.clean == expected.clean
    assert 0 < found.accuracy["fog"][0] < 1


def test_a_limit_takes_as_many_corrupted_images_of_each_class_as_clean_ones(permuted):
    whole = published_suite(permuted, SPLIT.labels, NAMES, (16, 16, 3))
    suite = whole.like(SPLIT.labels[:9])
    found = measure_robustness(by_brightness, SPLIT, suite=whole, limit=9)

    np.testing.assert_array_equal(np.sort(suite.labels), np.sort(SPLIT.labels[:9]))
    indices = np.concatenate([np.flatnonzero(whole.labels == label)[:count]
                              for label, count in enumerate(np.bincount(suite.labels))])
    expected = whole.make(SPLIT.images, "fog", 3, 0, 0)[np.sort(indices)]
    np.testing.assert_array_equal(suite.make(SPLIT.images[:9], "fog", 3, 0, 0), expected)
    np.testing.assert_array_equal(suite.make(SPLIT.images[:4], "fog", 3, 0, 5), expected[5:])
    assert found.n == 9 and found.accuracy["fog"][2] == (by_brightness(expected) == suite.labels).mean()


def test_frost_of_published_files_is_in_the_mean(folder, tmp_path):
    for file in folder.glob("*.npy"):
        (tmp_path / file.name).symlink_to(file)
    suite = published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))

    assert suite.averaged(list(suite.corruptions)) == ("frost", "fog")


def test_files_that_were_made_here_are_averaged_as_their_suite_is(tmp_path):
    """In the suite cifar-c, gaussian_blur is an extra corruption; in paper-plain it is in the mean."""
    write_corrupted(SPLIT, tmp_path, suite="paper-plain")
    suite = published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))

    assert set(suite.averaged(list(suite.corruptions))) == set(SUITES["paper-plain"])


def test_writing_continues_and_refuses_a_folder_with_other_images(folder, tmp_path):
    before = (folder / "fog.npy").stat().st_mtime_ns
    write_corrupted(SPLIT, folder, corruptions=["fog"], seed=2)
    assert (folder / "fog.npy").stat().st_mtime_ns == before
    with pytest.raises(ArgumentError, match=r"other data, another suite or another seed\. Give a new folder"):
        write_corrupted(SPLIT, folder, corruptions=["fog"], seed=3)
    np.save(tmp_path / "fog.npy", SPLIT.images)
    with pytest.raises(ArgumentError, match=r"were not made by this command\. Give a new folder"):
        write_corrupted(SPLIT, tmp_path, corruptions=["fog"])


def test_files_of_other_images_are_refused(folder, tmp_path):
    with pytest.raises(ArgumentError, match=r"expected uint8 of shape \(50, 16, 16, 3\): 5 blocks of the 10 "):
        published_suite(folder, SPLIT.labels[:10], NAMES, (16, 16, 3))
    with pytest.raises(ArgumentError, match=r"does not have the labels of the 20 test images.* --dataset NAME"):
        published_suite(folder, np.zeros(20, np.int32), NAMES, (16, 16, 3))
    with pytest.raises(DataError, match=r"has no corrupted images\. Expected NAME\.npy .* fixhead data corrupt"):
        published_names(tmp_path)
    (tmp_path / "fog.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"is not a readable \.npy file of numbers\."):
        published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))
    np.save(tmp_path / "fog.npy", np.zeros((100, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"labels\.npy is missing"):
        published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))


# Tiny-ImageNet-C's layout

def write_pictures(folder, values, count=2):
    for severity in SEVERITIES:
        for label, value in values.items():
            place = folder / "fog" / str(severity) / label
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(np.full((24, 24, 3), value + severity, np.uint8)).save(place / f"{number}.png")


def test_folders_of_pictures_have_images_and_labels_of_their_own(tmp_path):
    write_pictures(tmp_path, {"a": 100, "c": 200})
    suite = published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))
    found = measure_robustness(lambda images: np.where(images[:, 0, 0, 0] < 103, 0, 2), SPLIT, suite=suite)

    assert found.accuracy == {"fog": (1.0, 1.0, 0.5, 0.5, 0.5)}
    assert (found.n, found.n_clean) == (4, 20)
    (tmp_path / "fog" / "3" / "a" / "1.png").unlink()
    with pytest.raises(DataError, match="does not have the same pictures as the others"):
        published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))
    with pytest.raises(ArgumentError, match="has the class 'c', which is not one of the run's"):
        (tmp_path / "fog" / "3" / "a" / "1.png").write_bytes(b"")
        published_suite(tmp_path, SPLIT.labels, ("a", "b"), (16, 16, 3))


def test_folders_are_called_by_wordnet_ids_or_by_names(tmp_path):
    """Tiny-ImageNet-C's folders have ids; n01443537 is a goldfish, n07753592 a banana."""
    names = ("banana", "crane", "goldfish")
    write_pictures(tmp_path, {"n01443537": 200, "crane": 100, "n07753592": 0})
    suite = published_suite(tmp_path, SPLIT.labels, names, (16, 16, 3))
    found = measure_robustness(lambda images: images[:, 0, 0, 0] // 100, SPLIT, suite=suite)

    assert suite.labels.tolist() == [1, 1, 2, 2, 0, 0] and found.accuracy["fog"] == (1.0,) * 5
    with pytest.raises(ArgumentError, match="has the class 'n07753592', which is not one of the run's"):
        published_suite(tmp_path, SPLIT.labels, names[1:], (16, 16, 3))


def test_the_ids_are_those_of_the_classes():
    assert len(set(TINY_IMAGENET.values())) == len(TINY_IMAGENET) == DATASETS["tiny_imagenet"].num_classes
    assert list(TINY_IMAGENET) == sorted(TINY_IMAGENET)
    named = {name for names in DATASETS["tiny_imagenet"].look_alikes.values() for name in names}
    assert named < set(TINY_IMAGENET.values())


def test_a_limit_is_spread_over_the_classes_although_files_are_sorted_by_class(tmp_path):
    write_pictures(tmp_path, {"a": 0, "b": 100, "c": 200}, count=4)
    suite = published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))
    first = Split(SPLIT.images[:6], np.array([2, 1, 0, 1, 2, 0], np.int32))
    found = measure_robustness(lambda images: images[:, 0, 0, 0] // 100, first, suite=suite, limit=5)

    assert suite.like(first.labels[:5]).labels.tolist() == [0, 1, 1, 2, 2]
    assert found.n == found.n_clean == 5 and found.accuracy["fog"] == (1.0,) * 5
    assert len(suite.like(np.zeros(9, np.int32)).labels) == 4  # it has no more of them
    with pytest.raises(ArgumentError, match=r"has no images of the classes of the 2 test images\. .* --limit N"):
        suite.like(np.full(2, 7, np.int32))


def test_alexnet_normalises_published_images_of_the_classes_of_imagenet_alone(tmp_path):
    names = [f"thing {number}" for number in range(1_000)]
    for number, name in enumerate(names):
        place = tmp_path / "fog" / "1" / name
        place.mkdir(parents=True)
        Image.fromarray(np.full((2, 2, 3), number % 2, np.uint8)).save(place / "0.png")
    for severity in SEVERITIES[1:]:
        (tmp_path / "fog" / str(severity)).symlink_to(tmp_path / "fog" / "1")
    suite = published_suite(tmp_path, SPLIT.labels, names, (2, 2, 3))
    small = Split(SPLIT.images[:, :2, :2], SPLIT.labels)
    whole, partial = (measure_robustness(lambda images: images[:, 0, 0, 0], small, suite=suite, severities=each,
                                         limit=20) for each in (None, [1]))
    summary = whole.as_dict()["mean_corruption_error"]

    assert summary["value"] == pytest.approx((1 - whole.mean["fog"]) / 0.819324)
    assert "(mCE), divided by AlexNet's" in error_line(summary)
    assert partial.as_dict()["mean_corruption_error"]["normalised_by"] is None
    (tmp_path / "fog" / "1" / names[0] / "0.png").unlink()
    assert published_suite(tmp_path, SPLIT.labels, names, (2, 2, 3)).normaliser is None
