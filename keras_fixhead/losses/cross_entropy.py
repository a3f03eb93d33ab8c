"""Softmax cross-entropy of labels and logits, accurate even when it is small."""
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_fixhead.errors import ArgumentError
from keras_fixhead.losses.arguments import checked_smoothing
from keras_fixhead.losses.labels import class_numbers, full_precision_of, target_logits, target_mask


def cross_entropy(labels: Any, logits: Any, label_smoothing: float = 0.0) -> Any:
    """Returns the softmax cross-entropy of each example.

    With smoothing e over m classes, the target is 1 - e + e / m for the true class and e / m for every other class:

        loss = softplus(L - z_y) + e (z_y - mean(z)),    L = logsumexp of the other classes' logits

    The target is left out of L, so that a loss of 1e-8, which occurs at large scales, is not rounded to 0 in float32.

    Args:
        labels: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        logits: float tensor of shape (N, m), m at least 2; computed in float64 if they are float64, else in float32.
        label_smoothing: e in [0, 1).

    Returns:
        tensor of shape (N,). In a compiled step, the loss of a label that is not a valid class is NaN.

    Raises:
        ArgumentError: (a ValueError) in eager execution, for labels that are not valid classes.

    Reference: label smoothing of Szegedy et al. (2016), arXiv:1512.00567, section 7.

    Example:
        >>> round(float(cross_entropy([0], [[0.0, 0.0]])[0]), 4)
        0.6931
    """
    smoothing = checked_smoothing(label_smoothing)
    logits = full_precision_of(logits)
    numbers = class_numbers(labels, logits)
    target = target_logits(numbers, logits)
    others = ops.logsumexp(ops.where(target_mask(numbers, logits), -1e30, logits), axis=1)
    loss = ops.softplus(others - target)
    if smoothing:
        loss = loss + smoothing * (target - ops.mean(logits, axis=1))
    return loss


def mixed(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Returns the loss for images mixed in pairs: share * loss(label) + (1 - share) * loss(label of the partner).

    Args:
        loss: function of (labels, logits) that returns one value per example; it may also be an accuracy.

    Returns:
        function of (labels, logits) whose labels are (N, 3): label, label of the partner, share of the first in [0, 1].

    Reference: Zhang et al. (2018), arXiv:1710.09412.

    Example:
        >>> round(float(mixed(cross_entropy)([[0, 1, 0.5]], [[9.0, 0.0]])[0]), 4)
        4.5001
    """
    def both(labels: Any, logits: Any) -> Any:
        labels = ops.cast(labels, "float32")
        if len(labels.shape) != 2 or labels.shape[1] != 3:
            raise ArgumentError(f"Labels of mixed images must have shape (N, 3), got {tuple(labels.shape)}.")
        share = labels[:, 2]
        return share * loss(labels[:, 0], logits) + (1 - share) * loss(labels[:, 1], logits)

    return both


def accuracy(labels: Any, logits: Any) -> Any:
    """Returns 1.0 for each example whose largest logit is that of its label, else 0.0.

    Example:
        >>> float(accuracy([1], [[0.0, 2.0]])[0])
        1.0
    """
    logits = ops.convert_to_tensor(logits)
    return ops.cast(ops.cast(ops.argmax(logits, axis=1), "int32") == class_numbers(labels, logits), "float32")
