"""How near features can come to class vectors, and where the loss would have them."""
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.pairs import unit

_STEPS = 500
_TOLERANCE = 1e-10


def reachable_cosine(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Returns, for each class vector, the largest cosine that features without negative entries can have to it.

    A network that ends in ReLU and average pooling has such features. For unit f >= 0, w . f is largest at
    f = max(w, 0) / |max(w, 0)|, which gives |max(w, 0)| / |w|; where w has no positive entry, the best f lies
    on w's largest entry.

    Args:
        class_vectors: array of shape (m, d), no row all zero.

    Returns:
        float64 array of shape (m,).

    Raises:
        ValueError: if `class_vectors` is not of rank 2.

    Example:
        >>> reachable_cosine([[3.0, -4.0], [-3.0, -4.0]]).round(6).tolist()
        [0.6, -0.6]
    """
    vectors = unit(class_vectors)
    positive_norm = np.linalg.norm(np.maximum(vectors, 0.0), axis=1)
    return np.where(positive_norm > 0, positive_norm, vectors.max(axis=1))


@dataclass(frozen=True)
class Optimum:
    """The features of each class that cross-entropy on scaled cosines asks for; arrays of shape (m,).

    Attributes:
        cosine: their cosine to the class vector.
        probability: the softmax probability of the class.
        loss: its cross-entropy, in nats.
    """

    cosine: NDArray[np.float64]
    probability: NDArray[np.float64]
    loss: NDArray[np.float64]


def loss_optimum(class_vectors: ArrayLike, scale: float = 1.0, *, signed_features: bool = False) -> Optimum:
    """Returns what the features with the smallest cross-entropy give, class by class.

    The best unit f is along u = w_y - sum_j p_j w_j, p the softmax of scale x cosines; without negative entries along
    max(u, 0). It is not w_y: for orthonormal class vectors its cosine is sqrt((m - 1) / m) at every scale. Found by
    repeating this step until nothing moves.

    Args:
        class_vectors: array of shape (m, d), m at least 2, no row all zero.
        scale: S, a positive number.
        signed_features: whether features may have negative entries.

    Raises:
        ArgumentError: (a ValueError) for a scale that is no positive number.

    Example:
        >>> optimum = loss_optimum(np.eye(10), scale=1.0, signed_features=True)
        >>> round(float(optimum.cosine[0]), 4), round(float(optimum.loss[0]), 4)
        (0.9487, 1.4199)
    """
    if not (math.isfinite(scale) and scale > 0):
        raise ArgumentError(f"scale must be a positive number, got {scale!r}.")
    vectors = unit(class_vectors)
    features = _nearest(vectors, signed_features)
    logits = scale * features @ vectors.T
    for _ in range(_STEPS):
        pull = vectors - _softmax(logits) @ vectors
        lengths = np.linalg.norm(pull, axis=1, keepdims=True)
        # half of the way: for large scales whole steps can go to and fro
        moved = _unit(features + _nearest(pull / np.maximum(lengths, 1e-300), signed_features))
        change = np.abs(moved - features).max()
        features, logits = moved, scale * moved @ vectors.T
        if change < _TOLERANCE:
            break
    own = np.einsum("ij,ij->i", features, vectors)
    others = logits.copy()
    np.fill_diagonal(others, -np.inf)
    highest = others.max(axis=1)
    others_sum = highest + np.log(np.exp(others - highest[:, None]).sum(axis=1))
    loss = np.logaddexp(0.0, others_sum - scale * own)
    return Optimum(cosine=own, probability=np.exp(-loss), loss=loss)


def _nearest(directions: NDArray[np.float64], signed_features: bool) -> NDArray[np.float64]:
    """The unit features along directions, or those nearest to them that have no negative entry."""
    if signed_features:
        return directions
    positive = np.maximum(directions, 0.0)
    nothing = ~positive.any(axis=1)
    positive[nothing, directions[nothing].argmax(axis=1)] = 1.0
    return _unit(positive)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
