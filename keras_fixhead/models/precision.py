"""The precision in which models are built."""
import contextlib
from collections.abc import Iterator

import keras

from keras_fixhead.catalog import look_up

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@contextlib.contextmanager
def precision_policy(precision: str) -> Iterator[None]:
    """Sets the precision of models built inside: 'float32', 'bfloat16' or 'float16' (16 bits with float32 weights)."""
    policy = look_up(_POLICIES, precision, "precision")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
