"""Tables of class vectors, filled and read in slices, so that there is never a second one in memory."""
import hashlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead.streaming.rows import backend_is
from keras_fixhead.vectors import some_class_vectors

_ELEMENTS = 1 << 19  # of a slice; drawing needs about 50 bytes for each


def add_table(layer: keras.layers.Layer, kind: str, num_classes: int, dim: int, seed: int,
              dtype: str) -> tuple[Any, str]:
    """Adds a weight with class vectors that are drawn class by class.

    Returns:
        the weight, and the digest of the float32 draw.
    """
    total = hashlib.sha256()

    def drawn() -> Iterator[tuple[slice, NDArray[np.float32]]]:
        for part in slices(num_classes, dim):
            rows = some_class_vectors(kind, part.start, part.stop, dim, seed)
            total.update(np.ascontiguousarray(rows, "<f4").data)
            yield part, rows

    def add(initializer: Any) -> Any:
        return layer.add_weight(name="class_vectors", shape=(num_classes, dim), dtype=dtype, initializer=initializer,
                                trainable=False, autocast=False)

    if backend_is("tensorflow"):
        weight = add("zeros")
        for part, rows in drawn():
            weight.value[part].assign(ops.cast(rows, dtype))
    else:  # arrays cannot be changed in place
        table = np.empty((num_classes, dim), ops.convert_to_numpy(ops.zeros((), dtype)).dtype)
        for part, rows in drawn():
            table[part] = rows
        weight = add(lambda shape, dtype=None: ops.convert_to_tensor(table))
    return weight, total.hexdigest()


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
