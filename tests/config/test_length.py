"""Epochs and steps of trainings whose last epoch is partial."""
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.config import Length, TrainConfig, resolve
from keras_fixhead.experiments.plan import parse_value


@settings(max_examples=100, deadline=None)
@given(tenths=st.integers(10, 300), steps=st.integers(1, 400), more=st.integers(1, 5), cut=st.integers(0, 10))
def test_steps_add_up_and_only_partial_epochs_are_shorter(tenths, steps, more, cut):
    """In whole numbers: a partial epoch has its tenths of the steps, rounded up."""
    first = Length(tenths / 10, steps)
    last = first.count + more - cut / 10
    for length in (first, Length(last, steps, (tenths / 10,)) if last > first.count else first):
        each = [length.steps(epoch) for epoch in range(length.count)]

        assert [length.before(epoch) for epoch in range(length.count + 1)] == [
            sum(each[:epoch]) for epoch in range(length.count + 1)]
        assert length.total == sum(each) and length.phase[0] + length.phase[1] == length.total
    part = tenths % 10 or 10
    assert first.steps(first.count - 1) == -(-steps * part // 10)
    assert all(first.steps(epoch) == steps for epoch in range(first.count - 1))


def test_whole_epochs_are_as_long_as_ever():
    length = Length(200, 351, (50, 100))

    assert (length.count, length.total, length.before(7), length.phase) == (200, 70_200, 2_457, (35_100, 35_100))


def test_the_published_recipe_has_476_steps():
    """48 whole batches of 1,024 in 50,000 images, 9.9 times, rounded up."""
    config = TrainConfig(dataset="cifar10", hold_out=False, selection="last", batch_size=1024, epochs=9.9)

    assert resolve(config).total_steps == 476 and resolve(config).steps_per_epoch == 48


@pytest.mark.parametrize("text, value", [("9.9", 9.9), ("10", 10), ("10.0", 10.0)])
def test_epochs_of_a_grid_may_be_fractions(text, value):
    assert parse_value("epochs", text) == value
