"""Converting labels of any form to class numbers; an invalid label is never mistaken for a class."""
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head.readable import readable
from keras_fixhead.vectors import checked_integer


def class_numbers(labels: Any, logits: Any) -> Any:
    """Returns the class number of each example, or -1 if its label is not a valid class.

    In eager execution, where labels can be read, invalid labels are an error. In a compiled step they cannot be read;
    there, -1 makes the loss of the example NaN.

    Args:
        labels: whole numbers in [0, m) of any integer or float type, shape (N,) or (N, 1); or one-hot, (N, m).
        logits: tensor of shape (N, m).

    Returns:
        int32 tensor of shape (N,).

    Raises:
        ArgumentError: (a ValueError) if labels are readable and one is not a valid class, or for other shapes.
    """
    if len(logits.shape) != 2:
        raise ArgumentError(f"logits must have shape (N, num_classes), got {tuple(logits.shape)}.")
    return numbers_among(labels, logits, logits.shape[1])


def numbers_among(labels: Any, rows: Any, num_classes: int) -> Any:
    """Returns the class number of each example, as `class_numbers`, for any tensor with one row per example.

    Args:
        labels: as in `class_numbers`, with m = `num_classes`.
        rows: tensor of shape (N, ...): logits or features.
        num_classes: number of classes m.

    Returns:
        int32 tensor of shape (N,).

    Raises:
        ArgumentError: (a ValueError) as in `class_numbers`.
    """
    examples = rows.shape[0]
    labels = labels if isinstance(labels, keras.KerasTensor) else _as_tensor(labels)
    shape = tuple(labels.shape)
    if len(shape) == 2 and shape[1] is None:  # known only when the step runs
        return _from_either(ops.reshape(labels, (ops.shape(rows)[0], -1)), num_classes)
    is_one_hot = len(shape) == 2 and shape[1] == num_classes
    if not (len(shape) == 1 or is_one_hot or (len(shape) == 2 and shape[1] == 1)):
        raise ArgumentError(f"labels must have shape (N,) or (N, 1), or (N, {num_classes}) if one-hot, got {shape}.")
    if None not in (shape[0], examples) and shape[0] != examples:
        raise ArgumentError(f"labels and logits must have the same number of rows, got {shape[0]} labels for "
                            f"{examples} rows of logits.")
    _check_readable(labels, num_classes, one_hot=is_one_hot)
    return _from_one_hot(labels) if is_one_hot else _from_numbers(ops.reshape(labels, (-1,)), num_classes)


def target_logits(numbers: Any, logits: Any) -> Any:
    """Returns the logit of each example's class, (N,); NaN for invalid labels."""
    found = ops.squeeze(ops.take_along_axis(logits, ops.maximum(numbers, 0)[:, None], axis=1), axis=1)
    return ops.where(numbers < 0, ops.cast(math.nan, found.dtype), found)


def target_mask(numbers: Any, logits: Any) -> Any:
    """Returns a boolean (N, m) tensor that is true at each example's class."""
    return ops.arange(ops.shape(logits)[1], dtype="int32")[None, :] == numbers[:, None]


def full_precision_of(logits: Any) -> Any:
    """Returns logits in float64 if they are float64, else in float32."""
    logits = ops.convert_to_tensor(logits)
    return logits if keras.backend.standardize_dtype(logits.dtype) == "float64" else ops.cast(logits, "float32")


def _as_tensor(labels: Any) -> Any:
    if not keras.ops.is_tensor(labels):
        labels = _as_array(labels)
        if labels.dtype.kind in "iu" and labels.size and (labels.max() > 2**31 - 1 or labels.min() < -(2**31)):
            labels = labels.astype(np.float64)  # before a backend without 64-bit integers changes them
    return ops.convert_to_tensor(labels)


def _as_array(labels: Any) -> Any:
    try:
        array = np.asarray(labels)
    except (TypeError, ValueError):
        raise ArgumentError("labels must be an array of numbers, got rows of different lengths.") from None
    if array.dtype.kind not in "biuf":
        got = repr(labels) if labels is None or isinstance(labels, str) else array.dtype
        raise ArgumentError(f"labels must be an array of numbers, got {got}.")
    return array


def _from_numbers(labels: Any, num_classes: int) -> Any:
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if dtype in ("bool", "int8", "uint8", "int16", "uint16"):  # the number of classes may not fit in these types
        labels = ops.cast(labels, "int32")
    elif dtype in ("float16", "bfloat16"):
        labels = ops.cast(labels, "float32")
    known = ops.logical_and(labels >= 0, labels < ops.cast(num_classes, labels.dtype))
    if "float" in dtype:
        known = ops.logical_and(known, ops.floor(labels) == labels)
        labels = ops.where(known, labels, ops.zeros_like(labels))  # NaN cannot be cast to an integer
    return ops.where(known, ops.cast(labels, "int32"), ops.cast(-1, "int32"))


def _from_either(labels: Any, num_classes: int) -> Any:
    """Class numbers from (N, 1) or (N, m), when it is not known yet which of them it is."""
    columns = ops.shape(labels)[1]
    numbers = _from_numbers(labels[:, 0], num_classes)
    return ops.where(columns == 1, numbers, ops.where(columns == num_classes, _from_one_hot(labels), -1))


def _from_one_hot(labels: Any) -> Any:
    labels = ops.cast(labels, "float32")
    zeros_and_ones = ops.all(ops.logical_or(labels == 0, labels == 1), axis=1)
    known = ops.logical_and(zeros_and_ones, ops.sum(labels, axis=1) == 1)
    return ops.where(known, ops.cast(ops.argmax(labels, axis=1), "int32"), ops.cast(-1, "int32"))


def _check_readable(labels: Any, num_classes: int, *, one_hot: bool) -> None:
    values = readable(labels)
    if values is None or not values.size:
        return
    if one_hot:
        known = ((values == 0) | (values == 1)).all(axis=1) & (values.sum(axis=1) == 1)
        if not known.all():
            raise ArgumentError(f"Each row of one-hot labels must be a single 1 among zeros; row "
                                f"{int(np.argmin(known))} is not.", hint="For soft targets use label_smoothing, or "
                                "keras.losses.CategoricalCrossentropy(from_logits=True).")
        return
    check_labels(values, num_classes)


def check_labels(labels: Any, num_classes: int) -> None:
    """Raises an ArgumentError unless labels are an array of whole numbers in [0, num_classes).

    Example:
        >>> check_labels([1, 2, 3], num_classes=3)
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: Labels must be whole numbers in [0, 3), got 1 to 3 for 3 classes. Classes \
are counted from 0: subtract 1.
    """
    values, num_classes = _as_array(labels), checked_integer("num_classes", num_classes, 1, 2**31 - 1)
    if not values.size:
        return
    low, high = values.min().item(), values.max().item()
    whole = values.dtype.kind != "f" or (np.floor(values) == values).all()
    if low >= 0 and high < num_classes and whole:
        return
    if (low, high) == (1, num_classes) and whole:
        hint = "Classes are counted from 0: subtract 1."
    elif low == -1:
        hint = "Leave out examples whose class is unknown (-1), or give them a class of their own."
    else:
        hint = "Number the classes from 0."
    raise ArgumentError(f"Labels must be whole numbers in [0, {num_classes}), got {low:.6g} to {high:.6g} for "
                        f"{num_classes} classes.", hint=hint)
