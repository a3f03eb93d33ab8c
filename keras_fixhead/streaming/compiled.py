"""What `compile` takes for a model that ends in a `StreamingHead`: its loss and metrics.

They are called with features straight from the head, as in `fit` and `evaluate`, and find the head by them.
"""
import abc
import math
from typing import Any, ClassVar

import keras
from keras import ops
from keras.src.backend.common.symbolic_scope import in_symbolic_scope
from keras.src.losses.loss import reduce_weighted_values

from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import full_precision, unit_length
from keras_fixhead.head.logits import head_that_made, made_in_training
from keras_fixhead.head.read_only import ReadOnlyOptions
from keras_fixhead.losses.arguments import checked_smoothing, made_again, margin_size_of
from keras_fixhead.losses.labels import numbers_among
from keras_fixhead.streaming.head import StreamingHead
from keras_fixhead.streaming.loss import own_and_highest, streamed
from keras_fixhead.streaming.result import Read, keep, kept, read_for
from keras_fixhead.vectors import checked_integer

_CLOSE = 1e-5  # of the larger product: closer ones are compared again as `top_classes` has them, so that ties are exact


@keras.saving.register_keras_serializable(package="keras_fixhead")
class StreamingLoss(ReadOnlyOptions, keras.losses.Loss):
    """Softmax cross-entropy over the classes of a `StreamingHead`, with or without a margin, never with all logits.

    The loss takes the scale and the kind of logits from the head: with cosine logits and no margin it is NormFace, with
    a margin CosFace or ArcFace.

    Args:
        margin: 'none', 'cosface' or 'arcface'.
        margin_size: size of the margin: a cosine for CosFace, radians for ArcFace; None for the published one.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        kwargs: `reduction`, as in `keras.losses.Loss`.

    Call args:
        y_true: whole numbers in [0, m) of any type, shape (N,) or (N, 1); or one-hot, (N, m).
        y_pred: the output of a `StreamingHead`, shape (N, d), unchanged.
        sample_weight: weight of each example, shape (N,) or (N, 1).

    Raises:
        ArgumentError: (a ValueError) for an argument out of range, for features that do not come straight from a
            `StreamingHead`, a head that a margin does not fit, or in eager execution an invalid label; in a compiled
            step the loss is NaN instead.

    Reference: see `streaming_loss`; NormFace arXiv:1704.06369, CosFace arXiv:1801.09414, ArcFace arXiv:1801.07698.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]], scale=10)
        >>> round(float(StreamingLoss(margin="cosface")([0], head(np.array([[3.0, 3.0]], "float32")))), 2)
        3.53
    """

    _read_only: ClassVar[dict[str, str]] = {name: name for name in ("margin", "margin_size", "label_smoothing")}

    def __init__(self, margin: str = "none", margin_size: float | None = None, label_smoothing: float = 0.0,
                 name: str = "streaming_loss", **kwargs: Any) -> None:
        kwargs["dtype"] = full_precision(kwargs.get("dtype"), type(self).__name__)
        super().__init__(name=name, **kwargs)
        entry, size = margin_size_of(margin, margin_size)
        self.margin = margin
        self.margin_size = None if entry is None else size
        self.label_smoothing = checked_smoothing(label_smoothing)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        # as in Keras, but labels are left as they are: in float32, class numbers beyond 2^24 would be rounded
        with keras.name_scope(self.name):
            values = self.call(y_true, y_pred)
            return reduce_weighted_values(values, sample_weight=sample_weight, reduction=self.reduction,
                                          dtype=values.dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        head = head_that_made(y_pred)
        if head is None and in_symbolic_scope():  # Keras infers shapes with symbolic features
            return ops.zeros(ops.shape(y_pred)[:1])
        if not isinstance(head, StreamingHead):
            raise _no_head(type(self).__name__, head)
        result = streamed(y_true, y_pred, head, margin=self.margin, margin_size=self.margin_size,
                          label_smoothing=self.label_smoothing, training=made_in_training(y_pred))
        keep(y_true, y_pred, result)
        return result.loss

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dtype": self.dtype, "margin": self.margin, "margin_size": self.margin_size,
                "label_smoothing": self.label_smoothing}

    def __reduce__(self) -> Any:
        return made_again, (type(self), self.get_config())


class _StreamingMetric(ReadOnlyOptions, keras.metrics.Mean, abc.ABC):
    """The mean over examples of what the pass of the loss tells; without a loss, it makes a pass of its own."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        read = read_for(y_pred) or _read_from_head(y_pred)
        if read is None and in_symbolic_scope():
            return super().update_state(ops.zeros(ops.shape(y_pred)[:1]))
        if read is None:
            raise _no_head(type(self).__name__, head_that_made(y_pred))
        return super().update_state(self.values(y_true, y_pred, read), sample_weight=sample_weight)

    @abc.abstractmethod
    def values(self, labels: Any, features: Any, read: Read) -> Any:
        """Returns the value of each example, shape (N,)."""


@keras.saving.register_keras_serializable(package="keras_fixhead")
class StreamingAccuracy(_StreamingMetric):
    """The share of examples whose own class is among the k largest logits of a `StreamingHead`.

    Of equal logits, the lower class comes first, as in `argmax` and `top_k` of all logits. On TensorFlow, accuracy with
    k = 1 costs nothing in training: it comes from the pass of the loss.

    Args:
        k: number of classes, at least 1.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> float(StreamingAccuracy()([0, 0], head(np.array([[3.0, 1.0], [1.0, 3.0]], "float32"))))
        0.5
    """

    _read_only: ClassVar[dict[str, str]] = {"k": "k"}

    def __init__(self, k: int = 1, name: str | None = None, **kwargs: Any) -> None:
        self.k = checked_integer("k", k, 1, 2**31 - 1)
        super().__init__(name=name or ("accuracy" if k == 1 else f"top{k}"), **kwargs)

    def values(self, labels: Any, features: Any, read: Read) -> Any:
        def among_the_best() -> Any:
            numbers = numbers_among(labels, features, read.head.num_classes)
            products, classes = read.head.top_products(features, min(self.k, read.head.num_classes), read.source)
            found = ops.logical_and(classes == numbers[:, None], products > -math.inf)
            return ops.cast(ops.any(found, axis=1), read.head.compute_dtype)

        result = kept(labels, features)
        if result is None or self.k > 1:
            return among_the_best()
        distance = ops.abs(result.own - result.highest)
        close = distance <= _CLOSE * ops.maximum(ops.abs(result.own), ops.abs(result.highest))
        return ops.cond(ops.any(close), among_the_best,
                        lambda: ops.cast(result.own > result.highest, read.head.compute_dtype))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable(package="keras_fixhead")
class StreamingCrossEntropy(_StreamingMetric):
    """The mean cross-entropy for a `StreamingHead`, without margin and label smoothing, whatever the loss has.

    On TensorFlow it costs nothing in training: it comes from the pass of the loss.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> round(float(StreamingCrossEntropy()([0], head(np.array([[3.0, 3.0]], "float32")))), 4)
        0.6931
    """

    def __init__(self, name: str = "cross_entropy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, labels: Any, features: Any, read: Read) -> Any:
        result = kept(labels, features) or streamed(labels, features, read.head, training=False, read=read)
        return result.cross_entropy


@keras.saving.register_keras_serializable(package="keras_fixhead")
class OwnCosine(_StreamingMetric):
    """The mean cosine between features and the class vector of their own class, for a `StreamingHead`.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> round(float(OwnCosine()([0], head(np.array([[3.0, 4.0]], "float32")))), 4)
        0.6
    """

    def __init__(self, name: str = "own_cosine", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, labels: Any, features: Any, read: Read) -> Any:
        return _own_and_nearest(labels, features, read)[0]


@keras.saving.register_keras_serializable(package="keras_fixhead")
class NearestWrongCosine(_StreamingMetric):
    """The mean cosine between features and the nearest class vector of another class, for a `StreamingHead`.

    Example:
        >>> import numpy as np
        >>> head = StreamingHead(num_classes=2, class_vectors=[[1, 0], [0, 1]])
        >>> round(float(NearestWrongCosine()([0], head(np.array([[3.0, 4.0]], "float32")))), 4)
        0.8
    """

    def __init__(self, name: str = "nearest_wrong_cosine", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def values(self, labels: Any, features: Any, read: Read) -> Any:
        return _own_and_nearest(labels, features, read)[1]


def _own_and_nearest(labels: Any, features: Any, read: Read) -> tuple[Any, Any]:
    """The cosines of features to the vector of their class, and to the nearest one of another class."""
    result = kept(labels, features) if read.head.logits == "cos" else None
    if result is not None:
        return result.own, result.highest
    # with dot logits, vectors that were changed by hand may have any length: the largest product need not be nearest
    return own_and_highest(labels, unit_length(features), read.head, read.source.of_unit_length())


def _read_from_head(features: Any) -> Read | None:
    """The head that made these features, with its class vectors; None if it is not known."""
    head = head_that_made(features)
    return Read(head, head.rows().for_training()) if isinstance(head, StreamingHead) else None


def _no_head(what: str, head: Any) -> ArgumentError:
    got = "other values" if head is None else f"the logits of layer {head.name!r}"
    return ArgumentError(f"{what} needs features straight from a StreamingHead, got {got}.",
                         hint="End the model in a single StreamingHead, or use a loss and metrics for logits, such as "
                              "keras_fixhead.cross_entropy and 'accuracy'.")
