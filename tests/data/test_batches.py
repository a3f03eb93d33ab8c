import keras
import numpy as np
import pytest

from keras_fixhead.data import Split, augment, epoch_order
from keras_fixhead.data.batches import TrainBatches

SPLIT = Split(np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3)).astype("uint8"), np.arange(23, dtype=np.int32))


def batches(batch_size=5, epoch=0, **arguments):
    return TrainBatches(SPLIT, batch_size, seed=4, epoch=epoch, **arguments)


def test_an_epoch_shows_every_image_at_most_once_in_the_epochs_order():
    labels = np.concatenate([batches()[step][1] for step in range(len(batches()))])

    assert len(batches()) == 4
    assert labels.tolist() == epoch_order(23, seed=4, epoch=0)[:20].tolist()


def test_what_is_left_out_differs_from_epoch_to_epoch():
    left_out = {frozenset(range(23)).difference(*(batches(epoch=epoch)[step][1].tolist() for step in range(4)))
                for epoch in range(5)}

    assert {len(each) for each in left_out} == {3}
    assert len(left_out) == 5


def test_a_batch_is_augmented_by_the_images_numbers_and_its_labels_go_with_it():
    images, labels = batches(epoch=2, crop_padding=4, flip=True)[1]
    indices = epoch_order(23, seed=4, epoch=2)[5:10]

    np.testing.assert_array_equal(labels, indices)
    np.testing.assert_array_equal(
        images, augment(SPLIT.images[indices], indices, seed=4, epoch=2, crop_padding=4, flip=True))
    assert images.dtype == np.uint8 and labels.dtype == np.int32


def test_a_batch_is_the_same_however_often_and_in_whatever_order_it_is_fetched():
    one, other = batches(crop_padding=2), batches(crop_padding=2)
    for step in (3, 0, 0, 2):
        np.testing.assert_array_equal(one[step][0], other[step][0])


@pytest.mark.parametrize("batch_size, steps, size", [(23, 1, 23), (24, 1, 23), (10**6, 1, 23), (1, 23, 1), (12, 1, 12)])
def test_a_batch_larger_than_the_set_is_the_set(batch_size, steps, size):
    assert len(batches(batch_size)) == steps
    assert batches(batch_size)[0][0].shape == (size, 8, 8, 3)


def test_fit_shows_the_batches_in_their_order():
    seen = []

    class Recorder(keras.Model):
        def train_step(self, data):
            import tensorflow as tf

            tf.py_function(lambda labels: seen.extend(labels.numpy().tolist()), [data[1]], [])
            return {"loss": tf.constant(0.0)}

        def call(self, inputs):
            return inputs

    model = Recorder()
    model.compile(jit_compile=False)
    model.fit(batches(), shuffle=False, verbose=0)

    assert seen == epoch_order(23, seed=4, epoch=0)[:20].tolist()
