"""Runs without training: their directories are written like those of finished runs."""
import numpy as np
import pytest

from keras_fixhead.runs import create_run


@pytest.fixture
def explicit(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    return {"runs_dir": str(tmp_path / "runs"), "recipe": "smoke", "precision": "float32"}


@pytest.fixture
def complete():
    """Returns a function that writes the run directory of a finished run for a configuration."""
    return _complete


def _complete(resolved, accuracy=0.5):
    """Writes the run directory of a finished run."""
    config, run = resolved.config, create_run(resolved)
    run.write_metrics([{"epoch": epoch, "loss": 1.0, "cross_entropy": 2.0 / epoch, "validation_accuracy": accuracy}
                       for epoch in range(1, config.epochs + 1)])
    run.write("result", {"accuracy": {"test": accuracy, "validation": accuracy / 2}, "evaluation": {},
                         "label_names": ["a"], "environment": {"cpu": "some"}})
    run.write_arrays("test.npz", confusion=np.diag([3, 4]), class_vectors=np.array([[1.0, 0.0], [0.6, 0.8]]))
    (run.path / "checkpoints").mkdir()
    run.newest_checkpoint.write_bytes(b"0" * 1000)
    run.model_path.write_bytes(b"0" * 500)
    run.write_status("complete", epoch=config.epochs)
    return run
