"""Losses for `compile`: thin classes over the functions of labels and logits.

A loss that is called with logits straight from a `HypersphereHead`, as in `fit`, finds that head: it can follow the
scale of the head, and rejects a head that it does not fit.
"""
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead, full_precision
from keras_fixhead.head.logits import head_that_made
from keras_fixhead.head.read_only import ReadOnlyOptions
from keras_fixhead.head_config import checked_size, is_number
from keras_fixhead.losses.arguments import checked_margin, checked_smoothing, made_again
from keras_fixhead.losses.cross_entropy import cross_entropy
from keras_fixhead.losses.margins import arcface, cosface

Scale = float | Callable[[], Any]


def check_takes_cosines(loss: str, head: HypersphereHead,
                        otherwise: str = "use keras_fixhead.cross_entropy") -> None:
    """Raises an ArgumentError if a loss for cosines is used with a head that returns other logits.

    Args:
        loss: what needs cosines, for the message.
        head: the head.
        otherwise: what works with this head, for the message.
    """
    if head.logits != "cos":
        raise ArgumentError(f"{loss} needs cosines, but the logits of layer {head.name!r} are dot products.",
                            hint=f"Create the head with logits='cos', or {otherwise}.")
    if head.bias_kind != "none":
        raise ArgumentError(f"{loss} needs cosines, but layer {head.name!r} adds a bias to them.",
                            hint=f"Create the head with bias='none', or {otherwise}.")


class _CosineLoss(ReadOnlyOptions, keras.losses.Loss):
    """What the losses below have in common: precision, smoothing, and copies."""

    _read_only: ClassVar[dict[str, str]] = {name: name for name in ("margin", "scale", "label_smoothing")}
    _streaming_margin: ClassVar[str] = "none"

    def __init__(self, label_smoothing: float, **kwargs: Any) -> None:
        kwargs["dtype"] = full_precision(kwargs.get("dtype"), type(self).__name__)
        super().__init__(**kwargs)
        self.label_smoothing = checked_smoothing(label_smoothing)

    def _head_of_logits(self, logits: Any) -> HypersphereHead | None:
        """The head that made these logits, if it is known.

        Raises:
            ArgumentError: if they are the features of a head that returns no logits.
        """
        head: HypersphereHead | None = head_that_made(logits)
        if head is not None and head.returns != "logits":
            raise ArgumentError(f"{type(self).__name__} needs logits, but layer {head.name!r} returns features.",
                                hint=f"Use keras_fixhead.StreamingLoss(margin={self._streaming_margin!r}).")
        return head

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype, "label_smoothing": self.label_smoothing}

    def __reduce__(self) -> Any:
        return made_again, (type(self), self.get_config())


class _MarginLoss(_CosineLoss):
    """What losses with a margin have in common: the computation of the loss, and where S comes from."""

    _transform: ClassVar[Callable[..., Any]]
    _largest: ClassVar[float] = math.inf

    def __init__(self, margin: float, scale: Any, label_smoothing: float, **kwargs: Any) -> None:
        super().__init__(label_smoothing, **kwargs)
        self.margin = checked_margin(margin, self._largest)
        # head.scale can be 'learned' or a schedule; a schedule is callable, but needs the step
        gives_scale = callable(scale) and not isinstance(scale, keras.optimizers.schedules.LearningRateSchedule)
        if not (scale is None or gives_scale or (is_number(scale) and scale > 0)):
            raise ArgumentError(f"scale must be a positive number or a function that returns it, got {scale!r}.",
                                hint="Pass scale=head.scale, or scale=head.current_scale if it changes.")
        self.scale = checked_size(scale) if is_number(scale) else scale
        owner = getattr(scale, "__self__", None)
        if isinstance(owner, HypersphereHead):
            self._check_fits(owner)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        head = self._head_of_logits(y_pred)
        if head is not None:
            self._check_fits(head)
        logits = self._transform(y_true, y_pred, self._current_scale(head), self.margin)
        return cross_entropy(y_true, logits, self.label_smoothing)

    def _current_scale(self, head: HypersphereHead | None) -> Any:
        if self.scale is not None:
            return self.scale() if callable(self.scale) else self.scale
        if head is None:
            if in_symbolic_scope():  # Keras infers shapes with symbolic logits
                return 1.0
            raise ArgumentError(f"{type(self).__name__} has scale=None and cannot tell which head made these logits.",
                                hint="Pass scale=head.scale, or scale=head.current_scale if it changes.")
        return head.current_scale()

    def _check_fits(self, head: HypersphereHead) -> None:
        loss = type(self).__name__
        check_takes_cosines(loss, head)
        if not isinstance(self.scale, float):
            return
        if not isinstance(head.scale, float):
            raise ArgumentError(f"{loss} has scale={self.scale:g}, but the scale of layer {head.name!r} changes during "
                                "training.", hint="Pass scale=None to follow the head.")
        if not math.isclose(self.scale, head.scale, rel_tol=1e-6):
            raise ArgumentError(f"{loss} has scale={self.scale:g}, but layer {head.name!r} has scale={head.scale:g}.",
                                hint="Pass scale=None to follow the head.")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin, "scale": None if callable(self.scale) else self.scale}

    def __reduce__(self) -> Any:
        return made_again, (type(self), {**self.get_config(), "scale": self.scale})


@keras.saving.register_keras_serializable(package="keras_fixhead")
class CosFace(_MarginLoss):
    """Softmax cross-entropy with an additive cosine margin, from a cosine head's logits and labels.

        loss = -ln(e^(S (cos_y - margin)) / (e^(S (cos_y - margin)) + sum over others e^(S cos_j)))

    Args:
        margin: at least 0.
        scale: the head's S: a number; None for the scale of the head that made the logits, in `fit` and `evaluate`; or
            a function that returns it, such as the head's method `current_scale`.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        y_pred: logits of a cosine head without bias, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) for an argument out of range, a head that it does not fit, or in eager
            execution an invalid label; in a compiled step the loss is NaN instead.

    Reference: CosFace, Wang et al. (2018), arXiv:1801.09414.

    Example:
        >>> loss = CosFace(margin=0.25, scale=2.0)
        >>> round(float(loss([0], [[0.5, 0.0]])), 6) == round(math.log(2), 6)
        True
    """

    _transform = staticmethod(cosface)
    _streaming_margin = "cosface"

    def __init__(self, margin: float = 0.35, scale: Scale | None = 30.0, label_smoothing: float = 0.0,
                 name: str = "cosface", **kwargs: Any) -> None:
        super().__init__(margin, scale, label_smoothing, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_fixhead")
class ArcFace(_MarginLoss):
    """Softmax cross-entropy with an additive angular margin, from a cosine head's logits and labels.

        loss = -ln(e^(S cos(a_y + margin)) / (e^(S cos(a_y + margin)) + sum over others e^(S cos a_j)))

    Gradients are finite for every cosine; see `arcface` for angles beyond pi - margin.

    Args:
        margin: in [0, pi) radians.
        scale: the head's S: a number; None for the scale of the head that made the logits, in `fit` and `evaluate`; or
            a function that returns it, such as the head's method `current_scale`.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        y_pred: logits of a cosine head without bias, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) for an argument out of range, a head that it does not fit, or in eager
            execution an invalid label; in a compiled step the loss is NaN instead.

    Reference: ArcFace, Deng et al. (2019), arXiv:1801.07698.

    Example:
        >>> loss = ArcFace(margin=0.5, scale=1.0)
        >>> round(float(loss([0], [[math.cos(0.3), math.cos(0.8)]])), 6) == round(math.log(2), 6)
        True
    """

    _transform = staticmethod(arcface)
    _streaming_margin = "arcface"
    _largest = math.pi

    def __init__(self, margin: float = 0.5, scale: Scale | None = 30.0, label_smoothing: float = 0.0,
                 name: str = "arcface", **kwargs: Any) -> None:
        super().__init__(margin, scale, label_smoothing, name=name, **kwargs)


@keras.saving.register_keras_serializable(package="keras_fixhead")
class NormFace(_CosineLoss):
    """Softmax cross-entropy of scaled cosines, from a cosine head's logits and labels: no margin.

        loss = -ln(e^(S cos_y) / sum e^(S cos_j))

    A `HypersphereHead` with logits='cos' normalises both sides and multiplies by S; this loss takes its logits.

    Args:
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, `name`, as in `keras.losses.Loss`.

    Call args:
        y_true: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        y_pred: logits, shape (N, m).

    Raises:
        ArgumentError: (a ValueError) if `label_smoothing` is out of range, for a head that it does not fit, or in
            eager execution for an invalid label; in a compiled step the loss is NaN instead.

    Reference: NormFace, Wang et al. (2017), arXiv:1704.06369.

    Example:
        >>> round(float(NormFace()([0], [[3.0, 3.0]])), 6) == round(math.log(2), 6)
        True
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "normface", **kwargs: Any) -> None:
        super().__init__(label_smoothing, name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        head = self._head_of_logits(y_pred)
        if head is not None:
            check_takes_cosines(type(self).__name__, head)
        return cross_entropy(y_true, y_pred, self.label_smoothing)
