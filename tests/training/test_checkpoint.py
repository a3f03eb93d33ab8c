import json

import keras
import numpy as np
import pytest

from keras_fixhead import json_files
from keras_fixhead.errors import RunError
from keras_fixhead.training.checkpoint import Progress, load_checkpoint, save_checkpoint


def compiled(units=3):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse", jit_compile=False)
    return model


def trained():
    """Returns a model in a state that training could have left."""
    model, draw = compiled(), np.random.default_rng(0)
    model.optimizer.build(model.trainable_variables)
    for variable in (*model.weights, *model.optimizer.variables):
        variable.assign(draw.integers(1, 9, variable.shape).astype(variable.dtype))
    return model


def state(model):
    return [keras.ops.convert_to_numpy(each) for each in (*model.weights, *model.optimizer.variables)]


@pytest.fixture
def saved(tmp_path):
    model = trained()
    save_checkpoint(tmp_path / "checkpoints" / "c.npz", model, Progress(epoch=2, best_epoch=1, best=0.75))
    return tmp_path / "checkpoints" / "c.npz", model


@pytest.mark.parametrize("fresh", [compiled, trained], ids=["never trained", "trained on"])
def test_weights_optimizer_and_progress_are_restored(saved, fresh):
    path, model = saved
    other = fresh()
    for weight in other.weights:
        weight.assign(weight + 1)

    assert load_checkpoint(path, other) == Progress(epoch=2, best_epoch=1, best=0.75)
    assert int(other.optimizer.iterations) == int(model.optimizer.iterations) > 0
    for found, expected in zip(state(other), state(model), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_an_unusable_checkpoint_does_not_change_the_model(saved):
    path, _ = saved
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "weight_3": np.zeros(99)})
    model = trained()
    before = state(model)
    with pytest.raises(RunError, match=r"does not fit the model in the run's config\.json"):
        load_checkpoint(path, model)

    for found, expected in zip(state(model), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_checkpoint_of_another_model_is_refused(saved):
    with pytest.raises(RunError, match="does not fit the model"):
        load_checkpoint(saved[0], compiled(units=5))


def test_a_checkpoint_from_a_newer_version_is_refused(saved):
    path, model = saved
    with np.load(path) as file:
        arrays = {**file, "meta": np.array(json.dumps({"schema": 99}))}
    np.savez(path, **arrays)
    with pytest.raises(RunError, match=r"is from a newer version\. Upgrade"):
        load_checkpoint(path, model)


@pytest.mark.parametrize("meta", [
    None, np.array("{"), np.array([{}], dtype=object), np.array("{}"), np.array('{"schema": 1, "epok": 2}'),
    np.array('{"schema": "1"}'), np.array("[1]"), np.array("3"),
], ids=["missing", "not JSON", "a pickle", "empty", "unknown key", "schema as text", "a list", "a number"])
def test_a_checkpoint_without_its_description_is_damaged(saved, meta):
    path, model = saved
    with np.load(path) as file:
        arrays = dict(file)
    del arrays["meta"]
    np.savez(path, **arrays, **({} if meta is None else {"meta": meta}))
    with pytest.raises(RunError, match="is damaged"):
        load_checkpoint(path, model)


def test_progress_keeps_the_first_of_equally_good_epochs():
    progress = Progress()
    for accuracy in (0.0, 0.3, 0.5, 0.5, 0.4):
        progress = progress.after_epoch(accuracy, seconds=2.0)

    assert progress == Progress(epoch=5, best_epoch=3, best=0.5, seconds=10.0)
    assert Progress(step=3, epoch_seconds=1.0).after_epoch(0.0, 2.0) == Progress(1, 0, 1, 0.0, seconds=2.0)


def test_a_failed_write_keeps_the_old_checkpoint(saved, monkeypatch):
    path, model = saved
    content = path.read_bytes()

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_files.Path, "replace", fail)
    with pytest.raises(RunError, match=r"c\.npz cannot be written: No space left on device"):
        save_checkpoint(path, model, Progress())

    assert path.read_bytes() == content and [each.name for each in path.parent.iterdir()] == ["c.npz"]
