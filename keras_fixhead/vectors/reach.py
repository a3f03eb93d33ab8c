"""How near features can come to class vectors, and where the loss would have them."""
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.pairs import unit

_STEPS = 2_000
_TOLERANCE = 1e-9  # of the loss's logarithm, at large scales


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
        ArgumentError: (a ValueError) if `class_vectors` is not an array of finite numbers of rank 2, or has a zero row.

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
    going towards it, in steps that are halved where the loss would rise (Frank and Wolfe's method).

    Args:
        class_vectors: array of shape (m, d), m at least 2, no row all zero.
        scale: S, a positive number.
        signed_features: whether features may have negative entries.

    Raises:
        ArgumentError: (a ValueError) for a scale that is not a positive number.

    Example:
        >>> optimum = loss_optimum(np.eye(10), scale=1.0, signed_features=True)
        >>> round(float(optimum.cosine[0]), 4), round(float(optimum.loss[0]), 4)
        (0.9487, 1.4199)
    """
    if isinstance(scale, bool) or not isinstance(scale, (int, float, np.number)) or not 0 < scale < math.inf:
        raise ArgumentError(f"scale must be a positive number, got {scale!r}.")
    vectors = unit(class_vectors)
    features = _nearest(vectors, signed_features)
    gap, others = _gap(features, vectors, scale)
    step = np.ones((len(vectors), 1))
    for _ in range(_STEPS):
        pull = vectors - others @ vectors  # w_y - sum_j p_j w_j, but for a factor that may be as small as e^-S
        target = _nearest(pull / np.maximum(np.linalg.norm(pull, axis=1, keepdims=True), 1e-300), signed_features)
        moved = _unit(features + step * (target - features))
        moved_gap, moved_others = _gap(moved, vectors, scale)
        better = moved_gap < gap
        change = np.where(better, gap - moved_gap, step[:, 0])  # where nothing was won, the step has to shrink further
        features[better], gap[better], others[better] = moved[better], moved_gap[better], moved_others[better]
        step = np.where(better[:, None], np.minimum(1.5 * step, 1.0), 0.5 * step)
        if change.max() < _TOLERANCE:
            break
    own = np.einsum("ij,ij->i", features, vectors)
    loss = np.logaddexp(0.0, gap)
    return Optimum(cosine=own, probability=np.exp(-loss), loss=loss)


def _gap(features: NDArray[np.float64], vectors: NDArray[np.float64],
         scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ln of the sum of the other classes' powers, less the own logit; and the softmax over the other classes alone.

    The loss is softplus of the first. The target stays out, as in `losses.cross_entropy`: its probability is 1 to the
    last bit at large scales.
    """
    logits = scale * features @ vectors.T
    own = np.einsum("ii->i", logits).copy()
    np.fill_diagonal(logits, -np.inf)
    highest = logits.max(axis=1)
    powers = np.exp(logits - highest[:, None])
    total = powers.sum(axis=1)
    return highest + np.log(total) - own, powers / total[:, None]


def _nearest(directions: NDArray[np.float64], signed_features: bool) -> NDArray[np.float64]:
    """The unit features along directions, or those nearest to them that have no negative entry."""
    if signed_features:
        return directions.copy()
    positive = np.maximum(directions, 0.0)
    nothing = ~positive.any(axis=1)
    positive[nothing, directions[nothing].argmax(axis=1)] = 1.0
    return _unit(positive)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
