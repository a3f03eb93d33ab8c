"""The pass over class vectors in bfloat16 on TensorFlow, with its fused softmax.

Maximum, difference, exponential, sum and two casts of each logit, one operation after the other, took as long on a CPU
as both matrix products. The fused softmax of a chunk does most of it in one operation, in bfloat16 with float32 inside.
Its results are combined with those of the chunks before by their logsumexp.
"""
from typing import Any

LOWEST = -1e30
"""Below any logit, and a finite number in bfloat16: infinity - infinity is not a number."""

CACHED_ROWS = 1 << 13
"""Most classes of a chunk here: the arrays of larger ones leave the cache (batch 128)."""

_COLUMNS = 256
_SMALLEST = 1e-25  # probabilities below have lost digits, or are 0


def softmax_step(state: tuple[Any, ...], vectors: Any, start: Any, weights: Any, numbers: Any) -> tuple[Any, ...]:
    """Returns the state after a chunk: largest logit, logsumexp, and if asked for the softmax's mean of the vectors.

    Args:
        state: these before the chunk, float32 or float64, (N,), (N,) and (N, d); without the last, it is not computed.
        vectors: class vectors of the chunk, bfloat16, (K, d).
        start: number of its first class.
        weights: what they are multiplied with, (N, d).
        numbers: class of each example, int32, (N,), which is left out.
    """
    import tensorflow as tf  # only on this backend

    highest, total, *mean = state
    logits = _without_own(tf.linalg.matmul(tf.cast(weights, vectors.dtype), vectors, transpose_b=True), numbers - start)
    shares = tf.nn.softmax(logits)
    own_total = _logsumexp(logits, shares, weights.dtype)
    new_highest = tf.maximum(highest, own_total + tf.math.log(tf.cast(_largest(shares), highest.dtype)))
    new_total = tf.maximum(total, own_total) + tf.math.log1p(tf.exp(-tf.abs(total - own_total)))
    if not mean:
        return new_highest, new_total
    product = tf.cast(tf.linalg.matmul(shares, vectors), weights.dtype)
    before, now = tf.exp(total - new_total)[:, None], tf.exp(own_total - new_total)[:, None]
    return new_highest, new_total, mean[0] * before + product * now


def _without_own(logits: Any, places: Any) -> Any:
    """Logits (N, K) with the lowest one at each example's place, if it is in [0, K); by indices, not a mask of all."""
    import tensorflow as tf

    columns = logits.shape[1]
    inside = tf.logical_and(places >= 0, places < columns)
    where = tf.stack([tf.range(tf.shape(logits)[0]), tf.clip_by_value(places, 0, columns - 1)], axis=1)
    values = tf.where(inside, tf.cast(LOWEST, logits.dtype), tf.gather_nd(logits, where))
    return tf.tensor_scatter_nd_update(logits, where, values)


def _largest(shares: Any) -> Any:
    """The largest share of each row. Numbers from 0 on are ordered as their bits, which are compared twice as fast."""
    import tensorflow as tf

    return tf.bitcast(tf.reduce_max(tf.bitcast(shares, tf.int16), axis=1), shares.dtype)


def _logsumexp(logits: Any, shares: Any, dtype: Any) -> Any:
    """The logsumexp of each row of logits, from some of its columns and their shares: their rounding averages out."""
    import tensorflow as tf

    some = tf.reduce_logsumexp(tf.cast(logits[:, :_COLUMNS], dtype), axis=1)
    share = tf.reduce_sum(tf.cast(shares[:, :_COLUMNS], dtype), axis=1)
    small = tf.logical_not(share > _SMALLEST)  # also where it is not a number
    whole = tf.cond(tf.reduce_any(small), lambda: tf.reduce_logsumexp(tf.cast(logits, dtype), axis=1),
                    lambda: some)
    return tf.where(small, whole, some - tf.math.log(tf.where(small, tf.ones_like(share), share)))
