"""The variables of fixed class vectors and a fixed bias: they are not trained.

Those of class vectors also refuse values that such a head cannot have.
"""
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.errors import ReadOnlyError, VectorsError
from keras_fixhead.head.readable import readable

_LONGEST = 1e-3  # allowed deviation of a length from 1: above any rounding, below any intended change
_LONGEST_OF_BFLOAT16 = 1e-2
_ELEMENTS = 1 << 19  # that are converted to float64 at a time


def hold(variable: Any, layer: str, *, of_unit_length: bool) -> None:
    """Makes a variable refuse to be trained, and values that are not finite or, for cosine logits, not of length 1.

    `assign`, `Layer.set_weights` and `Model.set_weights` all assign to the variable without telling the layer, and a
    forward pass does not check lengths: with other lengths, logits would not be cosines.
    """
    kind: Any = type(variable)
    variable.__class__ = _held(kind)
    variable.held_by = layer
    variable.of_unit_length = of_unit_length


def hold_bias(variable: Any, layer: str) -> None:
    """Makes the variable of a fixed bias refuse to be trained, which would contradict the head's configuration."""
    kind: Any = type(variable)
    variable.__class__ = _untrained(kind, "bias", "is",
                                    "To learn it, create another head: HypersphereHead(..., bias='learned').")
    variable.held_by = layer


def tell_of_first_assignment(variable: Any, tell: Callable[[], None]) -> None:
    """Calls a function after the first assignment to a variable."""
    assign = variable.assign

    def assign_and_tell(value: Any) -> Any:
        result = assign(value)
        del variable.assign  # restores the method of the class
        tell()
        return result

    variable.assign = assign_and_tell


def check_values(values: Any, layer: str, *, of_unit_length: bool) -> None:
    """Raises a VectorsError if values are not those of fixed class vectors.

    Args:
        values: array or tensor of shape (m, d). One without values, in a compiled step, is not checked.
        layer: name of the layer.
        of_unit_length: whether the vectors must have length 1.
    """
    lengths = _lengths(values)
    if lengths is None:
        return
    if not np.isfinite(lengths).all():
        raise VectorsError(f"The class vectors of layer {layer!r} cannot be changed to values that are not finite.",
                           hint="Assign finite numbers, or load the model again.")
    narrow = "bfloat16" in str(getattr(values, "dtype", ""))
    if of_unit_length and np.abs(lengths - 1).max() > (_LONGEST_OF_BFLOAT16 if narrow else _LONGEST):
        raise VectorsError(f"The class vectors of layer {layer!r} cannot be changed to lengths of {lengths.min():.4g} "
                           f"to {lengths.max():.4g}; fixed ones with cosine logits must have length 1.",
                           hint="Assign W / np.linalg.norm(W, axis=1, keepdims=True).")


def _lengths(values: Any) -> NDArray[np.float64] | None:
    """The length of each row; None for values that cannot be read, or have another shape, which Keras refuses."""
    array = readable(values)
    if array is None or array.ndim != 2 or array.size == 0:
        return None
    rows = max(1, _ELEMENTS // array.shape[1])
    return np.concatenate([np.linalg.norm(array[start : start + rows].astype(np.float64), axis=1)
                           for start in range(0, len(array), rows)])


@functools.cache
def _untrained(kind: Any, what: str, verb: str, way_out: str) -> Any:
    """The class of a backend's variables, for one that is not trained."""

    class Untrained(kind):
        held_by: str

        @property
        def trainable(self) -> bool:
            return bool(super().trainable)

        @trainable.setter
        def trainable(self, value: bool) -> None:
            if value:
                raise ReadOnlyError(f"The {what} of layer {self.held_by!r} {verb} fixed: trainable cannot be set to "
                                    "True.", hint=way_out)

    return Untrained


@functools.cache
def _held(kind: Any) -> Any:
    """The class of a backend's variables, for fixed class vectors."""
    untrained: Any = _untrained(kind, "class vectors", "are", "To learn them from their current values, create another "
                                "head: HypersphereHead(..., fixed=False, class_vectors=W).")

    class FixedClassVectors(untrained):
        of_unit_length: bool

        def assign(self, value: Any) -> Any:
            check_values(value, self.held_by, of_unit_length=self.of_unit_length)
            return super().assign(value)

    return FixedClassVectors
