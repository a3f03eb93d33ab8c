"""Hints of predicting and evaluating: each is printed in its situation, and leads out."""
import dataclasses
import re

import numpy as np
import pytest
from hints import leads_out, refused

from fixhead_serving.client import read_images
from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation import Predictor, measure_run, run_predictor
from keras_fixhead.evaluation import run as run_module
from keras_fixhead.evaluation.outside import measure_generalization
from keras_fixhead.evaluation.streamed import check_no_views
from keras_fixhead.models import build_model

DIGITS = tuple("0123456789")


@pytest.fixture(scope="module")
def of_pictures():
    return Predictor(build_model("resnet18", (16, 16, 3), 10, width=1 / 64), DIGITS)


@pytest.fixture(scope="module")
def streaming():
    """A model of vectors with a streaming head, for 12 classes."""
    return Predictor(build_model("none", (6,), 12, streaming=True), tuple(map(str, range(12))))


@leads_out("Give an .npy or .npz file of vectors: float16 or float32, (N, ...).", "Give vectors of that length.",
           "Ask for its best classes: Predictor.best, or fixhead predict.", "Ask for at most ....", "Leave it out.")
def test_a_model_of_vectors_answers_after_its_hints(streaming, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        _ = streaming.form
    length = int(re.search(r"\(N, (\d+)\)\.$", caught.value.hint)[1])
    for kind in re.findall(r"float\d+", caught.value.hint):
        np.save(tmp_path / "a.npy", np.ones((2, length), kind))
        np.savez(tmp_path / "a.npz", np.ones((2, length), kind))
        for ending in ("npy", "npz"):
            vectors = read_images(tmp_path / f"a.{ending}").astype(np.float32)
            assert streaming.best(vectors)[0].shape == (2, 10)

    with refused("Give vectors of that length."):
        streaming.best(np.ones((2, length + 1), np.float32))
    with refused("Ask for its best classes: Predictor.best, or fixhead predict."):
        streaming.logits(vectors)
    with pytest.raises(ArgumentError) as caught:
        streaming.best(vectors, 11)
    most = int(re.search(r"at most (\d+)", caught.value.hint)[1])
    assert streaming.best(vectors, most)[1].shape == (2, most)

    vectors[1, 2] = np.nan
    with pytest.raises(ArgumentError) as caught:
        streaming.best(vectors)
    assert caught.value.hint == "Leave it out."
    row = int(re.search(r"Row (\d+)", caught.value.what)[1])
    assert len(streaming.best(np.delete(vectors, row, axis=0))[0]) == 1


@leads_out("Resize them, or pass them as uint8 to `fixhead predict`, which resizes them.")
def test_images_of_another_size_are_classified_in_both_ways_of_the_hint(of_pictures, fixhead, digits_run, tmp_path):
    with refused("Resize them, or pass them as uint8 to `fixhead predict`, which resizes them."):
        of_pictures.classes(np.zeros((2, 8, 8, 3), np.float32))
    assert len(of_pictures.classes(of_pictures.resized(np.zeros((2, 8, 8, 3), np.uint8)))) == 2
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8, 3), np.uint8))
    assert fixhead("predict", digits_run.path, tmp_path / "a.npy").code == 0


@leads_out("Give a --dataset with the same classes in the same order, or leave it out.",
           "Give a --dataset with images of that size, or leave it out.")
def test_a_data_set_that_fits_is_accepted():
    digits = load_dataset("digits")
    predictor = Predictor(build_model("resnet18", (32, 32, 3), 10, width=1 / 64), DIGITS)
    for wrong, hint in ((dataclasses.replace(digits, label_names=DIGITS[::-1]), "with the same classes in the same"),
                        (dataclasses.replace(digits, test=dataclasses.replace(
                            digits.test, images=digits.test.images[:, :16])), "with images of that size")):
        with refused(hint):
            predictor.check_fits(wrong)
    predictor.check_fits(digits)


@leads_out("Leave out --tta.", "Give an embedding set with vectors of that length.", "Choose another --split: ...")
def test_a_run_is_evaluated_after_its_hints(digits_run, streaming, tmp_path, monkeypatch):
    sets = {}
    for length in (6, 7):
        np.savez(tmp_path / f"{length}.npz", features=np.ones((240, length), np.float32), labels=np.arange(240) % 12)
        sets[length] = str(tmp_path / f"{length}.npz")
    for options, hint, right in (({"tta": "flip", "dataset": sets[6]}, "Leave out --tta.", {"dataset": sets[6]}),
                                 ({"dataset": sets[7]}, "vectors of that length.", {"dataset": sets[6]})):
        with refused(hint):
            measure_run(digits_run, ["test"], predictor=streaming, **options)
        assert measure_run(digits_run, ["test"], predictor=streaming, **right).splits["test"].evaluation.n
    with refused("Leave out --tta."):
        check_no_views("flip")
    check_no_views("none")

    whole = load_dataset(sets[6])
    other = dataclasses.replace(whole, validation=whole.validation.take(np.arange(0)))
    monkeypatch.setattr(run_module, "load_dataset", lambda name: other)
    with pytest.raises(ArgumentError) as caught:
        measure_run(digits_run, ["validation"], predictor=streaming, dataset=sets[6])
    splits = re.findall(r"\w+", caught.value.hint.removeprefix("Choose another --split: "))
    assert splits and measure_run(digits_run, splits, predictor=streaming, dataset=sets[6]).splits.keys() == set(splits)


@leads_out("Compare the two accuracies: fixhead evaluate.",
           "Measure on a set with two or more of the run's classes.")
def test_a_drop_is_measured_among_several_classes_with_all_logits(digits_run, monkeypatch, fixhead):
    predictor, digits = run_predictor(digits_run), load_dataset("digits")

    def measured(*names):
        other = dataclasses.replace(digits, name="digits_1", label_names=names)
        monkeypatch.setattr(run_module, "outside_dataset", lambda dataset, data_dir, form, skip_broken: other)
        return measure_run(digits_run, ["test"], dataset="digits_1", predictor=predictor)

    with pytest.raises(ArgumentError, match=r"there is only one, 0: every answer would be right\. Measure on a set "
                       "with two or more of the run's classes"):
        measure_generalization(digits_run, predictor, measured("0", *"abcdefghi"), "digits_1")
    found = measured("0", "1", *"abcdefgh")
    assert "drop_points" in measure_generalization(digits_run, predictor, found, "digits_1").content

    split = dataclasses.replace(found.splits["test"], logits=None)  # as of a model that streams
    with refused("Compare the two accuracies: fixhead evaluate."):
        measure_generalization(digits_run, predictor, dataclasses.replace(found, splits={"test": split}), "digits_1")
    own = fixhead("evaluate", digits_run.path, "--split", "test", "--json").json["accuracy"]["test"]
    assert own == pytest.approx(digits_run.read("result")["accuracy"]["test"])
