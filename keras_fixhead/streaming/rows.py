"""Class vectors in chunks of rows: from a table in memory, or drawn again from their seed."""
import functools
import hashlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead.head import unit_length
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
        normalized: whether rows are divided by their length when they are read.
    """

    vectors: Any
    dtype: str
    factor: float = 1.0
    normalized: bool = False

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
        return replace(self, vectors=arrays[0])

    def of_unit_length(self) -> "Table":
        """Returns the same vectors, divided by their length."""
        return replace(self, normalized=True)

    def chunk(self, start: Any, rows: int) -> Any:
        """Returns `rows` rows from row `start`, shape (rows, d)."""
        # a slice of whole rows shares memory with the table; any other indexing would copy it
        return self._read(ops.slice(self.vectors, (start, 0), (rows, self.shape[1])))

    def take(self, numbers: Any) -> Any:
        """Returns the rows with these numbers, shape (N, d)."""
        return self._read(ops.take(self.vectors, numbers, axis=0))

    def _read(self, rows: Any) -> Any:
        return ops.cast(unit_length(rows) if self.normalized else rows, self.dtype)

    def for_training(self) -> "Table":
        """Returns this source."""
        return self


@dataclass(frozen=True)
class Signs:
    """Class vectors of random signs, drawn again whenever they are needed: the kind 'rademacher', bit for bit.

    Attributes:
        num_classes, dim, seed: the draw.
        dtype: dtype of the chunks.
        by_xla: whether chunks are drawn by a function that XLA compiles, on TensorFlow.

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
    by_xla: bool = False

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

    def for_training(self) -> "Signs":
        """Returns the source of a training step, which is not exported: a model server may have no XLA."""
        return replace(self, by_xla=backend_is("tensorflow") and _xla_is_faster())

    def of_unit_length(self) -> "Signs":
        """Returns this source: its vectors, times `factor`, have length 1."""
        return self

    def chunk(self, start: Any, rows: int) -> Any:
        """Returns `rows` rows from row `start`, shape (rows, d)."""
        if self.by_xla:
            draw = _function_of_xla(rows, self.dim, self.dtype)
            return draw(ops.convert_to_tensor(start, "int32"), *(ops.convert_to_tensor(key) for key in self._keys()))
        return self.take(start + ops.arange(rows, dtype="int32"))

    def take(self, numbers: Any) -> Any:
        """Returns the rows with these numbers, shape (N, d)."""
        words = _words(numbers, *self._keys())
        to_signs = _signs_by_octets if backend_is("tensorflow") else _signs_by_shifts
        return to_signs(words, self.dtype)[:, : self.dim]

    def _keys(self) -> tuple[np.uint32, NDArray[np.uint32]]:
        """The key of the draw, and those of the words of a row."""
        key = stream_key(self.seed, RADEMACHER_STREAM)
        return np.uint32(key), word_keys(key, np.arange(-(-self.dim // 32)))

    def digest(self) -> str:
        """Returns the `vectors_digest` of the class vectors, drawn in parts."""
        total = hashlib.sha256()
        rows = max(1, (1 << 19) // self.dim)
        for start in range(0, self.num_classes, rows):
            stop = min(start + rows, self.num_classes)
            total.update(some_class_vectors("rademacher", start, stop, self.dim, self.seed).astype("<f4").data)
        return total.hexdigest()


Rows = Table | Signs


def _words(numbers: Any, key: Any, keys: Any) -> Any:
    """The words of rows: 32 signs each, shape (N, words)."""
    item_keys = mix(ops.cast(numbers, "uint32") ^ key, ops)
    return mix(item_keys[:, None] ^ keys[None, :], ops)


def _signs_by_shifts(words: Any, dtype: str) -> Any:
    """The signs of words, shape (N, 32 x words): the fastest way where a compiler makes one loop of it."""
    bits = ops.right_shift(words[:, :, None], np.arange(32, dtype=np.uint32)) & np.uint32(1)
    return ops.reshape(ops.cast(1 - 2 * ops.cast(bits, "int32"), dtype), (-1, words.shape[1] * 32))


def _signs_by_octets(words: Any, dtype: str) -> Any:
    """The same, from a table with the signs of each byte: without a compiler, shifts took twice as long."""
    import tensorflow as tf  # only on this backend; `ops.take` would look for negative indices first

    octets = tf.bitcast(words, tf.uint8)  # (N, words, 4)
    if sys.byteorder == "big":
        octets = tf.reverse(octets, [2])
    table = tf.cast(tf.constant(_SIGNS_OF_BYTE, tf.float32), dtype)
    return tf.reshape(tf.gather(table, tf.cast(octets, tf.int32)), (-1, words.shape[1] * 32))


def _xla_is_faster() -> bool:
    """Whether TensorFlow computes on the processor, where drawing by XLA takes a quarter of the time."""
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU") and not tf.config.list_logical_devices("TPU")


@functools.cache  # one for all models: TensorFlow keeps what XLA has compiled
def _function_of_xla(rows: int, dim: int, dtype: str) -> Callable[..., Any]:
    """A function of the number of the first row and of the keys, which draws rows."""
    import tensorflow as tf

    def draw(start: Any, key: Any, keys: Any) -> Any:
        return _signs_by_shifts(_words(start + tf.range(rows, dtype=tf.int32), key, keys), dtype)[:, :dim]

    with tf.init_scope():  # a graph made inside of a model's graph would keep that graph in memory
        compiled: Callable[..., Any] = tf.function(draw, jit_compile=True, autograph=False).get_concrete_function(
            tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.uint32), tf.TensorSpec((-(-dim // 32),), tf.uint32))
    return compiled


def backend_is(name: str) -> bool:
    """Returns whether Keras runs on a backend."""
    return bool(keras.backend.backend() == name)
