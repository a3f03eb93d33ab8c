"""What tests of resumed runs share: stopping a run in a step, and comparing two runs bit for bit."""
import json
import signal

import numpy as np

from keras_fixhead.models import load_model
from keras_fixhead.training.estimate import StepTimer

CLOCKS = {"seconds", "train_seconds", "epoch_seconds", "images_per_second"}


def at_step(number, act):
    """Acts in the given step, counted across epochs of five."""
    def patch_it(patch):
        original, steps = StepTimer.on_train_batch_end, []

        def stop(self, batch, logs=None):
            steps.append(batch)
            original(self, batch, logs)
            if len(steps) == number:
                act()

        patch.setattr(StepTimer, "on_train_batch_end", stop)

    return patch_it


def stop_by_a_signal(patch):
    """Stops after the second step of the second epoch, keeping the state of that step."""
    at_step(7, interrupt_by_signal)(patch)


def interrupt_by_signal():
    signal.raise_signal(signal.SIGINT)


def without_clocks(rows):
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in rows]


def arrays(path):
    with np.load(path) as file:
        found = {name: file[name] for name in file.files}
    meta = json.loads(str(found.pop("meta")))
    return {**found, "meta": np.array(sorted((name, value) for name, value in meta.items() if name not in CLOCKS))}


def assert_equal_runs(straight, resumed):
    assert without_clocks(resumed.metrics()) == without_clocks(straight.metrics())
    expected, found = arrays(straight.newest_checkpoint), arrays(resumed.newest_checkpoint)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for a, b in zip(load_model(straight.path).get_weights(), load_model(resumed.path).get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("accuracy", "evaluation", "epoch", "data_digest"):
        assert resumed.read("result")[name] == straight.read("result")[name]
    assert resumed.read("status")["state"] == "complete"
