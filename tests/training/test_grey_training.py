"""A run on grey images: a network of one channel, which is measured on pictures in colour as well."""
import numpy as np
import pytest

from keras_fixhead.config import resolve
from keras_fixhead.data import load_dataset
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.evaluation import measure_run, run_predictor
from keras_fixhead.recipes import build_config
from keras_fixhead.robustness import measure_robustness
from keras_fixhead.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(build_config({"recipe": "smoke", "grey": True, "width": 1 / 16, "limit_train": 100, "epochs": 1,
                               "runs_dir": str(tmp_path_factory.mktemp("grey"))}))


def test_the_network_has_one_channel_and_keeps_its_accuracy(run):
    predictor = run_predictor(run)

    assert predictor.image_shape == (32, 32, 1) and predictor.form == PictureForm(32, 32, channels=1)
    result = run.read("result")
    assert measure_run(run, ("test",)).splits["test"].evaluation.accuracy == result["accuracy"]["test"]
    assert resolve(build_config({"recipe": "smoke", "grey": True})).data.image_shape == (32, 32, 1)


def test_colour_is_turned_into_grey_before_it_is_classified(run):
    predictor, data = run_predictor(run), load_dataset("digits", grey=True)
    grey = data.test.images[:20]

    np.testing.assert_array_equal(predictor.classes(np.repeat(grey, 3, axis=3)), predictor.classes(grey))
    report = measure_robustness(predictor.classes, data.test, limit=20, corruptions=["impulse_noise"], severities=[1])
    assert report.clean == np.mean(predictor.classes(grey) == data.test.labels[:20])
