"""The networks train in 16 bits, resume as if never stopped (including the loss scale), and export."""
import signal

import numpy as np
import pytest

from fixhead_serving.export import export_run
from keras_fixhead import train
from keras_fixhead.models import load_model
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import list_runs
from keras_fixhead.training.estimate import StepTimer

IN_EVERY_RUN = {("fast_cnn", "bfloat16")}  # the others in .ci/long


@pytest.mark.parametrize(("model", "precision"), [
    pytest.param(model, precision, marks=pytest.mark.slow if (model, precision) in IN_EVERY_RUN else pytest.mark.long)
    for model, precision in (*((model, precision) for model in ("resnet18", "preact_resnet18", "mobilenet_v2")
                               for precision in ("bfloat16", "float16")), ("fast_cnn", "bfloat16"))])
def test_a_network_in_16_bits_trains_resumes_and_exports(model, precision, tmp_path, monkeypatch):
    recipe = "fast" if model == "fast_cnn" else "smoke"
    values = {"recipe": recipe, "model": model, "width": 1 / 8, "limit_train": 100, "batch_size": 20, "epochs": 2,
              "precision": precision}
    straight = train(build_config({**values, "runs_dir": str(tmp_path / "straight")}))
    original, steps = StepTimer.on_train_batch_end, []

    def stop(self, batch, logs=None):
        original(self, batch, logs)
        steps.append(batch)
        if len(steps) == 7:  # the second of five steps in the second epoch
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StepTimer, "on_train_batch_end", stop)
        train(build_config({**values, "runs_dir": str(tmp_path / "stopped")}))
    (run,) = list_runs(tmp_path / "stopped")
    train(run.config(), resume=run)

    for a, b in zip(load_model(straight.path).get_weights(), load_model(run.path).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    states = []
    for each in (straight, run):
        with np.load(each.newest_checkpoint) as file:
            states.append({name: file[name] for name in file.files if name.startswith("optimizer")})
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(states[1][name], value)
    assert all(np.isfinite(row["loss"]) for row in run.metrics())

    exported = export_run(run.path, tmp_path / "served")
    assert (exported.path / "saved_model.pb").is_file()
    assert {layer.compute_dtype for layer in load_model(run.path).layers} == {"float32"}
