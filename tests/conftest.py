"""Fixtures for several test folders. The conftest in the root folder redirects the caches of Keras and this package."""
import pytest

from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Returns a trained run: resnet18 at 1/16 of its width, in bfloat16, for 2 epochs of 2 steps."""
    from keras_fixhead.training import train

    return train(build_config({
        "recipe": "smoke", "width": 1 / 16, "limit_train": 200, "epochs": 2, "precision": "bfloat16",
        "runs_dir": str(tmp_path_factory.mktemp("runs"))}))
