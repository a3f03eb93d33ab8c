"""The features and logits of a model, and its measures on a split."""
import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data import Split
from keras_fixhead.data.rows import Rows
from keras_fixhead.evaluation.measures import Evaluation, summarize
from keras_fixhead.evaluation.views import test_time_views
from keras_fixhead.models import FEATURES, head_of_logits, inputs_of

BATCH_SIZE = 256
"""Images per batch."""
CHUNK_BATCHES = 8
"""Batches of images that are read from disk at a time, for data sets larger than memory."""


@dataclass(frozen=True)
class Outputs:
    """A model's outputs for images: features (N, d), logits (N, m), and its class vectors (m, d); float32."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_vectors: NDArray[np.float32]


def predict_in_parts(model: keras.Model, images: Any, *others: NDArray[Any]) -> Any:
    """Returns a model's outputs for images and other arrays of as many rows.

    Of images on disk, a few batches are read at a time.
    """
    def predict(rows: slice) -> Any:
        inputs = [each[rows] for each in (images, *others)]
        return predict_arrays(model, inputs if others else inputs[0])

    if not isinstance(images, Rows):
        return predict(slice(None))
    step = CHUNK_BATCHES * BATCH_SIZE
    parts = [predict(slice(start, start + step)) for start in range(0, len(images), step)]
    return keras.tree.map_structure(lambda *each: np.concatenate(each), *parts)


def predict_arrays(model: keras.Model, inputs: Any) -> Any:
    """Returns what `predict` returns for an array or a list of arrays, in batches of `BATCH_SIZE`.

    On TensorFlow, without tf.data, whose iterators take longer to make than a small batch takes, and can wait seconds
    for a thread when they are deleted (`training.backend.prepared_ahead`).
    """
    count = len(keras.tree.flatten(inputs)[0])
    if keras.backend.backend() != "tensorflow" or not count or model.distribute_strategy.num_replicas_in_sync > 1:
        return model.predict(inputs, batch_size=BATCH_SIZE, verbose=0)
    def rows(start: int) -> Any:
        return keras.tree.map_structure(lambda each: each[start : start + BATCH_SIZE], inputs)

    parts = [model.predict_on_batch(rows(start)) for start in range(0, count, BATCH_SIZE)]
    return keras.tree.map_structure(lambda *each: np.concatenate(each), *parts)


class Measurer:
    """Computes a model's features and logits with one function that is traced once.

    Args:
        model: a model with a layer named 'features' and a `HypersphereHead`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._head = head_of_logits(model)
        self._both = keras.Model(inputs_of(model), [model.get_layer(FEATURES).output, model.outputs[0]])

    def outputs(self, images: NDArray[np.uint8]) -> Outputs:
        """Returns the features and logits of images with pixels in [0, 255], shape (N, H, W, 3)."""
        features, logits = predict_in_parts(self._both, images)
        return Outputs(features, logits, np.asarray(keras.ops.convert_to_numpy(self._head.class_vectors.value)))

    def evaluate(self, split: Split, tta: str = "none") -> Evaluation:
        """Returns the measures of a split.

        Args:
            tta: 'none', or the name of a test-time augmentation (see `test_time_views`). Accuracy, top-5 and
                cross-entropy are then computed from the mean logits; cosines and norms still from the unchanged images.
        """
        outputs = self.averaged(split.images, tta)
        return summarize(outputs.features, outputs.logits, outputs.class_vectors, split.labels)

    def averaged(self, images: NDArray[np.uint8], tta: str) -> Outputs:
        """Returns the outputs for images, with mean logits over the views of a test-time augmentation."""
        outputs = self.outputs(images)
        if tta == "none":
            return outputs
        mean = np.zeros(outputs.logits.shape)  # float64
        for weight, view in test_time_views(images, tta):
            mean += weight * (outputs.logits if view is images else self.outputs(view).logits)
        return dataclasses.replace(outputs, logits=mean.astype(np.float32))


def evaluate_model(model: keras.Model, split: Split) -> Evaluation:
    """Returns the measures of a model with a `HypersphereHead` on a split."""
    return Measurer(model).evaluate(split)
