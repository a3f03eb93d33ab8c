"""Variance components of simulated values."""
import numpy as np
import pytest

from keras_fixhead.analysis.components import variance_components


def test_the_components_are_those_of_the_simulation_on_average():
    generator = np.random.default_rng(0)
    found = []
    for _ in range(400):
        draw, seed = generator.normal(0, 2, 4), generator.normal(0, 1, 3)
        found.append(variance_components({(d, s): draw[d] + seed[s] + generator.normal(0, 0.5)
                                          for d in range(4) for s in range(3)}))

    assert np.mean(found, axis=0) == pytest.approx([4, 1, 0.25], rel=0.12)


def test_values_without_a_cause_have_none_and_an_incomplete_table_is_refused():
    table = {(draw, seed): 5.0 for draw in range(2) for seed in range(3)}
    assert variance_components(table) == (0, 0, 0)
    del table[1, 2]
    with pytest.raises(ValueError, match="every draw with every seed, and two of each; got 5 values of 2 draws and 3"):
        variance_components(table)
