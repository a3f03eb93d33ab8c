"""Every source that Keras takes trains the same model to the same weights."""
import keras
import numpy as np
import pytest

from keras_fixhead import HypersphereHead

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
LABELS = np.arange(12) % 3
SIZE = 4


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return IMAGES[SIZE * index :][:SIZE], LABELS[SIZE * index :][:SIZE]


def generator():
    while True:
        yield from (Batches()[index] for index in range(3))


def tf_data():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(SIZE)


def fitted(*source, **options):
    """The weights after two epochs of a small model with our head, and what `fit` reported."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    pixels = keras.layers.Rescaling(1 / 255)(inputs)
    features = keras.layers.Dense(6)(keras.layers.Flatten()(pixels))
    model = keras.Model(inputs, HypersphereHead(3, logits="cos", fixed=True, scale=5.0, seed=1)(features))
    model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(*source, epochs=2, shuffle=False, verbose=0, **options).history
    return model.get_weights(), history["loss"]


@pytest.fixture(scope="module")
def expected():
    return fitted(IMAGES, LABELS, batch_size=SIZE)


@pytest.mark.parametrize("source, options", [
    (tf_data, {}), (Batches, {}), (lambda: Batches(workers=2, use_multiprocessing=False), {}),
    (generator, {"steps_per_epoch": 3})], ids=["tf.data", "PyDataset", "PyDataset in threads", "generator"])
def test_a_source_trains_like_arrays(expected, source, options):
    weights, losses = fitted(source(), **options)

    assert losses == pytest.approx(expected[1], rel=1e-5) and losses[1] < losses[0]
    for found, wanted in zip(weights, expected[0], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
