"""Losses as functions of integer labels and logits: one value an example, usable from `compile`."""
from typing import Any

from keras import ops


def cross_entropy(labels: Any, logits: Any, label_smoothing: float = 0.0) -> Any:
    """Returns the softmax cross-entropy of each example.

    With smoothing e over m classes the target gives 1 - e + e / m to the true class and e / m to each other:
    loss = logsumexp(z) - (1 - e) z_y - e mean(z).

    Args:
        labels: integers in [0, m), shape (N,) or (N, 1).
        logits: float32, shape (N, m).
        label_smoothing: e in [0, 1).

    Returns:
        float32 tensor of shape (N,).

    Reference: label smoothing of Szegedy et al. (2016), arXiv:1512.00567, section 7.

    Example:
        >>> round(float(cross_entropy([0], [[0.0, 0.0]])[0]), 4)
        0.6931
    """
    logits = ops.cast(logits, "float32")
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    true_logits = ops.squeeze(ops.take_along_axis(logits, labels[:, None], axis=1), axis=1)  # (N,)
    loss = ops.logsumexp(logits, axis=1) - true_logits
    if label_smoothing:
        loss = loss + label_smoothing * (true_logits - ops.mean(logits, axis=1))
    return loss
