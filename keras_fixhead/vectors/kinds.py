"""The table of kinds: the requirements and properties of each, and the function that draws it."""
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors.cube import cube_vectors
from keras_fixhead.vectors.hadamard import hadamard_vectors
from keras_fixhead.vectors.hypercube import hypercube_vectors
from keras_fixhead.vectors.optimized import largest_optimized, optimized_vectors
from keras_fixhead.vectors.orthogonal import orthogonal_vectors
from keras_fixhead.vectors.orthoplex import orthoplex_vectors
from keras_fixhead.vectors.rademacher import rademacher_vectors
from keras_fixhead.vectors.simplex import simplex_vectors
from keras_fixhead.vectors.uniform import uniform_vectors


@dataclass(frozen=True)
class Kind:
    """A kind of class vectors.

    Attributes:
        draw: function of (num_classes, dim, seed=), with rotate= if `rotates`; if `by_class`, a function of (class
            numbers, dim, seed=).
        conditions: which numbers of classes m and dimensions d it supports.
        cosines: the pairwise cosines to expect.
        reach: the cosine that features without negative entries can reach.
        source: where it comes from.
        largest: function of d that returns the largest number of classes; None for no limit.
        by_class: whether every class has its own stream, computed in integers and in float64 of fixed order, so that
            vectors can be drawn again instead of stored, bit for bit, on every platform.
        extends: whether the first rows do not depend on the number of classes, so that classes can be appended.
        rotates: whether it is rotated at random by default.
        portable: whether it is bit-identical on every platform.
        version: version of the draw, part of the digest of its recipe; to be raised if the bits ever change.
    """

    draw: Callable[..., NDArray[np.float32]]
    conditions: str
    cosines: str
    reach: str
    source: str
    largest: Callable[[int], int] | None = None
    by_class: bool = False
    extends: bool = False
    rotates: bool = False
    portable: bool = True
    version: int = 1

    @property
    def summary(self) -> str:
        """The first line of the docstring of `draw`."""
        return (self.draw.__doc__ or "").splitlines()[0].removeprefix("Returns ")


_ABOUT_HALF = "about sqrt(1/2) = 0.71"
_RPN = "Pernici et al. (2021), arXiv:2103.15632"
_HOFFER = "Hoffer et al. (2018), arXiv:1801.04540"

KINDS: dict[str, Kind] = {
    "uniform": Kind(
        uniform_vectors, conditions="any m, d", cosines="mean 0, standard deviation 1 / sqrt(d)", reach=_ABOUT_HALF,
        source="the paper's text, arXiv:2011.08704", by_class=True, extends=True),
    "cube": Kind(
        cube_vectors, conditions="any m, d", cosines="mean 7.5e-5, standard deviation 1 / sqrt(d)",
        reach="about 0.70", source="the paper's released code", by_class=True, extends=True),
    "rademacher": Kind(
        rademacher_vectors, conditions="any m, d; distinct only by chance where 2^d is not far above m^2",
        cosines="mean 0, standard deviation 1 / sqrt(d)", reach="sqrt(share of positive entries), " + _ABOUT_HALF,
        source="random signs, as in random projection: Achlioptas (2003)", by_class=True, extends=True),
    "orthogonal": Kind(
        orthogonal_vectors, conditions="m <= d", cosines="0", reach=_ABOUT_HALF, source=_HOFFER,
        largest=lambda dim: dim, extends=True),
    "hadamard": Kind(
        hadamard_vectors, conditions="m <= d, and d an order that Sylvester's and Paley's constructions give: 1, 2 "
        "and most multiples of 4", cosines="0", reach="sqrt(share of positive entries), " + _ABOUT_HALF,
        source=_HOFFER, largest=lambda dim: dim, extends=True),
    "simplex": Kind(
        simplex_vectors, conditions="m <= d + 1", cosines="-1 / (m - 1)",
        reach="about 0.71; unrotated, m <= d: sqrt((m - 1) / m)", source="Zhu et al. (2021), arXiv:2105.02375",
        largest=lambda dim: dim + 1, rotates=True),
    "orthoplex": Kind(
        orthoplex_vectors, conditions="m <= 2 d", cosines="0, and -1 between opposite ones",
        reach="about 0.71; unrotated: 1 for an axis, 0 for a negative one", source=_RPN,
        largest=lambda dim: 2 * dim, extends=True, rotates=True),
    "hypercube": Kind(
        hypercube_vectors, conditions="m <= 2^d", cosines="1 - 2 h / b for h of b = ceil(log2 m) bits that differ",
        reach="about 0.71; unrotated: sqrt(share of positive entries)", source=_RPN,
        largest=lambda dim: 2**min(dim, 32), rotates=True),
    "optimized": Kind(
        optimized_vectors, conditions="made for m > 2 d, m <= 10,000; below, it is the simplex (m <= d + 1) or the "
        "orthoplex", cosines="the largest is made small", reach=_ABOUT_HALF,
        source="Mettes et al. (2019), arXiv:1901.10514", largest=largest_optimized, portable=False),
}
"""The kinds of class vectors by name, each with its generator, its limits and what is known of it."""
