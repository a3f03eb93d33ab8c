import math

import numpy as np
import pytest

from keras_fixhead.vectors import class_vectors
from keras_fixhead.vectors.hashing import RADEMACHER_STREAM, stream_key, words


@pytest.mark.parametrize("dim", [1, 31, 32, 33, 512])
def test_coordinates_are_bits_of_words_and_a_set_bit_is_negative(dim):
    drawn = class_vectors("rademacher", 6, dim, seed=12)
    bits = words(stream_key(12, RADEMACHER_STREAM), np.arange(6), np.arange(math.ceil(dim / 32)))
    for row in range(6):
        for i in range(dim):
            negative = int(bits[row, i // 32]) >> (i % 32) & 1
            assert drawn[row, i] == np.float32((-1) ** negative / math.sqrt(dim))


def test_signs_are_fair_in_every_coordinate():
    """Of n = 20,000 signs, n/2 are negative within 5 standard deviations: 5 sqrt(n) / 2."""
    negative = (class_vectors("rademacher", 20_000, 96, seed=2) < 0).sum(axis=0)

    assert np.abs(negative - 10_000).max() < 5 * math.sqrt(20_000) / 2
