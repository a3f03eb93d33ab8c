import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from keras_fixhead.data import augment, epoch_order
from keras_fixhead.vectors.hashing import AUGMENT_STREAM, stream_key, words

IMAGES = np.random.default_rng(0).integers(1, 256, (300, 8, 6, 3)).astype("uint8")  # no black: the border shows
NUMBERS = np.arange(300)


def reference(image, index, *, seed, epoch, padding, flip):
    """One image at a time, pixel by pixel, from Python integers."""
    top, left, side = (int(word) for word in words(stream_key(seed, AUGMENT_STREAM, epoch), [index], [0, 1, 2])[0])
    top, left = (word * (2 * padding + 1) // 2**32 for word in (top, left))
    height, width, _ = image.shape
    out = np.zeros_like(image)
    for row in range(height):
        for column in range(width):
            y, x = row + top - padding, column + left - padding
            if 0 <= y < height and 0 <= x < width:
                out[row, column] = image[y, x]
    return out[:, ::-1] if flip and side >= 2**31 else out


@pytest.mark.parametrize("padding, flip", [(4, True), (4, False), (1, True), (0, True), (9, True)])
def test_images_are_those_of_a_slow_reference(padding, flip):
    found = augment(IMAGES[:40], NUMBERS[:40], seed=7, epoch=3, crop_padding=padding, flip=flip)
    for index in range(40):
        np.testing.assert_array_equal(
            found[index], reference(IMAGES[index], index, seed=7, epoch=3, padding=padding, flip=flip))


@settings(max_examples=30, deadline=None)
@given(indices=st.lists(st.integers(0, 299), min_size=1, max_size=20), seed=st.integers(0, 2**63 - 1),
       epoch=st.integers(0, 10**6))
def test_what_an_image_becomes_does_not_depend_on_the_batch_it_is_in(indices, seed, epoch):
    arguments = {"seed": seed, "epoch": epoch, "crop_padding": 4, "flip": True}
    together = augment(IMAGES[indices], np.array(indices), **arguments)
    for place, index in enumerate(indices):
        np.testing.assert_array_equal(together[place], augment(IMAGES[[index]], np.array([index]), **arguments)[0])


def test_it_changes_with_the_seed_and_the_epoch():
    found = [augment(IMAGES, NUMBERS, seed=seed, epoch=epoch, crop_padding=4, flip=True)
             for seed, epoch in ((0, 0), (1, 0), (0, 1), (2**32, 0))]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert (one != other).any(axis=(1, 2, 3)).mean() > 0.95  # equal by chance: 1 of 162


def test_without_border_and_mirror_images_stay_as_they_are():
    np.testing.assert_array_equal(augment(IMAGES, NUMBERS, seed=0, epoch=0, crop_padding=0, flip=False), IMAGES)


def test_the_images_that_were_given_are_not_touched():
    before = IMAGES.copy()
    augment(IMAGES, NUMBERS, seed=0, epoch=0, crop_padding=4, flip=True)[:] = 0

    np.testing.assert_array_equal(IMAGES, before)


def offsets(count, padding, seed=1):
    """Where a single bright pixel in the middle of an otherwise dark image has gone to."""
    size = 2 * padding + 1
    dots = np.zeros((count, size, size, 3), np.uint8)
    dots[:, padding, padding] = 255
    moved = augment(dots, np.arange(count), seed=seed, epoch=0, crop_padding=padding, flip=False)
    assert (moved.reshape(count, -1).sum(axis=1) == 3 * 255).all()
    rows, columns = np.divmod(moved[..., 0].reshape(count, -1).argmax(axis=1), size)
    return rows, columns


def test_crop_offsets_are_uniform_and_independent():
    """81 pairs of offsets of 81,000 images: chi^2 with 80 degrees of freedom, beyond its 1e-5 tail for one seed."""
    rows, columns = offsets(81_000, 4)
    counts = np.bincount(rows * 9 + columns, minlength=81)

    assert len(counts) == 81
    assert chi2.sf(((counts - 1000) ** 2 / 1000).sum(), 80) > 1e-5


def test_half_of_the_images_are_mirrored_whatever_their_crop():
    """Of n images n / 2, within 5 standard deviations: 5 sqrt(n) / 2."""
    count = 20_000
    lines = np.zeros((count, 1, 2, 3), np.uint8)
    lines[:, :, 0] = 9
    mirrored = augment(lines, np.arange(count), seed=1, epoch=0, crop_padding=0, flip=True)[:, 0, 1, 0] == 9
    rows, _ = offsets(count, 4)

    assert abs(mirrored.sum() - count / 2) < 5 * np.sqrt(count) / 2
    assert abs(np.corrcoef(mirrored, rows)[0, 1]) < 5 / np.sqrt(count)


def test_the_border_is_black():
    white = np.full((200, 8, 8, 3), 255, np.uint8)
    found = augment(white, np.arange(200), seed=0, epoch=0, crop_padding=4, flip=False)

    assert set(np.unique(found).tolist()) == {0, 255}


@settings(max_examples=50, deadline=None)
@given(size=st.integers(1, 500), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_an_epochs_order_is_a_permutation(size, seed, epoch):
    order = epoch_order(size, seed=seed, epoch=epoch)

    assert sorted(order.tolist()) == list(range(size))
    np.testing.assert_array_equal(epoch_order(size, seed=seed, epoch=epoch), order)


def test_orders_differ_by_epoch_and_by_seed():
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(5) for epoch in range(20)}

    assert len(orders) == 100


def test_every_image_is_as_often_first_as_any_other():
    """The mean place of the first image over 400 epochs: 499.5 with sd 289 / sqrt(400) = 14.4, within 5 sd."""
    places = [int(np.flatnonzero(epoch_order(1000, seed=3, epoch=epoch) == 0)[0]) for epoch in range(400)]

    assert abs(np.mean(places) - 499.5) < 5 * 14.4
