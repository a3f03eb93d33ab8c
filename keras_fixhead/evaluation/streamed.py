"""The measures of a model with a `StreamingHead`: what a pass over its classes tells, never all logits."""
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_fixhead.analysis.confusion import recalls_of
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.catalog import TOP_CLASSES
from keras_fixhead.data import Split
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import Measurer, predict_in_parts
from keras_fixhead.evaluation.measures import LISTED_CLASSES, TOP5_CLASSES, Evaluation
from keras_fixhead.models import FEATURES, head_of, inputs_of
from keras_fixhead.streaming import StreamingHead
from keras_fixhead.streaming.loss import streamed

_TOP5 = 5


@dataclass(frozen=True)
class StreamedOutputs:
    """What is known of examples.

    Attributes:
        classes: the classes with the largest logits, int32, shape (N, k), largest first; k is `catalog.TOP_CLASSES`, or
            the number of classes.
        probabilities: their probabilities among all classes, float32, shape (N, k).
        cross_entropy: float32, shape (N,).
        own, nearest_wrong, predicted: cosine to the vector of the own class, of the nearest other class, and of the
            predicted class, float32, shape (N,).
        norms: lengths of the features, float32, shape (N,).
    """

    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    cross_entropy: NDArray[np.float32]
    own: NDArray[np.float32]
    nearest_wrong: NDArray[np.float32]
    predicted: NDArray[np.float32]
    norms: NDArray[np.float32]


class StreamedMeasurer:
    """Measures a model that ends in a `StreamingHead`, batch by batch.

    Args:
        model: a model with a layer named 'features' and a `StreamingHead`.

    Attributes:
        num_classes: number of classes m.
    """

    def __init__(self, model: keras.Model) -> None:
        head = head_of(model)
        assert isinstance(head, StreamingHead)
        self.num_classes = head.num_classes
        labels = keras.Input((), dtype="int32", name="labels")
        told = _Told(head, name="told")(model.get_layer(FEATURES).output, labels)
        self._told = keras.Model([inputs_of(model), labels], told)

    def outputs(self, split: Split) -> StreamedOutputs:
        """Returns what is known of the examples of a split."""
        return StreamedOutputs(**predict_in_parts(self._told, split.images, split.labels))

    def evaluate(self, split: Split, tta: str = "none") -> Evaluation:
        """Returns the measures of a split.

        Raises:
            ArgumentError: (a ValueError) for test-time augmentation, which needs all logits.
        """
        check_no_views(tta)
        return summarize_streamed(self.outputs(split), split.labels, self.num_classes)


def measurer_of(model: keras.Model) -> Measurer | StreamedMeasurer:
    """Returns what measures a model: by all logits, or in passes over its classes."""
    return StreamedMeasurer(model) if isinstance(head_of(model), StreamingHead) else Measurer(model)


def best_model(model: keras.Model, k: int) -> keras.Model:
    """Returns a model from the inputs of one with a `StreamingHead` to the k best classes and their probabilities."""
    head = head_of(model)
    assert isinstance(head, StreamingHead)
    return keras.Model(inputs_of(model), _Best(head, k, name="best")(model.get_layer(FEATURES).output))


def check_no_views(tta: str) -> None:
    """Raises an ArgumentError for test-time augmentation, which averages all logits."""
    if tta != "none":
        raise ArgumentError(f"Test-time augmentation {tta!r} averages all logits, which a model of very many classes "
                            "does not have.", hint="Leave out --tta.")


def summarize_streamed(outputs: StreamedOutputs, labels: NDArray[np.int32], num_classes: int) -> Evaluation:
    """Returns the measures of a classifier from what is known of examples; those of `summarize` for all logits.

    Args:
        outputs: what is known of them.
        labels: integers in [0, m), shape (N,).
        num_classes: number of classes m.
    """
    predicted = outputs.classes[:, 0]
    correct = int((predicted == labels).sum())
    low, high = wilson_interval(correct, len(labels))
    recalls = recalls_of(labels, predicted, num_classes)
    listed = num_classes <= LISTED_CLASSES
    return Evaluation(
        n=len(labels),
        accuracy=correct / len(labels),
        accuracy_low=low,
        accuracy_high=high,
        top5=None if num_classes < TOP5_CLASSES else
        float((outputs.classes[:, :_TOP5] == labels[:, None]).any(axis=1).mean()),
        cross_entropy=float(outputs.cross_entropy.mean(dtype=np.float64)),
        own_cosine=float(outputs.own.mean(dtype=np.float64)),
        predicted_cosine=float(outputs.predicted.mean(dtype=np.float64)),
        nearest_wrong_cosine=float(outputs.nearest_wrong.mean(dtype=np.float64)),
        feature_norm=float(outputs.norms.mean(dtype=np.float64)),
        balanced_accuracy=float(np.nanmean(recalls)),
        recalls=[None if np.isnan(each) else float(each) for each in recalls] if listed else [],
        never_predicted=np.setdiff1d(labels, predicted).tolist() if listed else [],
    )


class _Best(keras.layers.Layer):
    """Computes the best classes and their probabilities from features."""

    def __init__(self, head: StreamingHead, k: int, **kwargs: Any) -> None:
        super().__init__(dtype=head.dtype_policy, **kwargs)
        self._head, self._k = head, k

    def call(self, features: Any) -> dict[str, Any]:
        _, classes, probabilities = self._head.top_probabilities(features, self._k)
        return {"classes": classes, "probabilities": probabilities}


class _Told(keras.layers.Layer):
    """Computes what `StreamedOutputs` holds from features and labels."""

    def __init__(self, head: StreamingHead, **kwargs: Any) -> None:
        super().__init__(dtype=head.dtype_policy, **kwargs)
        self._head = head

    def call(self, features: Any, labels: Any) -> dict[str, Any]:
        head = self._head
        result = streamed(labels, features, head, training=False)
        logits, classes, probabilities = head.top_probabilities(features, min(TOP_CLASSES, head.num_classes))
        norms = ops.norm(features, axis=1)
        length = ops.ones_like(norms) if head.logits == "cos" else ops.maximum(norms, 1e-12)
        scale = head.current_scale()
        return {"classes": classes, "probabilities": probabilities, "norms": norms,
                "cross_entropy": result.cross_entropy, "own": result.own / length,
                "nearest_wrong": result.highest / length, "predicted": logits[:, 0] / scale / length}
