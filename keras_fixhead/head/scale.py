"""The scale S of a head: a number, learned, or a schedule over training steps."""
import logging
import math
from typing import Any

import keras
from keras import ops

from keras_fixhead.errors import ArgumentError, warn_once
from keras_fixhead.vectors import adacos_scale, auto_scale_reason, scale_warning

_log = logging.getLogger(__name__)


def settled_scale(scale: Any, num_classes: int) -> Any:
    """Returns a checked scale as a number, 'learned' or a schedule; 'auto' becomes a number, with its reason logged.

    Raises:
        ArgumentError: if it is none of these.
    """
    if isinstance(scale, str) and scale == "auto":
        _log.info(auto_scale_reason(num_classes))
        return adacos_scale(num_classes)
    if not isinstance(scale, (float, str, keras.optimizers.schedules.LearningRateSchedule)):
        raise ArgumentError(f"scale must be a positive number, 'auto', 'learned' or a schedule, got {scale!r}.")
    return scale


def scale_from_config(scale: Any) -> Any:
    """Returns the scale from a saved configuration, where a schedule is serialized."""
    return keras.saving.deserialize_keras_object(scale) if isinstance(scale, dict) and "class_name" in scale else scale


def scale_to_config(scale: Any) -> Any:
    """Returns a scale in a form that JSON can represent."""
    return scale if isinstance(scale, (float, str)) else keras.saving.serialize_keras_object(scale)


def initial_log_scale(num_classes: int) -> float:
    """Returns the initial logarithm of a learned scale."""
    return math.log(adacos_scale(num_classes))


def scale_now(scale: Any, log_scale: Any, step: Any, dtype: str) -> Any:
    """Returns S: a number, or a scalar tensor if it is learned or follows a schedule.

    Args:
        scale: a settled scale.
        log_scale: the weight of a learned scale.
        step: number of training steps so far, for a schedule.
        dtype: dtype of the tensor.
    """
    if isinstance(scale, float):
        return scale
    if scale == "learned":
        # positive and finite, whatever value an optimizer gives its logarithm
        return ops.exp(ops.clip(ops.convert_to_tensor(log_scale), -80.0, 80.0))
    return ops.cast(scale(ops.maximum(ops.convert_to_tensor(step) - 1, 0)), dtype)


def warn_of_scale(num_classes: int, scale: Any, *, fixed: bool) -> None:
    """Warns, once per process, about a scale of cosine logits that is known to work badly."""
    if isinstance(scale, float):
        text = scale_warning(num_classes, scale, fixed=fixed)
        if text is not None:
            warn_once(text)
