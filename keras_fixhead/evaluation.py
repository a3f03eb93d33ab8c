"""What a model makes of a set of images: features, logits, accuracy, cosines."""
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data import Split, limit_train, load_dataset
from keras_fixhead.data.pictures import decode_picture
from keras_fixhead.models import FEATURES, head_of, inputs_of, load_model
from keras_fixhead.runs import Run
from keras_fixhead.statistics import wilson_interval

BATCH_SIZE = 256


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one split.

    Attributes:
        n: number of images.
        accuracy: share of them whose largest logit is that of their label.
        accuracy_low, accuracy_high: 95 % Wilson interval of the accuracy, for images drawn anew.
        cross_entropy: mean, in nats, without smoothing.
        own_cosine: mean cosine of features and the class vector of their label.
        predicted_cosine: the same for the predicted class.
        nearest_wrong_cosine: the same for the nearest class that is not the label's.
        feature_norm: mean length of the features.
    """

    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    cross_entropy: float
    own_cosine: float
    predicted_cosine: float
    nearest_wrong_cosine: float
    feature_norm: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def predict_features(model: keras.Model, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns (features, logits) of images, computed once.

    Args:
        model: a model with a layer named 'features'.
        images: pixels in [0, 255], shape (N, H, W, 3).

    Returns:
        float32 arrays of shapes (N, d) and (N, m).
    """
    both = keras.Model(inputs_of(model), [model.get_layer(FEATURES).output, model.outputs[0]])
    features, logits = both.predict(images, batch_size=BATCH_SIZE, verbose=0)
    return features, logits


def evaluate_model(model: keras.Model, split: Split) -> Evaluation:
    """Returns what a model with a `HypersphereHead` gives on a split."""
    features, logits = predict_features(model, split.images)
    vectors = np.asarray(keras.ops.convert_to_numpy(head_of(model).class_vectors.value))
    return summarize(features, logits, vectors, split.labels)


def summarize(features: NDArray[np.float32], logits: NDArray[np.float32], class_vectors: NDArray[np.float32],
              labels: NDArray[np.int32]) -> Evaluation:
    """Returns the figures of an evaluation from its arrays.

    Args:
        features: shape (N, d).
        logits: shape (N, m).
        class_vectors: shape (m, d).
        labels: integers in [0, m), shape (N,).

    Example:
        >>> f, W = np.eye(2, dtype="float32"), np.eye(2, dtype="float32")
        >>> summarize(f, f @ W.T, W, np.array([0, 1])).accuracy
        1.0
    """
    rows = np.arange(len(labels))
    predicted = logits.argmax(axis=1)
    correct = int((predicted == labels).sum())
    low, high = wilson_interval(correct, len(labels))
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    cross_entropy = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    norms = np.linalg.norm(features.astype(np.float64), axis=1)
    unit_vectors = class_vectors / np.linalg.norm(class_vectors.astype(np.float64), axis=1, keepdims=True)
    cosines = features @ unit_vectors.T / np.maximum(norms, 1e-6)[:, None]  # (N, m)
    others = cosines.copy()
    others[rows, labels] = -np.inf
    return Evaluation(
        n=len(labels),
        accuracy=correct / len(labels),
        accuracy_low=low,
        accuracy_high=high,
        cross_entropy=float(cross_entropy.mean()),
        own_cosine=float(cosines[rows, labels].mean()),
        predicted_cosine=float(cosines[rows, predicted].mean()),
        nearest_wrong_cosine=float(others.max(axis=1).mean()),
        feature_norm=float(norms.mean()),
    )


def classify(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Returns the predicted class of each image.

    Args:
        model: a model from pixels in [0, 255], (N, H, W, 3), to logits.
        images: shape (N, H, W, 3).

    Returns:
        integer array of shape (N,).
    """
    return np.asarray(model.predict(images, batch_size=BATCH_SIZE, verbose=0)).argmax(axis=1)


def classify_pictures(model: keras.Model, contents: Sequence[bytes], names: Sequence[str]) -> NDArray[np.float32]:
    """Returns the class probabilities of encoded pictures, resized to the model's input with anti-aliasing.

    Args:
        model: a model from pixels in [0, 255], (N, H, W, 3), to logits.
        contents: the bytes of each picture's file.
        names: what to call each picture in a message.

    Returns:
        float32 array of shape (N, m).

    Raises:
        DataError: if one is no picture that can be read.
    """
    size = model.input_shape[1:3]
    images = np.stack([_resized(decode_picture(content, name), size)
                       for content, name in zip(contents, names, strict=True)])
    logits = model.predict(images, batch_size=BATCH_SIZE, verbose=0)
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    pixels = keras.ops.image.resize(image.astype(np.float32), size, antialias=True)
    return np.clip(keras.ops.convert_to_numpy(pixels), 0.0, 255.0)


def evaluate_run(run: Run, splits: tuple[str, ...] = ("validation", "test"),
                 data_dir: str | None = None) -> dict[str, Evaluation]:
    """Returns what the trained model of a run gives on splits of its data set.

    Args:
        run: a finished run.
        splits: names of splits: 'train', 'validation', 'test'.
        data_dir: where the data are, if not where they were in training.

    Raises:
        RunError: if the run has no model.
        DataError: if the data are not there.
    """
    config = run.config()
    model = load_model(run.path)
    # the images that the run was trained on, where it was trained on a part
    dataset = limit_train(load_dataset(config.dataset, data_dir or config.data_dir), config.limit_train)
    return {split: evaluate_model(model, dataset.split(split)) for split in splits}
