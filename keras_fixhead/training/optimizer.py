"""The optimizer of a run: Keras' SGD or AdamW, with rates and ends of learning for single weights."""
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from keras_fixhead.config import Length, TrainConfig
from keras_fixhead.models import WhiteningConvolution, head_of
from keras_fixhead.training.backend import to_numpy


@dataclass
class Rules:
    """What an optimizer does differently for single weights. Weights are named by their paths.

    Attributes:
        factors: factors on the learning rate; others have 1.
        ends: steps after which a weight stays as it is; others are learned to the end.
        copied: weights that the optimizer keeps slow copies of, for `Lookahead`.
        mix: the function that `Lookahead` has compiled for them.
    """

    factors: dict[str, float] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    copied: list[Any] = field(default_factory=list)
    mix: Any = None


_Optimizer: Any = keras.optimizers.Optimizer if TYPE_CHECKING else object


class _Ruled(_Optimizer):
    """An optimizer that follows rules, and that keeps averages of the weights apart from the weights.

    Attributes:
        rules: set them before it is built.
        slow: slow copies of `rules.copied`, part of its variables.
    """

    rules = Rules()

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        self.slow = [self.add_variable_from_reference(each, "slow")
                     for each in self.rules.copied]
        self._factors = [self.rules.factors.get(each.path, 1.0) for each in variables]
        self._ends = [self.rules.ends.get(each.path) for each in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        factor, end = self._factors[index], self._ends[index]
        rate = learning_rate if factor == 1 else learning_rate * factor
        if end is None:
            super().update_step(gradient, variable, rate)
            return
        before = ops.copy(variable)  # not `convert_to_tensor`, which returns a TensorFlow variable itself
        super().update_step(gradient, variable, rate)
        self.assign(variable, ops.where(self._iterations < end, ops.copy(variable), before))

    def finalize_variable_values(self, var_list: Any) -> None:
        """Does nothing: `fit` calls it after each epoch, and Keras would replace the weights by their averages."""


class RuledSGD(_Ruled, keras.optimizers.SGD):
    """Keras' SGD that follows rules."""


class RuledAdamW(_Ruled, keras.optimizers.AdamW):
    """Keras' AdamW that follows rules."""


def run_optimizer(config: TrainConfig, model: keras.Model, rate: Any, length: Length) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a run.

    Args:
        config: the resolved configuration.
        model: the model that it will train.
        rate: learning rate, a number or a schedule.
        length: epochs and steps of the run.
    """
    averages: dict[str, Any] = {"gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
                                "use_ema": config.ema > 0, "ema_momentum": config.ema}
    if config.optimizer == "adamw":
        optimizer = RuledAdamW(rate, weight_decay=config.decoupled_decay, beta_1=config.momentum, **averages)
        decayed = {id(each) for each in _kernels(model)}
        optimizer.exclude_from_weight_decay([each for each in model.trainable_variables if id(each) not in decayed])
    else:
        optimizer = RuledSGD(rate, momentum=config.momentum, nesterov=True, **averages)
    optimizer.rules = _rules(config, model, length)
    return optimizer


def share_decay(config: TrainConfig, model: keras.Model) -> None:
    """Divides the L2 penalty of normalisation's offsets, if any, by the factor on their rate: all decay as fast."""
    if config.decay_norms and config.weight_decay and config.norm_offset_lr > 0:
        for offset in _offsets(model):
            offset.regularizer = keras.regularizers.L2(config.weight_decay / 2 / config.norm_offset_lr)


def _rules(config: TrainConfig, model: keras.Model, length: Length) -> Rules:
    rules = Rules()
    if config.norm_offset_lr != 1:
        rules.factors = {each.path: config.norm_offset_lr for each in _offsets(model)}
    head = head_of(model)
    if config.backbone_lr != 1:
        own = {each.path for each in head.trainable_variables}
        rules.factors = {each.path: config.backbone_lr * rules.factors.get(each.path, 1.0)
                         for each in model.trainable_variables if each.path not in own}
    if config.optimizer == "adamw" and not head.fixed and config.vector_lr != 1:
        # the head scales their gradient, which AdamW undoes
        rules.factors[head.class_vectors.path] = config.vector_lr
    if config.whitening_bias_epochs < length.count:
        end = length.before(config.whitening_bias_epochs)
        rules.ends = {each.bias.path: end for each in model.layers if isinstance(each, WhiteningConvolution)}
    if config.lookahead_every:
        rules.copied = [each for each in model.weights if each is not head.class_vectors or each.trainable]
        rules.copied = [each for each in rules.copied if "float" in str(each.dtype)]
    return rules


def _offsets(model: keras.Model) -> list[Any]:
    return [each.beta for each in model.layers
            if isinstance(each, keras.layers.BatchNormalization) and each.center]


def _kernels(model: keras.Model) -> list[Any]:
    """The weights of the backbone that are not one number per channel."""
    head = head_of(model)
    return [weight for layer in model.layers if layer is not head for weight in layer.trainable_variables
            if len(weight.shape) > 1]


def inner(optimizer: Any) -> Any:
    """Returns our optimizer, which the loss-scaling one wraps in float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def start_averages(model: keras.Model) -> None:
    """Sets the averages of a compiled model's weights, if the run has any, to the weights."""
    optimizer = inner(model.optimizer)
    if optimizer.use_ema:
        for weight, average in zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True):
            average.assign(weight)


def averaged_weights(model: keras.Model) -> list[Any]:
    """Returns the values of a compiled model's weights to evaluate and save: their averages, where the run has them.

    Running statistics of normalisation are those of the last step: they are averages already.
    """
    averages = _averages(model)
    return [to_numpy(averages.get(weight.path, weight)) for weight in model.weights]


@contextlib.contextmanager
def averaged(model: keras.Model, scope: Callable[[], contextlib.AbstractContextManager[None]]) -> Iterator[None]:
    """A context in which a compiled model has the averages as its weights, if the run has any.

    Args:
        model: the model.
        scope: returns the context in which its weights may be assigned.
    """
    averages = _averages(model)
    weights = [each for each in model.weights if each.path in averages]
    before = [to_numpy(each) for each in weights]
    try:
        _assign(weights, [to_numpy(averages[each.path]) for each in weights], scope)
        yield
    finally:
        _assign(weights, before, scope)


def _assign(weights: Sequence[Any], values: Sequence[Any],
            scope: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
    with scope():
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)


def _averages(model: keras.Model) -> dict[str, Any]:
    """Path of a weight -> its average; empty without averages, or before the first step."""
    optimizer = inner(model.optimizer)
    if not optimizer.use_ema or not optimizer.built or int(to_numpy(optimizer.iterations)) == 0:
        return {}
    found = zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True)
    return {weight.path: average for weight, average in found if average is not None}
