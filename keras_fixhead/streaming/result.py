"""What one pass over the class vectors tells about a batch, and handing it from the loss to metrics."""
import threading
import weakref
from dataclasses import dataclass
from typing import Any

from keras_fixhead.streaming.rows import Rows


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


_results: dict[int, tuple[Any, Streamed]] = {}  # id of the features -> weak reference to them, and their result


def keep(features: Any, result: Streamed) -> None:
    """Keeps the result of exactly these features for as long as they exist."""
    key = id(features)
    try:
        _results[key] = (weakref.ref(features, lambda _: _results.pop(key, None)), result)
    except TypeError:  # a tensor that does not support weak references
        _results.pop(key, None)


def kept(features: Any) -> Streamed | None:
    """Returns the result that was kept for exactly these features; None if there is none."""
    reference, result = _results.get(id(features), (None, None))
    return result if reference is not None and reference() is features else None


class _Recent(threading.local):
    """The heads that losses were called for since metrics were last called, each with its source of class vectors."""

    def __init__(self) -> None:
        self.heads: dict[int, tuple[Any, Any, tuple[Any, ...]]] = {}
        self.asked = False


_recent = _Recent()


def note_loss(head: Any, source: Rows) -> None:
    """Notes for which head a loss was called, and from where it read the class vectors.

    On JAX, metrics get features that are equal to those of the loss, but other objects, and cannot read the weights of
    a model. The tensors that the loss read are still valid there.
    """
    if _recent.asked:
        _recent.heads.clear()
        _recent.asked = False
    _recent.heads[id(head)] = weakref.ref(head), source, tuple(weakref.ref(each) for each in source.arrays)


def recent_heads() -> list[tuple[Any, Rows]]:
    """Returns the heads of the latest losses, each with the class vectors that the loss read."""
    _recent.asked = True
    found = []
    for head, source, arrays in _recent.heads.values():
        tensors = tuple(each() for each in arrays)
        if head() is not None and not any(each is None for each in tensors):
            found.append((head(), source.on(tensors)))
    return found
