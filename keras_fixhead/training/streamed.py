"""The loss and metrics of a run whose model ends in a `StreamingHead`."""
from typing import Any

from keras import ops
from numpy.typing import NDArray

from keras_fixhead.config import TrainConfig
from keras_fixhead.losses.labels import numbers_among
from keras_fixhead.streaming import StreamingAccuracy, StreamingCrossEntropy, StreamingLoss


class RunLoss(StreamingLoss):
    """A `StreamingLoss` with the margin and smoothing of a run, times the weight of each example's class.

    Args:
        config: the resolved configuration.
        weights: weights of the classes, shape (m,); None for 1 each.
    """

    def __init__(self, config: TrainConfig, weights: NDArray[Any] | None) -> None:
        super().__init__(config.margin, config.margin_size, config.label_smoothing)
        self._weights = weights

    def call(self, y_true: Any, y_pred: Any) -> Any:
        values = super().call(y_true, y_pred)
        if self._weights is None:
            return values
        numbers = numbers_among(y_true, y_pred, len(self._weights))
        return values * ops.cast(ops.take(self._weights, ops.maximum(numbers, 0)), values.dtype)


def run_metrics() -> list[Any]:
    """Returns the metrics of training: accuracy, and cross-entropy without margin, smoothing and weights."""
    return [StreamingAccuracy(), StreamingCrossEntropy()]
