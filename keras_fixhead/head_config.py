"""The options of `HypersphereHead`, with their defaults and checks. Does not need Keras."""
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import KINDS, checked_integer, kind_of

MEMORY_BYTES = 64 << 20
"""Memory for the logits of a batch by default: with more classes, they are computed in chunks. From 8,192 classes on,
larger chunks are hardly faster (batch 128, 512 features)."""
BYTES_PER_LOGIT = 16
"""The logit, without the own class, its power, and copies in the dtype of the product."""

HEADS = ("dot", "cos")
"""The kinds of logits: dot products or cosines."""

BIASES = ("none", "fixed", "learned")
"""The kinds of bias."""

SMALLEST_SCALE, LARGEST_SCALE = 1e-30, 1e30

SCALE_WORDS = ("auto", "learned")
"""The words that a scale can be instead of a number (or, in the layer, a schedule)."""


@dataclass(frozen=True)
class HeadConfig:
    """The options of `HypersphereHead`, checked and converted to plain types; the layer documents them.

    Only the layer uses two values that are not plain: a schedule as the scale, and 'array' as the kind of class vectors
    that were given as an array.

    Raises:
        ArgumentError: (a ValueError) if a value has the wrong type or is out of its range.

    Example:
        >>> HeadConfig(scale=30).scale
        30.0
        >>> HeadConfig(fixed="no")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: fixed must be True or False, got 'no'.
    """

    logits: str = "cos"
    scale: Any = 1.0
    fixed: bool = True
    class_vectors: str = "uniform"
    seed: int = 0
    rotate: bool = True
    bias: str = "none"
    vector_lr: float = 1.0
    vector_weight_decay: float = 0.0
    store_vectors: bool = True

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        keep("logits", _word("logits", self.logits, HEADS))
        keep("scale", _scale(self.scale))
        for name in ("fixed", "rotate", "store_vectors"):
            keep(name, checked_flag(name, getattr(self, name)))
        if self.class_vectors != "array":
            kind_of(self.class_vectors)
        keep("seed", checked_integer("seed", self.seed, 0, 2**64 - 1))
        keep("bias", "none" if self.bias is None else _word("bias", self.bias, BIASES))
        if not (is_number(self.vector_lr) and 0 <= self.vector_lr <= 1):
            raise ArgumentError(f"vector_lr must be in [0, 1], got {self.vector_lr!r}.")
        keep("vector_lr", float(self.vector_lr))
        if not (is_number(self.vector_weight_decay) and self.vector_weight_decay >= 0):
            raise ArgumentError(f"vector_weight_decay must be 0 or a positive number, got "
                                f"{self.vector_weight_decay!r}.")
        keep("vector_weight_decay", float(self.vector_weight_decay))
        self._check_storing()

    def _check_storing(self) -> None:
        if self.store_vectors:
            return
        if self.class_vectors == "array":
            raise ArgumentError("store_vectors=False would lose class vectors that were given as an array.",
                                hint="Leave store_vectors out.")
        if not (self.fixed and KINDS[self.class_vectors].by_class):
            able = ", ".join(name for name, kind in KINDS.items() if kind.by_class)
            raise ArgumentError(f"store_vectors=False needs fixed class vectors of kind {able}: only these can be "
                                "drawn again, bit for bit, on any machine.", hint="Leave store_vectors out.")


def checked_flag(name: str, value: Any) -> bool:
    """Returns a boolean as a bool.

    Raises:
        ArgumentError: for anything else, 0 and 1 included.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def _word(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if not (isinstance(value, str) and value in allowed):
        raise ArgumentError(f"{name} must be one of {', '.join(allowed)}, got {value!r}.")
    return value


def _scale(value: Any) -> Any:
    """A positive number as a float, one of the words, or a possible schedule, which the layer checks."""
    if isinstance(value, str) and value in SCALE_WORDS:
        return value
    if is_number(value) and value > 0:
        return checked_size(value)
    if callable(value) and hasattr(value, "get_config"):
        return value
    raise ArgumentError(f"scale must be a positive number, 'auto', 'learned' or a schedule, got {value!r}.")


def checked_size(scale: Any) -> float:
    """Returns a positive scale as a float.

    Raises:
        ArgumentError: if float32 could not hold it, or logits times it.
    """
    if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
        raise ArgumentError(f"scale must be in [{SMALLEST_SCALE:g}, {LARGEST_SCALE:g}], got {float(scale):g}.")
    return float(scale)


def is_number(value: Any) -> bool:
    """Returns whether a value is a finite real number; booleans are not, nor whole numbers too large for a float.

    Example:
        >>> is_number(3), is_number(np.float32(0.5)), is_number(True), is_number(1j), is_number(10**400)
        (True, True, False, False, False)
    """
    if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
