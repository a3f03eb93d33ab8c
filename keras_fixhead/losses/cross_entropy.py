"""Softmax cross-entropy of integer labels, exact where it is small."""
from collections.abc import Callable
from typing import Any

from keras import ops


def cross_entropy(labels: Any, logits: Any, label_smoothing: float = 0.0) -> Any:
    """Returns the softmax cross-entropy of each example.

    With smoothing e over m classes the target gives 1 - e + e / m to the true class and e / m to each other:

        loss = softplus(L - z_y) + e (z_y - mean(z)),    L = logsumexp of the other classes' logits

    The target stays out of L, so that a loss of 1e-8, which large scales reach, is not rounded to 0 in float32.

    Args:
        labels: integers in [0, m), shape (N,) or (N, 1).
        logits: float tensor of shape (N, m), m at least 2; compared in float32.
        label_smoothing: e in [0, 1).

    Returns:
        float32 tensor of shape (N,).

    Reference: label smoothing of Szegedy et al. (2016), arXiv:1512.00567, section 7.

    Example:
        >>> round(float(cross_entropy([0], [[0.0, 0.0]])[0]), 4)
        0.6931
    """
    logits = ops.cast(logits, "float32")
    labels = flat_labels(labels)
    target = target_logits(labels, logits)
    others = ops.logsumexp(ops.where(target_mask(labels, logits), -1e30, logits), axis=1)
    loss = ops.softplus(others - target)
    if label_smoothing:
        loss = loss + label_smoothing * (target - ops.mean(logits, axis=1))
    return loss


def flat_labels(labels: Any) -> Any:
    """Returns integer labels of shape (N,) or (N, 1) as int32 of shape (N,)."""
    return ops.reshape(ops.cast(labels, "int32"), (-1,))


def target_logits(labels: Any, logits: Any) -> Any:
    """Returns the logit of each example's label: (N,) from labels (N,) and logits (N, m)."""
    return ops.squeeze(ops.take_along_axis(logits, labels[:, None], axis=1), axis=1)


def target_mask(labels: Any, logits: Any) -> Any:
    """Returns a boolean (N, m) tensor that is true at each example's label."""
    return ops.arange(ops.shape(logits)[1], dtype="int32")[None, :] == labels[:, None]


def mixed(loss: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Returns the loss of images that were mixed in pairs: share loss(label) + (1 - share) loss(partner's label).

    Args:
        loss: function of (labels, logits) that gives one value an example; it may be an accuracy as well.

    Returns:
        function of (labels, logits) whose labels are (N, 3): label, partner's label, share of the first in [0, 1].

    Reference: Zhang et al. (2018), arXiv:1710.09412.

    Example:
        >>> round(float(mixed(cross_entropy)([[0, 1, 0.5]], [[9.0, 0.0]])[0]), 4)
        4.5001
    """
    def both(labels: Any, logits: Any) -> Any:
        labels = ops.cast(labels, "float32")
        share = labels[:, 2]
        return share * loss(labels[:, 0], logits) + (1 - share) * loss(labels[:, 1], logits)

    return both


def accuracy(labels: Any, logits: Any) -> Any:
    """Returns 1.0 for each example whose largest logit is that of its label, else 0.0.

    Example:
        >>> float(accuracy([1], [[0.0, 2.0]])[0])
        1.0
    """
    return ops.cast(ops.argmax(logits, axis=1) == flat_labels(labels), "float32")
