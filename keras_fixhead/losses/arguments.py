"""Checks of the numeric arguments of losses."""
from typing import Any

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
