import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data.perceptual_hash import distances, mirrored_hashes, perceptual_hashes
from keras_fixhead.data.pictures import PictureForm, fit_picture


@pytest.fixture(scope="module")
def images():
    """Smooth random images, (40, 48, 48, 3)."""
    draw = np.random.default_rng(0)
    return np.stack([fit_picture(small, PictureForm(48, 48))
                     for small in draw.integers(0, 256, (40, 6, 6, 3)).astype(np.uint8)])


def test_compression_brightness_and_size_change_few_bits_and_other_images_many(images):
    def compressed(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=40)
        return np.asarray(Image.open(file))

    own = perceptual_hashes(images)
    for changed in (np.stack([compressed(image) for image in images]), (images * 0.7 + 40).astype(np.uint8),
                    np.stack([fit_picture(image, PictureForm(32, 32)) for image in images])):
        assert np.diag(distances(own, perceptual_hashes(changed))).max() <= 6
    others = distances(own, own)[~np.eye(len(own), dtype=bool)]
    assert others.min() > 8 and 26 < others.mean() < 36  # unrelated: half of 63 bits


def test_a_mirror_image_is_found_by_its_own_hash(images):
    np.testing.assert_array_equal(mirrored_hashes(images[:, :, ::-1]), perceptual_hashes(images))
    assert (np.diag(distances(mirrored_hashes(images), perceptual_hashes(images))) > 8).all()


def test_a_wave_sets_the_one_bit_of_its_frequency():
    """cos(pi (x + 1/2) u / 32) along x is coefficient (0, u) alone; the median of the others is 0."""
    x = np.arange(32)
    wave = 128 + 100 * np.cos(np.pi * (x + 0.5) * 3 / 32)
    image = np.broadcast_to(wave[None, None, :, None], (1, 32, 32, 3)).round().astype(np.uint8)

    assert int(perceptual_hashes(image)[0]) >> 3 & 1 == 1
    assert int(mirrored_hashes(image)[0]) >> 3 & 1 == 0  # an odd wave changes its sign


def test_flat_images_have_no_bit():
    assert perceptual_hashes(np.full((2, 20, 20, 3), 77, np.uint8)).tolist() == [0, 0]
