import dataclasses
from types import SimpleNamespace

import numpy as np
from PIL import Image

from keras_fixhead import measurement
from keras_fixhead.data import Split, load_dataset
from keras_fixhead.evaluation import run_predictor
from keras_fixhead.robustness import measure_robustness, native_suite
from keras_fixhead.runs import Run


def test_clean_images_are_classified_once_for_all_suites(monkeypatch):
    monkeypatch.setattr(measurement, "_suites", lambda: [native_suite("paper"), native_suite("paper-plain")])
    monkeypatch.setattr(measurement, "BESIDE_IMAGES", 7)
    monkeypatch.setattr(measurement, "_kept", {})
    images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
    test = Split(images, np.arange(12, dtype=np.int32) % 3)

    def classes(images):
        return images.sum(axis=(1, 2, 3)).astype(np.int64) % 3

    def outputs(images):
        assert not (images == test.images[: len(images)]).all()
        return SimpleNamespace(logits=np.eye(3)[classes(images)])

    found = measurement._robustness(SimpleNamespace(outputs=outputs), test, classes(test.images))

    assert found["paper"] == measure_robustness(classes, test, suite="paper").as_dict()
    assert found["paper-plain"] == measure_robustness(classes, test, suite="paper-plain", limit=7).as_dict()


def test_runs_are_measured_on_a_gathered_set_in_the_data_folder(digits_run, tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "OUTSIDE", {"digits": ("cifar10_1", "cifar100_gen")})
    config = dataclasses.replace(digits_run.config(), data_dir=str(tmp_path))
    monkeypatch.setattr(Run, "config", lambda run: config)
    predictor, own = run_predictor(digits_run), np.eye(10, dtype=np.float32)[load_dataset("digits").test.labels]
    assert measurement._generalization(digits_run, predictor, own) == {}
    for label in ("3", "8"):
        (tmp_path / "cifar100_gen" / label).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / "cifar100_gen" / label / f"{number}.png")
    found = measurement._generalization(digits_run, predictor, own)["cifar100_gen"]

    assert found["n_outside"] == 8 and found["n_own"] == int(np.isin(load_dataset("digits").test.labels, (3, 8)).sum())
