import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keras_fixhead.data.dataset import Split, balanced_choice, held_out
from keras_fixhead.errors import DataError

label_lists = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(lambda labels: np.array(labels, np.int32))


@settings(deadline=None)
@given(labels=label_lists, share=st.floats(0, 1), part=st.integers(0, 3))
def test_every_class_gives_its_share_to_within_one(labels, share, part):
    count = int(share * len(labels))
    chosen = balanced_choice(labels, count, part=part)
    quota = np.bincount(labels) * count / len(labels)

    assert len(chosen) == count == len(set(chosen.tolist()))
    assert (np.diff(chosen) > 0).all()
    assert (np.abs(np.bincount(labels[chosen], minlength=len(quota)) - quota) < 1).all()
    np.testing.assert_array_equal(balanced_choice(labels, count, part=part), chosen)


@settings(deadline=None)
@given(labels=label_lists, count=st.integers(0, 120))
def test_what_is_held_out_and_what_remains_are_the_whole_in_order(labels, count):
    assume(count <= len(labels))
    images = np.arange(len(labels), dtype=np.uint8).repeat(3).reshape(-1, 1, 1, 3)
    rest, held = held_out(Split(images, labels), count, part=1)
    numbers = [split.images[:, 0, 0, 0] for split in (rest, held)]

    assert (len(rest), len(held)) == (len(labels) - count, count)
    assert sorted(np.concatenate(numbers).tolist()) == list(range(len(labels)))
    for split, own in zip((rest, held), numbers, strict=True):
        assert (np.diff(own.astype(int)) > 0).all()
        np.testing.assert_array_equal(split.labels, labels[own])


def test_another_part_is_another_choice():
    labels = np.repeat(np.arange(10, dtype=np.int32), 100)
    one, other = (set(balanced_choice(labels, 100, part=part).tolist()) for part in (0, 1))

    assert 0 < len(one & other) < 30  # ten are expected by chance, sd 3


def test_the_choice_is_the_one_that_it_has_always_been():
    """Every result rests on these parts. Never write new numbers in."""
    labels = (np.arange(40) * 7 % 4).astype(np.int32)

    assert balanced_choice(labels, 8, part=0).tolist() == [8, 19, 20, 22, 25, 29, 30, 35]
    assert balanced_choice(labels, 8, part=1).tolist() == [5, 8, 22, 24, 25, 31, 34, 35]


def test_more_than_there_is_cannot_be_chosen():
    with pytest.raises(DataError, match="11 images were asked for, but there are 10"):
        balanced_choice(np.zeros(10, np.int32), 11, part=0)
