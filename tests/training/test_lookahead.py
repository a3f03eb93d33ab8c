"""Lookahead against the published loop, in NumPy."""
import keras
import numpy as np
import pytest

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.lookahead import Lookahead, mixer, slow_share


def test_both_weights_and_slow_copies_become_their_mixture():
    draw = np.random.default_rng(0)
    values, copies = ([draw.standard_normal(shape).astype("float32") for shape in ((3, 4), (2,))] for _ in range(2))
    weights, slow = ([keras.Variable(each) for each in group] for group in (values, copies))
    mix = mixer(weights, slow)
    for share in (0.25, 0.5):
        values = copies = [copy + (1 - share) * (value - copy) for value, copy in zip(values, copies, strict=True)]
        mix(share)
        for found, expected in zip([*weights, *slow], [*values, *copies], strict=True):
            np.testing.assert_allclose(keras.ops.convert_to_numpy(found.value), expected, rtol=1e-6)


def test_equal_values_stay_bit_identical_and_a_share_of_1_takes_the_slow_copy_whole():
    value = np.random.default_rng(1).standard_normal(1000).astype("float32")
    weight, slow = keras.Variable(value), keras.Variable(value)
    mix = mixer([weight], [slow])
    mix(0.3)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight.value), value)
    weight.assign(2 * value)
    mix(1.0)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight.value), value)


@pytest.mark.parametrize("epochs, extended_from", [(9.9, ()), (2.5, ()), (4, (2,))])
def test_weights_are_set_back_at_the_published_steps_with_the_published_shares(monkeypatch, epochs, extended_from):
    """The loop of the paper's script: every fifth step with a share that grows, and whole after the last step."""
    length = Length(epochs, 7, extended_from)
    _, steps = length.phase
    merged = []
    monkeypatch.setattr(Lookahead, "_merge", lambda self, share: merged.append(share))
    for epoch in range(length.extended_at, length.count):
        callback = Lookahead(TrainConfig(lookahead_every=5), length, Progress(epoch=epoch))
        for batch in range(length.steps(epoch)):
            callback.on_train_batch_end(batch)
    expected = []
    for step in range(1, steps + 1):
        if step % 5 == 0:
            expected.append(0.95**5 * (step / steps) ** 3)
        if step == steps:
            expected.append(1.0)

    assert merged == pytest.approx(expected) and slow_share(5, 5, 1, 0.5) == 0.5
