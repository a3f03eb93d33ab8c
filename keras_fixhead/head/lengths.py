"""Scaling vectors to length 1."""
from typing import Any

from keras import ops

EPSILON = 1e-6
"""Smallest norm that vectors are divided by; shorter ones are treated as having this length."""


def unit_length(vectors: Any) -> Any:
    """Returns vectors divided by their length, or by 1e-6 if they are shorter.

    A zero vector stays zero, with a finite gradient. (`ops.normalize` squares in the input's dtype, so its gradient in
    float16 is infinite.)

    Args:
        vectors: float tensor of shape (..., d).

    Returns:
        tensor of the same shape and dtype.

    Example:
        >>> import numpy as np
        >>> ops.convert_to_numpy(unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], "float32"))).round(4).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    squared_norm = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared_norm, EPSILON**2))
