"""The whitening layer: its kernels make patches of training images uncorrelated."""
import keras
import numpy as np
import pytest

from keras_fixhead.data.rows import Rows
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import build_model, initialize_from_images
from keras_fixhead.models.whitening import IMAGES, second_moment, whitening_kernel

MEAN, STD = [120.0, 110.0, 90.0], [60.0, 62.0, 70.0]


def correlated_images(count=40, side=9, channels=3, seed=0):
    """Images whose neighbouring pixels and channels resemble each other."""
    draw = np.random.default_rng(seed).normal(size=(count, side + 2, side + 2, channels + 1))
    smooth = draw[:, 1:-1, 1:-1] + draw[:, :-2, 1:-1] + draw[:, 1:-1, 2:]
    return np.clip(128 + 30 * (smooth[..., 1:] + smooth[..., :1]), 0, 255).astype(np.uint8)


class Recorded(Rows):
    """Rows that keep how many of them were read at a time."""

    def __init__(self, base, index):
        super().__init__(base, index)
        self.read = []

    def __getitem__(self, key):
        found = super().__getitem__(key)
        self.read.append(len(found))
        return found


def network(channels=3, **arguments):
    return build_model("fast_cnn", (9, 9, channels), 5, width=1 / 32, **arguments)


def test_whitened_patches_are_uncorrelated_and_have_unit_power():
    """Second moment of the first half of the outputs: lambda / (lambda + 0.0005) on the diagonal, by definition."""
    images = correlated_images()
    model = network(mean=MEAN, std=STD)
    initialize_from_images(model, images)
    outputs = np.asarray(keras.Model(model.inputs[0], model.get_layer("whitening").output)(images), np.float64)
    first, opposite = outputs[..., :12].reshape(-1, 12), outputs[..., 12:].reshape(-1, 12)
    values = np.linalg.eigvalsh(second_moment(images, 1 / np.array(STD), -np.array(MEAN) / np.array(STD)))[::-1]

    np.testing.assert_array_equal(first, -opposite)
    np.testing.assert_allclose(first.T @ first / len(first), np.diag(values / (values + 5e-4)), atol=2e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_second_moment_is_that_of_all_normalised_patches(channels, monkeypatch):
    """Directly in float64, patch by patch; also when the images are taken in small parts."""
    images = correlated_images(5, 7, channels)
    scale, offset = 1 / np.array(STD[:channels]), -np.array(MEAN[:channels])
    pixels = images * scale + offset
    patches = np.array([image[row : row + 2, column : column + 2].ravel()
                        for image in pixels for row in range(6) for column in range(6)])
    expected = patches.T @ patches / len(patches)
    whole = second_moment(images, scale, offset)
    monkeypatch.setattr("keras_fixhead.models.whitening._PATCHES_AT_ONCE", 15)

    np.testing.assert_allclose(whole, expected, rtol=1e-12)
    np.testing.assert_array_equal(second_moment(images, scale, offset), whole)  # sums of whole numbers are exact


def test_only_the_first_images_count():
    images = correlated_images(IMAGES + 3, 3)

    np.testing.assert_array_equal(second_moment(images, 1.0, 0.0), second_moment(images[:IMAGES], 1.0, 0.0))


def test_images_on_disk_are_read_in_parts_and_those_that_do_not_count_not_at_all(monkeypatch):
    """A hundred thousand images were read into memory here, for the sake of the first five thousand."""
    images = correlated_images(60, 9)
    on_disk, model, other = Recorded(images, np.arange(60)), network(), network()
    monkeypatch.setattr("keras_fixhead.models.whitening.IMAGES", 40)
    monkeypatch.setattr("keras_fixhead.models.whitening._PATCHES_AT_ONCE", 9 * 9 * 8)
    initialize_from_images(model, on_disk)
    initialize_from_images(other, images)

    np.testing.assert_array_equal(model.get_layer("whitening").kernel, other.get_layer("whitening").kernel)
    assert max(on_disk.read) == 8 and sum(on_disk.read) == 40


def test_the_largest_entry_of_each_filter_is_positive_and_eigenvalues_fall():
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0]
    kernel = whitening_kernel(basis @ np.diag(np.arange(12.0, 0.0, -1.0)) @ basis.T)
    filters = kernel.reshape(12, 24).T.astype(np.float64)

    np.testing.assert_array_equal(filters[12:], -filters[:12])
    assert (np.abs(filters[:12]).max(axis=1) == filters[:12].max(axis=1)).all()
    lengths = 1 / np.sqrt(np.arange(12, 0, -1) + 5e-4)
    np.testing.assert_allclose(np.abs(filters[:12] @ basis), np.diag(lengths), atol=1e-6)


def test_constant_images_give_finite_kernels():
    model = network()
    initialize_from_images(model, np.full((3, 9, 9, 3), 7, np.uint8))

    assert np.isfinite(np.asarray(model.get_layer("whitening").kernel)).all()


def test_only_the_bias_of_the_layer_is_trained_and_the_filters_start_as_single_pixels():
    layer = network(1).get_layer("whitening")

    assert [weight.name for weight in layer.trainable_weights] == ["bias"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["kernel"]
    np.testing.assert_array_equal(np.asarray(layer.kernel).reshape(4, 8), np.concatenate([np.eye(4), -np.eye(4)]).T)


def test_other_networks_are_left_as_they_are():
    model = build_model("resnet18", (9, 9, 3), 5, width=1 / 64)
    before = model.get_weights()
    initialize_from_images(model, correlated_images(2))

    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("images", [
    np.zeros((0, 9, 9, 3)), np.zeros((9, 9, 3)), np.zeros((4, 9, 9, 1)), np.zeros((4, 1, 9, 3)), None, "images"])
def test_images_of_another_shape_are_refused(images):
    with pytest.raises(ArgumentError, match=r"images must be an array of shape \(N, H, W, 3\) .* got shape \("):
        initialize_from_images(network(), images)


def test_images_that_are_not_numbers_are_refused():
    with pytest.raises(ArgumentError, match="images must be finite numbers, got NaN or infinity"):
        initialize_from_images(network(), np.full((1, 9, 9, 3), np.nan))
