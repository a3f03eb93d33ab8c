"""Borders of crops that show the image reflected, and flips in alternation."""
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.data import Augmentation, augment
from keras_fixhead.data.augmentation import change, draw
from keras_fixhead.data.pixels import move

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 8, 6, 3)).astype("uint8")
NUMBERS = np.arange(200)


def reflected(place, side):
    """The place in [0, side) that a ball reaches which bounces off the middles of the outermost pixels."""
    while not 0 <= place < side:
        place = -place if place < 0 else 2 * (side - 1) - place
    return place


@settings(max_examples=20, deadline=None)
@given(padding=st.integers(0, 20), seed=st.integers(0, 2**63 - 1))
def test_a_reflected_crop_equals_a_slow_reference_on_the_host_and_on_the_device(padding, seed):
    what = Augmentation(crop_padding=padding, crop_border="reflect", flip=True)
    draws = draw(NUMBERS[:12], IMAGES.shape[1:], what, seed=seed, epoch=1)
    found = change(IMAGES[:12], draws)
    for number in range(12):
        top, left = draws["reflected_offsets"][number].tolist()
        expected = IMAGES[number][[reflected(row + top, 8) for row in range(8)]][
            :, [reflected(column + left, 6) for column in range(6)]]
        np.testing.assert_array_equal(found[number], expected[:, ::-1] if draws["mirrored"][number] else expected)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(change(IMAGES[:12], draws, keras.ops)), found)


def test_only_the_border_differs_from_a_black_one():
    coloured = np.maximum(IMAGES, 1)
    black, reflect = (augment(coloured, NUMBERS, Augmentation(crop_padding=3, crop_border=border, flip=True), seed=5,
                              epoch=2) for border in ("black", "reflect"))
    inside = (black > 0).all(axis=3)

    assert inside.mean() > 0.5
    np.testing.assert_array_equal(black[inside], reflect[inside])
    assert (black[~inside] == 0).all()


def test_images_of_one_row_have_nothing_to_reflect():
    line = IMAGES[:, :1]
    offsets = np.stack([NUMBERS % 5 - 2, np.zeros(200, int)], axis=1).astype("int32")
    still = np.zeros(200, bool)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(move(line, offsets, still, keras.ops, border="reflect")),
                                  line)


def sides(epoch, indices=NUMBERS, seed=3):
    what = Augmentation(flip=True, flip_mode="alternating")
    return draw(indices, (8, 6, 3), what, seed=seed, epoch=epoch)["mirrored"]


@settings(max_examples=20, deadline=None)
@given(epoch=st.integers(0, 10**6), seed=st.integers(0, 2**63 - 1), chosen=st.lists(st.integers(0, 199), min_size=1))
def test_alternating_flips_show_the_other_side_in_every_other_epoch(epoch, seed, chosen):
    now = sides(epoch, seed=seed)

    np.testing.assert_array_equal(sides(epoch + 1, seed=seed), ~now)
    np.testing.assert_array_equal(sides(epoch + 2, seed=seed), now)
    np.testing.assert_array_equal(sides(epoch, np.array(chosen), seed), now[chosen])  # whatever the batch


def test_the_first_sides_are_drawn_with_equal_probability_and_by_the_seed():
    """Within 5 standard deviations of one half: 5 / (2 sqrt(20,000)) = 0.0177."""
    many = np.arange(20_000)

    assert abs(sides(0, many).mean() - 0.5) < 0.0177
    assert abs((sides(0, many, seed=3) == sides(0, many, seed=4)).mean() - 0.5) < 0.0177


@pytest.mark.parametrize("what", [{"flip": False}, {"flip": True}])
def test_the_mode_of_flips_does_not_change_crops(what):
    first, second = (draw(NUMBERS, (8, 6, 3), Augmentation(crop_padding=2, flip_mode=mode, **what), seed=0, epoch=0)
                     for mode in ("random", "alternating"))

    np.testing.assert_array_equal(first["offsets"], second["offsets"])
    assert second["mirrored"].any() == what["flip"]
