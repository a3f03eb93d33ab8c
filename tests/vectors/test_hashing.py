"""The hash compared with a reference in Python integers, written from the formula rather than the code."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead.vectors import hashing
from keras_fixhead.vectors.hashing import (
    CUBE_STREAM,
    RADEMACHER_STREAM,
    UNIFORM_STREAM,
    mix,
    mix_int,
    stream_key,
    words,
)

SEEDS = [0, 1, 7, 2**31, 2**32 - 1, 2**32, 2**40 + 7, 2**64 - 1]
ITEMS = np.array([0, 1, 2, 1000, 2**31, 2**32 - 1])
POSITIONS = np.array([0, 1, 31, 511, 2**20, 2**32 - 1])


def reference_mix(x):
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) % 2**32
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) % 2**32
    return x ^ (x >> 16)


def reference_key(seed, stream):
    low, high = seed % 2**32, seed // 2**32
    return reference_mix(reference_mix(reference_mix((low + 0x9E3779B9) % 2**32) ^ high) ^ stream)


def reference_word(key, item, position):
    word_key = reference_mix((key + (position + 1) * 0x9E3779B9) % 2**32)
    return reference_mix(reference_mix(item ^ key) ^ word_key)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("stream", [RADEMACHER_STREAM, CUBE_STREAM, UNIFORM_STREAM, 20])
def test_words_equal_the_reference_in_python_integers(seed, stream):
    key = reference_key(seed, stream)
    expected = [[reference_word(key, int(item), int(position)) for position in POSITIONS] for item in ITEMS]

    assert stream_key(seed, stream) == key
    assert words(key, ITEMS, POSITIONS).tolist() == expected


@given(seed=st.integers(0, 2**64 - 1), stream=st.integers(0, 2**32 - 1), item=st.integers(0, 2**32 - 1),
       position=st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_any_word_equals_the_reference(seed, stream, item, position):
    key = stream_key(seed, stream)

    assert key == reference_key(seed, stream)
    assert words(key, [item], [position]).tolist() == [[reference_word(key, item, position)]]


@given(st.integers(0, 2**32 - 1))
def test_arrays_and_integers_mix_the_same_way(x):
    assert int(mix(np.array([x], np.uint32))[0]) == mix_int(x) == reference_mix(x)


def test_the_parts_of_a_stream_are_mixed_in_order():
    key = reference_mix(reference_mix(reference_key(3, 18) ^ 5) ^ 2)

    assert stream_key(3, 18, 5, 2) == key
    assert stream_key(3, 18, 2, 5) != key


def test_mixing_does_not_modify_its_argument():
    given_array = np.arange(5, dtype=np.uint32)
    mix(given_array)

    assert given_array.tolist() == [0, 1, 2, 3, 4]


def test_no_two_items_share_a_word_at_the_same_position():
    drawn = words(stream_key(0, UNIFORM_STREAM), np.arange(200_000), [3])[:, 0]

    assert len(np.unique(drawn)) == len(drawn)


def test_words_do_not_depend_on_the_other_items_and_positions_requested():
    key = stream_key(9, UNIFORM_STREAM)
    whole = words(key, np.arange(50), np.arange(40))

    np.testing.assert_array_equal(words(key, [7, 3], [39, 0]), whole[[7, 3]][:, [39, 0]])


def test_stream_numbers_are_unique():
    numbers = [value for name, value in vars(hashing).items() if name.endswith("_STREAM")]

    assert len(set(numbers)) == len(numbers) >= 8
    assert (RADEMACHER_STREAM, CUBE_STREAM, UNIFORM_STREAM) == (0, 1, 2)  # part of stored digests


def test_different_seeds_and_streams_have_different_keys():
    keys = {stream_key(seed, stream) for seed in range(500) for stream in range(21)}

    assert len(keys) > 500 * 21 - 20  # 10,500 keys of 32 bits: 0.013 pairs are expected to collide by chance


def test_bits_are_fair():
    """Each of the 32 bits is set in half of n = 2^18 words, within 5 standard deviations: 5 sqrt(n) / 2."""
    drawn = words(stream_key(5, UNIFORM_STREAM), np.arange(4096), np.arange(64)).ravel()
    ones = np.array([int(((drawn >> np.uint32(bit)) & np.uint32(1)).sum()) for bit in range(32)])

    assert np.abs(ones - len(drawn) / 2).max() < 5 * np.sqrt(len(drawn)) / 2


def test_a_tensorflow_graph_gives_the_same_words():
    import tensorflow as tf

    def graph_mix(x):
        def shifted(x, count):
            return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(count, tf.uint32)))

        x = shifted(x, 16) * tf.constant(0x7FEB352D, tf.uint32)
        x = shifted(x, 15) * tf.constant(0x846CA68B, tf.uint32)
        return shifted(x, 16)

    @tf.function
    def graph_words(key, items, positions):
        word_keys = graph_mix(key + (positions + tf.constant(1, tf.uint32)) * tf.constant(0x9E3779B9, tf.uint32))
        item_keys = graph_mix(tf.bitwise.bitwise_xor(items, key))
        return graph_mix(tf.bitwise.bitwise_xor(item_keys[:, None], word_keys[None, :]))

    key = stream_key(2**40 + 7, UNIFORM_STREAM)
    with tf.device("CPU"):  # TensorFlow has no uint32 kernels for GPUs
        found = graph_words(tf.constant(key, tf.uint32), tf.constant(ITEMS, tf.uint32),
                            tf.constant(POSITIONS, tf.uint32))

    np.testing.assert_array_equal(found.numpy(), words(key, ITEMS, POSITIONS))


def test_jax_without_64_bits_gives_the_same_words():
    import jax
    import jax.numpy as jnp

    def graph_mix(x):
        x = x ^ (x >> 16)
        x = x * jnp.uint32(0x7FEB352D)
        x = x ^ (x >> 15)
        x = x * jnp.uint32(0x846CA68B)
        return x ^ (x >> 16)

    @jax.jit
    def graph_words(key, items, positions):
        word_keys = graph_mix(key + (positions + jnp.uint32(1)) * jnp.uint32(0x9E3779B9))
        return graph_mix(graph_mix(items ^ key)[:, None] ^ word_keys[None, :])

    key = stream_key(2**40 + 7, UNIFORM_STREAM)
    found = graph_words(jnp.uint32(key), jnp.asarray(ITEMS.astype(np.uint32)), jnp.asarray(POSITIONS.astype(np.uint32)))

    assert not jax.config.jax_enable_x64
    np.testing.assert_array_equal(np.asarray(found), words(key, ITEMS, POSITIONS))
