import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keras_fixhead.data.choice import equal_choice, hold_out_test, hold_out_validation, stratified_choice
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import DataError

label_lists = st.lists(st.integers(0, 5), min_size=1, max_size=120).map(lambda labels: np.array(labels, np.int32))


@settings(deadline=None)
@given(labels=label_lists, share=st.floats(0, 1), part=st.integers(0, 3))
def test_a_stratified_choice_is_proportional_within_one_image_per_class(labels, share, part):
    count = int(share * len(labels))
    chosen = stratified_choice(labels, count, part)
    quota = np.bincount(labels) * count / len(labels)

    assert len(chosen) == count == len(set(chosen.tolist()))
    assert (np.diff(chosen) > 0).all()
    assert (np.abs(np.bincount(labels[chosen], minlength=len(quota)) - quota) < 1).all()
    np.testing.assert_array_equal(stratified_choice(labels, count, part), chosen)


@settings(deadline=None)
@given(labels=label_lists, share=st.floats(0, 1))
def test_an_equal_choice_differs_by_at_most_one_unless_a_class_is_exhausted(labels, share):
    count = int(share * len(labels))
    chosen = equal_choice(labels, count)
    given_by = np.bincount(labels[chosen], minlength=6)
    with_more = np.bincount(labels, minlength=6) > given_by

    assert len(chosen) == count == len(set(chosen.tolist()))
    assert (np.diff(chosen) > 0).all()
    for most in given_by[with_more]:  # a class with images left has at most one image fewer than any other
        assert most >= given_by.max() - 1
    np.testing.assert_array_equal(equal_choice(labels, count), chosen)


@pytest.mark.parametrize("sizes, count, expected", [
    ([100, 100, 100], 30, [10, 10, 10]),
    ([900, 90, 10], 30, [10, 10, 10]),  # proportionally they would be 27, 3 and 0
    ([900, 90, 5], 30, [13, 12, 5]),
    ([3, 900, 4, 2], 30, [3, 21, 4, 2]),
    ([50, 0, 50], 11, [6, 0, 5]),
    ([5, 5], 10, [5, 5]),
    ([5, 5], 0, [0, 0]),
])
def test_an_equal_choice_from_unequal_classes(sizes, count, expected):
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    assert np.bincount(labels[equal_choice(labels, count)], minlength=len(sizes)).tolist() == expected


@settings(deadline=None)
@given(classes=st.integers(1, 12), members=st.integers(1, 30), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_both_choices_are_the_same_for_balanced_classes(classes, members, share, seed):
    """So a limit on a balanced set always selects the same images."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes, dtype=np.int32), members))
    count = int(share * len(labels))

    np.testing.assert_array_equal(equal_choice(labels, count), stratified_choice(labels, count, part=2))


@settings(deadline=None)
@given(labels=label_lists, count=st.integers(0, 120), hold_out=st.sampled_from([hold_out_test, hold_out_validation]))
def test_held_out_and_remaining_indices_partition_the_set_in_order(labels, count, hold_out):
    assume(count <= len(labels))
    images = np.arange(len(labels), dtype=np.uint8).repeat(3).reshape(-1, 1, 1, 3)
    rest, held = hold_out(Split(images, labels), count)
    numbers = [split.images[:, 0, 0, 0] for split in (rest, held)]

    assert (len(rest), len(held)) == (len(labels) - count, count)
    assert sorted(np.concatenate(numbers).tolist()) == list(range(len(labels)))
    for split, own in zip((rest, held), numbers, strict=True):
        assert (np.diff(own.astype(int)) > 0).all()
        np.testing.assert_array_equal(split.labels, labels[own])


def test_different_splits_draw_different_choices():
    labels = np.repeat(np.arange(10, dtype=np.int32), 100)
    one, other = (set(stratified_choice(labels, 100, part).tolist()) for part in (0, 1))

    assert 0 < len(one & other) < 30  # ten are expected by chance, sd 3


def test_the_choice_never_changes():
    """Every result depends on these splits. Never change these numbers."""
    labels = (np.arange(40) * 7 % 4).astype(np.int32)
    split = Split(np.arange(40, dtype=np.uint8).repeat(3).reshape(-1, 1, 1, 3), labels)

    assert stratified_choice(labels, 8, part=0).tolist() == [8, 19, 20, 22, 25, 29, 30, 35]
    assert stratified_choice(labels, 8, part=1).tolist() == [5, 8, 22, 24, 25, 31, 34, 35]
    assert hold_out_test(split, 8)[1].images[:, 0, 0, 0].tolist() == [8, 19, 20, 22, 25, 29, 30, 35]
    assert hold_out_validation(split, 8)[1].images[:, 0, 0, 0].tolist() == [5, 8, 22, 24, 25, 31, 34, 35]


@pytest.mark.parametrize("choose", [lambda labels, count: stratified_choice(labels, count, 0), equal_choice])
def test_choosing_more_images_than_exist_is_refused(choose):
    with pytest.raises(DataError, match="Cannot choose 11 images from 10"):
        choose(np.zeros(10, np.int32), 11)
