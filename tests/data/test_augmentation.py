import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, chi2, kstest

from keras_fixhead.data import Augmentation, epoch_order
from keras_fixhead.data import augment as augment_by
from keras_fixhead.data.augmentation import change, draw, mixing
from keras_fixhead.vectors.hashing import AUGMENT_STREAM, stream_key, words

IMAGES = np.random.default_rng(0).integers(1, 256, (300, 8, 6, 3)).astype("uint8")  # no black: the border is visible
NUMBERS = np.arange(300)


def augment(images, indices, *, seed, epoch, **what):
    return augment_by(images, indices, Augmentation(**what), seed=seed, epoch=epoch)


def reference(image, index, *, seed, epoch, padding, flip):
    """Augments one image at a time, pixel by pixel, with Python integers."""
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
def test_images_equal_a_slow_reference(padding, flip):
    found = augment(IMAGES[:40], NUMBERS[:40], seed=7, epoch=3, crop_padding=padding, flip=flip)
    for index in range(40):
        np.testing.assert_array_equal(
            found[index], reference(IMAGES[index], index, seed=7, epoch=3, padding=padding, flip=flip))


@settings(max_examples=30, deadline=None)
@given(indices=st.lists(st.integers(0, 299), min_size=1, max_size=20), seed=st.integers(0, 2**63 - 1),
       epoch=st.integers(0, 10**6))
def test_an_augmented_image_does_not_depend_on_its_batch(indices, seed, epoch):
    arguments = {"seed": seed, "epoch": epoch, "crop_padding": 4, "flip": True}
    together = augment(IMAGES[indices], np.array(indices), **arguments)
    for place, index in enumerate(indices):
        np.testing.assert_array_equal(together[place], augment(IMAGES[[index]], np.array([index]), **arguments)[0])


def test_augmentation_depends_on_the_seed_and_the_epoch():
    found = [augment(IMAGES, NUMBERS, seed=seed, epoch=epoch, crop_padding=4, flip=True)
             for seed, epoch in ((0, 0), (1, 0), (0, 1), (2**32, 0))]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert (one != other).any(axis=(1, 2, 3)).mean() > 0.95  # equal by chance: 1 of 162


def test_without_border_and_mirroring_images_are_unchanged():
    np.testing.assert_array_equal(augment(IMAGES, NUMBERS, seed=0, epoch=0, crop_padding=0, flip=False), IMAGES)


def test_augmentation_does_not_modify_its_input():
    before = IMAGES.copy()
    augment(IMAGES, NUMBERS, seed=0, epoch=0, crop_padding=4, flip=True)[:] = 0

    np.testing.assert_array_equal(IMAGES, before)


def offsets(count, padding, seed=1):
    """Returns where a single bright pixel in the middle of an otherwise dark image was moved to."""
    size = 2 * padding + 1
    dots = np.zeros((count, size, size, 3), np.uint8)
    dots[:, padding, padding] = 255
    moved = augment(dots, np.arange(count), seed=seed, epoch=0, crop_padding=padding, flip=False)
    assert (moved.reshape(count, -1).sum(axis=1) == 3 * 255).all()
    rows, columns = np.divmod(moved[..., 0].reshape(count, -1).argmax(axis=1), size)
    return rows, columns


def test_crop_offsets_are_uniform_and_independent():
    """81 pairs of offsets in 81,000 images: chi^2 with 80 degrees of freedom exceeds this bound for 1e-5 of seeds."""
    rows, columns = offsets(81_000, 4)
    counts = np.bincount(rows * 9 + columns, minlength=81)

    assert len(counts) == 81
    assert chi2.sf(((counts - 1000) ** 2 / 1000).sum(), 80) > 1e-5


def test_half_of_the_images_are_mirrored_independently_of_their_crop():
    """Expects n / 2 of n images, within 5 standard deviations: 5 sqrt(n) / 2."""
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
def test_the_order_of_an_epoch_is_a_permutation(size, seed, epoch):
    order = epoch_order(size, seed=seed, epoch=epoch)

    assert sorted(order.tolist()) == list(range(size))
    np.testing.assert_array_equal(epoch_order(size, seed=seed, epoch=epoch), order)


def test_orders_differ_by_epoch_and_by_seed():
    orders = {tuple(epoch_order(50, seed=seed, epoch=epoch)) for seed in range(5) for epoch in range(20)}

    assert len(orders) == 100


def test_positions_in_an_order_are_uniform():
    """The mean position of the first image over 400 epochs is 499.5 (sd 289 / sqrt(400) = 14.4), within 5 sd."""
    places = [int(np.flatnonzero(epoch_order(1000, seed=3, epoch=epoch) == 0)[0]) for epoch in range(400)]

    assert abs(np.mean(places) - 499.5) < 5 * 14.4


ALL = {"crop_padding": 2, "flip": True, "rotation": 20.0, "randaugment": 2, "cutout": 4, "erasing": 0.5}


@settings(max_examples=15, deadline=None)
@given(indices=st.lists(st.integers(0, 299), min_size=1, max_size=12), seed=st.integers(0, 2**63 - 1))
def test_combined_augmentations_depend_only_on_seed_epoch_and_index(indices, seed):
    together = augment(IMAGES[indices], np.array(indices), seed=seed, epoch=3, **ALL)
    for place, index in enumerate(indices):
        alone = augment(IMAGES[[index]], np.array([index]), seed=seed, epoch=3, **ALL)[0]
        np.testing.assert_array_equal(together[place], alone)


def test_adding_an_augmentation_does_not_change_the_draws_of_the_others():
    """Crops and mirroring are the same as in runs from before RandAugment was added."""
    plain = augment(IMAGES, NUMBERS, seed=1, epoch=0, crop_padding=2, flip=True)
    cut = augment(IMAGES, NUMBERS, seed=1, epoch=0, crop_padding=2, flip=True, cutout=3)
    same = (plain == cut).all(axis=3)

    assert ((~same).reshape(300, -1).sum(axis=1) <= 9).all() and not same.all()


def test_cutout_blackens_a_square_at_a_uniform_position():
    """Every pixel is covered with the same probability, except near the border: 9 of 96 squares in the middle."""
    white = np.full((20_000, 12, 8, 3), 255, np.uint8)
    black = augment(white, np.arange(20_000), seed=0, epoch=0, cutout=3)[..., 0] == 0
    sizes = black.reshape(20_000, -1).sum(axis=1)

    assert set(sizes.tolist()) == {4, 6, 9}  # clipped at a corner, at a side, or not at all
    inner = black[:, 2:-2, 2:-2].mean(axis=0)
    assert np.abs(inner - 9 / 96).max() < 5 * np.sqrt(9 / 96 / 20_000)


def test_erasing_covers_2_to_33_percent_of_some_images_with_noise():
    grey = np.full((4_000, 32, 32, 3), 128, np.uint8)
    found = augment(grey, np.arange(4_000), seed=0, epoch=0, erasing=0.4)
    changed = (found != 128).any(axis=3)
    erased = changed.any(axis=(1, 2))
    shares = changed[erased].mean(axis=(1, 2))
    noise = found[changed]

    assert abs(erased.mean() - 0.4) < 5 * np.sqrt(0.24 / 4_000)
    assert shares.min() > 0.015 and shares.max() < 0.36 and 0.16 < shares.mean() < 0.19  # uniform: 0.177
    assert abs(noise.mean() - 127.5) < 0.5 and abs(noise.std() - 73.9) < 0.5
    for image in np.flatnonzero(erased)[:50]:
        rows, columns = changed[image].any(axis=1), changed[image].any(axis=0)
        assert changed[image].mean() > 0.97 * rows.sum() * columns.sum() / 1024  # one rectangle; noise can be 128


def test_rotation_is_uniform_in_both_directions():
    """Measures the angle of a bright line from its pixels."""
    line = np.zeros((2_000, 33, 33, 3), np.uint8)
    line[:, 16, :] = 255
    turned = augment(line, np.arange(2_000), seed=0, epoch=0, rotation=20.0)[..., 0] > 0
    rows = np.arange(33) - 16
    right = np.array([(rows * image[:, 28]).sum() / max(1, image[:, 28].sum()) for image in turned])
    angles = np.rad2deg(np.arctan2(-right, 12))

    assert np.abs(angles).max() < 23 and kstest(angles, "uniform", args=(-20, 40)).statistic < 0.08  # whole pixels


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_draws_shares_from_a_beta_distribution_and_partners_from_the_whole_set(alpha):
    how = mixing(np.arange(5_000), 300, (8, 6, 3), Augmentation(mixup=alpha), seed=2, epoch=1)

    assert kstest(how.shares, beta(alpha, alpha).cdf).pvalue > 1e-5
    assert np.bincount(how.partners, minlength=300).min() > 0 and how.partners.max() == 299
    assert not how.boxes.any()


def test_cutmix_shares_are_areas_of_rectangles_with_the_aspect_ratio_of_the_image():
    how = mixing(np.arange(5_000), 300, (32, 16, 3), Augmentation(cutmix=1.0), seed=2, epoch=1)
    heights, widths = how.boxes[:, 1] - how.boxes[:, 0], how.boxes[:, 3] - how.boxes[:, 2]

    np.testing.assert_allclose(how.shares, 1 - heights * widths / 512)
    assert (how.boxes >= 0).all() and heights.max() <= 32 and widths.max() <= 16
    inside = (how.boxes[:, 0] > 0) & (how.boxes[:, 1] < 32) & (how.boxes[:, 2] > 0) & (how.boxes[:, 3] < 16)
    assert inside.sum() > 300 and (np.abs(heights - 2 * widths)[inside] <= 2).all()


def test_with_mixup_and_cutmix_each_image_gets_one_of_them():
    how = mixing(np.arange(4_000), 300, (8, 8, 3), Augmentation(mixup=1.0, cutmix=1.0), seed=0, epoch=0)
    cut = how.boxes.any(axis=1)

    assert 0.4 < cut.mean() < 0.52  # one half, except for rectangles without area
    assert (np.isin(how.shares[cut] * 64, np.arange(65))).all()


def test_mixing_depends_only_on_seed_epoch_and_index():
    what = Augmentation(mixup=0.4, cutmix=1.0)
    whole = mixing(NUMBERS, 300, (8, 6, 3), what, seed=1, epoch=2)
    part = mixing(NUMBERS[50:60], 300, (8, 6, 3), what, seed=1, epoch=2)

    np.testing.assert_array_equal(part.partners, whole.partners[50:60])
    np.testing.assert_array_equal(part.shares, whole.shares[50:60])
    other = mixing(NUMBERS, 300, (8, 6, 3), what, seed=1, epoch=3)
    assert (other.shares != whole.shares).mean() > 0.9


def test_mixed_images_are_weighted_means_or_have_a_pasted_rectangle():
    what = Augmentation(mixup=1.0, cutmix=1.0)
    how = mixing(NUMBERS, 300, (8, 6, 3), what, seed=1, epoch=2)
    mixed = change(np.concatenate([IMAGES, IMAGES[how.partners]]), how.draws(what))
    for number in range(300):
        top, bottom, left, right = how.boxes[number]
        one, other = IMAGES[number].astype(float), IMAGES[how.partners[number]].astype(float)
        if how.boxes[number].any():
            expected = one.copy()
            expected[top:bottom, left:right] = other[top:bottom, left:right]
        else:
            expected = how.shares[number] * one + (1 - how.shares[number]) * other
        assert np.abs(mixed[number] - expected).max() <= 0.5 + 1e-4


def test_nothing_is_drawn_for_images_that_stay_as_they_are(monkeypatch):
    monkeypatch.setattr("keras_fixhead.data.augmentation.words", None)

    for augmentation in (Augmentation(), Augmentation(crop_border="reflect", mixup=0.2)):
        assert draw(NUMBERS, IMAGES.shape[1:], augmentation, seed=0, epoch=0) == {}
