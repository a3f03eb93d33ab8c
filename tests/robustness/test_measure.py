import json
from pathlib import Path

import numpy as np
import pytest

from keras_fixhead import robustness
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.data import Split
from keras_fixhead.errors import ArgumentError
from keras_fixhead.robustness import SEVERITIES, SUITES, RobustnessReport, corrupt, corrupted_chunks, measure_robustness

DRAW = np.random.default_rng(0)
SPLIT = Split(DRAW.integers(0, 256, (30, 16, 16, 3)).astype("uint8"), DRAW.integers(0, 3, 30).astype("int32"))


def by_brightness(images):
    """A stand-in for a classifier: a function of the pixels only."""
    return np.digitize(images.mean(axis=(1, 2, 3)), [126, 129])


@pytest.fixture(scope="module")
def report():
    return measure_robustness(by_brightness, SPLIT, seed=4)


def test_every_corruption_is_measured_at_every_severity(report):
    assert tuple(report.accuracy) == tuple(SUITES["paper"]) == ("impulse_noise", "jpeg_compression", "defocus_blur")
    assert all(len(values) == 5 for values in report.accuracy.values())
    assert (report.suite, report.seed, report.n) == ("paper", 4, 30)
    assert len(report.predictions) == 1 + 3 * 5


def test_accuracy_is_the_share_of_correct_predictions_on_corrupted_images(report):
    np.testing.assert_array_equal(report.predictions["clean", 0], by_brightness(SPLIT.images))
    assert report.clean == (by_brightness(SPLIT.images) == SPLIT.labels).mean()
    for corruption in SUITES["paper"]:
        for severity in SEVERITIES:
            expected = by_brightness(corrupt(SPLIT.images, corruption, severity, "paper", seed=4))
            np.testing.assert_array_equal(report.predictions[corruption, severity], expected)
            assert report.accuracy[corruption][severity - 1] == (expected == SPLIT.labels).mean()


def test_a_limit_takes_the_first_images_with_unchanged_corruptions(report):
    limited = measure_robustness(by_brightness, SPLIT, seed=4, limit=10)

    assert limited.n == 10
    for key, predicted in limited.predictions.items():
        np.testing.assert_array_equal(predicted, report.predictions[key][:10])
    assert measure_robustness(by_brightness, SPLIT, limit=10**6, severities=[1]).n == 30


@pytest.mark.parametrize("threads", [1, 3])
def test_chunks_do_not_change_the_result_and_bound_the_batch_of_the_model(report, threads):
    sizes = []
    chunks = corrupted_chunks(SPLIT.images, seed=4, chunk_images=7, threads=threads)
    found = measure_robustness(lambda images: (sizes.append(len(images)), by_brightness(images))[1], SPLIT, seed=4,
                               chunks=chunks)

    assert sizes[:5] == [7, 7, 7, 7, 2]
    for key, predicted in found.predictions.items():
        np.testing.assert_array_equal(predicted, report.predictions[key])


def test_means_are_over_severities_and_then_over_corruptions():
    made = RobustnessReport("paper", 0, 4, 0.75, {"a": (0.5, 0.25), "b": (1.0, 0.5)}, {})
    written = made.as_dict()

    assert made.mean == {"a": 0.375, "b": 0.75} == written["mean"]
    assert written["mean_accuracy"] == 0.5625
    assert written["clean_interval"] == list(wilson_interval(3, 4))
    assert json.loads(json.dumps(written)) == written and "predictions" not in written


def test_severities_can_be_selected_and_progress_is_reported():
    lines = []
    found = measure_robustness(by_brightness, SPLIT, severities=[5, 2], progress=lines.append)

    assert {len(values) for values in found.accuracy.values()} == {2}
    assert len(lines) == 1 + 3 * 2
    for line, name, share in zip(lines, ("clean", "impulse_noise 5"), (found.clean, found.accuracy["impulse_noise"][0]),
                                 strict=False):
        assert line == f"{name}: {100 * share:.2f} %"  # as in the table


def test_the_model_sees_uint8_images_of_the_same_shape():
    seen = []
    measure_robustness(lambda images: (seen.append((images.shape, images.dtype.name)), SPLIT.labels)[1], SPLIT)

    assert set(seen) == {((30, 16, 16, 3), "uint8")}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_1_is_refused_before_predicting_anything(limit):
    with pytest.raises(ArgumentError, match=f"limit must be at least 1, got {limit}"):
        measure_robustness(None, SPLIT, limit=limit)


def test_an_unknown_suite_or_severity_is_refused():
    with pytest.raises(ArgumentError, match=r"Unknown suite 'papre'.* Did you mean 'paper'"):
        measure_robustness(None, SPLIT, suite="papre")
    with pytest.raises(ArgumentError, match="severity must be 1 to 5, got 9"):
        measure_robustness(by_brightness, SPLIT, severities=[9])


def test_corrupted_images_can_be_reused_for_the_next_model(report):
    kept = list(corrupted_chunks(SPLIT.images, seed=4, chunk_images=8))
    calls = []
    for _ in range(2):
        found = measure_robustness(lambda images: (calls.append(images), by_brightness(images))[1], SPLIT, seed=4,
                                   chunks=kept)
        assert found.as_dict() == report.as_dict()
    assert all(one is other for one, other in zip(calls[:len(kept)], calls[len(kept):], strict=True))


def test_chunks_of_other_images_are_refused():
    with pytest.raises(ArgumentError, match="The chunks have 30 images, but there are 10 labels"):
        measure_robustness(by_brightness, SPLIT, limit=10, chunks=corrupted_chunks(SPLIT.images))


def test_an_empty_split_is_a_one_line_error():
    with pytest.raises(ArgumentError, match=r"There are no images to corrupt\. Choose a data set with test images"):
        measure_robustness(by_brightness, Split(SPLIT.images[:0], SPLIT.labels[:0]))


def test_a_suite_is_available_only_if_all_its_corruptions_are_implemented():
    content = json.loads((Path(robustness.__file__).parent / "severities.json").read_text())

    assert set(SUITES) == {name for name, suite in content["suites"].items()
                           if set(suite["corruptions"]) <= set(content["corruptions"])}
    for suite, corruptions in SUITES.items():
        for name, corruption in corruptions.items():
            described = content["suites"][suite]["corruptions"][name]
            assert list(corruption.strengths) == described["severities"] and len(corruption.strengths) == 5
            assert corruption.random != described["deterministic"]
