"""Which head made which logits, so that a loss can check that it fits the head."""
import weakref
from typing import Any

# id of the logits -> weak references to them and to their head, and whether they were made in training
_heads: dict[int, tuple[Any, Any, bool]] = {}


def remember(logits: Any, head: Any, *, training: bool = False) -> None:
    """Records that a head made these logits, and whether in training, for as long as both exist."""
    key = id(logits)
    try:
        _heads[key] = (weakref.ref(logits, lambda _: _heads.pop(key, None)), weakref.ref(head), training)
    except TypeError:  # a tensor that does not support weak references; the loss then does not see the head
        _heads.pop(key, None)


def head_that_made(logits: Any) -> Any:
    """Returns the head that made exactly these logits; None if they come from elsewhere or were changed."""
    reference, head, _ = _heads.get(id(logits), (None, None, False))
    return head() if reference is not None and reference() is logits else None


def made_in_training(logits: Any) -> bool:
    """Returns whether a head made exactly these logits in training; False if they come from elsewhere."""
    reference, _, training = _heads.get(id(logits), (None, None, False))
    return training and reference is not None and reference() is logits
