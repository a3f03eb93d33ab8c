"""The values of a tensor, where it has any yet."""
from typing import Any

import keras
import numpy as np
from keras import ops


def readable(tensor: Any) -> Any:
    """Returns the values of a tensor; None while a step is being compiled, when there are none yet.

    Example:
        >>> readable(ops.convert_to_tensor([1.0, 2.0])).tolist()
        [1.0, 2.0]
        >>> readable(keras.Input((2,)))
    """
    if isinstance(tensor, keras.KerasTensor):
        return None
    try:
        return np.asarray(ops.convert_to_numpy(tensor))
    # a symbolic tensor of TensorFlow and a tracer of JAX have no values, and say so only by raising these
    except (NotImplementedError, TypeError):
        return None
