import keras
import numpy as np
import pytest

from keras_fixhead.data import Augmentation, Split, augment, epoch_order
from keras_fixhead.training.backend import prepared_ahead
from keras_fixhead.training.batches import TrainBatches

SPLIT = Split(np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3)).astype("uint8"), np.arange(23, dtype=np.int32))


def batches(batch_size=5, epoch=0, **arguments):
    how = {name: arguments.pop(name) for name in ("first_step", "partial_batch", "share") if name in arguments}
    return TrainBatches(SPLIT, batch_size, Augmentation(**arguments), seed=4, epoch=epoch, **how)


def test_an_epoch_shows_every_image_at_most_once_in_its_order():
    labels = np.concatenate([batches()[step][1] for step in range(len(batches()))])

    assert len(batches()) == 4
    assert labels.tolist() == epoch_order(23, seed=4, epoch=0)[:20].tolist()


def test_the_images_left_out_differ_between_epochs():
    left_out = {frozenset(range(23)).difference(*(batches(epoch=epoch)[step][1].tolist() for step in range(4)))
                for epoch in range(5)}

    assert {len(each) for each in left_out} == {3}
    assert len(left_out) == 5


def test_augmentation_depends_on_image_numbers_and_keeps_labels_aligned():
    images, labels = batches(epoch=2, crop_padding=4, flip=True)[1]
    indices = epoch_order(23, seed=4, epoch=2)[5:10]

    np.testing.assert_array_equal(labels, indices)
    np.testing.assert_array_equal(
        images, augment(SPLIT.images[indices], indices, Augmentation(crop_padding=4, flip=True), seed=4, epoch=2))
    assert images.dtype == np.uint8 and labels.dtype == np.int32


def test_a_batch_is_the_same_whenever_and_however_often_it_is_fetched():
    one, other = batches(crop_padding=2), batches(crop_padding=2)
    for step in (3, 0, 0, 2):
        np.testing.assert_array_equal(one[step][0], other[step][0])


@pytest.mark.parametrize("what", [{"crop_padding": 2}, {"mixup": 0.5}])
def test_the_shares_of_a_batch_are_its_parts_in_order(what):
    whole = batches(20, **what)[0]
    shares = [batches(20, share=(part, 4), **what)[0] for part in range(4)]

    assert [len(labels) for _, labels in shares] == [5] * 4
    for each, parts in zip(whole, zip(*shares, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), each)


@pytest.mark.parametrize("batch_size, steps, size", [(23, 1, 23), (24, 1, 23), (10**6, 1, 23), (1, 23, 1), (12, 1, 12)])
def test_a_batch_larger_than_the_set_is_the_whole_set(batch_size, steps, size):
    assert len(batches(batch_size)) == steps
    assert batches(batch_size)[0][0].shape == (size, 8, 8, 3)


def test_fit_uses_the_batches_in_order():
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


def test_a_resumed_epoch_shows_the_same_batches_as_an_uninterrupted_one():
    rest = batches(crop_padding=2, mixup=0.4, first_step=2)
    whole = batches(crop_padding=2, mixup=0.4)

    assert len(rest) == len(whole) - 2
    for step in range(len(rest)):
        for one, other in zip(rest[step], whole[step + 2], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_partial_batch_has_the_remaining_images():
    shown = batches(partial_batch=True)
    labels = [shown[step][1] for step in range(len(shown))]

    assert [len(each) for each in labels] == [5, 5, 5, 5, 3]
    assert sorted(np.concatenate(labels).tolist()) == list(range(23))


def test_mixed_labels_are_label_partner_label_and_share():
    """With black and white images, the share can be read from the pixels."""
    labels = np.repeat(np.arange(2, dtype=np.int32), 20)
    split = Split((255 * labels).astype(np.uint8)[:, None, None, None] * np.ones((1, 6, 6, 3), np.uint8), labels)
    for what in ({"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 0.3, "cutmix": 1.0}):
        images, labels = TrainBatches(split, 40, Augmentation(**what), seed=0, epoch=0)[0]
        own, other, share = labels.T
        expected = own * share + other * (1 - share)

        assert labels.dtype == np.float32 and images.dtype == np.uint8
        np.testing.assert_allclose(images.mean(axis=(1, 2, 3)) / 255, expected, atol=0.5 / 255 + 1e-6)
        assert ((share >= 0) & (share <= 1)).all() and len(np.unique(share)) > 10


def test_tensorflow_prepares_the_same_batches_ahead_without_tuning_itself():
    """The thread that tunes can sleep on at the end of an epoch, while `fit` waits for it."""
    given = batches(partial_batch=True, crop_padding=2, mixup=0.4, first_step=1)
    found = prepared_ahead(given)
    if keras.backend.backend() != "tensorflow":
        assert found is given
        return

    assert found.options().autotune.enabled is False and int(found.cardinality()) == len(given)
    for step, batch in enumerate(found):
        for one, other in zip(batch, given[step], strict=True):
            np.testing.assert_array_equal(one, other)
    assert step == len(given) - 1
    assert prepared_ahead(given, devices=2) is given
