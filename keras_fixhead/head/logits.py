"""Which head made these logits: a loss that is given them can ask, and so see whether it fits that head."""
import weakref
from typing import Any

_heads: dict[int, tuple[Any, Any]] = {}  # id of the logits -> weak references to them and to their head


def remember(logits: Any, head: Any) -> None:
    """Notes that a head has made these logits, for as long as both live."""
    key = id(logits)
    try:
        _heads[key] = (weakref.ref(logits, lambda _: _heads.pop(key, None)), weakref.ref(head))
    except TypeError:  # a kind of tensor that cannot be referred to: the loss then does without
        _heads.pop(key, None)


def head_that_made(logits: Any) -> Any:
    """Returns the head that made these very logits, or None where something else did, or changed them since."""
    reference, head = _heads.get(id(logits), (None, None))
    return head() if reference is not None and reference() is logits else None
