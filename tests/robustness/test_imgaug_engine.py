"""imgaug as an engine, with the real imgaug (the maintained fork). Run by `.ci/long robustness`."""
import numpy as np
import pytest

from keras_fixhead.robustness import SEVERITIES, SUITES, corrupt
from keras_fixhead.robustness.imgaug_engine import augmenter_suite, imgaug_suite

pytestmark = pytest.mark.long

augmenters = pytest.importorskip("imgaug.augmenters")

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3)).astype("uint8")


@pytest.mark.parametrize("suite", ["paper", "paper-plain", "imagenet-c"])
def test_every_corruption_is_reproducible_and_independent_of_the_batch_split(suite):
    made = imgaug_suite(suite)
    assert list(made.corruptions) == list(SUITES[suite])
    for name in made.corruptions:
        whole = made.make(IMAGES, name, 3, 1, 0)
        np.testing.assert_array_equal(made.make(IMAGES[9:], name, 3, 1, 9), whole[9:])
        assert (whole != IMAGES).any()


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("suite, name", [("paper", "jpeg_compression"), ("paper", "defocus_blur"),
                                         ("paper-plain", "average_blur"), ("paper-plain", "gaussian_blur")])
def test_deterministic_ones_agree_with_the_native_engine_to_one_grey_level(suite, name, severity):
    found = imgaug_suite(suite).make(IMAGES, name, severity, 0, 0).astype(int)

    assert np.abs(found - corrupt(IMAGES, name, severity, suite)).max() <= 1


@pytest.mark.parametrize("suite, name", [("paper", "impulse_noise"), ("paper-plain", "salt_and_pepper")])
def test_random_ones_change_as_many_values_with_the_same_spread(suite, name):
    images = np.tile(IMAGES, (20, 1, 1, 1))
    for severity in SEVERITIES:
        ours = corrupt(images, name, severity, suite).astype(float) - images
        theirs = imgaug_suite(suite).make(images, name, severity, 0, 0).astype(float) - images
        share = (theirs != 0).mean()
        assert (ours != 0).mean() == pytest.approx(share, abs=5 * np.sqrt(share / images[..., 0].size))
        assert ours.std() == pytest.approx(theirs.std(), rel=0.05)


an_augmenter = augmenters.Sequential([augmenters.AdditiveGaussianNoise(scale=9), augmenters.Fliplr(0.5)])


def test_an_augmenter_of_the_users_is_a_corruption():
    suite = augmenter_suite(f"{__name__}:an_augmenter")
    whole = suite.make(IMAGES, "an_augmenter", 1, 3, 0)

    np.testing.assert_array_equal(suite.make(IMAGES[5:], "an_augmenter", 1, 3, 5), whole[5:])
    assert not np.array_equal(suite.make(IMAGES, "an_augmenter", 1, 4, 0), whole)
