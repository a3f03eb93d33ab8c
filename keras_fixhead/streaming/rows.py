"""Class vectors in chunks of rows: from a table in memory, or drawn again from their seed."""
import hashlib
import math
import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_fixhead.vectors import some_class_vectors
from keras_fixhead.vectors.hashing import RADEMACHER_STREAM, mix, stream_key, word_keys

_SIGNS_OF_BYTE = 1.0 - 2.0 * ((np.arange(256)[:, None] >> np.arange(8)[None, :]) & 1)  # (256, 8), a set bit means -1


@dataclass(frozen=True)
class Table:
    """Class vectors that are held in memory.

    Attributes:
        vectors: tensor of shape (m, d), float32, float64 or bfloat16.
        dtype: dtype of the chunks.
        factor: the rows are to be multiplied by this number; 1 for a table.
    """

    vectors: Any
    dtype: str
    factor: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""
        return tuple(self.vectors.shape)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The tensors that the rows are read from."""
        return (self.vectors,)

    def on(self, arrays: tuple[Any, ...]) -> "Table":
        """Returns the same source, reading from other tensors."""
        return Table(arrays[0], self.dtype)

    def chunk(self, start: Any, rows: int) -> Any:
        """Returns `rows` rows from row `start`, shape (rows, d)."""
        # a slice of whole rows shares memory with the table; any other indexing would copy it
        return ops.cast(ops.slice(self.vectors, (start, 0), (rows, self.shape[1])), self.dtype)

    def take(self, numbers: Any) -> Any:
        """Returns the rows with these numbers, shape (N, d)."""
        return ops.cast(ops.take(self.vectors, numbers, axis=0), self.dtype)


@dataclass(frozen=True)
class Signs:
    """Class vectors of random signs, drawn again whenever they are needed: the kind 'rademacher', bit for bit.

    Attributes:
        num_classes, dim, seed: the draw.
        dtype: dtype of the chunks.

    Example:
        >>> from keras_fixhead.vectors import class_vectors
        >>> signs = Signs(num_classes=5, dim=40, seed=3, dtype="float32")
        >>> drawn = np.float32(signs.factor) * ops.convert_to_numpy(signs.chunk(2, rows=3))
        >>> bool((drawn == class_vectors("rademacher", 5, 40, seed=3)[2:]).all())
        True
    """

    num_classes: int
    dim: int
    seed: int
    dtype: str

    @property
    def factor(self) -> float:
        """The rows, which consist of 1 and -1, are to be multiplied by this number."""
        return 1.0 / math.sqrt(self.dim)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""
        return self.num_classes, self.dim

    @property
    def arrays(self) -> tuple[Any, ...]:
        """No tensors."""
        return ()

    def on(self, arrays: tuple[Any, ...]) -> "Signs":
        """Returns this source."""
        return self

    def chunk(self, start: Any, rows: int) -> Any:
        """Returns `rows` rows from row `start`, shape (rows, d)."""
        return self.take(start + ops.arange(rows, dtype="int32"))

    def take(self, numbers: Any) -> Any:
        """Returns the rows with these numbers, shape (N, d)."""
        key = stream_key(self.seed, RADEMACHER_STREAM)
        item_keys = mix(ops.cast(numbers, "uint32") ^ np.uint32(key), ops)
        words = mix(item_keys[:, None] ^ word_keys(key, np.arange(-(-self.dim // 32)))[None, :], ops)  # (N, words)
        # a table of 8 signs per byte: one shift and cast per sign took twice as long
        signs = _rows_by_octets(_signs_of_byte(self.dtype), words)  # (N, words, 4, 8)
        return ops.reshape(signs, (-1, words.shape[1] * 32))[:, : self.dim]

    def digest(self) -> str:
        """Returns the `vectors_digest` of the class vectors, drawn in parts."""
        total = hashlib.sha256()
        rows = max(1, (1 << 19) // self.dim)
        for start in range(0, self.num_classes, rows):
            stop = min(start + rows, self.num_classes)
            total.update(some_class_vectors("rademacher", start, stop, self.dim, self.seed).astype("<f4").data)
        return total.hexdigest()


Rows = Table | Signs


def _rows_by_octets(table: Any, words: Any) -> Any:
    """The row of a table for each of the four bytes of each 32-bit word, the lowest first: shape (N, words, 4, ...)."""
    if backend_is("tensorflow") and sys.byteorder == "little":
        import tensorflow as tf  # only on this backend; `ops.take` would look for negative indices first

        return tf.gather(table, tf.cast(tf.bitcast(words, tf.uint8), tf.int32))
    octets = ops.right_shift(words[:, :, None], np.array([0, 8, 16, 24], np.uint32)) & np.uint32(255)
    return ops.take(table, ops.cast(octets, "int32"), axis=0)


def _signs_of_byte(dtype: str) -> Any:
    return ops.cast(ops.convert_to_tensor(_SIGNS_OF_BYTE, "float32"), dtype)


def backend_is(name: str) -> bool:
    """Returns whether Keras runs on a backend."""
    return bool(keras.backend.backend() == name)
