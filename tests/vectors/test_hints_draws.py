"""Every hint about draws of class vectors: produced in its situation, and followed."""
import re

import pytest
from hints import leads_out, refused

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import KINDS, class_vectors, some_class_vectors


@leads_out("Did you mean ...?")
def test_the_name_that_is_meant_draws():
    with refused("Did you mean 'orthoplex'?") as caught:
        class_vectors("ortoplex", 4, 4)

    assert class_vectors(re.search(r"'(\w+)'", caught.value.hint)[1], 4, 4).shape == (4, 4)


@pytest.mark.filterwarnings("ignore:Kind 'optimized' uses the simplex")
@leads_out("Kinds that are drawn class by class: ....", "Rotated kinds: ....", "Kinds that have ...: ....")
@pytest.mark.parametrize("draw, kind, hint", [
    (lambda kind: some_class_vectors(kind, 1, 3, dim=4), "simplex", "Kinds that are drawn class by class: "),
    (lambda kind: class_vectors(kind, 3, 4, rotate=False), "uniform", "Rotated kinds: "),
    (lambda kind: class_vectors(kind, 5, 4), "orthogonal", "Kinds that have 5: "),
    (lambda kind: class_vectors(kind, 5, 4), "hadamard", "Kinds that have 5: "),
    (lambda kind: class_vectors(kind, 9, 4), "orthoplex", "Kinds that have 9: "),
    (lambda kind: class_vectors(kind, 10_001, 2), "optimized", "Kinds that have 10001: ")])
def test_every_kind_that_a_hint_names_can_be_drawn(draw, kind, hint):
    with refused(hint) as caught:
        draw(kind)
    named = caught.value.hint.removeprefix(hint).rstrip(".").split(", ")

    assert len(named) > 1 and kind not in named and set(named) < set(KINDS)
    for each in named:
        draw(each)


def test_more_optimized_vectors_than_pairs_fit_in_memory_are_drawn_where_the_optimum_is_known():
    """Up to m = 2 d it is the orthoplex; beyond, m is limited, and kinds for m <= d are none of the ways out."""
    assert KINDS["optimized"].largest(6000) == 12_000
    with pytest.raises(ArgumentError, match=r"has at most 12000 class vectors.*12001: uniform, cube, rademacher"):
        class_vectors("optimized", 12_001, 6000)


@leads_out("The nearest orders are ... and ...; kind 'orthogonal' takes any dim.")
@pytest.mark.parametrize("dim", [3, 10, 92, 94])
def test_the_orders_that_a_hint_names_have_hadamard_vectors(dim):
    with refused("The nearest orders are ") as caught:
        class_vectors("hadamard", 3, dim)
    for order in re.findall(r"\d+", caught.value.hint):
        assert class_vectors("hadamard", 2, int(order)).shape == (2, int(order))
    assert class_vectors("orthogonal", 3, dim).shape == (3, dim)
