import keras
import numpy as np
import pytest
from scipy.signal import correlate2d

from keras_fixhead.models.layers import Layers, name_seed, relu


def torch_convolution(images, kernel, strides):
    """Convolves with (k - 1) / 2 zeros of padding on every side, on the grid that starts at the first position."""
    padding = (kernel.shape[0] - 1) // 2
    padded = np.pad(images.astype(np.float64), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    outputs = np.stack([
        np.stack([sum(correlate2d(image[..., channel], kernel[..., channel, out], mode="valid")
                      for channel in range(image.shape[-1])) for out in range(kernel.shape[-1])], axis=-1)
        for image in padded])
    return outputs[:, ::strides, ::strides]


@pytest.mark.parametrize("kernel_size, strides", [(3, 1), (3, 2), (1, 1), (1, 2), (5, 2)])
@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (8, 5), (9, 12)])
def test_convolutions_pad_like_torch(kernel_size, strides, shape):
    images = np.random.default_rng(0).normal(size=(2, *shape, 3)).astype("float32")
    inputs = keras.Input((*shape, 3))
    model = keras.Model(inputs, Layers(0, 0.0).conv(inputs, 4, kernel_size, strides, name="c"))
    kernel = keras.ops.convert_to_numpy(model.get_layer("c").kernel)

    np.testing.assert_allclose(model(images), torch_convolution(images, kernel, strides), atol=1e-5)


def test_keras_padding_would_differ_for_even_sizes():
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype("float32")
    kernel = np.random.default_rng(1).normal(size=(3, 3, 1, 1)).astype("float32")
    same = keras.ops.convert_to_numpy(keras.ops.conv(images, kernel, 2, "same"))

    assert np.abs(same - torch_convolution(images, kernel, 2)).max() > 0.1


def test_layer_seeds_depend_on_seed_and_name():
    names = [f"stage{stage}_block{block}_conv{conv}" for stage in range(1, 5) for block in (1, 2) for conv in (1, 2)]
    seeds = {name_seed(seed, name) for seed in (0, 1, 2**40) for name in names}

    assert len(seeds) == 3 * len(names)
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert name_seed(0, "stem_conv") == name_seed(0, "stem_conv")
    assert name_seed(0, "ab") != name_seed(0, "ba")


def test_relu_is_the_maximum_of_x_and_0():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, relu(inputs, name="r"))

    assert keras.ops.convert_to_numpy(model(np.array([[-1.0, 0.0, 2.0]]))).tolist() == [[0, 0, 2]]
