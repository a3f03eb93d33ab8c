"""Runs that start from trained weights, with a backbone that is frozen for some epochs."""
import dataclasses
import shutil
import signal

import keras
import numpy as np
import pytest

from keras_fixhead import train
from keras_fixhead.config import resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.models import head_of, load_model, pixel_normalization
from keras_fixhead.runs import list_runs
from keras_fixhead.training.estimate import StepTimer


@pytest.fixture
def source(tiny):
    """A run on five of the classes, with another normalization."""
    return train(tiny(classes="0,1,2,3,4", normalization="half", fixed=False, epochs=1, selection="last"))


@pytest.fixture
def tuned(tiny, source):
    def config(**values):
        return tiny(init_from=str(source.path), **{
            "fixed": False, "lookahead_every": 2, "freeze": "backbone", "unfreeze_after": 2, "epochs": 3, **values})

    return config


class Kept(keras.callbacks.Callback):
    """Keeps the weights after each epoch, those of the backbone apart from those of the head."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = [], []

    def on_epoch_end(self, epoch, logs=None):
        head = head_of(self.model)
        self.head.append(np.array(head.class_vectors))
        self.backbone.append([np.array(weight) for layer in self.model.layers if layer is not head
                              for weight in layer.weights])


def backbone(model):
    return [weight for layer in model.layers[:-1] for weight in layer.get_weights()]


def test_a_frozen_backbone_stays_as_it_is_until_it_is_trained_too(tuned, source):
    kept = Kept()
    run = train(tuned(), callbacks=[kept])
    start, final = backbone(load_model(source.path)), load_model(run.path)

    for epoch in (0, 1):  # the running statistics of normalisation too
        for found, expected in zip(kept.backbone[epoch], start, strict=True):
            np.testing.assert_array_equal(found, expected)
    assert all(not np.array_equal(a, b) for a, b in zip(kept.backbone[2], start, strict=True))
    assert not np.array_equal(kept.head[0], kept.head[1]) and final.output_shape == (None, 10)
    assert [row["lr"] for row in run.metrics()] == sorted((row["lr"] for row in run.metrics()), reverse=True)


def test_the_pixels_are_normalized_as_where_the_weights_come_from(tuned, source):
    run = train(tuned(epochs=1, unfreeze_after=None))
    mean, std = pixel_normalization(load_model(run.path))

    np.testing.assert_allclose([*mean, *std], 127.5, rtol=1e-6)
    assert run.read("start")["pretrained"] == resolve(tuned()).config.pretrained
    assert run.read("result")["data_mean"] == pytest.approx([127.5] * 3)


@pytest.mark.parametrize("step", [10, 12], ids=["at the change", "trained too"])
def test_a_fine_tuned_run_that_was_stopped_ends_to_the_bit_like_one_that_was_not(tuned, source, monkeypatch, step):
    straight = train(tuned())
    original, steps = StepTimer.on_train_batch_end, []

    def stop(self, batch, logs=None):
        steps.append(batch)
        original(self, batch, logs)
        if len(steps) == step:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(StepTimer, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(tuned(seed=0))
    [stopped] = [run for run in list_runs(straight.path.parent)
                 if run.path not in (straight.path, source.path)]
    shutil.rmtree(source.path)  # a run is complete in itself
    train(stopped.config(), resume=stopped)

    with np.load(straight.newest_checkpoint) as expected, np.load(stopped.newest_checkpoint) as found:
        assert expected.files == found.files
        for name in set(expected.files) - {"meta"}:
            np.testing.assert_array_equal(found[name], expected[name])


def test_the_backbone_has_a_rate_of_its_own(tiny, source):
    """One step of SGD without momentum: the change of each weight is in proportion to its rate."""
    values = {"init_from": str(source.path), "fixed": False, "epochs": 1, "batch_size": 100, "warmup_fraction": 0.0,
              "selection": "last", "momentum": 0.0}
    start = backbone(load_model(source.path))
    changes, heads = [], []
    for factor in (1.0, 0.25):
        model = load_model(train(tiny(**values, backbone_lr=factor)).path)
        changes.append([after - before for after, before in zip(backbone(model), start, strict=True)][:3])
        heads.append(np.array(head_of(model).class_vectors))

    np.testing.assert_array_equal(*heads)
    for whole, part in zip(*changes, strict=True):  # kernel, gamma, beta
        np.testing.assert_allclose(part, 0.25 * whole, atol=1e-7)


def test_weights_that_do_not_fit_or_have_changed_are_refused(tiny, tuned, source):
    changed = dataclasses.replace(tuned(), pretrained="0" * 64)
    with pytest.raises(RunError, match=r"is not what this configuration was made for.* --pretrained"):
        train(changed)
    with pytest.raises(ArgumentError, match=r"model\.keras has another network.*--model and --width"):
        train(tiny(init_from=str(source.model_path), width=1 / 32))
