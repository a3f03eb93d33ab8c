import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from keras_fixhead.catalog import MODELS
from keras_fixhead.config import TrainConfig
from keras_fixhead.recipes import build_config
from keras_fixhead.training import backend, outcome


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Replaces ResNet18 with a network of one convolution; returns a function that makes configurations.

    Its runs have no figures, which take longer than such a training. `digits_run` has them.
    """
    monkeypatch.setitem(MODELS, "resnet18", dataclasses.replace(MODELS["resnet18"], builder="tiny_network:build"))
    for figure in ("plot_curves", "plot_confusion", "plot_cosine_matrix", "plot_predictions"):
        monkeypatch.setattr(outcome, figure, lambda *values, **options: None)

    def config(**values: object) -> TrainConfig:
        return build_config({"width": 1 / 64, "limit_train": 100, "batch_size": 20, "epochs": 2, "lr": 0.1,
                             "precision": "float32", "runs_dir": str(tmp_path / "runs"), **values})

    return config


@pytest.fixture
def jax_backend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes Keras report JAX; returns a function that sets whether JAX has started and has a GPU."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for name in ("NPROC", "XLA_FLAGS"):
        monkeypatch.setenv(name, "")  # so that it is restored

    def state(*, started: bool, gpu: bool = False) -> None:
        monkeypatch.setattr(backend, "_jax_has_started", lambda: started)
        monkeypatch.setattr(backend, "on_gpu", lambda: gpu)

    return state
