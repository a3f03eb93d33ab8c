"""All numbers of an analysis, from the arrays of any classifier."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.arrays import checked_labels, few_of_each, finite_rows
from keras_fixhead.analysis.calibration import (
    TEMPERATURES,
    adaptive_reliability,
    brier_score,
    fit_temperature,
    log_softmax,
    negative_log_likelihood,
    probability_ceiling,
    reliability,
)
from keras_fixhead.analysis.class_vectors import group_test, randomness_test
from keras_fixhead.analysis.collapse import neural_collapse
from keras_fixhead.analysis.compactness import compactness, mean_similarity, separability
from keras_fixhead.analysis.confusion import confusion_matrix, errors_inside_groups
from keras_fixhead.analysis.geometry import cosine_matrix, different_pairs, same_group, unit_rows
from keras_fixhead.analysis.open_set import all_scores, detection
from keras_fixhead.analysis.retrieval import neighbours_accuracy, retrieval, verification
from keras_fixhead.analysis.similarity import confusion_similarity
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import cosine_bound, loss_optimum, reachable_cosine, welch_bound

PERMUTATIONS = 1_999
"""Permutations of the test of a correlation."""
DRAWS = 199
"""Random sets of class vectors that the measured ones are compared with."""
RETRIEVED = 2_000
"""Largest number of images that search each other."""

Numbers = dict[str, dict[str, float | None]]
"""Numbers by section and name; None where one cannot be computed."""


@dataclass(frozen=True)
class Arrays:
    """The arrays of a classifier on one set of images.

    Attributes:
        features: shape (N, d).
        logits: shape (N, m).
        labels: integers in [0, m), shape (N,).
        class_vectors: shape (m, d).

    Raises:
        ArgumentError: (a ValueError) if the shapes do not fit, or values are not finite.
    """

    features: NDArray[Any]
    logits: NDArray[Any]
    labels: NDArray[Any]
    class_vectors: NDArray[Any]

    def __post_init__(self) -> None:
        (n, d), (rows, m), (classes, dim) = (finite_rows(name, getattr(self, name)).shape
                                             for name in ("features", "logits", "class_vectors"))
        if (n, d, m) != (rows, dim, classes) or m < 2:
            raise ArgumentError(f"features {(n, d)}, logits {(rows, m)} and class_vectors {(classes, dim)} do not fit. "
                                "Expected (N, d), (N, m) and (m, d) with m at least 2.")
        checked_labels(self.labels, n, m)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_vectors)

    def of_unit_length(self) -> "Arrays":
        """Returns the same with features of length 1: what cosine logits see of them."""
        return replace(self, features=unit_rows(self.features))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the largest logit of each image, shape (N,)."""
        return self.logits.argmax(axis=1)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits, shape (N, m)."""
        return np.exp(log_softmax(self.logits))

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Images of each class (rows) by predicted class, shape (m, m)."""
        return confusion_matrix(self.labels, self.predicted, self.num_classes)


@dataclass(frozen=True)
class Facts:
    """What is known about a classifier besides its arrays.

    Attributes:
        label_names: one name per class.
        groups: group -> names of classes that look alike.
        cosine_scale: the scale S of cosine logits without bias; None for other logits.
        signed_features: whether features can be negative.
        training_loss: training cross-entropy of the last epoch.
    """

    label_names: Sequence[str]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    cosine_scale: float | None = None
    signed_features: bool = True
    training_loss: float | None = None

    @property
    def together(self) -> NDArray[np.bool_] | None:
        """Which pairs of different classes are in one group, (m, m); None without a pair inside and one across."""
        found = same_group(self.label_names, self.groups)
        return found if found.any() and (different_pairs(len(found)) & ~found).any() else None


def summarize_arrays(test: Arrays, facts: Facts, validation: Arrays | None = None, *, seed: int = 0) -> Numbers:
    """Returns all numbers of an analysis: section -> name -> number, as `definitions.DEFINITIONS` describes them.

    A number is None where it is not defined, for example a temperature without validation images.

    Args:
        test: the arrays on test images.
        facts: what else is known about the classifier.
        validation: the arrays on validation images, to fit the temperature.
        seed: seed of permutations and random sets.

    Example:
        >>> draw = np.random.default_rng(0)
        >>> features, vectors, labels = draw.standard_normal((60, 4)), draw.standard_normal((3, 4)), np.arange(60) % 3
        >>> found = summarize_arrays(Arrays(features, features @ vectors.T, labels, vectors), Facts("abc"))
        >>> sorted(found)
        ['accuracy', 'calibration', 'class_vectors', 'compactness', 'confusion', 'reach', 'separability']
    """
    own = compactness(test.features, test.class_vectors, test.labels, test.predicted)
    return {
        "accuracy": accuracy_numbers(test, validation),
        "class_vectors": class_vector_numbers(test.class_vectors, facts, seed),
        "confusion": confusion_numbers(test, facts, seed),
        "compactness": own,
        "separability": separability(test.features, test.labels),
        "reach": reach_numbers(test.class_vectors, facts, float(own["own"] or 0)),
        "calibration": calibration_numbers(test, facts, validation),
    }


def accuracy_numbers(test: Arrays, validation: Arrays | None = None) -> dict[str, float | None]:
    """Returns the accuracy on test and validation images, and that of naming the most frequent class every time."""
    def accuracy(arrays: Arrays) -> float:
        return float((arrays.predicted == arrays.labels).mean())

    return {"accuracy": accuracy(test), "chance": float(np.bincount(test.labels).max() / len(test.labels)),
            "validation_accuracy": None if validation is None else accuracy(validation)}


def class_vector_numbers(class_vectors: NDArray[Any], facts: Facts, seed: int = 0) -> dict[str, float | None]:
    """Returns the numbers on class vectors alone."""
    m, dim = class_vectors.shape
    cosines = cosine_matrix(class_vectors)
    pairs = cosines[different_pairs(m)]
    random = randomness_test(class_vectors, draws=DRAWS, seed=seed) if dim > 1 else {}
    groups = ({} if facts.together is None else
              group_test(cosines, facts.together, permutations=PERMUTATIONS, seed=seed))
    return {"mean_cosine": float(pairs.mean()), "max_cosine": float(pairs.max()),
            "high_cosine": float(np.quantile(pairs, 0.95)),
            "simplex_cosine": -1 / (m - 1), "cosine_bound": cosine_bound(m, dim), "welch_bound": welch_bound(m, dim),
            **{f"randomness_{name}": random.get(name) for name in ("distance", "p_value")},
            **{f"groups_{name}": groups.get(name) for name in ("within", "across", "difference", "p_value")}}


def confusion_numbers(test: Arrays, facts: Facts, seed: int = 0) -> dict[str, float | None]:
    """Returns the numbers on confusions against similarity."""
    confusion, cosines = test.confusion, cosine_matrix(test.class_vectors)
    means = mean_similarity(test.features, test.labels, test.num_classes)
    numbers: dict[str, float | None] = {}
    for name, unordered in (("ordered", False), ("unordered", True)):
        found = confusion_similarity(cosines, confusion, unordered=unordered, permutations=PERMUTATIONS, seed=seed)
        control = confusion_similarity(means, confusion, unordered=unordered, permutations=0)
        numbers |= {f"{name}_{each}": found[each] for each in ("correlation", "ceiling", "p_value")}
        numbers[f"{name}_means_correlation"] = control["correlation"]
    together = facts.together
    return numbers | {"errors": float(confusion[different_pairs(len(confusion))].sum()), "errors_inside_groups":
                      None if together is None else errors_inside_groups(confusion, together)}


def reach_numbers(class_vectors: NDArray[Any], facts: Facts, own_cosine: float) -> dict[str, float | None]:
    """Returns what cosines and losses are possible, and how much of that was reached."""
    reach = np.ones(len(class_vectors)) if facts.signed_features else reachable_cosine(class_vectors)
    best = (None if facts.cosine_scale is None else
            loss_optimum(class_vectors, facts.cosine_scale, signed_features=facts.signed_features))
    return {"reachable_cosine_mean": float(reach.mean()), "reachable_cosine_min": float(reach.min()),
            "reachable_cosine_max": float(reach.max()),
            "share_reached": own_cosine / float(reach.mean()) if reach.mean() > 0 else None,
            "best_loss": None if best is None else float(best.loss.mean()),
            "best_cosine": None if best is None else float(best.cosine.mean()),
            "training_loss": facts.training_loss}


def calibration_numbers(test: Arrays, facts: Facts, validation: Arrays | None) -> dict[str, float | None]:
    """Returns the numbers on calibration, before and after a temperature is fitted on validation images.

    If none of the possible ones fits them best, there is no temperature, as in `fixhead export --calibrate`.
    """
    temperature = None if validation is None else fit_temperature(validation.logits, validation.labels)
    temperature = None if temperature in TEMPERATURES else temperature
    numbers: dict[str, float | None] = {**_calibration(test.logits, test.labels)}
    after = {} if temperature is None else _calibration(np.asarray(test.logits, np.float64) / temperature, test.labels)
    ceiling = None if facts.cosine_scale is None else probability_ceiling(test.num_classes, facts.cosine_scale)
    return numbers | {"ceiling": ceiling, "temperature": temperature} | {
        f"{name}_after": after.get(name) for name in ("ece", "adaptive_ece", "nll", "brier")}


def collapse_numbers(train: Arrays) -> dict[str, float | None]:
    """Returns the measures of neural collapse on training images; those of a cosine head `of_unit_length`."""
    return dict(neural_collapse(train.features, train.labels, train.class_vectors, train.predicted))


def searched(labels: NDArray[Any]) -> NDArray[np.intp]:
    """Returns the indices of the images that search each other: at most `RETRIEVED`, the same number of each class.

    Of more classes than half of that number, the first ones are taken, those with two images before others.

    Args:
        labels: integers, shape (N,).

    Returns:
        indices in ascending order; none if there are not two classes, or no class has two images.

    Example:
        >>> searched(np.array([0, 0, 1])).tolist(), searched(np.array([0, 0])).tolist()
        ([0, 1, 2], [])
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or counts.max() < 2:
        return np.arange(0)
    taken = np.concatenate([classes[counts > 1], classes[counts == 1]])[: RETRIEVED // 2]
    members = np.flatnonzero(np.isin(labels, taken))
    return members[few_of_each(labels[members], RETRIEVED)]


def retrieval_numbers(features: NDArray[Any], labels: NDArray[Any]) -> dict[str, float | None] | None:
    """Returns the numbers on retrieval and verification among the images that are `searched`; None without any.

    Args:
        features: shape (N, d).
        labels: integers, shape (N,); of any classes, also of others than the classifier's.
    """
    some = searched(labels)
    if not len(some):
        return None
    found, own = features[some], labels[some]
    return {"images": float(len(some)), **retrieval(found, own), "nearest_10": neighbours_accuracy(found, own),
            **verification(found, own)}


def open_set_numbers(test: Arrays, unknown: Arrays, train: Arrays | None) -> dict[str, float | None]:
    """Returns how well each score tells images of unknown classes from test images.

    Args:
        test: the arrays on test images.
        unknown: the same on images of unknown classes; their labels are not used.
        train: the arrays on training images, which some scores need.

    The arrays of a cosine head must be `of_unit_length`: ViM sees the length of features, which its logits do not.
    """
    known = None if train is None else (train.features, train.logits)
    inside, outside = (all_scores(each.features, each.logits, each.class_vectors, known) for each in (test, unknown))
    return {f"{measure}_{name}": value for name in inside
            for measure, value in detection(inside[name], outside[name]).items()}


def _calibration(logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    probabilities = np.exp(log_softmax(logits))
    bins = reliability(probabilities, labels)
    return {"ece": bins.error, "adaptive_ece": adaptive_reliability(probabilities, labels).error,
            "largest_gap": bins.largest_gap, "nll": negative_log_likelihood(logits, labels),
            "brier": brier_score(probabilities, labels), "mean_confidence": float(probabilities.max(axis=1).mean()),
            "largest_probability": float(probabilities.max())}
