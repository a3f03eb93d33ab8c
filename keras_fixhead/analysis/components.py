"""How much of a spread comes from one of two causes."""
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Components(NamedTuple):
    """Variances: of the draws, of the seeds, and of what neither explains."""

    draw: float
    seed: float
    rest: float


def variance_components(values: Mapping[tuple[int, int], float]) -> Components:
    """Returns the variance components of values that each have a draw and a seed, every draw with every seed.

    Estimates below zero, which small samples give, are returned as 0.

    Args:
        values: (draw, seed) -> value, for at least two draws and two seeds.

    Raises:
        ValueError: if a draw lacks a seed, or there are fewer than two of either.

    Reference: the two-way random model without interaction, Searle, Casella & McCulloch (1992), Variance Components.

    Example:
        >>> variance_components({(0, 0): 1.0, (0, 1): 2.0, (1, 0): 3.0, (1, 1): 4.0})
        Components(draw=2.0, seed=0.5, rest=0.0)
    """
    draws, seeds = sorted({draw for draw, _ in values}), sorted({seed for _, seed in values})
    if min(len(draws), len(seeds)) < 2 or len(values) != len(draws) * len(seeds):
        raise ValueError(f"Expected every draw with every seed, and two of each; got {len(values)} values of "
                         f"{len(draws)} draws and {len(seeds)} seeds.")
    table = np.array([[values[draw, seed] for seed in seeds] for draw in draws])
    by_draw, by_seed, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    rest = ((table - by_draw[:, None] - by_seed[None] + mean) ** 2).sum() / ((len(draws) - 1) * (len(seeds) - 1))
    of_draws, of_seeds = len(seeds) * by_draw.var(ddof=1), len(draws) * by_seed.var(ddof=1)
    return Components(max(0.0, float(of_draws - rest) / len(seeds)), max(0.0, float(of_seeds - rest) / len(draws)),
                      float(rest))
