"""What a model makes of a set of images: features, logits, accuracy, cosines."""
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.geometry import image_cosines, own_predicted_wrong
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.catalog import TTA
from keras_fixhead.config import TrainConfig
from keras_fixhead.data import SPLITS, Dataset, Split, choose_classes, limit_train, load_dataset, long_tail
from keras_fixhead.data.pictures import decode_picture
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import FEATURES, head_of, inputs_of, load_model
from keras_fixhead.runs import Run

BATCH_SIZE = 256
TOP5_CLASSES = 100
"""Classes from which the share of labels among the five largest logits says something."""


def run_dataset(config: TrainConfig) -> Dataset:
    """Returns the data of a run: its classes, its training images, its validation part.

    Raises:
        DataError: if they are not there.
    """
    dataset = load_dataset(config.dataset, config.data_dir, image_size=config.image_size, hold_out=config.hold_out)
    dataset = limit_train(choose_classes(dataset, config.classes), config.limit_train)
    return long_tail(dataset, config.imbalance)


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one split.

    Attributes:
        n: number of images.
        accuracy: share of them whose largest logit is that of their label.
        accuracy_low, accuracy_high: 95 % Wilson interval of the accuracy, for images drawn anew.
        top5: share of them whose label is among the five largest logits; None below 100 classes.
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
    top5: float | None
    cross_entropy: float
    own_cosine: float
    predicted_cosine: float
    nearest_wrong_cosine: float
    feature_norm: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Outputs:
    """What a model gives for images: features (N, d), logits (N, m), and its class vectors (m, d); float32."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    class_vectors: NDArray[np.float32]


class Measurer:
    """Gives the features and logits of a model's images, from one traced function however often it is asked.

    Args:
        model: a model with a layer named 'features' and a `HypersphereHead`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._head = head_of(model)
        self._both = keras.Model(inputs_of(model), [model.get_layer(FEATURES).output, model.outputs[0]])

    def outputs(self, images: NDArray[np.uint8]) -> Outputs:
        """Returns features and logits of images, pixels in [0, 255], shape (N, H, W, 3)."""
        features, logits = self._both.predict(images, batch_size=BATCH_SIZE, verbose=0)
        return Outputs(features, logits, np.asarray(keras.ops.convert_to_numpy(self._head.class_vectors.value)))

    def evaluate(self, split: Split, tta: str = "none") -> Evaluation:
        """Returns the figures of a split.

        Args:
            tta: 'none', or a name of test-time augmentation: see `test_time_views`. Accuracy, top-5 and cross-entropy
                are then those of the mean logits; cosines and norms stay those of the images as they are.
        """
        outputs = self.outputs(split.images)
        logits = outputs.logits
        if tta != "none":
            mean = np.zeros(logits.shape)  # float64
            for weight, images in test_time_views(split.images, tta):
                mean += weight * (logits if images is split.images else self.outputs(images).logits)
            logits = mean.astype(np.float32)
        return summarize(outputs.features, logits, outputs.class_vectors, split.labels)


def test_time_views(images: NDArray[np.uint8], tta: str) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yields the views of images whose logits test-time augmentation averages, each with its weight; these sum to 1.

    'flip': the images and their mirror images, 1/2 each. 'flip-shift': half of that, and half of the same mean over
    images shifted by one pixel, down and right or up and left (1/8 each of their views); the border that comes in is
    reflected. It is the evaluation of the records in seconds to 94 %.

    Args:
        images: uint8, shape (N, H, W, 3).
        tta: 'none', 'flip' or 'flip-shift'.

    Raises:
        ArgumentError: (a ValueError) for any other name.

    Reference: Jordan (2024), arXiv:2404.00498.

    Example:
        >>> [weight for weight, _ in test_time_views(np.zeros((2, 8, 8, 3), np.uint8), "flip-shift")]
        [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    """
    if tta not in TTA:
        raise ArgumentError(f"Unknown test-time augmentation {tta!r}. Expected one of {', '.join(TTA)}.")
    shifted = []
    if tta == "flip-shift":
        height, width = images.shape[1:3]
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        shifted = [padded[:, :height, :width], padded[:, 2:, 2:]]
    mirrors = (lambda each: each, lambda each: each[:, :, ::-1]) if tta != "none" else (lambda each: each,)
    for share, some in ((0.5 if shifted else 1.0, [images]), (0.5, shifted)):
        for each in some:
            for mirror in mirrors:
                yield share / len(some) / len(mirrors), mirror(each)


def evaluate_model(model: keras.Model, split: Split) -> Evaluation:
    """Returns what a model with a `HypersphereHead` gives on a split."""
    return Measurer(model).evaluate(split)


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
    cosines = own_predicted_wrong(image_cosines(features, class_vectors), labels, predicted)
    return Evaluation(
        n=len(labels),
        accuracy=correct / len(labels),
        accuracy_low=low,
        accuracy_high=high,
        top5=None if logits.shape[1] < TOP5_CLASSES else
        float(((logits > logits[rows, labels][:, None]).sum(axis=1) < 5).mean()),
        cross_entropy=float(cross_entropy.mean()),
        own_cosine=float(cosines["own"].mean()),
        predicted_cosine=float(cosines["predicted"].mean()),
        nearest_wrong_cosine=float(cosines["nearest_wrong"].mean()),
        feature_norm=float(np.linalg.norm(features.astype(np.float64), axis=1).mean()),
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


def evaluate_run(run: Run, splits: Sequence[str] = (), data_dir: str | None = None,
                 dataset: str | None = None, tta: str = "none") -> dict[str, Evaluation]:
    """Returns what the trained model of a run gives on splits of its data set, or of another with the same classes.

    Args:
        run: a finished run.
        splits: names of splits: 'train', 'validation', 'test'; none for the last two, where they have images.
        data_dir: where the data are, if not where they were in training.
        dataset: another data set, for example 'cifar10_1' for a model of 'cifar10'.
        tta: test-time augmentation: 'none', 'flip' or 'flip-shift' (see `test_time_views`).

    Raises:
        ArgumentError: (a ValueError) if that one has other classes or image sizes, a split no images, or there is no
            such test-time augmentation.
        RunError: if the run has no model.
        DataError: if the data are not there.
    """
    config = run.config()
    if data_dir is not None:
        config = dataclasses.replace(config, data_dir=data_dir)
    data = run_dataset(config) if dataset is None else load_dataset(dataset, config.data_dir)
    measurer = Measurer(load_model(run.path))
    if dataset is not None:
        _check_fits(data, run)
    splits = splits or [split for split in ("validation", "test") if len(data.split(split))]
    for split in splits:
        if not len(data.split(split)):
            raise ArgumentError(f"{data.name} has no {split} images here.",
                                hint="Choose another --split: " + ", ".join(
                                    name for name in SPLITS if len(data.split(name))))
    return {split: measurer.evaluate(data.split(split), tta) for split in splits}


def _check_fits(data: Dataset, run: Run) -> None:
    names = tuple(run.read("result")["label_names"])
    if data.label_names != names:
        raise ArgumentError(
            f"{data.name} has other classes than the run: {', '.join(data.label_names[:3])}, ... in the place of "
            f"{', '.join(names[:3])}, ....", hint="Give a set with the same classes in the same order.")
