"""Digests of bytes, and of the recipe of a draw."""
import time

import numpy as np
import pytest

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import KINDS, class_vectors, draw_digest, vectors_digest

BY_CLASS = [name for name, kind in KINDS.items() if kind.by_class]
GOLDEN = {  # of (kind, 10, 128, 0)
    "uniform": "b060eaeaee1d8d0c4fa7d12b24ae6b86243c34cc13af4c531804005c144a76cb",
    "cube": "013432de018cfee06cae7552a574fd4b074ce808de1d4c0a2d8400471f96a9a6",
    "rademacher": "0541a84da8f1f774f6bdbbe215a484c4c83695e87e9f58eb9bc34edfd8179943",
}

pytestmark = pytest.mark.filterwarnings("ignore:Kind 'optimized' gives:keras_fixhead.errors.FixheadWarning")


@pytest.mark.parametrize("kind", BY_CLASS)
def test_the_digest_of_a_recipe_has_not_changed(kind):
    assert draw_digest(kind, 10, 128, 0) == draw_digest(kind, np.int64(10), np.int32(128)) == GOLDEN[kind]


def test_different_recipes_have_different_digests():
    recipes = [(kind, m, d, seed) for kind in BY_CLASS for m in (2, 12) for d in (3, 23) for seed in (0, 1, 2**64 - 1)]

    assert len({draw_digest(*recipe) for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in BY_CLASS])
def test_other_kinds_have_the_digest_of_their_bytes(kind):
    assert draw_digest(kind, 4, 8, 3) == vectors_digest(class_vectors(kind, 4, 8, 3))
    if KINDS[kind].rotates:
        assert draw_digest(kind, 4, 8, 3, rotate=False) == vectors_digest(class_vectors(kind, 4, 8, 3, rotate=False))


@pytest.mark.parametrize("kind", BY_CLASS)
def test_a_million_classes_have_a_digest_immediately(kind):
    start = time.perf_counter()
    draw_digest(kind, 10**6, 512)

    assert time.perf_counter() - start < 0.1  # drawing them takes tens of seconds


@pytest.mark.parametrize("arguments", [("uniform", 0, 8), ("uniform", 4, 8, -1), ("uniform", 4, 8, True),
                                       ("simplex", 10, 8), ("unifrom", 4, 8), ("cube", 2.0, 8), ("cube", "2", 8)])
def test_vectors_that_cannot_be_drawn_have_no_digest(arguments):
    with pytest.raises(ArgumentError) as refusal:
        draw_digest(*arguments)
    with pytest.raises(ArgumentError) as same:
        class_vectors(*arguments)

    assert str(refusal.value) == str(same.value)


def test_rotate_must_be_a_boolean():
    for rotate in ("no", None, 0, []):
        with pytest.raises(ArgumentError, match="rotate must be True or False"):
            class_vectors("simplex", 3, 8, rotate=rotate)
