"""Lookahead: slow copies of the weights, towards which the weights are set back every few steps."""
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.training.backend import device_scope
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.optimizer import inner


class Lookahead(keras.callbacks.Callback):
    """Every few steps moves the slow copies towards the weights, and sets the weights to them.

    This is done for all weights: running statistics of normalisation, and learned class vectors and bias too. After the
    last step the slow copies are taken whole. The optimizer holds them, so they are part of a checkpoint. Evaluations
    between are those of the weights as they are.

    Args:
        config: the resolved configuration.
        length: epochs and steps of the run.
        progress: progress at the start of the epoch.

    Reference: Zhang, Lucas, Hinton and Ba (2019), arXiv:1907.08610; the share of the slow copies that grows with the
        steps is that of Jordan (2024), arXiv:2404.00498.
    """

    def __init__(self, config: TrainConfig, length: Length, progress: Progress) -> None:
        super().__init__()
        self._every = config.lookahead_every
        self._decay = config.lookahead_decay
        self._devices = config.devices
        first, self._steps = length.phase
        self._done = length.before(progress.epoch) + progress.step - first

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        done = self._done + batch + 1
        if self._every and done % self._every == 0:
            self._merge(slow_share(done, self._steps, self._every, self._decay))
        if self._every and done == self._steps:
            self._merge(1.0)

    def _merge(self, share: float) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        optimizer = inner(self.model.optimizer)
        with device_scope(self._devices):
            optimizer.rules.mix = optimizer.rules.mix or mixer(optimizer.rules.copied, optimizer.slow)
            optimizer.rules.mix(share)


def slow_share(done: int, steps: int, every: int, decay: float) -> float:
    """Returns the share that the slow copies keep after some steps: decay^every (done / steps)^3.

    Example:
        >>> round(slow_share(50, 100, every=5, decay=0.95), 4)
        0.0967
    """
    return float(decay**every * (done / steps) ** 3)


def start_slow(model: keras.Model) -> None:
    """Sets the slow copies of a compiled model's weights, if any, to the weights."""
    optimizer = inner(model.optimizer)
    if optimizer.rules.copied:
        for slow, weight in zip(optimizer.slow, optimizer.rules.copied, strict=True):
            slow.assign(keras.ops.copy(weight))  # JAX cannot reuse a buffer that two weights share


def mixer(weights: Sequence[Any], slow: Sequence[Any]) -> Callable[[float], None]:
    """Returns a function that mixes weights and their slow copies: both become slow + (1 - share) (weight - slow).

    Args:
        weights, slow: Keras variables.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def assign(share: Any) -> None:
            for weight, copy in zip(weights, slow, strict=True):
                copy.assign(_mixed(weight, copy, keras.ops.cast(share, weight.dtype)))
                weight.assign(copy)

        compiled = tf.function(assign)
        return lambda share: compiled(tf.constant(share, tf.float32))
    mixed: Callable[..., Any] = _all_mixed
    if keras.backend.backend() == "jax":
        import jax

        mixed = jax.jit(_all_mixed)

    def assign_mixed(share: float) -> None:
        values = mixed([each.value for each in weights], [each.value for each in slow], share)
        for weight, copy, value in zip(weights, slow, values, strict=True):
            copy.assign(value)
            weight.assign(keras.ops.copy(value))

    return assign_mixed


def _all_mixed(weights: list[Any], slow: list[Any], share: Any) -> list[Any]:
    return [_mixed(weight, copy, share) for weight, copy in zip(weights, slow, strict=True)]


def _mixed(weight: Any, slow: Any, share: Any) -> Any:
    return slow + (1.0 - share) * (weight - slow)
