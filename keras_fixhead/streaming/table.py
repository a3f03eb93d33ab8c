"""Tables of class vectors, filled and read in slices, so that there is never a second one in memory."""
import ctypes
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.stateless_scope import in_stateless_scope
from numpy.typing import NDArray

from keras_fixhead.streaming.rows import backend_is
from keras_fixhead.vectors import some_class_vectors

_ALIGNMENT = 64  # bytes
_ELEMENTS = 1 << 19  # of a slice; drawing needs about 50 bytes for each


def add_table(layer: keras.layers.Layer, kind: str, num_classes: int, dim: int, seed: int,
              dtype: str) -> tuple[Any, str, str]:
    """Adds a weight with class vectors that are drawn class by class.

    Returns:
        the weight, the digest of the float32 draw, and that of the weight.
    """
    drawn, held = hashlib.sha256(), hashlib.sha256()

    def fill(table: NDArray[Any]) -> None:
        for part in slices(num_classes, dim):
            rows = some_class_vectors(kind, part.start, part.stop, dim, seed)
            table[part] = rows
            drawn.update(np.ascontiguousarray(rows, "<f4").data)
            held.update(np.ascontiguousarray(table[part], "<f4").data)

    def add(initializer: Any) -> Any:
        return layer.add_weight(name="class_vectors", shape=(num_classes, dim), dtype=dtype, initializer=initializer,
                                trainable=False, autocast=False)

    table = _aligned_zeros((num_classes, dim), np.dtype(dtype))  # Keras has registered bfloat16 with NumPy
    if _has_memory_of_its_own():
        with _outside_graphs():
            weight = add(lambda shape, dtype=None: _shared_tensor(table, dtype))
            fill(_memory_of(weight, table.dtype))
    else:
        fill(table)
        weight = add(lambda shape, dtype=None: ops.convert_to_tensor(table))
    return weight, drawn.hexdigest(), held.hexdigest()


def _has_memory_of_its_own() -> bool:
    """Whether a new weight is one array in the memory of the processor, from the moment it is added."""
    if not backend_is("tensorflow") or in_stateless_scope():
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU") and not tf.distribute.has_strategy()


def _outside_graphs() -> Any:
    """A layer can be called for the first time in a `tf.function`; its weight is made outside."""
    import tensorflow as tf

    return tf.init_scope()


def _aligned_zeros(shape: tuple[int, int], dtype: Any) -> NDArray[Any]:
    """Zeros at an address that frameworks accept; the system gives them memory when they are first written."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def _shared_tensor(table: NDArray[Any], dtype: str) -> Any:
    """A tensor in the memory of an array."""
    import tensorflow as tf

    numbers = table.view(f"u{table.itemsize}")  # DLPack in NumPy knows no bfloat16
    return tf.bitcast(tf.experimental.dlpack.from_dlpack(numbers.__dlpack__()), dtype)


def _memory_of(weight: Any, dtype: Any) -> NDArray[Any]:
    """A weight's own memory on the CPU, to be written before the weight is used for the first time.

    An assignment to rows would make each later read of the weight a copy of the whole table.
    """
    import tensorflow as tf

    numbers = tf.bitcast(weight.value.read_value(), f"uint{8 * dtype.itemsize}")
    view = np.from_dlpack(_Capsule(tf.experimental.dlpack.to_dlpack(numbers)))
    memory = (ctypes.c_uint8 * view.nbytes).from_address(view.ctypes.data)
    return np.frombuffer(memoryview(memory), np.uint8).view(dtype).reshape(view.shape)


class _Capsule:
    """What `numpy.from_dlpack` takes, from TensorFlow's capsule."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0  # the CPU


def table_digest(table: Any) -> str:
    """Returns the `vectors_digest` of a table, read in slices."""
    values = ops.convert_to_tensor(table)
    total = hashlib.sha256()
    for part in slices(*values.shape):
        rows = ops.convert_to_numpy(values[part])
        total.update(np.ascontiguousarray(rows, "<f4").data)
    return total.hexdigest()


def slices(num_classes: int, dim: int) -> Iterator[slice]:
    """Returns slices of rows that together are all rows of a table.

    Example:
        >>> [part.stop for part in slices(3, 1 << 19)]
        [1, 2, 3]
    """
    rows = max(1, _ELEMENTS // dim)
    return (slice(start, min(start + rows, num_classes)) for start in range(0, num_classes, rows))
