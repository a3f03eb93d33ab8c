"""Fixtures for several folders of tests. The conftest at the root sets Keras' cache and ours aside."""
import pytest

from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Returns a trained run: resnet18 at a sixteenth of its width, in bfloat16, 2 epochs of 2 steps."""
    from keras_fixhead.training import train

    return train(build_config({
        "recipe": "smoke", "width": 1 / 16, "limit_train": 200, "epochs": 2, "precision": "bfloat16",
        "runs_dir": str(tmp_path_factory.mktemp("runs"))}))
