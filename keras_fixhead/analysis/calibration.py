"""Whether probabilities mean what they say: calibration errors, proper scores, reliability, temperature.

Logits and probabilities have shape (N, m), labels (N,). Confidence is the probability of the predicted class.
"""
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keras_fixhead.analysis.arrays import checked_labels, finite_rows
from keras_fixhead.errors import ArgumentError

BINS = 15
"""Number of bins of a calibration error, as in Guo et al. (2017)."""
TEMPERATURES = (1e-3, 1e3)
"""Range in which a temperature is fitted."""


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Returns log-probabilities in float64, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) for logits that are not finite, or of another rank.

    Example:
        >>> np.exp(log_softmax([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    rows = finite_rows("logits", logits)
    shifted = rows - rows.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike) -> float:
    """Returns the mean cross-entropy, in nats.

    Example:
        >>> round(negative_log_likelihood([[0.0, 0.0]], [1]), 6)
        0.693147
    """
    logs = log_softmax(logits)
    own = checked_labels(labels, *logs.shape)
    return float(-logs[np.arange(len(own)), own].mean())


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Returns the mean squared distance of probabilities from the one-hot label, summed over classes: in [0, 2].

    Reference: Brier (1950), Monthly Weather Review 78, in its original form for several classes.

    Example:
        >>> brier_score([[0.5, 0.5]], [0])
        0.5
    """
    rows = finite_rows("probabilities", probabilities)
    own = checked_labels(labels, *rows.shape)
    # |p - e_y|^2 = |p|^2 - 2 p_y + 1
    return float(((rows**2).sum(axis=1) - 2 * rows[np.arange(len(own)), own] + 1).mean())


@dataclass(frozen=True)
class Reliability:
    """Bins of confidence; arrays of shape (bins,). An empty bin has a count of 0, and NaN elsewhere.

    Attributes:
        edges: borders of the bins, shape (bins + 1,); a bin is open on the left and closed on the right.
        count: number of images.
        confidence: mean confidence.
        accuracy: share of correct predictions.
    """

    edges: NDArray[np.float64]
    count: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between accuracy and confidence, weighted by count."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float((gaps * self.count[filled]).sum() / self.count.sum())

    @property
    def largest_gap(self) -> float:
        """Maximum calibration error: the largest gap of any bin with images."""
        return float(np.nanmax(np.abs(self.accuracy - self.confidence)))

    def as_dict(self) -> dict[str, Any]:
        """Returns the bins, ready for JSON; None for the means of empty bins."""
        return {"edges": self.edges.tolist(), "count": self.count.tolist(),
                **{name: [None if math.isnan(each) else each for each in getattr(self, name).tolist()]
                   for name in ("confidence", "accuracy")}}


def reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Returns bins of equal width over [0, 1]; a confidence of exactly 1 is in the last one.

    Args:
        probabilities: shape (N, m).
        labels: integers in [0, m), shape (N,).
        bins: number of bins.

    Raises:
        ArgumentError: (a ValueError) for probabilities that are not finite or not in [0, 1].

    Reference: Guo et al. (2017), arXiv:1706.04599, Equations 2 and 3.

    Example:
        >>> found = reliability([[0.8, 0.2], [0.8, 0.2]], [0, 1], bins=5)
        >>> found.count.tolist(), round(found.error, 6)
        ([0, 0, 0, 2, 0], 0.3)
    """
    confidence, correct = _confidence(probabilities, labels)
    edges = np.linspace(0, 1, bins + 1)
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    return _binned(index, edges, confidence, correct)


def adaptive_reliability(probabilities: ArrayLike, labels: ArrayLike, bins: int = BINS) -> Reliability:
    """Returns bins with equal numbers of images (to within one), in the order of their confidence.

    Equal confidences are in one bin, so that the result does not depend on the order of the images: a bin ends at the
    last image with its last confidence.

    Reference: Nguyen and O'Connor (2015), arXiv:1508.05154.

    Example:
        >>> found = adaptive_reliability([[0.6, 0.4], [0.7, 0.3], [0.9, 0.1], [1.0, 0.0]], [0, 0, 0, 0], bins=2)
        >>> found.count.tolist(), round(found.error, 6)
        ([2, 2], 0.2)
    """
    confidence, correct = _confidence(probabilities, labels)
    ranked = np.sort(confidence)
    ends = np.unique(ranked[np.ceil(np.arange(1, bins + 1) * len(ranked) / bins).astype(int) - 1])
    edges = np.concatenate([[0.0], ends])
    return _binned(np.searchsorted(ends, confidence, side="left"), edges, confidence, correct)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Returns the temperature T for which softmax(logits / T) has the smallest cross-entropy.

    Fit it on validation images. It changes neither the predicted classes nor the ranking of one image's classes. The
    cross-entropy is convex in 1 / T. If every image is classified correctly, it falls all the way to T = 0, and if the
    logits say nothing, it rises from T = infinity: the result is then the end of `TEMPERATURES`.

    Args:
        logits: shape (N, m).
        labels: integers in [0, m), shape (N,).

    Raises:
        ArgumentError: (a ValueError) for logits that are not finite, or labels out of range.

    Reference: Guo et al. (2017), arXiv:1706.04599, Equation 9.

    Example:
        >>> logits = np.log([[0.9, 0.1]] * 10)  # says 90 %, is right in 6 of 10
        >>> temperature = fit_temperature(logits, [0] * 6 + [1] * 4)
        >>> round(float(np.exp(log_softmax(logits / temperature))[0, 0]), 6)
        0.6
    """
    rows = finite_rows("logits", logits)
    own = checked_labels(labels, *rows.shape)
    centred = rows - rows.max(axis=1, keepdims=True)
    target = centred[np.arange(len(own)), own]

    def slope(log_factor: float) -> float:
        """The derivative of the cross-entropy by 1 / T."""
        powers = np.exp(math.exp(log_factor) * centred)
        return float(((powers * centred).sum(axis=1) / powers.sum(axis=1) - target).mean())

    low, high = -math.log(TEMPERATURES[1]), -math.log(TEMPERATURES[0])
    if slope(low) >= 0:
        return TEMPERATURES[1]
    if slope(high) <= 0:
        return TEMPERATURES[0]
    from scipy.optimize import brentq  # slow to import

    return math.exp(-brentq(slope, low, high, xtol=1e-12))


def probability_ceiling(num_classes: int, scale: float) -> float:
    """Returns the largest softmax probability that cosine logits of scale S allow: e^S / (e^S + (m - 1) e^-S).

    Reference: Equation 5 of arXiv:2011.08704.

    Example:
        >>> round(probability_ceiling(10, 1.0), 4)
        0.4509
    """
    return 1 / (1 + (num_classes - 1) * math.exp(-2 * scale))


def _confidence(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows = finite_rows("probabilities", probabilities)
    if rows.min() < 0 or rows.max() > 1 + 1e-6:
        raise ArgumentError(f"probabilities must be in [0, 1], got {rows.min():g} to {rows.max():g}.")
    own = checked_labels(labels, *rows.shape)
    return np.minimum(rows.max(axis=1), 1.0), rows.argmax(axis=1) == own


def _binned(index: NDArray[np.integer[Any]], edges: NDArray[np.float64], confidence: NDArray[np.float64],
            correct: NDArray[np.bool_]) -> Reliability:
    bins = len(edges) - 1
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(index, values, minlength=bins) / count for values in (confidence, correct.astype(float))]
    return Reliability(edges, count, *means)
