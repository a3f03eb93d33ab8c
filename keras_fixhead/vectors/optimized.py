"""Class vectors spread over the sphere by minimising their largest pairwise cosine."""
import functools

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import warn_once
from keras_fixhead.vectors.normalize import unit_rows
from keras_fixhead.vectors.orthoplex import orthoplex_vectors
from keras_fixhead.vectors.simplex import simplex_vectors
from keras_fixhead.vectors.uniform import uniform_vectors

_LARGEST = 10_000
_STAGES = 12
_STEPS = 60


def optimized_vectors(num_classes: int, dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns vectors whose largest pairwise cosine is minimised by gradient descent from a uniform draw.

    This is meant for m > 2 d. For fewer classes the optimum is known: the simplex for m <= d + 1 and the orthoplex for
    m <= 2 d, both rotated; these are returned, with a FixheadWarning. Features without negative entries reach a cosine
    of about 0.70.

    The objective is ln(sum over pairs e^(T cos)) / T, an upper bound on the largest cosine that tightens as T grows.
    The same seed returns the same vectors on one machine; the last bits depend on its linear algebra.

    Args:
        num_classes: m; beyond 2 d at most 10,000, because the pairs must fit in memory.
        dim: embedding size d.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Reference: Mettes, van der Pol and Snoek (2019), Hyperspherical prototype networks, arXiv:1901.10514.

    Example:
        >>> W = optimized_vectors(6, 2, seed=0)  # six directions in a plane: 60 degrees apart
        >>> round(float((W @ W.T - 2 * np.eye(6)).max()), 2)
        0.5
    """
    m = num_classes
    if m <= 2 * dim:
        known, vectors = (("simplex", simplex_vectors) if m <= dim + 1 else ("orthoplex", orthoplex_vectors))
        warn_once(f"Kind 'optimized' uses the {known} for {m} classes in {dim} dimensions: no vectors have a smaller "
                  "largest cosine.", stacklevel=2)
        return vectors(m, dim, seed=seed)
    return _spread(m, dim, seed).copy()


def largest_optimized(dim: int) -> int:
    """Returns the largest number of classes: that of the orthoplex, or 10,000."""
    return max(2 * dim, _LARGEST)


@functools.lru_cache(maxsize=4)  # a run needs the same draw several times
def _spread(num_classes: int, dim: int, seed: int) -> NDArray[np.float32]:
    vectors = uniform_vectors(np.arange(num_classes), dim, seed=seed).astype(np.float64)
    best, least = vectors, np.inf
    # T grows from where many pairs matter to where only the largest cosines do
    for sharpness in np.geomspace(8.0, 2000.0, _STAGES) * np.sqrt(dim / 128):
        velocity = np.zeros_like(vectors)
        for step in range(_STEPS):
            cosines = vectors @ vectors.T
            np.fill_diagonal(cosines, -2.0)
            if (largest := cosines.max()) < least:
                best, least = vectors, largest
            weights = np.exp(sharpness * (cosines - cosines.max(axis=1, keepdims=True)))
            weights /= weights.sum(axis=1, keepdims=True)
            pull = (weights + weights.T) @ vectors
            pull -= (pull * vectors).sum(axis=1, keepdims=True) * vectors
            rate = 2.0 / sharpness * (1.0 - step / _STEPS)
            velocity = 0.9 * velocity - rate * pull
            vectors = vectors + velocity
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit_rows(best)
