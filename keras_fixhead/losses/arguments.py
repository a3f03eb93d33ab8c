"""Checks of the numeric arguments of losses, and losses from their arguments."""
from collections.abc import Callable
from typing import Any

from keras_fixhead.catalog import MARGINS, MarginEntry, look_up, size_without_margin
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head_config import is_number


def checked_smoothing(value: Any) -> float:
    """Returns a label smoothing as a float.

    Raises:
        ArgumentError: if it is not a number in [0, 1).
    """
    if not (is_number(value) and 0 <= value < 1):
        raise ArgumentError(f"label_smoothing must be in [0, 1), got {value!r}.")
    return float(value)


def checked_margin(value: Any, largest: float) -> float:
    """Returns the size of a margin as a float.

    Raises:
        ArgumentError: if it is not a number in [0, largest).
    """
    if not (is_number(value) and 0 <= value < largest):
        raise ArgumentError(f"margin must be in [0, {largest:g}), got {value!r}.")
    return float(value)


def margin_size_of(margin: str, size: Any) -> tuple[MarginEntry | None, float]:
    """Returns the entry of a margin and its size; None and 0 without one.

    Args:
        margin: 'none', or a name in `catalog.MARGINS`.
        size: None for the published one.

    Raises:
        ArgumentError: for an unknown margin, a size out of range, or a size without a margin.
    """
    if margin == "none":
        if size is not None:
            raise size_without_margin(f"Pass margin={' or '.join(map(repr, MARGINS))}.")
        return None, 0.0
    entry = look_up(MARGINS, margin, "margin")
    return entry, checked_margin(entry.size if size is None else size, entry.largest)


def made_again(loss: Callable[..., Any], config: dict[str, Any]) -> Any:
    """Returns a loss from its arguments: what pickle and deepcopy call."""
    return loss(**config)
