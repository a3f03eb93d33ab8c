"""One pass over class vectors in chunks: sums over all classes but the own one, and the best classes.

Logits of a chunk are (K, N), one row per class: in float32 these products are 1.5 times as fast on a CPU as (N, K).
"""
import math
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_fixhead.streaming.graphs import in_graph, may_be_differentiated
from keras_fixhead.streaming.rows import Rows, backend_is
from keras_fixhead.streaming.softmax_pass import CACHED_ROWS, LOWEST, softmax_step

State = tuple[Any, ...]

_NO_GRADIENT = "pass training=True, or call the function under a gradient tape before it is first called without one."


def logsumexp_of_others(weights: Any, numbers: Any, source: Rows, *, rows: int, ahead: bool) -> tuple[Any, Any]:
    """Returns the logsumexp of each example's logits over all classes but its own, and the largest of these logits.

    The gradient of the first with respect to `weights` is the mean of the other classes' vectors under their softmax.
    It needs a second product per chunk. The second result has no gradient.

    Args:
        weights: what the rows of the source are multiplied with to give logits: scale x features or embedding, shape
            (N, d), float32 or float64.
        numbers: class number of each example, int32, shape (N,); -1 leaves no class out.
        source: the class vectors, without their factor, which `weights` contains.
        rows: class vectors per chunk.
        ahead: whether to compute the gradient in the same pass. If not, a gradient takes a second pass; in a graph of
            TensorFlow that is made under a gradient tape, the gradient is always computed in the same pass, and in one
            made without a tape there is none.

    Returns:
        two tensors of shape (N,).
    """
    def forward(weights: Any, numbers: Any, arrays: tuple[Any, ...], with_mean: bool) -> State:
        return _sums(weights, numbers, source.on(arrays), rows, with_mean=with_mean)

    return _with_gradient(forward, weights, numbers, source.arrays, ahead)


def best_classes(weights: Any, source: Rows, *, k: int, rows: int) -> tuple[Any, Any]:
    """Returns the k largest logits of each example and their classes, largest first; of equal ones, the lower class.

    Args:
        weights, source, rows: as in `logsumexp_of_others`.
        k: at most the number of classes.

    Returns:
        values (N, k) of the dtype of `weights`, and classes (N, k), int32, always valid; a value of -infinity tells
        that there was no logit to compare, as for features that are not numbers.
    """
    def step(state: State, vectors: Any, start: Any) -> State:
        values, classes = state
        logits = ops.transpose(_logits(vectors, weights))  # (N, K)
        new, places = ops.top_k(logits, min(k, vectors.shape[0]))
        values = ops.concatenate([values, new], axis=1)  # the earlier ones first: of equal values, the first one wins
        classes = ops.concatenate([classes, start + ops.cast(places, "int32")], axis=1)
        values, order = ops.top_k(values, k)
        return values, ops.take_along_axis(classes, order, axis=1)

    shape = (ops.shape(weights)[0], k)
    start = ops.full(shape, -math.inf, dtype=weights.dtype), ops.full(shape, -1, dtype="int32")
    values, classes = _over_chunks(step, start, source, rows)
    # where no logit is above -infinity, as for features that are not numbers
    return values, ops.where(classes < 0, ops.arange(k, dtype="int32")[None, :], classes)


def sum_of_rows(source: Rows, *, rows: int, dtype: Any) -> Any:
    """Returns the sum of all rows of a source, without its factor, shape (d,)."""
    def step(state: State, vectors: Any, start: Any) -> State:
        return (state[0] + ops.sum(ops.cast(vectors, dtype), axis=0),)

    (total,) = _over_chunks(step, (ops.zeros(source.shape[1], dtype=dtype),), source, rows)
    return total


def _sums(weights: Any, numbers: Any, source: Rows, rows: int, *, with_mean: bool) -> State:
    """logsumexp and largest of the other classes' logits, and if asked for the mean of their vectors, (N, d)."""
    examples = ops.shape(weights)[0]
    lowest = ops.full((examples,), LOWEST, dtype=weights.dtype)
    means = (ops.zeros_like(weights),) if with_mean else ()
    if backend_is("tensorflow") and source.dtype == "bfloat16":
        def fused(state: State, vectors: Any, start: Any) -> State:
            return softmax_step(state, vectors, start, weights, numbers)

        highest, total, *mean = _over_chunks(fused, (lowest, lowest, *means), source, min(rows, CACHED_ROWS))
        return total, highest, *mean

    def step(state: State, vectors: Any, start: Any) -> State:
        highest, total, *mean = state
        logits = _logits(vectors, weights)
        classes = start + ops.arange(vectors.shape[0], dtype="int32")
        # the own class is left out and not subtracted later: where it has nearly all of the sum, nothing would remain
        logits = ops.where(classes[:, None] == numbers[None, :], ops.cast(-math.inf, logits.dtype), logits)
        new = ops.maximum(highest, ops.max(logits, axis=0))
        shrink, powers = ops.exp(highest - new), ops.exp(logits - new)
        total = total * shrink + ops.sum(powers, axis=0)
        if not mean:
            return new, total
        weighted = _transposed_product(ops.cast(powers, vectors.dtype), vectors)
        return new, total, mean[0] * shrink[:, None] + ops.cast(weighted, weights.dtype)

    state: State = (lowest, ops.zeros((examples,), dtype=weights.dtype), *means)
    highest, total, *mean = _over_chunks(step, state, source, rows)
    return highest + ops.log(total), highest, *(each / total[:, None] for each in mean)


def _logits(vectors: Any, weights: Any) -> Any:
    """(K, N), accumulated and returned in the precision of the weights."""
    return ops.cast(ops.matmul(vectors, ops.transpose(ops.cast(weights, vectors.dtype))), weights.dtype)


def _transposed_product(a: Any, b: Any) -> Any:
    if backend_is("tensorflow"):
        import tensorflow as tf  # only on this backend; its product takes a transposed factor as it is

        return tf.linalg.matmul(a, b, transpose_a=True)
    return ops.matmul(ops.transpose(a), b)


def _over_chunks(step: Callable[[State, Any, Any], State], state: State, source: Rows, rows: int) -> State:
    """The state after a step with every chunk. The last, shorter one has a step of its own, so that sizes are fixed."""
    num_classes = source.shape[0]
    rows = min(rows, num_classes)
    whole = num_classes // rows
    if whole == 1:
        state = step(state, source.chunk(0, rows), 0)
    else:
        state = _repeated(whole, lambda i, state: step(state, source.chunk(i * rows, rows), i * rows), state)
    if rest := num_classes % rows:
        state = step(state, source.chunk(num_classes - rest, rest), num_classes - rest)
    return state


def _repeated(times: int, body: Callable[[Any, State], State], state: State) -> State:
    if not backend_is("tensorflow"):
        return tuple(ops.fori_loop(0, times, lambda i, state: tuple(body(i, state)), state))
    import tensorflow as tf

    # as `ops.fori_loop`, but one chunk at a time: ten at a time take more memory
    return tuple(tf.while_loop(lambda i, *_: i < times, lambda i, *state: (i + 1, *body(i, state)), (0, *state),
                               parallel_iterations=1)[1:])


def _with_gradient(forward: Callable[..., State], weights: Any, numbers: Any, arrays: tuple[Any, ...],
                   ahead: bool) -> tuple[Any, Any]:
    """The first two results of `forward`, whose third is the gradient of the first, by the means of the backend."""
    if backend_is("jax"):
        return _jax_function(forward)(weights, numbers, arrays)

    if backend_is("tensorflow") and in_graph():
        return _graph_function(forward, weights, numbers, arrays, ahead=ahead or may_be_differentiated())

    def others(weights: Any) -> Any:
        value, highest, *mean = forward(weights, numbers, arrays, ahead)

        def gradient(*args: Any, upstream: Any = None) -> Any:  # backends pass it in different ways
            upstream = (args if upstream is None else upstream)[0]
            found = mean[0] if mean else forward(weights, numbers, arrays, True)[2]
            return upstream[:, None] * found

        return (value, highest), gradient

    found: tuple[Any, Any] = ops.custom_gradient(others)(weights)
    return found


def _graph_function(forward: Callable[..., State], weights: Any, numbers: Any, arrays: tuple[Any, ...], *,
                    ahead: bool) -> tuple[Any, Any]:
    """As part of a graph of TensorFlow, without `tf.custom_gradient`, which would keep every graph in memory for good.

    A function with the value and the gradient: the product of the mean and of zeros, which have a gradient.
    """
    import tensorflow as tf

    still = tf.stop_gradient(weights)
    value, highest, *mean = forward(still, numbers, arrays, ahead)
    if not ahead:
        return tf.raw_ops.PreventGradient(input=value, message=_NO_GRADIENT), tf.stop_gradient(highest)
    value, highest, mean = (tf.stop_gradient(each) for each in (value, highest, mean[0]))
    return value + tf.reduce_sum(mean * (weights - still), axis=1), highest


def _jax_function(forward: Callable[..., State]) -> Callable[..., tuple[Any, Any]]:
    """As a function of JAX, which itself knows whether a gradient is asked for."""
    import jax

    def alone(weights: Any, numbers: Any, arrays: tuple[Any, ...]) -> tuple[Any, Any]:
        value, highest = forward(weights, numbers, arrays, False)
        return value, highest

    def ahead(weights: Any, numbers: Any, arrays: tuple[Any, ...]) -> tuple[tuple[Any, Any], Any]:
        value, highest, mean = forward(weights, numbers, arrays, True)
        return (value, highest), mean

    def gradient(mean: Any, upstream: tuple[Any, Any]) -> tuple[Any, None, None]:
        return upstream[0][:, None] * mean, None, None

    others = jax.custom_vjp(alone)
    others.defvjp(ahead, gradient)
    return others
