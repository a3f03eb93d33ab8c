"""The precision that heads and features are computed in: float32 at least."""
from typing import Any

import keras

from keras_fixhead.errors import ArgumentError


def full_precision(dtype: Any = None) -> Any:
    """Returns the dtype policy of a layer that computes in float32 at least, and in float64 where a policy asks for it.

    Args:
        dtype: the layer's own dtype or policy; None for the global one, of which only float64 is taken over.

    Raises:
        ArgumentError: if the layer itself is asked to hold 16-bit weights.

    Example:
        >>> full_precision(), full_precision("mixed_bfloat16")
        ('float32', 'float32')
    """
    if dtype is None:
        return "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"
    try:
        policy = keras.dtype_policies.get(dtype)
        compute_dtype = policy.compute_dtype
    except (TypeError, ValueError, AttributeError):
        compute_dtype = None
    if compute_dtype in ("float32", "float64"):
        return policy
    if compute_dtype in ("float16", "bfloat16") and policy.variable_dtype == "float32":
        return "float32"
    raise ArgumentError(
        f"HypersphereHead computes in float32 or float64, got dtype {dtype!r}.",
        hint="Leave dtype out: under a 16-bit or mixed policy the head casts its input to float32.",
    )
