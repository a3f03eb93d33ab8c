"""Which head made which logits, so that a loss can check that it fits the head."""
import weakref
from typing import Any

_heads: dict[int, tuple[Any, Any]] = {}  # id of the logits -> weak references to them and to their head


def remember(logits: Any, head: Any) -> None:
    """Records that a head made these logits, for as long as both exist."""
    key = id(logits)
    try:
        _heads[key] = (weakref.ref(logits, lambda _: _heads.pop(key, None)), weakref.ref(head))
    except TypeError:  # a tensor that does not support weak references; the loss then does not see the head
        _heads.pop(key, None)


def head_that_made(logits: Any) -> Any:
    """Returns the head that made exactly these logits; None if they come from elsewhere or were changed."""
    reference, head = _heads.get(id(logits), (None, None))
    return head() if reference is not None and reference() is logits else None
