"""Properties of all kinds of class vectors, and their exact bits."""
import hashlib
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead import vectors
from keras_fixhead.errors import ArgumentError, FixheadError
from keras_fixhead.vectors import KINDS, class_vectors, pairwise_cosines, vectors_digest

every_kind = pytest.mark.parametrize("kind", KINDS)
BY_CLASS = [name for name, kind in KINDS.items() if kind.by_class]
ROTATED = [name for name, kind in KINDS.items() if kind.rotates]

pytestmark = pytest.mark.filterwarnings("ignore:Kind 'optimized' gives:keras_fixhead.errors.FixheadWarning")

# Existing results and models depend on these bits: never replace them.
GOLDEN = {
    ("uniform", 10, 128, 0): "8a80a0dd7c2b7d954533a9eecc1f9837730e27ddda7a8d28e767d4742781476b",
    ("uniform", 200, 512, 2**40 + 7): "3c9e22884c37a7b91b44c3aa30b19e1b09e4c7d835c2d1a4ed3d3dcfe438043a",
    ("cube", 10, 128, 0): "eeb11e50428aa520dd12d387ee0a85673467eabbc555c189f29a596916d71abc",
    ("cube", 200, 512, 2**40 + 7): "d44e3ab405f04c731c31813241f36f650965e73a9a11e5c34978b6323bfe0b1a",
    ("rademacher", 10, 128, 0): "337edb3332ad82e9e44e0eb601e4e9861564d04c80bcd468a67070865a1c50f3",
    ("rademacher", 200, 512, 2**40 + 7): "6b70f5e3eebc00b46ead4f8760b33f2e507dd6b5f467e927570fdf12b9e8ba89",
    ("orthogonal", 10, 128, 0): "5978bcc219352a65d821bb81f66770e61aaeada70de780115e9d08f730906f59",
    ("orthogonal", 200, 512, 2**40 + 7): "34705642063ffbbca6fe7cd64afd02f862fe6d36ffba3bd87a319aae60afe437",
    ("hadamard", 10, 128, 0): "f428642f2268542aa2300f12e501a2dde03e1719166ba5ead250ff8ced71a5b9",
    ("hadamard", 200, 512, 2**40 + 7): "ef43e2c2bb0237b2ee1248d54ca30dcef530d0a3758e5a579eb30e3aa7ab15bf",
    ("hadamard", 200, 1280, 3): "0bd6e857a83dd23fcd555b72a45a3b28400527c1a4f21e8491746c94f9aea91e",
    ("simplex", 10, 128, 0): "a52688450b0fe7a8b0b7e3c5713663173c37c2bf2a4df69f17780f822b3bd04a",
    ("simplex", 200, 512, 2**40 + 7): "50fdabd9fe955bfd7273ddcde95d0d7898fb9a3bc6342c01824d9f8bc651a475",
    ("orthoplex", 10, 128, 0): "5978bcc219352a65d821bb81f66770e61aaeada70de780115e9d08f730906f59",
    ("orthoplex", 200, 512, 2**40 + 7): "34705642063ffbbca6fe7cd64afd02f862fe6d36ffba3bd87a319aae60afe437",
    ("hypercube", 10, 128, 0): "5b74e68394b012751f0b7ec92455aec500235dc7ca567b9362231279e306c778",
    ("hypercube", 200, 512, 2**40 + 7): "02bcb4c3bb85026709812cafd11bbcd12de723bb192681aa4f9ea3fe51c4060f",
}


@pytest.mark.parametrize("kind, num_classes, dim, seed", GOLDEN)
def test_the_bits_of_a_draw_have_not_changed(kind, num_classes, dim, seed):
    drawn = class_vectors(kind, num_classes, dim, seed)

    assert vectors_digest(drawn) == GOLDEN[kind, num_classes, dim, seed]
    assert {kind for kind, *_ in GOLDEN} == {name for name, each in KINDS.items() if each.portable}


OTHER_MACHINE = """
import json, sys
from keras_fixhead.vectors import class_vectors, vectors_digest
print(json.dumps([vectors_digest(class_vectors(*arguments)) for arguments in json.loads(sys.argv[1])]))
"""


def test_the_bits_are_the_same_without_wide_vector_instructions():
    environment = os.environ | {
        "OPENBLAS_NUM_THREADS": "1",
        # NumPy skips unknown feature names with a warning
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3 "
                                    "X86_V3 X86_V4",
    }
    done = subprocess.run([sys.executable, "-c", OTHER_MACHINE, json.dumps(list(GOLDEN))], env=environment,
                          capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == list(GOLDEN.values())


def most(kind, dim, at_most=200):
    """Returns the largest number of classes of a kind in the given dimension, up to a limit."""
    largest = KINDS[kind].largest
    return at_most if largest is None else min(largest(dim), at_most)


@every_kind
@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_rows_have_length_1_and_the_same_seed_gives_the_same_bits(kind, data, seed):
    dim = data.draw(st.sampled_from([1, 2, 4, 8, 12, 20]) if kind == "hadamard" else st.integers(1, 20))
    num_classes = data.draw(st.integers(1, most(kind, dim, 50)))
    drawn = class_vectors(kind, num_classes, dim, seed)

    assert drawn.dtype == np.float32 and drawn.shape == (num_classes, dim)
    # each float32 entry is off by half a rounding, 6e-8 relative
    np.testing.assert_allclose(np.linalg.norm(drawn.astype(np.float64), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(class_vectors(kind, num_classes, dim, seed), drawn)


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.extends])
@settings(max_examples=25, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**64 - 1))
def test_the_first_rows_do_not_depend_on_the_number_of_rows(kind, data, seed):
    dim = data.draw(st.sampled_from([4, 8, 12, 20, 64]) if kind == "hadamard" else st.integers(2, 70))
    total = data.draw(st.integers(2, most(kind, dim, 100)))
    first = data.draw(st.integers(1, total - 1))

    np.testing.assert_array_equal(class_vectors(kind, total, dim, seed)[:first], class_vectors(kind, first, dim, seed))


@pytest.mark.parametrize("kind", ["simplex", "hypercube"])
def test_other_kinds_depend_on_their_number_of_classes(kind):
    assert not KINDS[kind].extends
    assert not np.array_equal(class_vectors(kind, 9, 8)[:5], class_vectors(kind, 5, 8))


@pytest.mark.parametrize("kind", BY_CLASS)
@pytest.mark.parametrize("elements", [1, 64, 65, 1000])
def test_chunk_size_makes_no_difference(kind, elements, monkeypatch):
    whole = class_vectors(kind, 30, 64, seed=3)
    monkeypatch.setattr(vectors, "_CHUNK_ELEMENTS", elements)

    np.testing.assert_array_equal(class_vectors(kind, 30, 64, seed=3), whole)


@every_kind
def test_every_seed_has_its_own_draw(kind):
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    digests = {vectors_digest(class_vectors(kind, 5, 32, seed)) for seed in seeds}

    assert len(digests) == len(seeds)
    assert vectors_digest(class_vectors(kind, 5, 32)) == vectors_digest(class_vectors(kind, 5, 32, 0))


@pytest.mark.parametrize("kind", ROTATED)
def test_without_rotation_every_seed_gives_the_same_vectors(kind):
    still = class_vectors(kind, 5, 8, 0, rotate=False)

    np.testing.assert_array_equal(still, class_vectors(kind, 5, 8, 9, rotate=False))
    assert not np.array_equal(still, class_vectors(kind, 5, 8, 0))


@pytest.mark.parametrize("kind", ROTATED)
@pytest.mark.parametrize("num_classes, dim", [(2, 3), (5, 4), (4, 4), (4, 9)])
def test_a_rotation_keeps_the_cosines(kind, num_classes, dim):
    np.testing.assert_allclose(pairwise_cosines(class_vectors(kind, num_classes, dim, 5)),
                               pairwise_cosines(class_vectors(kind, num_classes, dim, rotate=False)), atol=3e-7)


@pytest.mark.parametrize("kind", BY_CLASS)
def test_different_seeds_share_no_rows(kind):
    one, other = class_vectors(kind, 100, 64, 0), class_vectors(kind, 100, 64, 1)

    # 10,000 cosines of sd 1/8 never reach 6 sd = 0.75 by chance; a shared row would give 1
    assert np.abs(one @ other.T).max() < 0.75


@pytest.mark.parametrize("kind", BY_CLASS)
def test_cosines_have_standard_deviation_one_over_sqrt_dim(kind):
    """Mean 0 and sd 1/sqrt(d) over n = 500 x 499 / 2 pairs; the error is about sd / sqrt(2 n), or 0.2 %."""
    cosines = pairwise_cosines(class_vectors(kind, 500, 256, seed=11))

    assert abs(cosines.std() * 16 - 1) < 0.01
    assert abs(cosines.mean()) < 5 / 16 / np.sqrt(len(cosines)) + 1e-4  # the mean of the cube is 7.5e-5


@every_kind
def test_numpy_integers_are_accepted(kind):
    drawn = class_vectors(kind, np.int64(3), np.int32(4), np.uint64(2**64 - 1))

    np.testing.assert_array_equal(drawn, class_vectors(kind, 3, 4, 2**64 - 1))


@pytest.mark.parametrize("kind", [name for name, each in KINDS.items() if each.largest is not None])
@pytest.mark.parametrize("dim", [1, 2, 4])
def test_the_largest_number_of_classes_works_and_one_more_is_refused(kind, dim):
    largest = most(kind, dim, 10**6)
    if kind != "optimized":  # 10,000 optimized vectors would take a while
        drawn = class_vectors(kind, largest, dim, 3)
        assert len(np.unique(drawn.round(5), axis=0)) == largest  # no two classes share a vector
    message = rf"^Kind '{kind}' has at most {largest} class vectors in {dim} dim"
    with pytest.raises(ArgumentError, match=message) as error:
        class_vectors(kind, largest + 1, dim)
    for name in error.value.hint.partition(": ")[2].rstrip(".").split(", "):  # the suggested kinds have enough
        if largest < 1000:
            assert class_vectors(name, largest + 1, dim).shape == (largest + 1, dim)


def test_every_kind_is_documented():
    for kind in KINDS.values():
        assert kind.conditions and kind.cosines and kind.reach and kind.source and kind.summary
        assert not (kind.by_class and not (kind.extends and kind.portable))


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
    (("unifrom", 2, 4), r"Unknown kind .* 'unifrom'\. Expected one of uniform, cube, rademacher, orthogonal, .*, "
                        r"optimized\. Did you mean 'uniform'\?"),
    ((None, 2, 4), r"Unknown kind of class vectors None\."),
    (("orthogonal", 9, 8), r"at most 8 class vectors in 8 dimensions, got num_classes 9\. Kinds that have 9: uniform, "
                           r"cube, rademacher, simplex, orthoplex, hypercube, optimized\."),
    (("hadamard", 2, 6), r"No Hadamard matrix of order 6 can be constructed here\. The nearest orders are 4 and 8"),
])
def test_a_wrong_argument_is_refused_in_one_line_with_its_value(arguments, message):
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


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in ROTATED])
def test_only_rotated_kinds_accept_rotate_false(kind):
    with pytest.raises(ArgumentError, match=r"rotate=False does not apply to kind.*: simplex, orthoplex, hyper"):
        class_vectors(kind, 2, 4, rotate=False)
