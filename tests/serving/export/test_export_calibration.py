"""A calibrated export: probabilities change, logits and classes do not, and the card says so."""
import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest

from fixhead_serving import export
from fixhead_serving.export.answers import answers_model
from fixhead_serving.export.card import NOT_CALIBRATED, card_text, make_card
from fixhead_serving.export.reference import tolerance
from keras_fixhead.analysis.calibration import fit_temperature, log_softmax
from keras_fixhead.analysis.summary import Arrays
from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import load_model
from keras_fixhead.run_analysis import RunOutputs
from keras_fixhead.run_analysis import temperature as temperature_module
from keras_fixhead.run_analysis.temperature import Temperature, fitted_temperature
from keras_fixhead.runs import open_run


@pytest.fixture(scope="module")
def run(digits_run, tmp_path_factory):
    """Returns a copy of a trained run, because features are kept next to its model."""
    return open_run(shutil.copytree(digits_run.path, tmp_path_factory.mktemp("copy") / "run"))


@pytest.fixture
def informative(monkeypatch):
    """Replaces the outputs of runs by logits that are right in most cases; returns them by split."""
    draw = np.random.default_rng(0)
    found = {}
    for split, count in (("validation", 180), ("test", 360)):
        labels = draw.integers(0, 10, count)
        logits = 0.2 * (2.5 * np.eye(10)[labels] + draw.standard_normal((count, 10)))
        found[split] = Arrays(draw.standard_normal((count, 3)), logits, labels, draw.standard_normal((10, 3)))
    monkeypatch.setattr(RunOutputs, "arrays", lambda self, split: found[split])
    return found


FOUND = Temperature(0.25, 180, 360, 0.3, 1.5, 0.02, 0.9)


def test_only_the_probabilities_change(run):
    model = load_model(run.path)
    images = np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3)).astype("float32")
    plain, calibrated = ({name: keras.ops.convert_to_numpy(value) for name, value in answers(images).items()}
                         for answers in (answers_model(model, temperature=each) for each in (1.0, 0.25)))

    for name in set(plain) - {"probabilities"}:
        np.testing.assert_array_equal(plain[name], calibrated[name])
    np.testing.assert_allclose(calibrated["probabilities"], np.exp(log_softmax(plain["logits"] / 0.25)), atol=1e-6)


def test_the_temperature_of_a_run_is_that_of_its_validation_images(run, informative):
    found = fitted_temperature(RunOutputs(run))

    assert found.value == fit_temperature(informative["validation"].logits, informative["validation"].labels) < 0.5
    assert (found.validation_images, found.test_images) == (180, 360)
    assert found.nll_after < found.nll and found.ece_after < found.ece


def test_the_command_hands_the_temperature_to_the_export(fixhead, run, tmp_path, monkeypatch, informative):
    given = {}

    def export_model(model, base_path, **arguments):
        given.update(arguments)
        return export.ExportedModel("m", 1, tmp_path, "saved_model", 1, 1.0, 0.0)

    monkeypatch.setattr(export, "export_model", export_model)
    assert fixhead("export", run.path, tmp_path / "m", "--calibrate", "--quiet", "--json").code == 0

    found = fitted_temperature(RunOutputs(run)).as_dict()
    assert given["calibration"] == {"temperature": found.pop("value"), **found}
    assert fixhead("export", run.path, tmp_path / "m", "--quiet", "--json").code == 0
    assert given["calibration"] is None


def card(calibration):
    head = {"logits": "cos", "scale": 1.0, "class_vectors": "uniform", "fixed": True, "seed": 0,
            "class_vectors_shape": [2, 3], "class_vectors_digest": "0"}
    model = {"image_shape": [8, 8, 3], "pixels": "any", "parameters": 1, "head": head, "outputs": [],
             "label_names": ["a"], "calibration": calibration}
    check = {"runtime": "x", "batch": 5, "largest_difference": {}, "images_per_second": 1, "timed_batch": 1,
             "timed_batches": 1}
    return make_card("m", "onnx", model, None, check, 1)


def test_the_card_states_the_temperature_and_what_it_does():
    found = FOUND.as_dict()
    calibrated, plain = card({"temperature": found.pop("value"), **found}), card(None)

    assert json.loads(json.dumps(calibrated))["model"]["calibration"]["temperature"] == 0.25
    text = card_text(calibrated)
    assert "T = 0.25, fitted on 180 validation images; logits and classes are unchanged." in text
    assert "from 30.00 to 2.00 points, cross-entropy from 1.5000 to 0.9000 nats" in text
    assert NOT_CALIBRATED not in text and NOT_CALIBRATED in card_text(plain)


def test_only_the_tolerance_of_probabilities_grows_with_a_small_temperature():
    answer = np.array([0.5])

    assert tolerance("logits", answer, 1.0, 0.1) == tolerance("probabilities", answer, 1.0, 10.0) == 1e-4
    assert tolerance("probabilities", answer, 1.0, 0.1) == pytest.approx(1e-3)


def test_a_run_without_validation_images_cannot_be_calibrated(run, monkeypatch, fixhead, tmp_path):
    monkeypatch.setattr(RunOutputs, "arrays", lambda self, split: None)
    answer = fixhead("export", run.path, tmp_path / "m", "--calibrate")

    assert answer.code == 2 and "has no validation images to fit a temperature on." in answer.err
    assert answer.err.splitlines()[-1] == "Leave out --calibrate, or train with --hold-out."


@pytest.mark.parametrize("sign, why", [(1, "all of them are classified correctly"), (-1, "its logits say nothing")])
def test_a_temperature_is_not_fitted_where_none_is_best(run, informative, sign, why):
    right = informative["validation"].predicted
    informative["validation"] = dataclasses.replace(informative["validation"], labels=right,
                                                    logits=sign * informative["validation"].logits)
    with pytest.raises(ArgumentError, match=f"No temperature fits the 180 validation images of .* best: {why}") as no:
        fitted_temperature(RunOutputs(run))
    assert no.value.hint == "Leave out --calibrate."


@pytest.mark.slow
def test_a_calibrated_export_is_checked_and_agrees_with_its_run(run, tmp_path, monkeypatch):
    """The self-check compares probabilities at the temperature; then a signature is asked."""
    import tensorflow as tf

    monkeypatch.setattr(temperature_module, "fitted_temperature", lambda outputs: FOUND)
    exported = export.export_run(run.path, tmp_path / "digits", calibrate=True)
    served = tf.saved_model.load(str(exported.path))
    test = RunOutputs(run).arrays("test")
    images = load_dataset("digits").test.images[:16]
    answer = {name: value.numpy() for name, value in served.signatures["serving_default"](
        tf.constant(images, tf.float32)).items()}

    temperature = json.loads((exported.path / "assets.extra" / "model_card.json").read_text())["model"]["calibration"][
        "temperature"]
    np.testing.assert_allclose(answer["logits"], test.logits[:16], atol=1e-4)
    np.testing.assert_allclose(answer["probabilities"], np.exp(log_softmax(test.logits[:16] / temperature)), atol=2e-3)
