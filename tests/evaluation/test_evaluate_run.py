import dataclasses

import numpy as np
import pytest

from keras_fixhead.data import Split, load_dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.evaluation import evaluate_run, measure_run, run_predictor
from keras_fixhead.evaluation import run as run_module
from keras_fixhead.evaluation.outside import measure_generalization
from keras_fixhead.runs import Run


def test_evaluating_a_finished_run_gives_its_recorded_result(digits_run):
    result = digits_run.read("result")
    for split, found in evaluate_run(digits_run).items():
        expected = result["evaluation"][split]
        for name, value in found.as_dict().items():
            assert value == (pytest.approx(expected[name], rel=1e-5) if isinstance(value, float) else expected[name])
        assert found.as_dict().keys() == expected.keys()


def test_the_training_split_of_a_run_is_the_one_it_was_trained_on(digits_run):
    found = evaluate_run(digits_run, ("train",))

    assert list(found) == ["train"] and found["train"].n == 200


def test_a_run_without_a_model_is_an_error(tmp_path, digits_run):
    unfinished = Run(tmp_path)
    unfinished.write_config(digits_run.stored())
    with pytest.raises(RunError, match=r"has no model\.keras"):
        evaluate_run(unfinished)


def outside(monkeypatch, **changes):
    """Stands in for a data set with another name: the digits, with some changes; no training images."""
    digits, nothing = load_dataset("digits"), np.arange(0)
    other = dataclasses.replace(digits, name="digits_1", train=digits.train.take(nothing),
                                validation=digits.validation.take(nothing), **changes)
    monkeypatch.setattr(run_module, "outside_dataset", lambda dataset, data_dir, form, skip_broken: other)


def test_a_run_can_be_evaluated_on_another_set_with_the_same_classes(digits_run, monkeypatch):
    outside(monkeypatch)
    found = evaluate_run(digits_run, dataset="digits_1")

    assert found.keys() == {"test"} and found["test"].n == 360
    with pytest.raises(ArgumentError, match=r"digits_1 has no validation images.*\. Choose another --split: test"):
        evaluate_run(digits_run, ["validation"], dataset="digits_1")
    outside(monkeypatch, label_names=tuple("abcdefghij"))
    with pytest.raises(ArgumentError, match="does not have the run's classes: a, b, c"):
        evaluate_run(digits_run, dataset="digits_1")


def test_classes_are_matched_by_name_and_predictions_can_be_kept_to_the_common_ones(digits_run, monkeypatch):
    own = measure_run(digits_run, ["test"]).splits["test"]
    outside(monkeypatch, label_names=("zero", *"123456789"))
    found = measure_run(digits_run, dataset="digits_1")
    test, labels = found.splits["test"], load_dataset("digits").test.labels
    kept = labels != 0

    assert found.notes == ("1 class of digits_1 is not in the run, and its pictures are left out: zero.",
                           "digits_1 has 9 of the run's 10 classes; missing: 0.")
    np.testing.assert_array_equal(test.split.labels, labels[kept])
    np.testing.assert_allclose(test.logits, own.logits[kept], rtol=1e-4, atol=1e-5)
    assert test.evaluation.accuracy == pytest.approx((own.logits[kept].argmax(1) == labels[kept]).mean())
    assert test.common_accuracy == pytest.approx((own.logits[kept, 1:].argmax(1) + 1 == labels[kept]).mean())
    assert measure_run(digits_run, dataset="digits_1", class_map={"zero": "0"}).splits["test"].common_accuracy is None


def test_images_of_another_size_are_brought_to_the_size_of_the_run(digits_run, monkeypatch):
    images = load_dataset("digits").test.images
    large = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)[:40]
    outside(monkeypatch, test=Split(large, load_dataset("digits").test.labels[:40]))
    found = measure_run(digits_run, dataset="digits_1").splits["test"].split.images

    assert found.shape == (40, 32, 32, 3)
    assert np.abs(found.astype(int) - images[:40]).mean() < 4  # enlarged and reduced again


def test_the_folder_that_a_run_was_trained_on_is_its_own_data(digits_run, tmp_path, monkeypatch):
    """Otherwise its training pictures would be measured as new ones."""
    (tmp_path / "pictures").mkdir()
    config = dataclasses.replace(digits_run.config(), dataset=str(tmp_path / "pictures"))
    asked = []
    monkeypatch.setattr(Run, "config", lambda run: config)
    monkeypatch.setattr(run_module, "run_dataset", lambda **fields: asked.append(fields) or load_dataset("digits"))
    monkeypatch.chdir(tmp_path)
    evaluate_run(digits_run, dataset="./pictures")

    assert [fields["limit_train"] for fields in asked] == [config.limit_train]


def test_a_part_of_a_set_and_the_version_of_a_set_are_kept_with_the_numbers(digits_run, monkeypatch):
    outside(monkeypatch, subset="a subset of digits_1: 360 of 9,000 test images")
    predictor = run_predictor(digits_run)
    measured = measure_run(digits_run, ("test",), dataset="digits_1", predictor=predictor)
    found = measure_generalization(digits_run, predictor, measured, "cifar10_1").content

    assert found["notes"] == ["The data are a subset of digits_1: 360 of 9,000 test images."]
    assert (found["dataset"], found["dataset_version"], found["n_outside"]) == ("cifar10_1", "v6", 360)


def test_a_set_that_is_the_own_test_set_has_no_drop(digits_run):
    """Measured on its own images, a model has the accuracy in result.json, and a drop of exactly 0."""
    predictor = run_predictor(digits_run)
    measured = measure_run(digits_run, ("test",), dataset="digits", predictor=predictor)
    found = measure_generalization(digits_run, predictor, measured, "digits")
    given = measure_generalization(digits_run, predictor, measured, "digits",
                                   own_logits=measured.splits["test"].logits)

    assert found.content["drop_points"] == 0 and (found.own == found.outside).all()
    assert found.content["accuracy"] == digits_run.read("result")["accuracy"]["test"] == found.own.mean()
    assert given.content == found.content
