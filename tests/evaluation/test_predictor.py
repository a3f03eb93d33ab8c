import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.config import TrainConfig
from keras_fixhead.data import load_dataset
from keras_fixhead.data.pictures import FITS, PictureForm, fit_picture
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.evaluation import Predictor, run_predictor
from keras_fixhead.models import build_model, load_model

DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def predictor():
    return Predictor(build_model("resnet18", (32, 32, 3), 10, width=1 / 32, scale=4.0), tuple("0123456789"))


def test_classes_are_the_argmax_and_probabilities_the_softmax_of_the_logits(predictor):
    images = DRAW.integers(0, 256, (5, 32, 32, 3)).astype("uint8")
    logits = predictor.model.predict(images, verbose=0)

    np.testing.assert_array_equal(predictor.logits(images), logits)
    np.testing.assert_array_equal(predictor.classes(images), logits.argmax(axis=1))
    np.testing.assert_allclose(predictor.probabilities(images),
                               np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-6)


def test_a_predictor_knows_its_input_shape_and_scale(predictor):
    assert predictor.image_shape == (32, 32, 3) and predictor.scale == 4.0


def test_images_of_another_size_are_refused(predictor):
    with pytest.raises(ArgumentError, match=r"The images have shape \(8, 8, 3\); the model takes \(32, 32, 3\)"):
        predictor.probabilities(np.zeros((2, 8, 8, 3), np.float32))


def test_numbers_that_are_not_finite_are_refused_with_their_row(predictor):
    images = np.zeros((3, *predictor.image_shape), "float32")
    images[2, 1] = np.inf
    with pytest.raises(ArgumentError, match="Row 2 has NaN or infinity"):
        predictor.best(images)


def test_a_predictor_from_a_run_has_its_model_and_label_names(digits_run):
    found, images = run_predictor(digits_run), load_dataset("digits").test.images[:4]

    assert found.label_names == tuple("0123456789")
    np.testing.assert_array_equal(found.logits(images), load_model(digits_run.path).predict(images, verbose=0))


def test_a_data_set_that_does_not_fit_is_refused_with_a_hint(predictor):
    digits = load_dataset("digits")
    predictor.check_fits(digits)
    with pytest.raises(ArgumentError, match=r"digits does not have the run's classes: a, b, c, .* --dataset"):
        predictor.check_fits(dataclasses.replace(digits, label_names=tuple("abcdefghij")))
    small = dataclasses.replace(digits.test, images=digits.test.images[:, :16])
    with pytest.raises(ArgumentError, match=r"images of shape \(16, 32, 3\); the model takes .* --dataset"):
        predictor.check_fits(dataclasses.replace(digits, test=small))


@pytest.mark.parametrize("fit", FITS)
def test_pictures_are_fitted_as_in_training(predictor, fit):
    image = DRAW.integers(0, 256, (90, 31, 3)).astype("uint8")
    trained = fit_picture(image, PictureForm(32, 32, fit))
    found = dataclasses.replace(predictor, fit=fit).resized_probabilities([image])

    np.testing.assert_array_equal(found, predictor.probabilities(trained[None]))


def test_a_run_of_an_earlier_version_keeps_the_form_of_its_training(digits_run, monkeypatch):
    """Its configuration does not say how pictures were fitted: they were cropped."""
    content = {name: value for name, value in digits_run.config().as_dict().items() if name != "fit"}
    monkeypatch.setattr(type(digits_run), "config", lambda self: TrainConfig.from_dict(content))

    assert run_predictor(digits_run).form == PictureForm(32, 32, "crop", "bicubic")


def encoded(image, format="PNG"):
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def test_a_picture_of_the_model_size_is_classified_like_its_array(predictor):
    images = load_dataset("digits").test.images[:3]
    pictures = [encoded(Image.fromarray(image)) for image in images]
    probabilities = predictor.picture_probabilities(pictures, ["a", "b", "c"])
    logits = predictor.model.predict(images, verbose=0)

    assert probabilities.shape == (3, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), atol=1e-5)


def test_a_picture_of_another_size_and_mode_is_resized_to_the_model_size(predictor):
    flat = Image.new("L", (200, 50), 90)
    same = Image.new("RGB", (32, 32), (90, 90, 90))
    found = predictor.picture_probabilities([encoded(flat), encoded(same)], ["flat", "same"])

    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def test_a_file_that_is_not_a_picture_is_an_error_with_its_name(predictor):
    with pytest.raises(DataError, match=r"b\.png is not a readable picture"):
        predictor.picture_probabilities([encoded(Image.new("RGB", (4, 4))), b"nothing"], ["a.png", "b.png"])
