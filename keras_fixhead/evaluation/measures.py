"""The measures of a classifier, from arrays alone."""
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.confusion import recalls_of
from keras_fixhead.analysis.geometry import image_cosines, own_predicted_wrong
from keras_fixhead.analysis.intervals import wilson_interval

TOP5_CLASSES = 100
"""Smallest number of classes for which top-5 accuracy is measured."""


LISTED_CLASSES = 1_000
"""Largest number of classes for which recalls are listed."""


@dataclass(frozen=True)
class Evaluation:
    """The measures of a classifier on one split.

    Attributes:
        n: number of images.
        accuracy: share of the images whose largest logit is that of their label.
        accuracy_low, accuracy_high: 95 % Wilson interval of the accuracy, for newly drawn images.
        top5: share of the images whose label is among the five largest logits; None for fewer than 100 classes.
        cross_entropy: mean cross-entropy in nats, without smoothing.
        own_cosine: mean cosine between the features and the class vector of their label.
        predicted_cosine: the same for the predicted class.
        nearest_wrong_cosine: the same for the nearest class other than the label.
        feature_norm: mean length of the features.
        balanced_accuracy: mean recall of the classes that have images.
        recalls: share of each class's images whose largest logit is that of the class; None without images. Empty for
            more than 1,000 classes, and so is the next one.
        never_predicted: the classes that have images, but that no image was predicted as.
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
    balanced_accuracy: float
    recalls: list[float | None]
    never_predicted: list[int]

    def as_dict(self) -> dict[str, Any]:
        """Returns the measures as JSON values."""
        return asdict(self)


def summarize(features: NDArray[np.float32], logits: NDArray[np.float32], class_vectors: NDArray[np.float32],
              labels: NDArray[np.int32]) -> Evaluation:
    """Returns the measures of a classifier from its arrays.

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
    recalls = recalls_of(labels, predicted, logits.shape[1])
    listed = len(recalls) <= LISTED_CLASSES
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
        balanced_accuracy=float(np.nanmean(recalls)),
        recalls=[None if np.isnan(each) else float(each) for each in recalls] if listed else [],
        never_predicted=np.setdiff1d(labels, predicted).tolist() if listed else [],
    )
