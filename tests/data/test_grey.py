"""Images of one channel: the same levels of grey as Pillow's, augmented as three equal channels would be."""
import io

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import Augmentation, load_dataset, make_batch, run_dataset
from keras_fixhead.data.dataset import Split
from keras_fixhead.data.outside import outside_dataset, resized
from keras_fixhead.data.pictures import FITS, PictureForm, in_channels, picture_array

DRAW = np.random.default_rng(0)


def test_levels_of_grey_are_pillows():
    every = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(-1, 52, 3).astype(np.uint8)

    np.testing.assert_array_equal(in_channels(every, 1)[..., 0], np.asarray(Image.fromarray(every).convert("L")))
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    np.testing.assert_array_equal(in_channels(in_channels(grey, 3), 1), grey)


@pytest.mark.parametrize("fit", FITS)
def test_a_grey_picture_has_one_channel_with_the_pixels_of_three(fit):
    file = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 256, (31, 50)).astype(np.uint8)).save(file, "PNG")
    one, three = (picture_array(file.getvalue(), "a.png", PictureForm(16, 12, fit, channels=channels))
                  for channels in (1, 3))

    assert one.shape == (16, 12, 1)
    np.testing.assert_array_equal(one, three[..., :1])


def test_a_data_set_in_grey_has_its_own_statistics():
    data, grey = (load_dataset("digits", grey=each) for each in (False, True))

    assert grey.image_shape == (32, 32, 1) and grey.mean.shape == grey.std.shape == (1,)
    np.testing.assert_array_equal(grey.test.images, data.test.images[..., :1])
    np.testing.assert_allclose(grey.mean[0], data.mean[0])
    assert run_dataset("digits", grey=True, normalization="half").mean.tolist() == [127.5]
    assert resized(data.test.take(np.arange(3)), PictureForm(16, 16, channels=1)).images.shape == (3, 16, 16, 1)


def test_a_folder_in_colour_is_read_as_grey(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(6):
            picture = Image.fromarray(DRAW.integers(0, 256, (20, 30, 3)).astype(np.uint8))
            picture.save(tmp_path / label / f"{number}.png")
    colour, grey = (load_dataset(str(tmp_path), image_size="24x16", grey=each) for each in (False, True))

    assert grey.image_shape == (16, 24, 1) and len(grey.train) == len(colour.train)
    other = in_channels(colour.train.images, 1).astype(int)  # resized, then grey: colours have been clipped
    assert np.abs(grey.train.images - other).mean() < 1
    assert outside_dataset(str(tmp_path), None, PictureForm(16, 24, channels=1)).image_shape == (16, 24, 1)


@pytest.mark.parametrize("augmentation", [
    Augmentation(crop_padding=3, flip=True), Augmentation(crop_padding=3, crop_border="reflect"),
    Augmentation(rotation=20), Augmentation(randaugment=6), Augmentation(cutout=4), Augmentation(erasing=1.0),
    Augmentation(mixup=1.0), Augmentation(cutmix=1.0)])
def test_one_channel_is_augmented_as_the_first_of_three_equal_ones(augmentation):
    images = DRAW.integers(0, 256, (40, 12, 14, 1)).astype(np.uint8)
    labels = np.arange(40, dtype=np.int32) % 4
    (one, _), (three, _) = (make_batch(Split(each, labels), np.arange(40), augmentation, seed=1, epoch=2)
                            for each in (images, in_channels(images, 3)))

    assert one.shape == images.shape
    np.testing.assert_array_equal(one, three[..., :1])
