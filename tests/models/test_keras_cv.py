"""keras-cv networks in the catalog; these tests need the extra [cv]."""
import signal

import numpy as np
import pytest

from fixhead_serving.client import Client
from fixhead_serving.export import export_run
from fixhead_serving.local import local_server
from keras_fixhead import train
from keras_fixhead.data import load_dataset
from keras_fixhead.models import build_model, feature_model, load_model
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import list_runs
from keras_fixhead.training.estimate import StepTimer

pytestmark = pytest.mark.long

NAMES = ["keras_cv/resnet18", "keras_cv/resnet18_v2"]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_flat_and_seeded_and_reduces_32_pixels_to_one_position(name):
    one, other = (build_model(name, (32, 32, 3), 10, weight_decay=5e-4) for _ in range(2))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")

    assert one.get_layer("features").input.shape[1:] == (1, 1, 512) and len(one.losses) == 20
    np.testing.assert_array_equal(one.predict(images, verbose=0), other.predict(images, verbose=0))
    assert (feature_model(one).predict(images, verbose=0) >= 0).all()
    signed = feature_model(build_model(name, (32, 32, 3), 10, signed_features=True)).predict(images, verbose=0)
    assert (signed < 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_resumes_exports_and_serves(name, tmp_path, monkeypatch):
    values = {"recipe": "smoke", "model": name, "width": 1.0, "limit_train": 300, "precision": "float32"}
    straight = train(build_config({**values, "runs_dir": str(tmp_path / "straight")}))
    steps = []
    original = StepTimer.on_train_batch_end

    def stop(self, batch, logs=None):
        original(self, batch, logs)
        steps.append(batch)
        if len(steps) == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StepTimer, "on_train_batch_end", stop)
        train(build_config({**values, "runs_dir": str(tmp_path / "stopped")}))
    (run,) = list_runs(tmp_path / "stopped")
    train(run.config(), resume=run)
    for a, b in zip(load_model(straight.path).get_weights(), load_model(run.path).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    export_run(run.path, tmp_path / "served")
    images = load_dataset("digits").test.images[:8]
    with local_server(tmp_path / "served") as url, Client(url) as client:
        answers = client.classify(images)
    np.testing.assert_array_equal(answers["class_index"],
                                  load_model(run.path).predict(images, verbose=0).argmax(axis=1))
