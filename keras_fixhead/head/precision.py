"""The precision of heads and features: at least float32."""
from typing import Any

import keras

from keras_fixhead.errors import ArgumentError


def full_precision(dtype: Any = None, what: str = "HypersphereHead") -> Any:
    """Returns the dtype policy of a layer or loss that computes in at least float32, and in float64 if it is float64.

    Args:
        dtype: its own dtype or policy; None for the global one, of which only float64 has an effect.
        what: what it is, for the error.

    Raises:
        ArgumentError: if its own dtype has 16-bit weights, or is not a dtype of floating-point numbers.

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
        f"{what} computes in float32 or float64, got dtype {dtype!r}.",
        hint="Leave out dtype: under a 16-bit or mixed policy the input is cast to float32.",
    )
