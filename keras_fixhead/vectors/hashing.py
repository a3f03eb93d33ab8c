"""A counter-based integer hash: word k of item c is a fixed function of (seed, stream, c, k).

Everything in this library that must be the same on every platform, NumPy version and backend is drawn from it: class
vectors, the order of an epoch, crops and flips, held-out images, impulse noise. It uses uint32 only, so that a graph on
any backend can make the same draws. The words of an item do not depend on the number of items, or on how they are
split into chunks.

`lowbias32` (public domain) is the mixing function.
"""
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# One stream per use, so that uses of the same seed are independent. A stream number is never reused.
RADEMACHER_STREAM: Final = 0
CUBE_STREAM: Final = 1
UNIFORM_STREAM: Final = 2
ROTATION_STREAM: Final = 3
HADAMARD_SIGN_STREAM: Final = 4
HADAMARD_ROW_STREAM: Final = 5
SPLIT_STREAM: Final = 16
ORDER_STREAM: Final = 17
AUGMENT_STREAM: Final = 18
INITIALIZER_STREAM: Final = 19
CORRUPTION_STREAM: Final = 20
MIX_STREAM: Final = 21
SIDE_STREAM: Final = 22
BALANCE_STREAM: Final = 23
BOOTSTRAP_STREAM: Final = 32

_MASK: Final = 0xFFFFFFFF
_GOLDEN: Final = 0x9E3779B9


def mix_int(x: int) -> int:
    """Returns the 32-bit mix of `x`, a bijection of [0, 2^32), in Python integers.

    Example:
        >>> mix_int(1)
        1753845952
    """
    x &= _MASK
    x ^= x >> 16
    x = x * 0x7FEB352D & _MASK
    x ^= x >> 15
    x = x * 0x846CA68B & _MASK
    return x ^ x >> 16


def mix(x: Any, xp: Any = np) -> Any:
    """Returns the 32-bit mix of every element of a uint32 array, in a new array; `xp` is `numpy` or `keras.ops`."""
    x = x ^ xp.right_shift(x, np.uint32(16))
    x *= np.uint32(0x7FEB352D)
    x ^= xp.right_shift(x, np.uint32(15))
    x *= np.uint32(0x846CA68B)
    x ^= xp.right_shift(x, np.uint32(16))
    return x


def stream_key(seed: int, *stream: int) -> int:
    """Returns the 32-bit key of a stream of a seed.

    Args:
        seed: an integer in [0, 2^64).
        stream: one of the stream numbers of this module, and whatever else identifies the use (an epoch, a severity).

    Example:
        >>> stream_key(0, UNIFORM_STREAM) != stream_key(0, CUBE_STREAM)
        True
    """
    key = mix_int(mix_int((seed & _MASK) + _GOLDEN) ^ (seed >> 32))
    for part in stream:
        key = mix_int(key ^ part)
    return key


def words(key: int, items: ArrayLike, positions: ArrayLike) -> NDArray[np.uint32]:
    """Returns the words at `positions` of the streams of `items`.

    At any position the map from item to word is a bijection: no two items share a word, so sorting items by it is a
    permutation without ties.

    Args:
        key: a 32-bit key from `stream_key`.
        items: integers in [0, 2^32), shape (N,).
        positions: integers in [0, 2^32), shape (K,).

    Returns:
        uint32 array of shape (N, K).

    Example:
        >>> words(stream_key(0, RADEMACHER_STREAM), [5], [0, 1]).shape
        (1, 2)
    """
    item_keys = mix(np.asarray(items, np.uint32) ^ np.uint32(key))
    return mix(item_keys[:, None] ^ word_keys(key, positions)[None, :])


def word_keys(key: int, positions: ArrayLike) -> NDArray[np.uint32]:
    """Returns the keys of word positions: word k of an item is the mix of the item's key xor the key of k.

    Args:
        key: a 32-bit key from `stream_key`.
        positions: integers in [0, 2^32), shape (K,).

    Example:
        >>> word_keys(stream_key(0, RADEMACHER_STREAM), [0, 1]).shape
        (2,)
    """
    # uint64 first: NumPy warns when a scalar uint32 sum overflows, and the mask makes the intent explicit
    offsets = (np.asarray(positions, np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN) + np.uint64(key)
    return mix((offsets & np.uint64(_MASK)).astype(np.uint32))
