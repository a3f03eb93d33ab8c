"""The shape of the features that a head is built for."""
from typing import Any

from keras_fixhead.errors import ArgumentError


def checked_dim(input_shape: Any) -> Any:
    """Returns the number of features d of a shape (..., d); the draw checks its range.

    Raises:
        ArgumentError: if it is not a shape, or d is open.
    """
    if not isinstance(input_shape, (tuple, list)) or not input_shape:
        raise ArgumentError(f"HypersphereHead needs the shape of its features, got {input_shape!r}.",
                            hint="Build it with (None, NUMBER_OF_FEATURES), or call it.")
    if input_shape[-1] is None:
        raise ArgumentError(f"HypersphereHead needs a fixed number of features, got input shape {input_shape}.")
    return input_shape[-1]
