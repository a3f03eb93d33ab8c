"""What one pass over the class vectors tells about a batch, and handing it from the loss to metrics."""
import contextlib
import weakref
from dataclasses import dataclass
from typing import Any

from keras import ops

from keras_fixhead.streaming.rows import Rows, backend_is


@dataclass(frozen=True)
class Streamed:
    """The result of one pass; tensors of shape (N,).

    Attributes:
        loss: cross-entropy, with margin and smoothing.
        numbers: class numbers, int32; -1 for an invalid label.
        own: cosine to the vector of the own class, or dot product with it; NaN for an invalid label.
        highest: the largest cosine or dot product of the other classes.
        cross_entropy: the loss without margin and smoothing.
    """

    loss: Any
    numbers: Any
    own: Any
    highest: Any
    cross_entropy: Any


@dataclass(frozen=True)
class Read:
    """What a loss read from its head.

    Attributes:
        head: the head.
        source: its class vectors.
        scale: its S, without a gradient; None to ask the head.
    """

    head: Any
    source: Rows
    scale: Any = None


_KEPT = "_keras_fixhead_streamed"  # an attribute, and not a dictionary: the result of a graph holds the whole graph

_reads: dict[int, tuple[Any, Any, Rows, Any]] = {}  # id of the features -> weak references to them and their head, ...


def keep(labels: Any, features: Any, result: Streamed) -> None:
    """Keeps the result of exactly these labels and features with the features."""
    with contextlib.suppress(AttributeError):  # tensors of JAX take no attributes; metrics then make their own pass
        setattr(features, _KEPT, (labels, result))


def kept(labels: Any, features: Any) -> Streamed | None:
    """Returns the result that was kept for exactly these labels and features; None if there is none."""
    of, result = getattr(features, _KEPT, (None, None))
    return result if of is labels else None


def note_read(features: Any, read: Read) -> None:
    """Notes what a loss read from the head of these features, for as long as they exist.

    On JAX, metrics cannot read the weights of a model; the tensors that the loss read are still valid there. They get
    the features themselves, where the loss in training gets a tracer of their gradient.
    """
    if not backend_is("jax"):
        return
    features = _without_gradient(features)
    key = id(features)
    scale = read.scale if isinstance(read.scale, float) else ops.stop_gradient(read.scale)
    with contextlib.suppress(TypeError):  # features that do not support weak references
        reference = weakref.ref(features, lambda _: _reads.pop(key, None))
        _reads[key] = reference, weakref.ref(read.head), read.source, scale


def read_for(features: Any) -> Read | None:
    """Returns what a loss read for exactly these features; None if it is not known."""
    reference, head, source, scale = _reads.get(id(features), (None, None, None, None))
    if reference is None or head is None or source is None or reference() is not features or head() is None:
        return None
    return Read(head(), source, scale)


def _without_gradient(tensor: Any) -> Any:
    while hasattr(tensor, "primal"):
        tensor = tensor.primal
    return tensor
