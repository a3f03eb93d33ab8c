import dataclasses

import numpy as np
import pytest

from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.evaluation import evaluate_run
from keras_fixhead.evaluation import run as run_module
from keras_fixhead.runs import Run


def test_evaluating_a_finished_run_gives_its_recorded_result(digits_run):
    result = digits_run.read("result")
    for split, found in evaluate_run(digits_run).items():
        expected = result["evaluation"][split]
        assert {name: value for name, value in found.as_dict().items() if name != "top5"} == pytest.approx(
            {name: value for name, value in expected.items() if name != "top5"}, rel=1e-5)


def test_the_training_split_of_a_run_is_the_one_it_was_trained_on(digits_run):
    found = evaluate_run(digits_run, ("train",))

    assert list(found) == ["train"] and found["train"].n == 200


def test_a_run_without_a_model_is_an_error(tmp_path, digits_run):
    unfinished = Run(tmp_path)
    unfinished.write_config(digits_run.stored())
    with pytest.raises(RunError, match=r"has no model\.keras"):
        evaluate_run(unfinished)


def test_a_run_can_be_evaluated_on_another_set_with_the_same_classes(digits_run, monkeypatch):
    digits = load_dataset("digits")
    other = dataclasses.replace(digits, name="digits_1", train=digits.train.take(np.arange(0)),
                                validation=digits.validation.take(np.arange(0)))
    monkeypatch.setattr(run_module, "run_dataset", lambda dataset, data_dir: other)
    found = evaluate_run(digits_run, dataset="digits_1")

    assert found.keys() == {"test"} and found["test"].n == 360
    with pytest.raises(ArgumentError, match=r"digits_1 has no validation images\. Choose another --split: test"):
        evaluate_run(digits_run, ["validation"], dataset="digits_1")
    monkeypatch.setattr(run_module, "run_dataset",
                        lambda dataset, data_dir: dataclasses.replace(other, label_names=tuple("abcdefghij")))
    with pytest.raises(ArgumentError, match="digits_1 does not have the run's classes: a, b, c"):
        evaluate_run(digits_run, dataset="digits_1")


def test_a_set_with_another_image_size_is_a_one_line_error(digits_run, monkeypatch):
    digits = load_dataset("digits")
    small = dataclasses.replace(digits, name="small", test=dataclasses.replace(
        digits.test, images=digits.test.images[:, :16, :16]))
    monkeypatch.setattr(run_module, "run_dataset", lambda dataset, data_dir: small)
    with pytest.raises(ArgumentError, match=r"small has images of shape \(16, 16, 3\); the model takes \(32, 32, 3\)"):
        evaluate_run(digits_run, dataset="small")
