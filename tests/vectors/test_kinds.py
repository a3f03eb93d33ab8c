"""Laws of all kinds of class vectors, and their bits."""
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead import vectors
from keras_fixhead.errors import ArgumentError, FixheadError
from keras_fixhead.vectors import KINDS, class_vectors, pairwise_cosines, vectors_digest

every_kind = pytest.mark.parametrize("kind", KINDS)

# These bits stand in the results and models of the past: a change here voids them. Never write new ones in.
GOLDEN = {
    ("uniform", 10, 128, 0): "8a80a0dd7c2b7d954533a9eecc1f9837730e27ddda7a8d28e767d4742781476b",
    ("uniform", 200, 512, 2**40 + 7): "3c9e22884c37a7b91b44c3aa30b19e1b09e4c7d835c2d1a4ed3d3dcfe438043a",
    ("cube", 10, 128, 0): "eeb11e50428aa520dd12d387ee0a85673467eabbc555c189f29a596916d71abc",
    ("cube", 200, 512, 2**40 + 7): "d44e3ab405f04c731c31813241f36f650965e73a9a11e5c34978b6323bfe0b1a",
    ("rademacher", 10, 128, 0): "337edb3332ad82e9e44e0eb601e4e9861564d04c80bcd468a67070865a1c50f3",
    ("rademacher", 200, 512, 2**40 + 7): "6b70f5e3eebc00b46ead4f8760b33f2e507dd6b5f467e927570fdf12b9e8ba89",
}


@pytest.mark.parametrize("kind, num_classes, dim, seed", GOLDEN)
def test_the_draw_has_the_bits_that_it_has_always_had(kind, num_classes, dim, seed):
    drawn = class_vectors(kind, num_classes, dim, seed)

    assert vectors_digest(drawn) == GOLDEN[kind, num_classes, dim, seed]
    assert {kind for kind, *_ in GOLDEN} == set(KINDS)


@every_kind
@settings(max_examples=40, deadline=None)
@given(num_classes=st.integers(1, 60), more=st.integers(0, 60), dim=st.integers(1, 70),
       seed=st.integers(0, 2**64 - 1))
def test_rows_have_length_1_and_do_not_depend_on_how_many_there_are(kind, num_classes, more, dim, seed):
    drawn = class_vectors(kind, num_classes, dim, seed)

    assert drawn.dtype == np.float32 and drawn.shape == (num_classes, dim)
    # a float32 row is off by half a rounding an entry, 6e-8 relative
    np.testing.assert_allclose(np.linalg.norm(drawn.astype(np.float64), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(class_vectors(kind, num_classes + more, dim, seed)[:num_classes], drawn)


@every_kind
@pytest.mark.parametrize("elements", [1, 64, 65, 1000])
def test_the_chunks_in_which_it_is_computed_make_no_difference(kind, elements, monkeypatch):
    whole = class_vectors(kind, 30, 64, seed=3)
    monkeypatch.setattr(vectors, "_CHUNK_ELEMENTS", elements)

    np.testing.assert_array_equal(class_vectors(kind, 30, 64, seed=3), whole)


@every_kind
def test_every_seed_has_a_draw_of_its_own(kind):
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    digests = {vectors_digest(class_vectors(kind, 5, 32, seed)) for seed in seeds}

    assert len(digests) == len(seeds)
    assert vectors_digest(class_vectors(kind, 5, 32)) == vectors_digest(class_vectors(kind, 5, 32, 0))


@every_kind
def test_rows_of_one_seed_are_not_the_rows_of_another(kind):
    one, other = class_vectors(kind, 100, 64, 0), class_vectors(kind, 100, 64, 1)

    # 10,000 cosines of sd 1/8: 0.125 x 6 is never reached by chance, and a shared row would give 1
    assert np.abs(one @ other.T).max() < 0.75


@every_kind
def test_cosines_between_class_vectors_spread_as_one_over_the_root_of_the_dimension(kind):
    """Mean 0 and sd 1/sqrt(d), over n = 500 x 499 / 2 pairs: their error is about sd / sqrt(2 n), 0.2 %."""
    cosines = pairwise_cosines(class_vectors(kind, 500, 256, seed=11))

    assert abs(cosines.std() * 16 - 1) < 0.01
    assert abs(cosines.mean()) < 5 / 16 / np.sqrt(len(cosines)) + 1e-4  # the cube's own mean is 7.5e-5


@every_kind
def test_numpy_integers_are_integers(kind):
    drawn = class_vectors(kind, np.int64(3), np.int32(4), np.uint64(2**64 - 1))

    np.testing.assert_array_equal(drawn, class_vectors(kind, 3, 4, 2**64 - 1))


@pytest.mark.parametrize("arguments, message", [
    (("uniform", 0, 4), r"num_classes must be in \[1, 4294967296\], got 0\."),
    (("uniform", -1, 4), r"num_classes must be in .* got -1\."),
    (("uniform", 2**32 + 1, 4), r"num_classes must be in .* got 4294967297\."),
    (("uniform", 2.5, 4), r"num_classes must be an integer, got 2\.5\."),
    (("uniform", "10", 4), r"num_classes must be an integer, got '10'\."),
    (("uniform", 2, 0), r"dim must be in .* got 0\."),
    (("uniform", 2, None), r"dim must be an integer, got None\."),
    (("uniform", 2, 4, -1), r"seed must be in \[0, 18446744073709551615\], got -1\."),
    (("uniform", 2, 4, 2**64), r"seed must be in .* got 18446744073709551616\."),
    (("uniform", 2, 4, float("nan")), r"seed must be an integer, got nan\."),
    (("unifrom", 2, 4), r"Unknown kind .* 'unifrom'\. Expected one of uniform, cube, rademacher\. "
                        r"Did you mean 'uniform'\?"),
    ((None, 2, 4), r"Unknown kind of class vectors None\."),
])
def test_a_wrong_argument_is_said_in_one_line_with_its_value(arguments, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        class_vectors(*arguments)

    assert isinstance(caught.value, (ValueError, FixheadError))
    assert "\n" not in str(caught.value)


def test_the_digest_is_the_sha256_of_the_little_endian_float32_bytes():
    given_vectors = np.array([[1.0, -2.5], [0.1, 3e-8]], np.float32)
    expected = hashlib.sha256(struct.pack("<4f", 1.0, -2.5, 0.1, 3e-8)).hexdigest()

    assert vectors_digest(given_vectors) == expected
    assert vectors_digest(given_vectors.astype(">f4")) == expected
    assert vectors_digest(np.asfortranarray(given_vectors)) == expected
    assert vectors_digest(given_vectors[::-1]) != expected
