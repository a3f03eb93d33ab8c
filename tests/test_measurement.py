from types import SimpleNamespace

import numpy as np

from keras_fixhead import measurement
from keras_fixhead.data import Split
from keras_fixhead.robustness import measure_robustness, native_suite


def test_clean_images_are_classified_once_for_all_suites(monkeypatch):
    monkeypatch.setattr(measurement, "_suites", lambda: [native_suite("paper"), native_suite("paper-plain")])
    monkeypatch.setattr(measurement, "BESIDE_IMAGES", 7)
    monkeypatch.setattr(measurement, "_kept", {})
    test = Split(np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8), np.arange(12, dtype=np.int32) % 3)

    def classes(images):
        return images.sum(axis=(1, 2, 3)).astype(np.int64) % 3

    def outputs(images):
        assert not (images == test.images[: len(images)]).all()
        return SimpleNamespace(logits=np.eye(3)[classes(images)])

    found = measurement._robustness(SimpleNamespace(outputs=outputs), test, classes(test.images))

    assert found["paper"] == measure_robustness(classes, test, suite="paper").as_dict()
    assert found["paper-plain"] == measure_robustness(classes, test, suite="paper-plain", limit=7).as_dict()
