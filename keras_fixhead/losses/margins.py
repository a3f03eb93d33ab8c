"""Margins: the true class's cosine is made smaller in training, so that it has to beat the others by more.

Each is a transform of a cosine head's logits (scale x cosines, no bias), for fixed and learned class vectors alike, and
a loss for `compile` that applies it before the softmax cross-entropy. In inference logits are used as they are.
"""
import math
import numbers
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras import ops

from keras_fixhead.errors import ArgumentError
from keras_fixhead.losses.cross_entropy import cross_entropy, flat_labels, target_logits, target_mask

EPSILON = 1e-6
"""ArcFace's square root sees cosines clipped to +-(1 - 1e-6): its slope stays below 710."""

Scale = float | Callable[[], Any]


def cosface(labels: Any, logits: Any, scale: Any, margin: float = 0.35) -> Any:
    """Returns logits with an additive cosine margin: the true class gets S (cos - margin).

    Args:
        labels: integers in [0, m), shape (N,) or (N, 1).
        logits: scale x cosines, shape (N, m).
        scale: S, the head's; a positive number or a scalar tensor.
        margin: subtracted from the true class's cosine, at least 0.

    Returns:
        float32 tensor of shape (N, m).

    Reference: CosFace, Wang et al. (2018), arXiv:1801.09414; AM-Softmax, Wang et al. (2018), arXiv:1801.05599.

    Example:
        >>> ops.convert_to_numpy(cosface([0], [[20.0, 4.0]], scale=40.0, margin=0.25)).tolist()
        [[10.0, 4.0]]
    """
    return _with_target(labels, logits, scale, lambda cosine: cosine - margin)


def arcface(labels: Any, logits: Any, scale: Any, margin: float = 0.5) -> Any:
    """Returns logits with an additive angular margin: the true class gets S cos(angle + margin).

    Where angle + margin would pass pi, the true class gets S (cos - margin sin(margin)) instead, which goes on falling.
    With c = cos(angle), cos(angle + margin) = c cos(margin) - sqrt(1 - c^2) sin(margin); the root sees c clipped to
    +-(1 - 1e-6), so that its gradient is finite where features have collapsed onto a class vector.

    Args:
        labels: integers in [0, m), shape (N,) or (N, 1).
        logits: scale x cosines, shape (N, m).
        scale: S, the head's; a positive number or a scalar tensor.
        margin: added to the true class's angle, in [0, pi) radians.

    Returns:
        float32 tensor of shape (N, m).

    Reference: ArcFace, Deng et al. (2019), arXiv:1801.07698.

    Example:
        >>> logits = [[30.0 * math.cos(1.0), 0.0]]
        >>> found = arcface([0], logits, scale=30.0, margin=0.5)
        >>> round(float(found[0, 0]) / 30.0, 4), round(math.cos(1.5), 4)
        (0.0707, 0.0707)
    """
    def with_margin(cosine: Any) -> Any:
        clipped = ops.clip(cosine, -1.0 + EPSILON, 1.0 - EPSILON)
        sine = ops.sqrt((1.0 - clipped) * (1.0 + clipped))  # 1 - c^2 would cancel near 1
        return ops.where(cosine > -math.cos(margin), cosine * math.cos(margin) - sine * math.sin(margin),
                         cosine - margin * math.sin(margin))

    return _with_target(labels, logits, scale, with_margin)


def _with_target(labels: Any, logits: Any, scale: Any, transform: Callable[[Any], Any]) -> Any:
    """The logits, the true class's cosine transformed."""
    logits, scale = ops.cast(logits, "float32"), ops.cast(scale, "float32")
    labels = flat_labels(labels)
    changed = scale * transform(target_logits(labels, logits) / scale)
    return ops.where(target_mask(labels, logits), changed[:, None], logits)


class _MarginLoss(keras.losses.Loss):
    """What the losses below have in common: checks, configuration, and the way from labels to a loss."""

    _transform: ClassVar[Callable[..., Any]]
    _largest: ClassVar[float] = math.inf

    def __init__(self, margin: float, scale: Scale | None, label_smoothing: float, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not 0 <= margin < self._largest:
            raise ArgumentError(f"margin must be in [0, {self._largest:g}), got {margin!r}.")
        # head.scale is 'learned' or a schedule, which is callable but wants the step, where S changes
        gives_scale = callable(scale) and not isinstance(scale, keras.optimizers.schedules.LearningRateSchedule)
        is_scale = isinstance(scale, numbers.Real) and math.isfinite(scale) and scale > 0
        if not (scale is None or gives_scale or is_scale):
            raise ArgumentError(f"scale must be a positive number or a function that gives it, got {scale!r}.",
                                hint="Pass the head's: scale=head.scale, or scale=head.current_scale if it changes.")
        if not 0 <= label_smoothing < 1:
            raise ArgumentError(f"label_smoothing must be in [0, 1), got {label_smoothing!r}.")
        self.margin = float(margin)
        self.scale = scale
        self.label_smoothing = float(label_smoothing)

    def _current_scale(self) -> Any:
        if self.scale is None:
            raise ArgumentError(f"{type(self).__name__} was loaded without the function that gave its scale.",
                                hint="Compile the model again with scale=head.current_scale.")
        return self.scale() if callable(self.scale) else self.scale

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = self._transform(y_true, y_pred, self._current_scale(), self.margin)
        return cross_entropy(y_true, logits, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin, "label_smoothing": self.label_smoothing,
                "scale": None if callable(self.scale) else self.scale}


@keras.saving.register_keras_serializable(package="keras_fixhead")
class CosFace(_MarginLoss):
    """Softmax cross-entropy with an additive cosine margin, from a cosine head's logits and integer labels.

        loss = -ln(e^(S (cos_y - margin)) / (e^(S (cos_y - margin)) + sum over others e^(S cos_j)))

    Args:
        margin: at least 0.
        scale: the head's S: a number, or, where it changes in training, the head's method `current_scale`.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: integers in [0, m), shape (N,) or (N, 1).
        y_pred: logits of a cosine head without bias, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) for an argument out of its range.

    Reference: CosFace, Wang et al. (2018), arXiv:1801.09414.

    Example:
        >>> loss = CosFace(margin=0.25, scale=2.0)
        >>> round(float(loss([0], [[0.5, 0.0]])), 6) == round(math.log(2), 6)
        True
    """

    _transform = staticmethod(cosface)

    def __init__(self, margin: float = 0.35, scale: Scale | None = 30.0, label_smoothing: float = 0.0,
                 name: str = "cosface", **kwargs: Any) -> None:
        super().__init__(margin, scale, label_smoothing, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_fixhead")
class ArcFace(_MarginLoss):
    """Softmax cross-entropy with an additive angular margin, from a cosine head's logits and integer labels.

        loss = -ln(e^(S cos(a_y + margin)) / (e^(S cos(a_y + margin)) + sum over others e^(S cos a_j)))

    Gradients are finite for every cosine; see `arcface` for angles beyond pi - margin.

    Args:
        margin: in [0, pi) radians.
        scale: the head's S: a number, or, where it changes in training, the head's method `current_scale`.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: integers in [0, m), shape (N,) or (N, 1).
        y_pred: logits of a cosine head without bias, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) for an argument out of its range.

    Reference: ArcFace, Deng et al. (2019), arXiv:1801.07698.

    Example:
        >>> loss = ArcFace(margin=0.5, scale=1.0)
        >>> round(float(loss([0], [[math.cos(0.3), math.cos(0.8)]])), 6) == round(math.log(2), 6)
        True
    """

    _transform = staticmethod(arcface)
    _largest = math.pi

    def __init__(self, margin: float = 0.5, scale: Scale | None = 30.0, label_smoothing: float = 0.0,
                 name: str = "arcface", **kwargs: Any) -> None:
        super().__init__(margin, scale, label_smoothing, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_fixhead")
class NormFace(keras.losses.Loss):
    """Softmax cross-entropy of scaled cosines, from a cosine head's logits and integer labels: no margin.

        loss = -ln(e^(S cos_y) / sum e^(S cos_j))

    A `HypersphereHead` with logits='cos' has normalised both sides and multiplied by S; this loss takes its logits.

    Args:
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: integers in [0, m), shape (N,) or (N, 1).
        y_pred: logits, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) if `label_smoothing` is out of its range.

    Reference: NormFace, Wang et al. (2017), arXiv:1704.06369.

    Example:
        >>> round(float(NormFace()([0], [[3.0, 3.0]])), 6) == round(math.log(2), 6)
        True
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "normface", **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        if not 0 <= label_smoothing < 1:
            raise ArgumentError(f"label_smoothing must be in [0, 1), got {label_smoothing!r}.")
        self.label_smoothing = float(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return cross_entropy(y_true, y_pred, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
