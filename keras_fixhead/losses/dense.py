"""The loss of features under a head, computed from all logits."""
from typing import Any

from keras_fixhead.catalog import import_object
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses.arguments import margin_size_of
from keras_fixhead.losses.compiled import check_takes_cosines
from keras_fixhead.losses.cross_entropy import cross_entropy


def loss_of(labels: Any, features: Any, head: HypersphereHead, *, margin: str = "none",
            margin_size: float | None = None, label_smoothing: float = 0.0, training: bool | None = None) -> Any:
    """Returns each example's softmax cross-entropy, with or without a margin, from its features and the head.

    It computes all m logits of an example at once.

    Args:
        labels: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        features: tensor of shape (N, d).
        head: the head; with a margin, one with cosine logits and without bias.
        margin: 'none', or a name in `catalog.MARGINS`: 'cosface' or 'arcface'.
        margin_size: size of the margin; None for the published one.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        training: whether a schedule of S advances by one step.

    Returns:
        tensor of shape (N,), in the head's precision.

    Raises:
        ArgumentError: (a ValueError) for an argument out of range, a margin that does not fit the head, or, in eager
            execution, a label that is not a valid class; in a compiled step the loss is NaN instead.

    Example:
        >>> import numpy as np
        >>> head = HypersphereHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> round(float(loss_of([0], np.array([[3.0, 3.0]], "float32"), head)[0]), 4)
        0.6931
    """
    if not isinstance(head, HypersphereHead):
        raise ArgumentError(f"head must be a HypersphereHead, got {type(head).__name__}.")
    entry, size = margin_size_of(margin, margin_size)
    if entry is None:
        return cross_entropy(labels, head(features, training=training), label_smoothing)
    check_takes_cosines(f"Margin {margin!r}", head, otherwise="leave out the margin")
    logits = head(features, training=training)
    logits = import_object(entry.function)(labels, logits, head.current_scale(), size)
    return cross_entropy(labels, logits, label_smoothing)
