"""Augmentation by keras.ops is bit-identical to NumPy's, on whatever backend Keras uses."""
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.data import Augmentation, Split
from keras_fixhead.data.augmentation import change, draw, mixing
from keras_fixhead.data.randaugment import OPERATIONS
from keras_fixhead.training.batches import TrainBatches

DRAW = np.random.default_rng(0)
SIZES = [(32, 32), (33, 47), (96, 96)]
EACH = {
    "crop": {"crop_padding": 4}, "flip": {"flip": True}, "crop and flip": {"crop_padding": 3, "flip": True},
    "reflected crop": {"crop_padding": 4, "crop_border": "reflect"},
    "alternating flip": {"flip": True, "flip_mode": "alternating"},
    "rotation": {"rotation": 30.0}, "randaugment": {"randaugment": 2}, "cutout": {"cutout": 8},
    "erasing": {"erasing": 0.7}, "mixup": {"mixup": 0.4}, "cutmix": {"cutmix": 1.0},
    "both mixed": {"mixup": 1.0, "cutmix": 1.0},
}
ALL = {name: value for what in EACH.values() for name, value in what.items()} | {"randaugment_magnitude": 7.3}


def images_of(count, height, width):
    """Returns noise, dull noise, images with few levels, and one of a single level."""
    images = DRAW.integers(0, 256, (count, height, width, 3)).astype("uint8")
    images[1::4] = images[1::4] // 3 + 40
    images[2::4] //= 64
    images[3::8] = 7
    return images


def on_device(images, draws):
    return keras.ops.convert_to_numpy(change(keras.ops.convert_to_tensor(images), draws, keras.ops))


def drawn(indices, size, image_shape, augmentation, seed=3):
    """Returns the images of a batch, including mixing partners, and its random draws."""
    mixed = {}
    if augmentation.mixes:
        how = mixing(indices, size, image_shape, augmentation, seed=seed, epoch=1)
        indices, mixed = np.concatenate([indices, how.partners]), how.draws(augmentation)
    return indices, draw(indices, image_shape, augmentation, seed=seed, epoch=1) | mixed


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_matches_numpy(name, height, width):
    images = images_of(16, height, width)
    strengths = np.concatenate([[-1, 1, 0, 1e-9], DRAW.uniform(-1, 1, 12)])
    parameters = OPERATIONS[name].parameters(strengths, images.shape[1:])
    found = OPERATIONS[name].change(keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(parameters),
                                    keras.ops)

    assert keras.backend.standardize_dtype(found.dtype) == "uint8"
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), OPERATIONS[name](images, strengths))


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("what", [*EACH.values(), ALL], ids=[*EACH, "all"])
def test_every_augmentation_matches_numpy(what, height, width):
    images = images_of(40, height, width)
    for count in (24, 1):
        indices, draws = drawn(np.arange(count), 40, images.shape[1:], Augmentation(**what))
        expected = change(images[indices], draws)

        assert expected.shape == (count, height, width, 3) and expected.dtype == np.uint8
        np.testing.assert_array_equal(on_device(images[indices], draws), expected)
        assert count == 1 or (expected != images[:count]).any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), count=st.sampled_from([1, 4]), padding=st.integers(0, 9),
       rotation=st.floats(0, 180), operations=st.sampled_from([0, 2]), magnitude=st.floats(0, 10),
       side=st.integers(0, 20), erasing=st.floats(0, 1), mixup=st.sampled_from([0.0, 0.1, 5.0]),
       cutmix=st.sampled_from([0.0, 0.3, 1.0]))
def test_any_draw_matches_numpy(seed, count, padding, rotation, operations, magnitude, side, erasing, mixup, cutmix):
    what = Augmentation(crop_padding=padding, flip=True, rotation=rotation, randaugment=operations,
                        randaugment_magnitude=magnitude, cutout=side, erasing=erasing, mixup=mixup, cutmix=cutmix)
    images = images_of(8, 9, 12)
    indices, draws = drawn(np.arange(count), 8, images.shape[1:], what, seed)

    np.testing.assert_array_equal(on_device(images[indices], draws), change(images[indices], draws))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the other backends refuse augment_on='device', which "
                    "tests/config/test_resolved.py checks; .ci/run runs this on JAX")
@pytest.mark.parametrize("what", [ALL, {"randaugment": 2}, {"mixup": 0.2}], ids=["all", "randaugment", "mixup"])
def test_batches_augmented_on_the_device_match_the_host(what):
    """They are compiled as one program, including the smaller last batch."""
    import jax

    split = Split(images_of(26, 32, 32), np.arange(26, dtype=np.int32))
    host, device = (TrainBatches(split, 12, Augmentation(**what), seed=1, epoch=2, partial_batch=True, on_device=where)
                    for where in (False, True))
    for step in range(3):
        (images, labels), (expected, expected_labels) = device[step], host[step]
        assert isinstance(images, jax.Array) and images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected)
        np.testing.assert_array_equal(labels, expected_labels)
