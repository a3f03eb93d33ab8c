"""Margins: the cosine of the true class is reduced in training, so that it has to exceed the others by more.

Each is a transform of the logits of a cosine head (scale x cosines, no bias), with fixed or learned class vectors, to
be applied before the softmax cross-entropy. In inference, logits are used unchanged.
"""
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head.readable import readable
from keras_fixhead.head_config import checked_size, is_number
from keras_fixhead.losses.arguments import checked_margin
from keras_fixhead.losses.labels import class_numbers, full_precision_of, target_logits, target_mask

EPSILON = 1e-6
"""Cosines are clipped to +-(1 - 1e-6) for the square root in ArcFace, so that its slope stays below 710."""


def cosface(labels: Any, logits: Any, scale: Any, margin: float = 0.35) -> Any:
    """Returns logits with an additive cosine margin: the true class gets S (cos - margin).

    Args:
        labels: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        logits: scale x cosines, shape (N, m).
        scale: S of the head; a positive number or a scalar tensor.
        margin: subtracted from the true class's cosine, at least 0.

    Returns:
        tensor of shape (N, m): float64 if the logits are float64, else float32. In a compiled step, the row of an
        invalid label is NaN.

    Raises:
        ArgumentError: (a ValueError) for a margin out of range, a scale that is not positive, or, in eager execution, a
            label that is not a valid class.

    Reference: CosFace, Wang et al. (2018), arXiv:1801.09414; AM-Softmax, Wang et al. (2018), arXiv:1801.05599.

    Example:
        >>> ops.convert_to_numpy(cosface([0], [[20.0, 4.0]], scale=40.0, margin=0.25)).tolist()
        [[10.0, 4.0]]
    """
    margin = checked_margin(margin, math.inf)
    return _with_target(labels, logits, scale, lambda cosine: cosface_cosine(cosine, margin))


def cosface_cosine(cosine: Any, margin: float) -> Any:
    """Returns cosine - margin: what `cosface` makes of the cosine of the true class.

    Example:
        >>> cosface_cosine(0.75, 0.25)
        0.5
    """
    return cosine - margin


def arcface(labels: Any, logits: Any, scale: Any, margin: float = 0.5) -> Any:
    """Returns logits with an additive angular margin: the true class gets S cos(angle + margin).

    If angle + margin exceeds pi, the true class gets S (cos - margin sin(margin)) instead, which keeps decreasing.
    With c = cos(angle), cos(angle + margin) = c cos(margin) - sqrt(1 - c^2) sin(margin); for the root, c is clipped to
    +-(1 - 1e-6), so that the gradient is finite when features have collapsed onto a class vector.

    Args:
        labels: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        logits: scale x cosines, shape (N, m).
        scale: S of the head; a positive number or a scalar tensor.
        margin: added to the true class's angle, in [0, pi) radians.

    Returns:
        tensor of shape (N, m): float64 if the logits are float64, else float32. In a compiled step, the row of an
        invalid label is NaN.

    Raises:
        ArgumentError: (a ValueError) for a margin out of range, a scale that is not positive, or, in eager execution, a
            label that is not a valid class.

    Reference: ArcFace, Deng et al. (2019), arXiv:1801.07698.

    Example:
        >>> logits = [[30.0 * math.cos(1.0), 0.0]]
        >>> found = arcface([0], logits, scale=30.0, margin=0.5)
        >>> round(float(found[0, 0]) / 30.0, 4), round(math.cos(1.5), 4)
        (0.0707, 0.0707)
    """
    margin = checked_margin(margin, math.pi)
    return _with_target(labels, logits, scale, lambda cosine: arcface_cosine(cosine, margin))


def arcface_cosine(cosine: Any, margin: float) -> Any:
    """Returns cos(angle + margin), continued beyond pi: what `arcface` makes of the cosine of the true class.

    Example:
        >>> round(float(arcface_cosine(ops.cos(1.0), 0.5)), 4) == round(math.cos(1.5), 4)
        True
    """
    clipped = ops.clip(cosine, -1.0 + EPSILON, 1.0 - EPSILON)
    sine = ops.sqrt((1.0 - clipped) * (1.0 + clipped))  # 1 - c^2 would cancel near 1
    return ops.where(cosine > -math.cos(margin), cosine * math.cos(margin) - sine * math.sin(margin),
                     cosine - margin * math.sin(margin))


def _with_target(labels: Any, logits: Any, scale: Any, transform: Callable[[Any], Any]) -> Any:
    """The logits, with the cosine of the true class transformed."""
    logits = full_precision_of(logits)
    scale = _positive(scale, logits.dtype)
    numbers = class_numbers(labels, logits)
    changed = scale * transform(target_logits(numbers, logits) / scale)
    unknown = numbers < 0  # their whole row becomes NaN, like the changed logit
    return ops.where(ops.logical_or(target_mask(numbers, logits), unknown[:, None]), changed[:, None], logits)


def _positive(scale: Any, dtype: str) -> Any:
    """A scale as a scalar tensor; NaN instead of one that is not positive, where it cannot be read."""
    if is_number(scale) and scale > 0:
        return ops.cast(checked_size(scale), dtype)
    if not ops.is_tensor(scale):
        raise ArgumentError(f"scale must be a positive number or a scalar tensor, got {scale!r}.")
    if len(scale.shape):
        raise ArgumentError(f"scale must be a positive number or a scalar tensor, got one of shape "
                            f"{tuple(scale.shape)}.")
    value = readable(scale)
    if value is not None and not value > 0:
        raise ArgumentError(f"scale must be a positive number or a scalar tensor, got {value:g}.")
    scale = ops.cast(scale, dtype)
    return ops.where(scale > 0, scale, ops.cast(math.nan, dtype))
