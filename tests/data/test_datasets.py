import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_fixhead.data import SPLITS, Split, catalog, limit_train, load_dataset, pixel_statistics
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import ArgumentError, DataError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def as_set(split):
    return {image.tobytes() for image in split.images}


def test_digits_have_exactly_the_documented_sizes(digits):
    assert [len(digits.split(name)) for name in SPLITS] == [1257, 180, 360]
    for name in SPLITS:
        split = digits.split(name)
        assert split.images.shape == (len(split), 32, 32, 3) and split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
    assert digits.label_names == tuple("0123456789") and digits.num_classes == 10


def test_every_digit_is_in_exactly_one_split(digits):
    raw = load_digits()
    original = sorted(np.round(image * 255 / 16).astype(np.uint8).tobytes() + bytes([label])
                      for image, label in zip(raw.images, raw.target, strict=True))
    found = sorted(image[::4, ::4, 0].tobytes() + bytes([label]) for name in SPLITS
                   for image, label in zip(digits.split(name).images, digits.split(name).labels, strict=True))

    assert found == original


def test_splits_are_balanced(digits):
    """Every class has its share, to within one image."""
    whole = np.bincount(load_digits().target)
    for name in SPLITS:
        counts = np.bincount(digits.split(name).labels, minlength=10)
        assert np.abs(counts - whole * len(digits.split(name)) / 1797).max() <= 2  # validation comes from the rest


def test_splits_share_no_image(digits):
    train, validation, test = (as_set(digits.split(name)) for name in SPLITS)

    assert not train & validation and not train & test and not validation & test


def test_digits_are_enlarged_four_times_and_have_three_channels(digits):
    for image in digits.test.images[:20]:
        small = image[::4, ::4, 0]
        np.testing.assert_array_equal(image, np.kron(small, np.ones((4, 4), np.uint8))[..., None].repeat(3, axis=2))
    levels = np.unique(digits.train.images)
    assert levels.tolist() == [round(level * 255 / 16) for level in range(17)]


def test_splits_are_deterministic(digits):
    assert load_dataset("digits").digest() == digits.digest()


def test_the_digest_depends_on_images_labels_and_splits(digits):
    label = digits.train.labels.copy()
    label[0] = (label[0] + 1) % 10
    changed = dataclasses.replace(digits, train=Split(digits.train.images, label))
    swapped = dataclasses.replace(digits, validation=digits.test, test=digits.validation)

    assert len({digits.digest(), changed.digest(), swapped.digest()}) == 3
    assert dataclasses.replace(digits, name="x").digest() == digits.digest()


def test_statistics_come_from_the_training_split(digits):
    mean, std = pixel_statistics(digits.train.images)

    np.testing.assert_array_equal((digits.mean, digits.std), (mean, std))


@pytest.mark.parametrize("images", [
    np.random.default_rng(0).integers(0, 256, (50, 9, 7, 3)).astype("uint8"),
    np.full((3, 4, 4, 3), 255, np.uint8),
    np.zeros((1, 1, 1, 3), np.uint8),
], ids=["noise", "white", "black"])
def test_pixel_statistics_equal_numpy_in_float64(images):
    mean, std = pixel_statistics(images)
    pixels = images.reshape(-1, 3).astype(np.float64)

    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(axis=0), rtol=1e-12, atol=1e-12)
    assert mean.dtype == std.dtype == np.float64


def test_a_limit_keeps_classes_balanced_and_the_other_splits_unchanged(digits):
    limited = limit_train(digits, 200)

    assert np.bincount(limited.train.labels).tolist() == [20] * 10
    assert as_set(limited.train) <= as_set(digits.train)
    assert limited.validation is digits.validation and limited.test is digits.test
    np.testing.assert_array_equal(limited.mean, digits.mean)


@pytest.mark.parametrize("count", [None, 1257, 10**12])
def test_a_limit_above_the_number_of_images_changes_nothing(digits, count):
    assert limit_train(digits, count) is digits


def test_a_split_is_selected_by_name_and_indices(digits):
    some = digits.split("test").take(np.array([5, 2]))

    np.testing.assert_array_equal(some.labels, digits.test.labels[[5, 2]])
    np.testing.assert_array_equal(some.images, digits.test.images[[5, 2]])


def test_an_unknown_data_set_gets_the_nearest_name_suggested():
    with pytest.raises(ArgumentError, match=r"Unknown data set 'digit'.* Did you mean 'digits'"):
        load_dataset("digit")


@pytest.mark.parametrize("change", [{"train": 1258}, {"test": 359}, {"num_classes": 9}])
def test_data_that_do_not_match_the_catalogue_are_refused(monkeypatch, change):
    monkeypatch.setitem(catalog.DATASETS, "digits", dataclasses.replace(DATASETS["digits"], **change))
    with pytest.raises(DataError, match=r"digits was read with .* but its files say"):
        load_dataset("digits")


@pytest.mark.parametrize("arguments, message", [
    ({"name": 3}, "name must be text or a path, got 3"), ({"name": None}, "name must be text or a path, got None"),
    ({"name": ""}, "Unknown data set ''"),
    ({"name": "digits", "data_dir": 5}, "data_dir must be text or a path, got 5"),
    ({"name": "digits", "fit": "stretch"}, "Unknown fit 'stretch'. Expected one of crop, squash, pad"),
])
def test_wrong_arguments_give_a_one_line_error(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        load_dataset(**arguments)


def test_a_data_set_may_be_given_by_a_path_object(tmp_path):
    np.savez(tmp_path / "set.npz", features=np.ones((10, 3), np.float32), labels=np.arange(10) % 2)

    assert load_dataset(tmp_path / "set.npz", data_dir=tmp_path).num_classes == 2
