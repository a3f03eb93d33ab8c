"""The pass in bfloat16 on TensorFlow against float64, on the same rounded factors."""
import keras
import numpy as np
import pytest
from streaming_heads import numbers

from keras_fixhead.streaming import passes
from keras_fixhead.streaming.passes import logsumexp_of_others
from keras_fixhead.streaming.rows import Table

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has "
                                "this pass; test_streaming_on_jax.py checks the one of the other backends")
DRAW = np.random.default_rng(4)


def rounded(array):
    return keras.ops.cast(keras.ops.convert_to_tensor(array, "float32"), "bfloat16")


def streamed(weights, table, classes, rows, ahead=True):
    """logsumexp and largest of the others, and the gradient of the first."""
    import tensorflow as tf

    variable = tf.Variable(tf.cast(weights, tf.float32))
    with tf.GradientTape() as tape:
        total, highest = logsumexp_of_others(tf.convert_to_tensor(variable), tf.constant(classes, tf.int32),
                                             Table(rounded(table), "bfloat16"), rows=rows, ahead=ahead)
    return numbers(total), numbers(highest), numbers(tape.gradient(total, variable))


def reference(weights, table, classes):
    first, second = (numbers(keras.ops.cast(rounded(each), "float32")).astype(np.float64) for each in (weights, table))
    logits = first @ second.T
    logits[np.arange(len(classes))[classes >= 0], classes[classes >= 0]] = -np.inf
    highest = logits.max(axis=1)
    powers = np.exp(logits - highest[:, None])
    return highest + np.log(powers.sum(axis=1)), highest, powers @ second / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("num_classes, rows, scale", [(20, 7, 3.0), (15, 7, 20.0), (700, 300, 30.0), (5, 64, 1.0)])
def test_it_is_the_softmax_of_the_other_classes(num_classes, rows, scale, ahead):
    weights = scale * DRAW.normal(size=(6, 8)) / np.sqrt(8)
    table = DRAW.normal(size=(num_classes, 8))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    classes = np.array([num_classes - 1, 0, 3, 3, -1, num_classes - 1])  # the last of 15 is alone in its chunk
    for found, expected in zip(streamed(weights, table, classes, rows, ahead), reference(weights, table, classes),
                               strict=True):
        # products come out in bfloat16: 8 bits
        np.testing.assert_allclose(found, expected, atol=2**-8 * max(1.0, 1.5 * scale), rtol=2**-7)


def test_shares_too_small_to_tell_the_sum_are_not_used():
    table = np.zeros((600, 8))
    table[:, 0] = -1
    table[500, 0] = 1
    found = streamed(np.eye(2, 8) * [[400.0], [0.0]], table, np.array([2, 2]), 600)
    np.testing.assert_allclose(found[0], [400, np.log(599)], rtol=1e-2)
    np.testing.assert_allclose(found[2][0], table[500], atol=1e-2)


def test_features_that_are_not_numbers_give_no_number():
    weights = np.ones((3, 8))
    weights[1] = np.nan
    total, _, gradient = streamed(weights, DRAW.normal(size=(20, 8)), np.array([1, 2, 3]), 7)
    assert np.isnan(total).tolist() == [False, True, False]
    assert np.isnan(gradient[1]).all() and np.isfinite(gradient[[0, 2]]).all()


def test_large_chunks_are_read_in_parts_that_stay_in_the_cache(monkeypatch):
    read = []

    def over_chunks(step, state, source, rows):
        read.append(rows)
        return original(step, state, source, rows)

    original = passes._over_chunks
    monkeypatch.setattr(passes, "_over_chunks", over_chunks)
    streamed(np.ones((1, 8)), DRAW.normal(size=(9000, 8)), np.array([0]), 9000)
    assert set(read) == {passes.CACHED_ROWS}
