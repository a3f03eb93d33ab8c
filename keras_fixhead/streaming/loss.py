"""The loss of features under a head, exact, with logits of one chunk of classes at a time."""
import math
from typing import Any

from keras import ops

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.losses.arguments import checked_smoothing, margin_size_of
from keras_fixhead.losses.compiled import check_takes_cosines
from keras_fixhead.losses.labels import numbers_among
from keras_fixhead.losses.margins import arcface_cosine, cosface_cosine
from keras_fixhead.streaming.chunks import chunk_rows
from keras_fixhead.streaming.head import StreamingHead
from keras_fixhead.streaming.passes import logsumexp_of_others, sum_of_rows
from keras_fixhead.streaming.result import Read, Streamed, note_read
from keras_fixhead.streaming.rows import Rows

_WITH_MARGIN = {"cosface": cosface_cosine, "arcface": arcface_cosine}


def streaming_loss(labels: Any, features: Any, head: StreamingHead, *, margin: str = "none",
                   margin_size: float | None = None, label_smoothing: float = 0.0, training: bool = True) -> Any:
    """Returns each example's softmax cross-entropy, with or without a margin, from its features and the head.

    It equals `losses.loss_of` with a `HypersphereHead`. Gradients of the features and of a learned scale are exact:

        loss = softplus(L - t),    L = logsumexp of S u . w_c over the other classes c,    t = S psi(u . w_y)

    with u = f / |f| for cosine logits and f for dot logits, and psi the margin. L and its gradient come in one pass.

    Args:
        labels: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        features: tensor of shape (N, d): the output of the head.
        head: the head; with a margin, one with cosine logits.
        margin: 'none', or a name in `catalog.MARGINS`: 'cosface' or 'arcface'.
        margin_size: size of the margin; None for the published one.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        training: False skips what only the gradient needs. In eager execution and on JAX, a gradient is then still
            exact, but takes a second pass; a `tf.function` that is first called outside a gradient tape has none, and
            says so.

    Returns:
        tensor of shape (N,), in the head's precision. In a compiled step, the loss of an invalid label is NaN.

    Raises:
        ArgumentError: (a ValueError) for an argument out of range, a margin that does not fit the head, or, in eager
            execution, a label that is not a valid class.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> features = head(np.array([[3.0, 3.0]], "float32"))
        >>> round(float(streaming_loss([0], features, head)[0]), 4)
        0.6931
    """
    return streamed(labels, features, head, margin=margin, margin_size=margin_size, label_smoothing=label_smoothing,
                    training=training).loss


def streamed(labels: Any, features: Any, head: StreamingHead, *, margin: str = "none",
             margin_size: float | None = None, label_smoothing: float = 0.0, training: bool = True,
             read: Read | None = None) -> Streamed:
    """Returns the loss of `streaming_loss` with what the same pass tells about each example.

    Args:
        read: what another loss read from the head; None to read it.
    """
    size = _checked(head, margin, margin_size)
    smoothing = checked_smoothing(label_smoothing)
    unit, numbers = _prepared(labels, features, head)
    source, scale = _read(features, head) if read is None else (read.source, read.scale)
    scale = head.current_scale() if scale is None else scale
    rows = head.rows_per_chunk(unit.shape[0])
    weights = unit * (scale * source.factor)
    others, highest = logsumexp_of_others(weights, numbers, source, rows=rows, ahead=training)
    own = _own_products(unit, numbers, source)
    cross_entropy = loss = ops.softplus(others - scale * own)
    target = scale * (own if margin == "none" else _WITH_MARGIN[margin](own, size))
    if margin != "none":
        loss = ops.softplus(others - target)
    if smoothing:
        # the mean of all logits, that of the true class with its margin
        fitting = min(rows, chunk_rows(head.memory_bytes, 1, source.shape[1]))  # a chunk is converted as a whole
        total = ops.matmul(weights, sum_of_rows(source, rows=fitting, dtype=unit.dtype)[:, None])[:, 0]
        loss = loss + smoothing * (target - (total - scale * own + target) / head.num_classes)
    return Streamed(loss, numbers, own, highest / scale, cross_entropy)


def own_and_highest(labels: Any, features: Any, head: StreamingHead, source: Rows) -> tuple[Any, Any]:
    """Returns the cosine or dot product with the own class vector, and the largest one with another; each (N,)."""
    unit, numbers = _prepared(labels, features, head)
    highest = logsumexp_of_others(unit * source.factor, numbers, source, rows=head.rows_per_chunk(unit.shape[0]),
                                  ahead=False)[1]
    return _own_products(unit, numbers, source), highest


def _read(features: Any, head: StreamingHead) -> tuple[Rows, Any]:
    """The class vectors and S of a head, which are noted for metrics on these features."""
    source, scale = head.rows().for_training(), head.current_scale()
    note_read(features, Read(head, source, scale))
    return source, scale


def _prepared(labels: Any, features: Any, head: StreamingHead) -> tuple[Any, Any]:
    """What is multiplied with the class vectors, (N, d), and the class numbers."""
    features = ops.cast(ops.convert_to_tensor(features), head.compute_dtype)
    if len(features.shape) != 2:
        raise ArgumentError(f"features must have shape (N, {head.dim}), got {tuple(features.shape)}.")
    return head.directions(features), numbers_among(labels, features, head.num_classes)


def _own_products(unit: Any, numbers: Any, source: Rows) -> Any:
    own_rows = ops.cast(source.take(ops.maximum(numbers, 0)), unit.dtype) * source.factor
    return ops.where(numbers < 0, ops.cast(math.nan, unit.dtype), ops.sum(unit * own_rows, axis=1))


def _checked(head: Any, margin: str, margin_size: float | None) -> float:
    """The size of the margin; 0 without one."""
    if not isinstance(head, StreamingHead):
        raise ArgumentError(f"head must be a StreamingHead, got {type(head).__name__}.",
                            hint="Pass StreamingHead.of(head)." if isinstance(head, HypersphereHead) else None)
    entry, size = margin_size_of(margin, margin_size)
    if entry is not None:
        check_takes_cosines(f"Margin {margin!r}", head, otherwise="leave out the margin")
    return size
