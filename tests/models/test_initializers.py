import keras
import numpy as np
import pytest
from scipy.stats import kstest

from keras_fixhead.models import HashedUniform, IdentityUniform


def drawn(shape, **arguments):
    return keras.ops.convert_to_numpy(HashedUniform(**arguments)(shape))


@pytest.mark.parametrize("shape, arguments, limit", [
    ((3, 3, 64, 32), {}, 1 / np.sqrt(9 * 64)), ((1, 1, 300, 100), {}, 1 / np.sqrt(300)),
    ((3, 3, 900, 1), {"limit": 1 / 3}, 1 / 3)])
def test_weights_are_uniform_within_the_limits_of_torch(shape, arguments, limit):
    weights = drawn(shape, seed=1, **arguments)

    assert weights.dtype == np.float32 and weights.shape == shape
    assert kstest(weights.ravel() / limit, "uniform", (-1, 2)).pvalue > 1e-3
    assert weights.var() == pytest.approx(limit**2 / 3, rel=0.05)


def test_different_seeds_are_uncorrelated_and_the_same_seed_repeats():
    one, other = drawn((3, 3, 8, 8), seed=1), drawn((3, 3, 8, 8), seed=2)

    np.testing.assert_array_equal(one, drawn((3, 3, 8, 8), seed=1))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.15


def test_it_is_saved_with_the_layer():
    initializer = keras.initializers.deserialize(keras.initializers.serialize(HashedUniform(0.25, seed=2**40)))

    assert (initializer.limit, initializer.seed) == (0.25, 2**40)


@pytest.mark.parametrize("shape", [(3, 3, 4, 6), (3, 3, 4, 4), (3, 3, 6, 4)])
def test_a_convolution_starts_as_the_identity_where_it_can(shape):
    """The first min(in, out) filters pass on one channel each; the others are those of `HashedUniform`."""
    kernel = keras.ops.convert_to_numpy(IdentityUniform(seed=5)(shape))
    images = np.random.default_rng(0).normal(size=(1, 5, 5, shape[2])).astype("float32")
    passed = min(shape[2:])

    np.testing.assert_array_equal(keras.ops.conv(images, kernel, padding="same")[..., :passed], images[..., :passed])
    np.testing.assert_array_equal(kernel[..., passed:], drawn(shape, seed=5)[..., passed:])
    assert keras.initializers.deserialize(keras.initializers.serialize(IdentityUniform(seed=5))).seed == 5
