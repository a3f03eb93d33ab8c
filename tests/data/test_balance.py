"""Weights of classes, and orders that show every class equally often."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.data import Augmentation, Split, make_batch
from keras_fixhead.data.augmentation import draw
from keras_fixhead.data.balance import balanced_order, loss_weights, parse_class_weights
from keras_fixhead.errors import ArgumentError

NAMES = ("cat", "dog", "rare bird")


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(any), seed=st.integers(0, 2**63 - 1),
       epoch=st.integers(0, 1000))
def test_every_class_is_shown_equally_often_and_its_images_too(sizes, seed, epoch):
    labels = np.random.default_rng(seed % 1000).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype("int32")
    size, present = len(labels), np.unique(labels)
    order = balanced_order(labels, seed=seed, epoch=epoch)
    shown = np.bincount(labels[order % size], minlength=len(sizes))[present]

    assert len(order) == size and shown.max() - shown.min() <= 1
    assert len(np.unique(order)) == size  # each copy of an image once
    times = np.bincount(order % size, minlength=size)
    for label in present:  # no image is repeated before all of its class were shown
        assert np.ptp(times[labels == label]) <= 1
    np.testing.assert_array_equal(order, balanced_order(labels, seed=seed, epoch=epoch))


def test_orders_differ_by_epoch_and_show_every_image_of_a_large_class_in_time():
    labels = np.repeat(np.arange(3), (60, 6, 3)).astype("int32")
    orders = [balanced_order(labels, seed=1, epoch=epoch) for epoch in range(20)]

    assert len({tuple(order.tolist()) for order in orders}) == 20
    assert set(np.concatenate(orders)[np.concatenate(orders) < 60]) == set(range(60))
    places = [int(np.flatnonzero(order % 69 >= 66)[0]) for order in orders]
    assert len(set(places)) > 3  # classes are mixed


def test_copies_of_an_image_are_augmented_on_their_own():
    split = Split(np.random.default_rng(0).integers(1, 256, (4, 8, 8, 3)).astype("uint8"), np.arange(4, dtype="int32"))
    what = Augmentation(crop_padding=4, flip=True, rotation=20.0)
    images, labels = make_batch(split, np.array([1, 5, 9, 13]), what, seed=0, epoch=0)

    assert labels.tolist() == [1, 1, 1, 1]
    assert len(np.unique(images.reshape(4, -1), axis=0)) == 4
    np.testing.assert_array_equal(images[:1], make_batch(split, np.array([1]), what, seed=0, epoch=0)[0])
    assert (draw(np.array([5]), (8, 8, 3), what, seed=0, epoch=0)["offsets"]
            != draw(np.array([1]), (8, 8, 3), what, seed=0, epoch=0)["offsets"]).any()


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(0, 30), min_size=3, max_size=3).filter(any))
def test_balanced_weights_give_every_class_the_same_sum_and_images_a_mean_of_1(sizes):
    labels = np.repeat(np.arange(3), sizes).astype("int32")
    weights = loss_weights("balanced", labels, NAMES)
    sums = np.bincount(labels, weights[labels], minlength=3)[np.array(sizes) > 0]

    assert weights[labels].mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(sums, sums[0], rtol=1e-5)


def test_weights_from_a_file_are_matched_by_name():
    found = loss_weights('{"dog": 2, "rare bird": 0.5, "cat": 1}', np.zeros(4, int), NAMES)

    assert found.tolist() == [1, 2, 0.5] and loss_weights(None, np.zeros(4, int), NAMES) is None


@pytest.mark.parametrize("text, message", [
    ("{", "class_weights is not valid JSON: line 1, column 2: expected a name in double quotes"),
    ("[1, 2]", "must be 'balanced' or a JSON object of class and weight, got \\[1, 2\\]"),
    ("{}", "must be 'balanced' or a JSON object"),
    ('{"cat": -1}', "The weight of class 'cat' must be a number of at least 0, got -1"),
    ('{"cat": NaN}', "must be a number of at least 0, got nan"),
    ('{"cat": "2"}', "must be a number of at least 0, got '2'"),
    ('{"cat": 1, "dgo": 2}', "a weight for 'dgo', which is not a class of the data set.* Did you mean 'dog'"),
    ('{"cat": 1, "dog": 2}', "class_weights has no weight for rare bird"),
])
def test_weights_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ArgumentError, match=message):
        loss_weights(text, np.zeros(4, int), NAMES)


def test_balanced_is_a_word_of_its_own():
    assert parse_class_weights("balanced") == "balanced"
