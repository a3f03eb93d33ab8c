"""Head options in training: margins, scales, signed features, kinds, and vectors that are not stored."""
import logging
import zipfile

import keras
import numpy as np
import pytest

from keras_fixhead import train
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError, FixheadWarning
from keras_fixhead.losses import ArcFace
from keras_fixhead.models import build_model, feature_model, head_of, load_model
from keras_fixhead.training.compiled import compiled_model
from keras_fixhead.vectors import adacos_scale, class_vectors


def test_the_margin_is_in_the_training_loss_but_not_in_validation(tiny):
    config = resolve(tiny(margin="arcface", margin_size=0.5, scale=30.0, weight_decay=0.0)).config
    dataset = load_dataset("digits")
    model = compiled_model(config, dataset)
    images, labels = dataset.validation.images[:40], dataset.validation.labels[:40]
    found = model.evaluate(images, labels, verbose=0, return_dict=True)
    logits = model.predict(images, verbose=0)

    assert found["loss"] == pytest.approx(float(ArcFace(0.5, scale=30.0)(labels, logits)), rel=1e-5)
    assert found["loss"] > found["cross_entropy"]
    assert found["accuracy"] == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-6)


@pytest.mark.parametrize("values", [
    {"margin": "cosface", "scale": 20.0, "signed_features": True},
    {"margin": "arcface", "scale": "learned", "fixed": False},
    {"scale": "auto", "bias": "learned", "class_vectors": "orthoplex", "rotate": False},
    {"scale": 10.0, "store_vectors": False, "class_vectors": "rademacher"},
    {"scale": 10.0, "fixed": False, "vector_lr": 0.1, "class_vectors": "hypercube"},
])
def test_a_run_with_head_options_completes_and_its_model_has_its_accuracy(tiny, values):
    run = train(tiny(**values))
    result, dataset = run.read("result"), load_dataset("digits")
    logits = load_model(run.path).predict(dataset.test.images, batch_size=256, verbose=0)

    assert run.read("status")["state"] == "complete"
    assert result["accuracy"]["test"] == (logits.argmax(axis=1) == dataset.test.labels).mean()
    assert resolve(run.config()).config == run.config()
    rows = run.metrics()
    assert all(row["scale"] > 0 for row in rows)
    if values["scale"] == "learned":
        assert rows[-1]["scale"] != pytest.approx(adacos_scale(10), rel=1e-6)
        assert result["scale"] == pytest.approx(rows[result["epoch"] - 1]["scale"], rel=1e-6)  # from the best epoch
    elif values["scale"] == "auto":
        assert run.config().scale == result["scale"] == adacos_scale(10)


def test_with_store_vectors_off_no_file_of_the_run_contains_class_vectors(tiny):
    run = train(tiny(scale=10.0, store_vectors=False))
    drawn = class_vectors("uniform", 10, 8, 0)

    for path in (run.newest_checkpoint, run.model_path):
        with zipfile.ZipFile(path) as file:
            content = b"".join(file.read(name) for name in file.namelist())
        assert drawn[0].tobytes() not in content, path
    np.testing.assert_array_equal(head_of(load_model(run.path)).class_vectors, drawn)


def test_files_of_other_runs_contain_class_vectors(tiny):
    """The search in the test above does find stored vectors."""
    run = train(tiny(scale=10.0))
    with zipfile.ZipFile(run.newest_checkpoint) as file:
        assert class_vectors("uniform", 10, 8, 0)[0].tobytes() in b"".join(file.read(name) for name in file.namelist())


def test_signed_features_do_not_change_the_number_of_weights():
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("uint8")
    usual, signed = (build_model("resnet18", (32, 32, 3), 10, width=1 / 8, signed_features=each)
                     for each in (False, True))

    assert feature_model(usual).predict(images, verbose=0).min() >= 0
    assert feature_model(signed).predict(images, verbose=0).min() < 0
    assert usual.count_params() == signed.count_params()
    assert len(usual.layers) == len(signed.layers) + 1  # the last ReLU


@pytest.mark.parametrize("values, reported", [
    ({"scale": 10.0}, True),
    ({"scale": 10.0, "signed_features": True}, False),
    ({"head": "dot"}, False),
])
def test_the_reach_of_non_negative_features_is_reported_before_training(tiny, caplog, values, reported):
    caplog.set_level(logging.INFO, logger="keras_fixhead")
    train(tiny(epochs=1, **values))
    found = [record.message for record in caplog.records if "no negative entries" in record.message]

    assert len(found) == int(reported)
    if reported:
        assert "mean 0." in found[0] and "the smallest possible cross-entropy is" in found[0]


def test_the_reason_for_scale_auto_is_logged(tiny, caplog):
    caplog.set_level(logging.INFO, logger="keras_fixhead")
    train(tiny(epochs=1, scale="auto"))

    assert any("sqrt(2) ln(m - 1)" in record.message for record in caplog.records)


def test_the_command_line_shows_the_reason_too(tiny, fixhead, tmp_path):
    answer = fixhead("train", "--dataset", "digits", "--scale", "auto", "--epochs", 1, "--limit-train", 100,
                     "--width", 1 / 64, "--runs-dir", tmp_path)
    assert answer.code == 0, answer.err
    assert "sqrt(2) ln(m - 1)" in answer.err


def test_learned_class_vectors_with_a_small_scale_give_a_warning(tiny):
    with pytest.warns(FixheadWarning, match="known to fall behind for 10 classes"):
        train(tiny(epochs=1, fixed=False, scale=1.0))


@pytest.mark.parametrize("values, message", [
    ({"margin": "arcface", "head": "dot"}, "needs cosines, but the logits are dot products"),
    ({"margin": "arcface", "bias": "learned"}, "a bias is added to them"),
    ({"margin_size": 0.1}, "margin_size is given without a margin"),
    ({"margin": "cosface", "margin_size": 2.5}, "margin_size must be below 2 for cosface"),
    ({"margin": "arcfase"}, "Did you mean 'arcface'"),
    ({"scale": "large"}, "scale must be a number or one of auto, learned, got 'large'"),
    ({"scale": 0.0}, "scale must be at least 0.001"),
    ({"vector_lr": 1.5}, "vector_lr must be at most 1"),
    ({"store_vectors": False, "fixed": False}, "store_vectors is off for learned class vectors"),
    ({"store_vectors": False, "class_vectors": "simplex"}, "'simplex', which cannot be drawn again on every machine"),
    ({"rotate": False}, "rotate=False does not apply to kind"),
    ({"class_vectors": "orthogonal", "dataset": "cifar100", "width": 0.125}, "at most 64 class vectors in 64"),
])
def test_incompatible_options_are_refused_in_one_line(values, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        resolve(TrainConfig(**values))

    assert "\n" not in str(caught.value)


def test_a_margin_without_a_size_gets_the_published_one():
    assert resolve(TrainConfig(margin="cosface")).config.margin_size == 0.35
    assert resolve(TrainConfig(margin="arcface")).config.margin_size == 0.5
    assert resolve(TrainConfig(margin="arcface", margin_size=0.2)).config.margin_size == 0.2


def test_a_scale_on_the_command_line_may_be_a_word_or_a_number():
    assert TrainConfig(scale="30").scale == 30.0
    assert TrainConfig(scale="learned").scale == "learned"
    assert TrainConfig.from_dict(TrainConfig(scale="auto").as_dict()).scale == "auto"


def test_training_under_a_mixed_policy_keeps_the_heads_weights_in_float32(tiny):
    dataset = load_dataset("digits")
    config = resolve(tiny(precision="bfloat16", scale="learned", bias="learned", fixed=False)).config
    model = compiled_model(config, dataset)

    assert {keras.backend.standardize_dtype(weight.dtype) for weight in head_of(model).weights} == {"float32"}
