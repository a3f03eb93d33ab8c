import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from keras_fixhead.catalog import MODELS
from keras_fixhead.config import TrainConfig
from keras_fixhead.recipes import build_config


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., TrainConfig]:
    """Replaces ResNet18 with a network of one convolution; returns a function that makes configurations."""
    monkeypatch.setitem(MODELS, "resnet18", dataclasses.replace(MODELS["resnet18"], builder="tiny_network:build"))

    def config(**values: object) -> TrainConfig:
        return build_config({"width": 1 / 64, "limit_train": 100, "batch_size": 20, "epochs": 2, "lr": 0.1,
                             "precision": "float32", "runs_dir": str(tmp_path / "runs"), **values})

    return config
