"""Random draws for corruptions: those of an image depend on (seed, corruption, severity, index of the image) only."""
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors import checked_integer
from keras_fixhead.vectors.hashing import CORRUPTION_STREAM, stream_key, words

Floats = NDArray[np.float32]

_LEVELS = 2**16


def checked_seed(seed: Any) -> int:
    """Returns the seed of corruptions as an int.

    Raises:
        ArgumentError: if it is not an integer in [0, 2^64).
    """
    return checked_integer("seed", seed, 0, 2**64 - 1)


@dataclass(frozen=True)
class Draws:
    """The draws of a corruption for some images.

    Every value has a position in the stream of its image; two uses within a corruption take different positions.

    Attributes:
        number: identifies the corruption.
        seed: the seed of the corruptions.
        severity: 1 to 5; makes the draws of one severity independent of another's.
        indices: indices of the images in their data set, shape (N,).

    Example:
        >>> draws = Draws(1, seed=0, severity=3, indices=np.array([4, 5]))
        >>> draws.uniforms(3).shape
        (2, 3)
        >>> bool((draws.uniforms(3)[1] == Draws(1, 0, 3, np.array([5])).uniforms(3)).all())
        True
    """

    number: int
    seed: int
    severity: int
    indices: NDArray[np.intp]

    def words(self, count: int, first: int = 0) -> NDArray[np.uint32]:
        """Returns the words at positions `first` to `first + count - 1`, uint32, shape (N, count)."""
        key = stream_key(self.seed, CORRUPTION_STREAM, self.number, self.severity)
        return words(key, self.indices, np.arange(first, first + count))

    def uniforms(self, count: int, first: int = 0, low: float = 0.0, high: float = 1.0) -> Floats:
        """Returns numbers in [low, high), float32, shape (N, count)."""
        drawn = (self.words(count, first) >> np.uint32(8)).astype(np.float32)  # 24 bits are exact in float32
        drawn *= np.float32((high - low) / 2**24)
        drawn += np.float32(low)
        return drawn

    def normals(self, count: int, first: int = 0) -> Floats:
        """Returns standard normal numbers, float32, shape (N, count).

        The halves of a word choose two of 65,536 quantiles; their sum over sqrt(2) has variance 1 and tails up to 6.
        """
        halves = self.words(count, first).view(np.uint16).reshape(len(self.indices), count, 2)
        table = _halved_quantiles()
        drawn: Floats = table.take(halves[..., 0])
        drawn += table.take(halves[..., 1])
        return drawn

    def integers(self, count: int, low: int, high: int, first: int = 0) -> NDArray[np.int64]:
        """Returns integers in [low, high), int64, shape (N, count); a range up to 2^16 is uniform to 1 in 2^16."""
        drawn = self.words(count, first).astype(np.uint64) * np.uint64(high - low) >> np.uint64(32)
        return drawn.astype(np.int64) + low


@functools.cache
def _halved_quantiles() -> Floats:
    """The middles of 65,536 equally likely parts of a normal distribution, scaled to variance 1/2."""
    from scipy.special import ndtri

    middles = ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS)
    return (middles / (np.sqrt(2) * middles.std())).astype(np.float32)
