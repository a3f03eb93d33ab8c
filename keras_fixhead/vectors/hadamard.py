"""Class vectors from a Hadamard matrix: orthogonal rows of plus and minus signs."""
import functools

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.hashing import HADAMARD_ROW_STREAM, HADAMARD_SIGN_STREAM, stream_key, words
from keras_fixhead.vectors.normalize import unit_rows


def hadamard_vectors(num_classes: int, dim: int, *, seed: int) -> NDArray[np.float32]:
    """Returns rows of a Hadamard matrix of order d, with rows and column signs chosen at random.

    Pairwise cosines are 0. Every entry is 1 / sqrt(d) or its negative. Features without negative entries reach
    sqrt(share of positive entries), about 0.71. The first rows do not depend on `num_classes`. Other d
    are rejected, because d columns of a larger matrix could contain equal rows.

    Args:
        num_classes: m, at most `dim`.
        dim: embedding size d, an order given by Sylvester's construction, Paley's two (over primes), or their products.
        seed: integer in [0, 2^64).

    Returns:
        float32 array of shape (m, d) with rows of length 1.

    Raises:
        ArgumentError: if no such matrix of order `dim` can be built; the message names the nearest orders.

    Reference: Hoffer, Hubara and Soudry (2018), Fix your classifier, arXiv:1801.04540; Paley (1933).

    Example:
        >>> W = hadamard_vectors(12, 12, seed=0)
        >>> bool(np.abs(W @ W.T - np.eye(12)).max() < 1e-6)
        True
    """
    if not has_hadamard(dim):
        below = next(order for order in range(dim - 1, 0, -1) if has_hadamard(order))
        above = next(order for order in range(dim + 1, 2 * dim) if has_hadamard(order))
        raise ArgumentError(f"No Hadamard matrix of order {dim} can be constructed here.",
                            hint=f"The nearest orders are {below} and {above}; kind 'orthogonal' takes any dim.")
    order = np.argsort(words(stream_key(seed, HADAMARD_ROW_STREAM), np.arange(dim), [0])[:, 0])
    negative = (words(stream_key(seed, HADAMARD_SIGN_STREAM), np.arange(dim), [0])[:, 0] >> np.uint32(31)).astype(bool)
    rows = hadamard_matrix(dim)[order[:num_classes]].astype(np.float64)
    return unit_rows(np.where(negative, -rows, rows))


def has_hadamard(order: int) -> bool:
    """Returns whether `hadamard_matrix` can construct a matrix of this order.

    Example:
        >>> [order for order in range(1, 30) if has_hadamard(order)]
        [1, 2, 4, 8, 12, 16, 20, 24, 28]
    """
    return _construction(order) is not None


def hadamard_matrix(order: int) -> NDArray[np.int8]:
    """Returns a matrix of signs with orthogonal rows and columns, of an order for which `has_hadamard` is true.

    Example:
        >>> hadamard_matrix(2).tolist()
        [[1, 1], [1, -1]]
    """
    construction = _construction(order)
    if construction is None:
        raise ArgumentError(f"No Hadamard matrix of order {order} can be constructed here.")
    if construction == "one":
        return np.ones((1, 1), np.int8)
    if construction == "two":
        return np.array([[1, 1], [1, -1]], np.int8)
    if construction == "paley 1":
        return _paley_1(order - 1)
    if construction == "paley 2":
        return _paley_2(order // 2 - 1)
    factor = int(construction)
    return np.kron(hadamard_matrix(factor), hadamard_matrix(order // factor)).astype(np.int8)


@functools.cache
def _construction(order: int) -> str | None:
    """How a matrix of this order is constructed: a name, the first factor of a Kronecker product, or None."""
    if order in (1, 2):
        return "one" if order == 1 else "two"
    if order < 1 or order % 4:
        return None
    if has_hadamard(order // 2):
        return "2"
    if order % 4 == 0 and _is_prime(order - 1):
        return "paley 1"  # order - 1 = 3 modulo 4
    if (order // 2 - 1) % 4 == 1 and _is_prime(order // 2 - 1):
        return "paley 2"
    for factor in range(12, int(order**0.5) + 1, 4):
        if order % factor == 0 and has_hadamard(factor) and has_hadamard(order // factor):
            return str(factor)
    return None


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _residues(prime: int) -> NDArray[np.int8]:
    """The Jacobsthal matrix: 1 where i - j is a nonzero square modulo the prime, 0 where it is 0, else -1."""
    character = np.full(prime, -1, np.int8)
    character[np.arange(1, prime, dtype=np.int64) ** 2 % prime] = 1
    character[0] = 0
    return character[np.subtract.outer(np.arange(prime), np.arange(prime)) % prime]


def _paley_1(prime: int) -> NDArray[np.int8]:
    """Order prime + 1, prime = 3 modulo 4: I + S with S skew."""
    matrix = np.eye(prime + 1, dtype=np.int8)
    matrix[0, 1:] += 1
    matrix[1:, 0] -= 1
    matrix[1:, 1:] += _residues(prime)
    return matrix


def _paley_2(prime: int) -> NDArray[np.int8]:
    """Order 2 (prime + 1), prime = 1 modulo 4: signs of the symmetric S become 2x2 blocks."""
    conference = np.zeros((prime + 1, prime + 1), np.int8)
    conference[0, 1:] = conference[1:, 0] = 1
    conference[1:, 1:] = _residues(prime)
    identity = np.eye(prime + 1, dtype=np.int8)
    return (np.kron(conference, np.array([[1, 1], [1, -1]], np.int8))
            + np.kron(identity, np.array([[1, -1], [-1, -1]], np.int8))).astype(np.int8)
