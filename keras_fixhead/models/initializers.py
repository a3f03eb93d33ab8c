"""Initial weights that are the same on every backend."""
import math
from typing import Any

import keras
import numpy as np

from keras_fixhead.vectors.hashing import INITIALIZER_STREAM, stream_key, words


@keras.saving.register_keras_serializable(package="keras_fixhead")
class HashedUniform(keras.initializers.Initializer):
    """Draws weights uniformly from (-limit, limit), bit-identical on TensorFlow, JAX and PyTorch.

    Keras' own initializers use the backend's random numbers, so that one seed gives different weights on each backend.

    Args:
        limit: largest absolute value; None for 1 / sqrt(fan_in), torch's default for convolutions.
        seed: seed of the draw, in [0, 2^64).

    Example:
        >>> weights = keras.ops.convert_to_numpy(HashedUniform(seed=3)((3, 3, 4, 2)))
        >>> weights.shape, bool(abs(weights).max() < 1 / 6)
        ((3, 3, 4, 2), True)
    """

    def __init__(self, limit: float | None = None, *, seed: int) -> None:
        self.limit = limit
        self.seed = seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        limit = 1 / math.sqrt(math.prod(shape[:-1])) if self.limit is None else self.limit
        drawn = words(stream_key(self.seed, INITIALIZER_STREAM), np.arange(math.prod(shape)), [0])[:, 0]
        values = limit * (2 * ((drawn + 0.5) / 2**32) - 1)  # float64
        return keras.ops.convert_to_tensor(values.astype(np.float32).reshape(shape), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_fixhead")
class IdentityUniform(keras.initializers.Initializer):
    """Starts a convolution as the identity on as many channels as it can pass on; other filters as `HashedUniform`.

    Filter i, for i below the number of input channels, is 1 at the centre of channel i and 0 elsewhere. The kernel's
    sides must be odd.

    Args:
        seed: seed of the draw, in [0, 2^64).

    Example:
        >>> kernel = keras.ops.convert_to_numpy(IdentityUniform(seed=3)((3, 3, 2, 4)))
        >>> kernel[1, 1, :, :2].tolist(), float(abs(kernel[..., :2]).sum())
        ([[1.0, 0.0], [0.0, 1.0]], 2.0)

    Reference: Jordan (2024), arXiv:2404.00498, section 3.3, for the identity.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        kernel = np.array(keras.ops.convert_to_numpy(HashedUniform(seed=self.seed)(shape)))
        height, width, inputs, outputs = shape
        passed = np.arange(min(inputs, outputs))
        kernel[..., passed] = 0.0
        kernel[height // 2, width // 2, passed, passed] = 1.0
        return keras.ops.convert_to_tensor(kernel, dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
