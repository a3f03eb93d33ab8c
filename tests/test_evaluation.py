import dataclasses
import io

import keras
import numpy as np
import pytest
from PIL import Image

from keras_fixhead import evaluation
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.data import Split, load_dataset
from keras_fixhead.errors import ArgumentError, DataError, RunError
from keras_fixhead.evaluation import (
    Measurer,
    classify,
    classify_pictures,
    evaluate_model,
    evaluate_run,
    summarize,
)
from keras_fixhead.models import build_model, load_model
from keras_fixhead.runs import Run

DRAW = np.random.default_rng(0)


def test_figures_by_hand():
    """Two features of length 2 and 1 in the plane, three class vectors at 0, 90 and 180 degrees.

    The first feature lies on class 0 and is of class 0: own cosine 1, the nearest wrong one 0. The second lies on
    class 1 and is of class 2: own cosine 0, predicted 1, nearest wrong 1.
    """
    features = np.array([[2, 0], [0, 1]], np.float32)
    vectors = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    logits = np.array([[1, 0, -1], [0, 1, 0]], np.float32)
    found = summarize(features, logits, vectors, np.array([0, 2], np.int32))
    total = np.log(np.e + 1 + 1 / np.e) - 1, np.log(np.e + 2)

    assert (found.n, found.accuracy) == (2, 0.5)
    assert (found.accuracy_low, found.accuracy_high) == wilson_interval(1, 2)
    assert found.cross_entropy == pytest.approx(np.mean(total), rel=1e-6)
    assert found.own_cosine == pytest.approx((1 + 0) / 2)
    assert found.predicted_cosine == pytest.approx(1)
    assert found.nearest_wrong_cosine == pytest.approx((0 + 1) / 2)
    assert found.feature_norm == pytest.approx(1.5)


def test_cosines_do_not_depend_on_lengths_and_zero_features_have_none():
    features = DRAW.normal(size=(20, 8)).astype("float32")
    vectors = DRAW.normal(size=(5, 8)).astype("float32")
    labels = DRAW.integers(0, 5, 20)
    logits = features @ vectors.T
    one, longer = summarize(features, logits, vectors, labels), summarize(features * 9, logits, vectors * 3, labels)

    assert longer.own_cosine == pytest.approx(one.own_cosine, abs=1e-6)
    assert longer.nearest_wrong_cosine == pytest.approx(one.nearest_wrong_cosine, abs=1e-6)
    assert longer.feature_norm == pytest.approx(9 * one.feature_norm, rel=1e-6)
    assert summarize(features * 0, logits, vectors, labels).own_cosine == 0


def test_large_logits_have_a_finite_cross_entropy():
    logits = np.array([[1e4, 0]], np.float32)
    found = summarize(np.ones((1, 2), np.float32), logits, np.eye(2, dtype=np.float32), np.array([1]))

    assert found.cross_entropy == pytest.approx(1e4)


@pytest.fixture(scope="module")
def model():
    return build_model("resnet18", (32, 32, 3), 10, width=1 / 32, scale=4.0)


def test_features_and_logits_are_those_of_the_model(model):
    images = DRAW.integers(0, 256, (7, 32, 32, 3)).astype("uint8")
    outputs = Measurer(model).outputs(images)

    assert outputs.features.shape == (7, 16) and outputs.features.dtype == np.float32
    np.testing.assert_array_equal(outputs.class_vectors, model.get_layer("head").class_vectors)
    np.testing.assert_allclose(outputs.logits, model.predict(images, verbose=0), atol=1e-5)


def test_evaluating_equals_keras_own_metrics(model):
    split = Split(DRAW.integers(0, 256, (40, 32, 32, 3)).astype("uint8"), DRAW.integers(0, 10, 40).astype("int32"))
    found = evaluate_model(model, split)
    logits = model.predict(split.images, verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    assert found.n == 40
    assert found.accuracy == (logits.argmax(axis=1) == split.labels).mean()
    assert found.cross_entropy == pytest.approx(float(loss(split.labels, logits)), rel=1e-5)


def test_a_finished_run_is_evaluated_as_its_result_says(digits_run):
    result = digits_run.read("result")
    for split, found in evaluate_run(digits_run).items():
        expected = result["evaluation"][split]
        assert {name: value for name, value in found.as_dict().items() if name != "top5"} == pytest.approx(
            {name: value for name, value in expected.items() if name != "top5"}, rel=1e-5)


def test_the_training_split_of_a_run_is_what_it_was_trained_on(digits_run):
    found = evaluate_run(digits_run, ("train",))

    assert list(found) == ["train"] and found["train"].n == 200


def test_classes_are_those_of_the_largest_logits(model):
    images = DRAW.integers(0, 256, (5, 32, 32, 3)).astype("uint8")

    np.testing.assert_array_equal(classify(model, images), model.predict(images, verbose=0).argmax(axis=1))


def test_a_run_without_a_model_is_an_error(tmp_path, digits_run):
    unfinished = Run(tmp_path)
    unfinished.write_config(digits_run.config())
    with pytest.raises(RunError, match=r"holds no model\.keras"):
        evaluate_run(unfinished)


def encoded(image, format="PNG"):
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def test_a_picture_of_the_models_size_is_classified_as_its_array_is(model):
    images = load_dataset("digits").test.images[:3]
    probabilities = classify_pictures(model, [encoded(Image.fromarray(image)) for image in images], ["a", "b", "c"])
    logits = model.predict(images, verbose=0)

    assert probabilities.shape == (3, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-5)


def test_a_picture_of_another_size_and_kind_is_resized_to_the_models(model):
    flat = Image.new("L", (200, 50), 90)
    same = Image.new("RGB", (32, 32), (90, 90, 90))
    found = classify_pictures(model, [encoded(flat), encoded(same)], ["flat", "same"])

    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_what_is_no_picture_is_an_error_with_its_name(model):
    with pytest.raises(DataError, match=r"b\.png is no picture that can be read"):
        classify_pictures(model, [encoded(Image.new("RGB", (4, 4))), b"nothing"], ["a.png", "b.png"])


def test_a_trained_model_has_learned_more_than_chance_on_what_it_was_trained_on(digits_run):
    """Two epochs of two steps teach little; that its figures are those of a classifier of ten classes is enough."""
    found = evaluate_model(load_model(digits_run.path), load_dataset("digits").validation)

    assert found.n == 180
    assert found.accuracy_low <= found.accuracy <= found.accuracy_high
    assert 0 < found.cross_entropy < 5
    assert found.own_cosine <= 1 and found.predicted_cosine >= found.own_cosine


def test_top_5_counts_labels_among_the_five_largest_logits():
    """Label 0 of 100 classes has 0, 4, 5 and 99 larger logits."""
    logits = np.zeros((4, 100), np.float32)
    for row, larger in enumerate((0, 4, 5, 99)):
        logits[row, 1 : 1 + larger] = 1
    vectors = np.eye(100, dtype=np.float32)
    found = summarize(np.ones((4, 100), np.float32), logits, vectors, np.zeros(4, np.int32))
    few = summarize(np.ones((4, 10), np.float32), logits[:, :10], vectors[:10, :10], np.zeros(4, np.int32))

    assert found.top5 == 0.5 and few.top5 is None


def test_a_run_is_evaluated_on_another_set_of_the_same_classes(digits_run, monkeypatch):
    digits = load_dataset("digits")
    other = dataclasses.replace(digits, name="digits_1", train=digits.train.take(np.arange(0)),
                                validation=digits.validation.take(np.arange(0)))
    monkeypatch.setattr(evaluation, "load_dataset", lambda name, data_dir: other)
    found = evaluate_run(digits_run, dataset="digits_1")

    assert found.keys() == {"test"} and found["test"].n == 360
    with pytest.raises(ArgumentError, match=r"digits_1 has no validation images here\. Choose another --split: test"):
        evaluate_run(digits_run, ["validation"], dataset="digits_1")
    monkeypatch.setattr(evaluation, "load_dataset",
                        lambda name, data_dir: dataclasses.replace(other, label_names=tuple("abcdefghij")))
    with pytest.raises(ArgumentError, match="digits_1 has other classes than the run: a, b, c"):
        evaluate_run(digits_run, dataset="digits_1")


def reference_logits(model, images, views):
    """The mean over (weight, rows, columns, mirrored) of float64 views made pixel by pixel."""
    height, width = images.shape[1:3]
    total = 0.0
    for weight, rows, columns, mirrored in views:
        moved = np.empty_like(images)
        for row in range(height):
            for column in range(width):
                # the pixel that comes from outside is the one as far inside: -1 is 1, H is H - 2
                source = [abs(place) if place < side else 2 * side - 2 - place
                          for place, side in ((row + rows, height), (column + columns, width))]
                moved[:, row, width - 1 - column if mirrored else column] = images[:, source[0], source[1]]
        total = total + weight * model.predict(moved, verbose=0).astype(np.float64)
    return total


@pytest.mark.parametrize("tta, views", [
    ("none", [(1.0, 0, 0, False)]),
    ("flip", [(0.5, 0, 0, False), (0.5, 0, 0, True)]),
    ("flip-shift", [(0.25, 0, 0, False), (0.25, 0, 0, True)] + [
        (0.125, shift, shift, mirrored) for shift in (-1, 1) for mirrored in (False, True)]),
])
def test_test_time_augmentation_averages_logits(tta, views):
    model = build_model("resnet18", (8, 8, 3), 5, width=1 / 16, scale=3.0)
    split = Split(DRAW.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8), DRAW.integers(0, 5, 12).astype(np.int32))
    plain, found = evaluate_model(model, split), Measurer(model).evaluate(split, tta)
    logits = reference_logits(model, split.images, views)
    normalizer = np.log(np.exp(logits).sum(axis=1))

    assert sum(weight for weight, _ in evaluation.test_time_views(split.images, tta)) == 1
    assert found.cross_entropy == pytest.approx((normalizer - logits[np.arange(12), split.labels]).mean(), rel=1e-5)
    assert found.accuracy == (logits.argmax(axis=1) == split.labels).mean()
    assert (found.own_cosine, found.feature_norm) == (plain.own_cosine, plain.feature_norm)
    if tta != "none":
        assert found.cross_entropy != pytest.approx(plain.cross_entropy, rel=1e-5)


def test_an_unknown_test_time_augmentation_is_refused():
    with pytest.raises(ArgumentError, match=r"Unknown test-time augmentation 'ten-crop'\. Expected one of none, flip"):
        list(evaluation.test_time_views(np.zeros((1, 8, 8, 3), np.uint8), "ten-crop"))
