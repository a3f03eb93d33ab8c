"""The compiled model of a run: network, head, loss, metrics and learning rate."""
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead import losses
from keras_fixhead.catalog import LOSSES, MARGINS, import_object
from keras_fixhead.config import Length, TrainConfig, length_of, streams
from keras_fixhead.data import Augmentation, Dataset
from keras_fixhead.data.balance import loss_weights
from keras_fixhead.evaluation import StreamedMeasurer, measurer_of
from keras_fixhead.evaluation.measurer import Measurer
from keras_fixhead.models import FusedBatchNormalization, build_model, head_of, precision_policy
from keras_fixhead.training import processes
from keras_fixhead.training.backend import device_scope, jit_compile
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.finetuning import carry_over, freeze_backbone, is_frozen
from keras_fixhead.training.optimizer import averaged, averaged_weights, run_optimizer, share_decay
from keras_fixhead.training.schedule import learning_rate
from keras_fixhead.training.streamed import RunLoss, run_metrics


def compiled_model(config: TrainConfig, dataset: Dataset, length: Length | None = None, *,
                   frozen: bool = False) -> keras.Model:
    """Returns the model of a run, ready for `fit`.

    Args:
        config: the resolved configuration.
        dataset: the data set of the run.
        length: its epochs and steps; None for those of a run that was not extended.
        frozen: whether only the head is trained.
    """
    # on JAX, a batch that is shared by devices is one array, so its statistics are those of the whole batch anyway
    shared = config.devices > 1 and keras.backend.backend() == "tensorflow"
    normalization = functools.partial(FusedBatchNormalization, synchronized=True) if shared else FusedBatchNormalization
    mixes = Augmentation(**config.values("augmentation")).mixes
    wrap = losses.mixed if mixes else _same
    length = length or length_of(config, len(dataset.train))
    rate = learning_rate(config, length)
    weights = loss_weights(config.class_weights, dataset.train.labels, dataset.label_names)
    streaming = streams(config, dataset.num_classes)
    with precision_policy(config.precision):
        model = built_model(config, dataset, normalization)
        share_decay(config, model)
        if frozen:
            freeze_backbone(model)
        model.compile(
            optimizer=run_optimizer(config, model, rate, length),
            loss=RunLoss(config, weights) if streaming else wrap(training_loss(config, model, weights)),
            # `loss` includes L2 penalty, margin, smoothing and class weights; plain cross-entropy is tracked as well
            metrics=run_metrics() if streaming else [
                keras.metrics.MeanMetricWrapper(wrap(losses.accuracy), name="accuracy"),
                keras.metrics.MeanMetricWrapper(wrap(losses.cross_entropy), name="cross_entropy")],
            jit_compile=jit_compile(),
        )
    # creates the variables of the running metrics, so that checkpoints have them before the first step
    labels = np.zeros((1, 3), np.float32) if mixes else np.zeros(1, np.int32)
    model._symbolic_build(data_batch=(dataset.train.images[:1], labels))
    return model


def built_model(config: TrainConfig, dataset: Dataset, normalization: Any = FusedBatchNormalization) -> keras.Model:
    """Returns the model of a run under the current dtype policy, not compiled."""
    return build_model(
        config.model, dataset.train.images.shape[1:], dataset.num_classes, seed=config.seed,
        vector_seed=config.vector_seed, width=config.width, signed_features=config.signed_features,
        pooling=config.pooling, feature_dim=config.feature_dim, weight_decay=config.weight_decay,
        decay_norms=config.decay_norms,
        mean=dataset.mean.tolist(), std=dataset.std.tolist(), normalization=normalization,
        logits=config.head, fixed=config.fixed, scale=config.scale, bias=config.bias,
        class_vectors=config.class_vectors, rotate=config.rotate, vector_lr=config.vector_lr,
        vector_weight_decay=config.vector_weight_decay, store_vectors=config.store_vectors,
        **streaming_options(config, dataset.num_classes),
    )


def streaming_options(config: TrainConfig, num_classes: int) -> dict[str, Any]:
    """Returns the arguments that make `build_model` end in a `StreamingHead`, if a run has one; else none.

    Random signs that are not stored are not held in memory either.
    """
    if not streams(config, num_classes):
        return {}
    return {"streaming": True, "in_memory": config.store_vectors or config.class_vectors != "rademacher"}


class Models:
    """The model that is trained, and one that this process can use alone, both compiled.

    They are the same, unless several processes train together: then no process can use the shared model alone.

    Attributes:
        trained: the compiled model.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, length: Length) -> None:
        self._devices = config.devices
        self._compile = functools.partial(compiled_model, config, dataset, length)
        self._frozen = is_frozen(config, 0)
        with device_scope(self._devices):
            self.trained = self._compile(frozen=self._frozen)

    @functools.cached_property
    def own(self) -> keras.Model:
        """The model that this process can use alone, with the weights from the last `evaluated`."""
        return self.trained if processes.count() == 1 else self._compile(frozen=self._frozen)

    def enter(self, *, frozen: bool) -> None:
        """Freezes the backbone or trains it too, from the next step on: compiles again, and carries the state over."""
        if frozen == self._frozen:
            return
        before, self._frozen = self.trained, frozen
        with device_scope(self._devices):
            self.trained = self._compile(frozen=frozen)
            carry_over(before, self.trained)
        for name in ("own", "measurer"):
            self.__dict__.pop(name, None)

    def trained_at(self, progress: Progress) -> keras.Model:
        """Returns the model that is trained, with the variables of a checkpoint of this progress."""
        self.enter(frozen=progress.frozen)
        return self.trained

    def own_at(self, progress: Progress) -> keras.Model:
        """Returns `own`, with the variables of a checkpoint of this progress."""
        self.enter(frozen=progress.frozen)
        return self.own

    @functools.cached_property
    def measurer(self) -> Measurer | StreamedMeasurer:
        """What measures `own`."""
        with self.own_scope():
            return measurer_of(self.own)

    def own_scope(self) -> contextlib.AbstractContextManager[None]:
        """Returns the context in which `own` must be used."""
        return device_scope(self._devices) if self.own is self.trained else contextlib.nullcontext()

    @contextlib.contextmanager
    def evaluated(self) -> Iterator[None]:
        """A context in which `own` has the weights to evaluate: averages, if the run has any."""
        if self.own is not self.trained:
            self.own.set_weights(averaged_weights(self.trained))
        with averaged(self.own, self.own_scope) if self.own is self.trained else contextlib.nullcontext():
            yield


def training_loss(config: TrainConfig, model: keras.Model, weights: NDArray[np.float32] | None
                  ) -> Callable[[Any, Any], Any]:
    """Returns the loss of each image as a function of labels and logits: with margin, smoothing and class weights.

    Args:
        config: the resolved configuration.
        model: the model, for the scale of its head.
        weights: weights of the classes, shape (m,); None for 1 each.
    """
    function = import_object(LOSSES[config.loss].function)
    head = head_of(model)
    margin = None if config.margin == "none" else import_object(MARGINS[config.margin].function)

    def loss(labels: Any, logits: Any) -> Any:
        if margin is not None:
            logits = margin(labels, logits, head.current_scale(), config.margin_size)
        values = function(labels, logits, label_smoothing=config.label_smoothing)
        return values if weights is None else values * ops.take(weights, ops.reshape(ops.cast(labels, "int32"), (-1,)))

    return loss


def _same(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return function
