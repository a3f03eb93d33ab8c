"""Suites from files and from augmenters, and what a measurement leaves on disk.

The files are synthetic ones in the published layouts: the published images are not part of the tests.
"""
import json

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import Split
from keras_fixhead.errors import ArgumentError, DataError, DependencyError, RunError
from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt, measure_models, measure_robustness
from keras_fixhead.robustness.imgaug_engine import augmenter_suite, custom_suite, imgaug_suite
from keras_fixhead.robustness.published import published_names, published_suite
from keras_fixhead.robustness.record import Record, csv_table, data_digest, read_measurement
from keras_fixhead.robustness.scores import Baseline, error_line, error_summary
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
    with pytest.raises(DataError, match=r"is not a readable \.npy file"):
        published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))
    np.save(tmp_path / "fog.npy", np.zeros((100, 16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"labels\.npy is missing"):
        published_suite(tmp_path, SPLIT.labels, NAMES, (16, 16, 3))


# Tiny-ImageNet-C's layout

def test_folders_of_pictures_have_images_and_labels_of_their_own(tmp_path):
    for severity in SEVERITIES:
        for label, value in (("a", 100), ("c", 200)):
            place = tmp_path / "fog" / str(severity) / label
            place.mkdir(parents=True)
            for number in range(2):
                Image.fromarray(np.full((24, 24, 3), value + severity, np.uint8)).save(place / f"{number}.png")
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


# augmenters

class Noise:
    """What the engine needs of an augmenter of imgaug."""

    def __init__(self, size):
        self._size = size

    def seed_(self, seed):
        self._draw = np.random.default_rng(seed)

    def augment_image(self, image):
        return np.clip(image + self._draw.integers(0, self._size, image.shape), 0, 255).astype(np.uint8)


an_augmenter = Noise(9)
not_an_augmenter = 3


def noise_of(severity):
    return Noise(10 * severity)


def test_an_augmenter_does_not_depend_on_how_images_are_split_into_batches():
    suite = custom_suite("noise", noise_of)
    whole = suite.make(SPLIT.images, "noise", 3, 5, 0)

    np.testing.assert_array_equal(suite.make(SPLIT.images[7:], "noise", 3, 5, 7), whole[7:])
    assert not np.array_equal(suite.make(SPLIT.images, "noise", 3, 6, 0), whole)
    assert not np.array_equal(whole[0] - SPLIT.images[0], whole[1] - SPLIT.images[1])


def test_an_augmenter_is_found_by_module_and_name():
    module = __name__
    assert augmenter_suite(f"{module}:an_augmenter").keys() == [("an_augmenter", 1)]
    assert len(augmenter_suite(f"{module}:noise_of").keys()) == 5
    for path, message in ((f"{module}:nothing", "has no 'nothing'.* Expected MODULE:NAME"),
                          (f"{module}:not_an_augmenter", "is not an augmenter, but int.* a function from a severity"),
                          ("no_such_module:a", "no_such_module cannot be imported.* PYTHONPATH"),
                          ("noise", "'noise' does not name an augmenter.* Expected MODULE:NAME")):
        with pytest.raises(ArgumentError, match=message):
            augmenter_suite(path)
    with pytest.raises(ArgumentError, match=r"an_augmenter has no severity 2\. It has 1"):
        augmenter_suite(f"{module}:an_augmenter").keys(severities=[2])


def test_an_augmenter_that_changes_the_shape_is_refused():
    class Crop(Noise):
        def augment_image(self, image):
            return image[1:]

    with pytest.raises(ArgumentError, match=r"returned uint8 values of shape \(15, 16, 3\).* Expected uint8"):
        custom_suite("crop", lambda severity: Crop(2)).make(SPLIT.images, "crop", 1, 0, 0)


def test_imgaug_has_no_strengths_for_small_images_and_must_be_installed(monkeypatch):
    with pytest.raises(ArgumentError, match=r"no strengths for the suite 'cifar-c'\. Use --suite paper"):
        imgaug_suite("cifar-c")
    monkeypatch.setitem(__import__("sys").modules, "imgaug", None)
    with pytest.raises(DependencyError, match=r"imgaug is not installed: .* pip install 'keras-fixhead\[imgaug\]'"):
        imgaug_suite("paper")


# several models, interrupted measurements, files

def test_models_share_the_corrupted_images():
    seen = []
    found = measure_models([by_brightness, lambda images: (seen.append(images), by_brightness(images) * 0)[1]], SPLIT)

    assert [report.as_dict() for report in found] == [measure_robustness(each, SPLIT).as_dict() for each in (
        by_brightness, lambda images: by_brightness(images) * 0)]
    assert len(seen) == 16


def test_an_interrupted_measurement_continues_and_one_of_another_model_does_not(tmp_path):
    asked = {"suite": "paper", "data": data_digest(SPLIT.images, SPLIT.labels)}
    calls = []

    def interrupted(images):
        calls.append(images)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return by_brightness(images)

    with pytest.raises(KeyboardInterrupt), Record(tmp_path / "r", "paper", asked) as record:
        measure_robustness(interrupted, SPLIT, save=record.save)
    record = Record(tmp_path / "r", "paper", asked)
    assert len(record.kept()) == 5 and not Record(tmp_path / "r", "paper", {}).kept()
    calls.clear()
    report = measure_robustness(lambda images: (calls.append(images), by_brightness(images))[1], SPLIT,
                                kept=record.kept())
    assert len(calls) == 12 and report.as_dict() == measure_robustness(by_brightness, SPLIT).as_dict()
    calls.clear()
    measure_robustness(lambda images: (calls.append(images), by_brightness(images) * 0)[1], SPLIT, kept=record.kept())
    assert len(calls) == 16

    record.write(report.as_dict(), report, SPLIT.labels, SPLIT.labels)
    content, correct = read_measurement(tmp_path / "r", "paper")
    assert content == report.as_dict()
    assert {file.suffix for file in (tmp_path / "r").iterdir()} == {".json", ".csv", ".npz"}
    for name, shares in report.accuracy.items():
        assert [correct[name, severity].mean() for severity in SEVERITIES] == list(shares)
    assert csv_table(report).count("\n") == 1 + 1 + 15
    (tmp_path / "r" / "paper.npz").unlink()
    assert read_measurement(tmp_path / "r", "paper") == (content, None)
    with pytest.raises(RunError, match=r"cifar-c\.json is missing"):
        read_measurement(tmp_path / "r", "cifar-c")


# scores

def test_alexnet_normalises_imagenet_c_alone():
    alexnet = measure_robustness(by_brightness, SPLIT, suite="imagenet-c", corruptions=["fog", "contrast"])
    summary = alexnet.as_dict()["mean_corruption_error"]
    errors = [1 - alexnet.mean["fog"], 1 - alexnet.mean["contrast"]]

    assert summary["value"] == pytest.approx((errors[0] / 0.819324 + errors[1] / 0.853204) / 2)
    assert "(mCE), divided by AlexNet's" in error_line(summary)
    for suite in ("cifar-c", "paper"):
        plain = measure_robustness(by_brightness, SPLIT, suite=suite, corruptions=[next(iter(SUITES[suite]))])
        assert plain.as_dict()["mean_corruption_error"]["normalised_by"] is None
    partial = measure_robustness(by_brightness, SPLIT, suite="imagenet-c", corruptions=["fog"], severities=[1])
    assert "unnormalised" in error_line(partial.as_dict()["mean_corruption_error"])


def test_a_baseline_gives_the_relative_error_as_well():
    """Errors 0.3 and 0.5 against 0.6 and 0.5: (0.5 + 1) / 2. Rises 0.2 and 0.4 against 0.4 and 0.3: (1/2 + 4/3) / 2."""
    baseline = Baseline("B", {"a": 0.6, "b": 0.5}, 0.2)
    summary = error_summary({"a": (0.8, 0.6), "b": (0.5, 0.5)}, 0.9, ["a", "b"], baseline)

    assert summary["value"] == pytest.approx(0.75) and summary["relative"] == pytest.approx((1 / 2 + 4 / 3) / 2)
    assert error_summary({"c": (0.5,)}, 0.9, ["c"], Baseline("B", {"a": 1.0}))["normalised_by"] is None
