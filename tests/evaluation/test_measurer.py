
import keras
import numpy as np
import pytest

from keras_fixhead import evaluation
from keras_fixhead.data import Split, load_dataset
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation import (
    Measurer,
    evaluate_model,
)
from keras_fixhead.evaluation.measurer import predict_arrays
from keras_fixhead.models import build_model, load_model

DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    return build_model("resnet18", (32, 32, 3), 10, width=1 / 32, scale=4.0)


def test_features_and_logits_are_those_of_the_model(model):
    images = DRAW.integers(0, 256, (7, 32, 32, 3)).astype("uint8")
    outputs = Measurer(model).outputs(images)

    assert outputs.features.shape == (7, 16) and outputs.features.dtype == np.float32
    np.testing.assert_array_equal(outputs.class_vectors, model.get_layer("head").class_vectors)
    np.testing.assert_allclose(outputs.logits, model.predict(images, verbose=0), atol=1e-5)


@pytest.mark.parametrize("count", [1, 256, 300])
def test_outputs_of_arrays_are_those_of_predict(model, count):
    images = DRAW.integers(0, 256, (count, 32, 32, 3)).astype("uint8")

    np.testing.assert_array_equal(predict_arrays(model, images), model.predict(images, 256, verbose=0))


def test_evaluation_matches_the_metrics_of_keras(model):
    split = Split(DRAW.integers(0, 256, (40, 32, 32, 3)).astype("uint8"), DRAW.integers(0, 10, 40).astype("int32"))
    found = evaluate_model(model, split)
    logits = model.predict(split.images, verbose=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    assert found.n == 40
    assert found.accuracy == (logits.argmax(axis=1) == split.labels).mean()
    assert found.cross_entropy == pytest.approx(float(loss(split.labels, logits)), rel=1e-5)


def test_the_measures_of_a_trained_model_are_plausible(digits_run):
    """Two epochs of two steps teach little, so the bounds are loose."""
    found = evaluate_model(load_model(digits_run.path), load_dataset("digits").validation)

    assert found.n == 180
    assert found.accuracy_low <= found.accuracy <= found.accuracy_high
    assert 0 < found.cross_entropy < 5
    assert found.own_cosine <= 1 and found.predicted_cosine >= found.own_cosine


def reference_logits(model, images, views):
    """Averages float64 views made pixel by pixel, given as (weight, rows, columns, mirrored)."""
    height, width = images.shape[1:3]
    total = 0.0
    for weight, rows, columns, mirrored in views:
        moved = np.empty_like(images)
        for row in range(height):
            for column in range(width):
                # outside pixels are reflected: -1 is 1, H is H - 2
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
