"""Suites from augmenters, scores, and what a measurement leaves on disk."""
import sys

import numpy as np
import pytest

from keras_fixhead.data import Split
from keras_fixhead.errors import ArgumentError, DependencyError, RunError
from keras_fixhead.robustness import (
    SEVERITIES,
    SUITES,
    imgaug_engine,
    measure_models,
    measure_robustness,
    native_suite,
    result_name,
)
from keras_fixhead.robustness.imgaug_engine import augmenter_suite, custom_suite, imgaug_suite
from keras_fixhead.robustness.measure import result_options
from keras_fixhead.robustness.record import Record, csv_table, data_digest, read_measurement, suite_digest
from keras_fixhead.robustness.scores import Baseline, error_line, error_summary

DRAW = np.random.default_rng(0)
SPLIT = Split(DRAW.integers(0, 256, (20, 16, 16, 3)).astype("uint8"), DRAW.integers(0, 3, 20).astype("int32"))


def by_brightness(images):
    return np.digitize(images.mean(axis=(1, 2, 3)), [126, 129])


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
                          ("collections:Counter", r"is a class.* such as fog = Counter\(\.\.\.\)"),
                          ("noise", "'noise' does not name an augmenter.* Expected MODULE:NAME")):
        with pytest.raises(ArgumentError, match=message):
            augmenter_suite(path)
    with pytest.raises(ArgumentError, match=r"an_augmenter has no severity 2\. It has 1"):
        augmenter_suite(f"{module}:an_augmenter").keys(severities=[2])


def test_an_augmenter_that_needs_imgaug_says_so(tmp_path, monkeypatch):
    (tmp_path / "needs_imgaug.py").write_text("import imgaug\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(DependencyError, match=r"imgaug is not installed.*\[imgaug\]"):
        augmenter_suite("needs_imgaug:fog")


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


def test_elastic_transform_and_frost_of_imgaug_are_not_the_published_ones(monkeypatch):
    monkeypatch.setattr(imgaug_engine, "_library", lambda: None)
    suite = imgaug_suite("imagenet-c")

    averaged = suite.averaged(list(suite.corruptions))
    assert {"elastic_transform", "frost"} < set(suite.corruptions) and len(averaged) == 13
    assert not {"elastic_transform", "frost"} & set(averaged)


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


def test_the_digest_tells_augmenters_of_one_name_apart():
    def digest(build, images=SPLIT.images):
        return suite_digest(custom_suite("noise", build), images)

    assert digest(noise_of) == digest(lambda severity: Noise(10 * severity))
    assert digest(noise_of) != digest(lambda severity: Noise(10 * severity + 1))
    assert digest(noise_of) != digest(noise_of, SPLIT.images[::-1])
    assert suite_digest(native_suite("paper"), SPLIT.images) is None
    names = {result_name("paper", **each) for each in (
        {}, {"engine": "imgaug"}, {"engine": "augmenter", "digest": digest(noise_of)},
        {"engine": "files", "digest": digest(noise_of)}, {"engine": "files", "digest": "0" * 64})}
    assert len(names) == 5


# scores

@pytest.mark.parametrize("suite", ["imagenet-c", "cifar-c", "paper"])
def test_no_suite_that_is_made_here_is_normalised(suite):
    """AlexNet's errors are those on the images of ImageNet-C: other images at its strengths have nothing of them."""
    found = measure_robustness(by_brightness, SPLIT, suite=suite, corruptions=[next(iter(SUITES[suite]))])
    summary = found.as_dict()["mean_corruption_error"]

    assert summary["normalised_by"] is None and "unnormalised" in error_line(summary)
    assert summary["value"] == pytest.approx(1 - found.as_dict()["mean_accuracy"])


def test_a_baseline_gives_the_relative_error_as_well():
    """Errors 0.3 and 0.5 against 0.6 and 0.5: (0.5 + 1) / 2. Rises 0.2 and 0.4 against 0.4 and 0.3: (1/2 + 4/3) / 2."""
    baseline = Baseline("B", {"a": 0.6, "b": 0.5}, 0.2)
    summary = error_summary({"a": (0.8, 0.6), "b": (0.5, 0.5)}, 0.9, ["a", "b"], baseline)

    assert summary["value"] == pytest.approx(0.75) and summary["relative"] == pytest.approx((1 / 2 + 4 / 3) / 2)
    assert error_summary({"c": (0.5,)}, 0.9, ["c"], Baseline("B", {"a": 1.0}))["normalised_by"] is None


@pytest.mark.parametrize("suite", SUITES)
def test_a_name_says_the_options_of_its_measurement(suite):
    first = next(iter(SUITES[suite]))
    asked = {"limit": 12, "seed": 3, "corruptions": [first], "severities": [1, 5]}
    assert result_options(result_name(suite)) == ["--suite", suite]
    assert result_options(result_name(suite, **asked)) == [
        "--suite", suite, "--limit", "12", "--seed", "3", "--corruption", first, "--severities", "1,5"]
    for others in ({"engine": "imgaug"}, {"dataset": "photographs"}, {"digest": "5f3a9c01d2e4"}):
        assert result_options(result_name(suite, **others)) is None
