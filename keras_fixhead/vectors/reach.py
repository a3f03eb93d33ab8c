"""How close features can get to class vectors, and which features minimise the loss."""
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors.pairs import unit

_STEPS = 2_000
_HALVINGS = 100
_TOLERANCE = 1e-9  # of the loss's logarithm, at large scales


def reachable_cosine(class_vectors: ArrayLike, *, lowest: float = 0.0) -> NDArray[np.float64]:
    """Returns, for each class vector, the largest cosine that features bounded from below can reach.

    A network that ends in ReLU and pooling has features without negative entries. For unit f >= 0, w . f is largest at
    f = max(w, 0) / |max(w, 0)|, where the cosine is |max(w, 0)| / |w|. If w has no positive entry, the best f is the
    unit vector at the largest entry of w.

    After GELU, entries are at least -0.17, and the bound depends on the length of the features: those of length r have
    unit directions with entries of at least -0.17 / r. The best of these is max(t w, lowest), with the t at which its
    length is 1.

    Args:
        class_vectors: array of shape (m, d), no row all zero.
        lowest: the smallest entry that a feature vector of length 1 can have, 0 or negative.

    Returns:
        float64 array of shape (m,).

    Raises:
        ArgumentError: (a ValueError) if `class_vectors` is not an array of finite numbers of rank 2, or has a zero row;
            or if `lowest` is not a number that is at most 0.

    Example:
        >>> reachable_cosine([[3.0, -4.0], [-3.0, -4.0]]).round(6).tolist()
        [0.6, -0.6]
        >>> reachable_cosine([[3.0, -4.0]], lowest=-0.28).round(6).tolist()  # at f = (0.96, -0.28)
        [0.8]
    """
    vectors = unit(class_vectors)
    if isinstance(lowest, bool) or not isinstance(lowest, (int, float, np.number)) or not -math.inf < lowest <= 0:
        raise ArgumentError(f"lowest must be 0 or a negative number, got {lowest!r}.")
    positive_norm = np.linalg.norm(np.maximum(vectors, 0.0), axis=1)
    at_zero = np.where(positive_norm > 0, positive_norm, vectors.max(axis=1))
    if lowest == 0:
        return at_zero
    low, high = np.ones(len(vectors)), 1 / np.maximum(positive_norm, 1e-12)  # the length grows with t
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = np.linalg.norm(np.maximum(middle[:, None] * vectors, lowest), axis=1) < 1
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    found = np.einsum("ij,ij->i", np.maximum(high[:, None] * vectors, lowest), vectors)
    rest = 1 - (vectors.shape[1] - 1) * float(lowest) ** 2
    if rest <= lowest**2 or (positive_norm > 0).all():
        return found
    # entries at the bound are too short: without a positive entry in w, the largest one has to take up the rest
    largest = vectors.max(axis=1)
    return np.where(positive_norm > 0, found, math.sqrt(rest) * largest + lowest * (vectors.sum(axis=1) - largest))


@dataclass(frozen=True)
class Optimum:
    """The optimum of cross-entropy on scaled cosines, for each class; arrays of shape (m,).

    Attributes:
        cosine: the cosine between the best features and the class vector.
        probability: the softmax probability of the class.
        loss: the cross-entropy, in nats.
    """

    cosine: NDArray[np.float64]
    probability: NDArray[np.float64]
    loss: NDArray[np.float64]


def loss_optimum(class_vectors: ArrayLike, scale: float = 1.0, *, signed_features: bool = False) -> Optimum:
    """Returns the smallest possible cross-entropy of each class, and the cosine and probability there.

    The best unit f points along u = w_y - sum_j p_j w_j, where p is the softmax of scale x cosines; without negative
    entries, it points along max(u, 0). It is not w_y: for orthonormal class vectors its cosine is sqrt((m - 1) / m) at
    every scale. It is found by the Frank-Wolfe method, with steps that are halved whenever the loss would rise.

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
        pull = vectors - others @ vectors  # w_y - sum_j p_j w_j, up to a factor that may be as small as e^-S
        target = _nearest(pull / np.maximum(np.linalg.norm(pull, axis=1, keepdims=True), 1e-300), signed_features)
        moved = _unit(features + step * (target - features))
        moved_gap, moved_others = _gap(moved, vectors, scale)
        better = moved_gap < gap
        change = np.where(better, gap - moved_gap, step[:, 0])  # without progress, the step has to shrink further
        features[better], gap[better], others[better] = moved[better], moved_gap[better], moved_others[better]
        step = np.where(better[:, None], np.minimum(1.5 * step, 1.0), 0.5 * step)
        if change.max() < _TOLERANCE:
            break
    own = np.einsum("ij,ij->i", features, vectors)
    loss = np.logaddexp(0.0, gap)
    return Optimum(cosine=own, probability=np.exp(-loss), loss=loss)


def _gap(features: NDArray[np.float64], vectors: NDArray[np.float64],
         scale: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The logsumexp of the other classes minus the own logit; and the softmax over the other classes only.

    The loss is the softplus of the first. As in `losses.cross_entropy`, the target is left out of the sum: at large
    scales its probability is 1 to the last bit.
    """
    logits = scale * features @ vectors.T
    own = np.einsum("ii->i", logits).copy()
    np.fill_diagonal(logits, -np.inf)
    highest = logits.max(axis=1)
    powers = np.exp(logits - highest[:, None])
    total = powers.sum(axis=1)
    return highest + np.log(total) - own, powers / total[:, None]


def _nearest(directions: NDArray[np.float64], signed_features: bool) -> NDArray[np.float64]:
    """The unit features along directions; unless signed, the closest ones without negative entries."""
    if signed_features:
        return directions.copy()
    positive = np.maximum(directions, 0.0)
    nothing = ~positive.any(axis=1)
    positive[nothing, directions[nothing].argmax(axis=1)] = 1.0
    return _unit(positive)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
