"""Training sets whose classes have different numbers of images: weights of classes, and orders that balance them."""
import difflib
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.class_names import LISTED
from keras_fixhead.errors import ArgumentError
from keras_fixhead.json_files import NotJson, parse_json
from keras_fixhead.vectors.hashing import BALANCE_STREAM, ORDER_STREAM, stream_key, words

BALANCED = "balanced"
_FORM = '{"cat": 2.0, "dog": 1.0}'


def parse_class_weights(text: str) -> str | dict[str, float]:
    """Returns 'balanced', or class -> weight from JSON text.

    Raises:
        ArgumentError: (a ValueError) if it is neither, or a weight is not a number of at least 0.

    Example:
        >>> parse_class_weights('{"cat": 2, "dog": 1}')
        {'cat': 2.0, 'dog': 1.0}
    """
    if text == BALANCED:
        return BALANCED
    try:
        weights = parse_json(text)
    except NotJson as error:
        raise ArgumentError(f"class_weights is not valid JSON: {error}.", hint=f"For example {_FORM}") from None
    if not isinstance(weights, dict) or not weights:
        raise ArgumentError(f"class_weights must be 'balanced' or a JSON object of class and weight, got {text[:60]}.",
                            hint=f"For example {_FORM}")
    for name, weight in weights.items():
        if type(weight) not in (int, float) or not (math.isfinite(weight) and weight >= 0):
            raise ArgumentError(f"The weight of class {name!r} must be a number of at least 0, got {weight!r}.")
    return {name: float(weight) for name, weight in weights.items()}


def loss_weights(asked: str | None, labels: NDArray[np.int32],
                 label_names: Sequence[str]) -> NDArray[np.float32] | None:
    """Returns the weight of each class in the loss, shape (m,); None if all are equal.

    Balanced weights are N / (m n_c) for a class with n_c of N images, so that their mean over the images is 1; m counts
    classes with images. Weights from a file are used as they are.

    Args:
        asked: 'balanced', JSON text (see `parse_class_weights`), or None.
        labels: of the training images, shape (N,).
        label_names: names of the m classes.

    Raises:
        ArgumentError: (a ValueError) if weights are given that are not those of exactly these classes.

    Example:
        >>> loss_weights("balanced", np.array([0, 0, 0, 1]), ("cat", "dog")).round(3).tolist()
        [0.6669999957084656, 2.0]
    """
    check_weighed_classes(asked, label_names)
    if asked is None:
        return None
    weights = parse_class_weights(asked)
    if isinstance(weights, str):
        counts = np.bincount(labels, minlength=len(label_names))
        shares = np.where(counts > 0, len(labels) / np.maximum(counts, 1) / max(1, (counts > 0).sum()), 0.0)
        return shares.astype(np.float32)
    return np.array([weights[name] for name in label_names], np.float32)


def check_weighed_classes(asked: str | None, label_names: Sequence[str]) -> None:
    """Raises an ArgumentError if weights are given that are not those of exactly these classes.

    Args:
        asked, label_names: as in `loss_weights`.
    """
    weights = None if asked is None else parse_class_weights(asked)
    if weights is None or isinstance(weights, str):
        return
    unknown = [name for name in weights if name not in label_names]
    if unknown:
        known = label_names[:LISTED]
        near = difflib.get_close_matches(unknown[0], known, n=1)
        raise ArgumentError(f"class_weights has a weight for {unknown[0]!r}, which is not a class of the data set.",
                            hint=f"Did you mean {near[0]!r}?" if near else
                            f"Its classes: {', '.join(known)}{', ...' * (len(label_names) > len(known))}.")
    missing = list(itertools.islice((name for name in label_names if name not in weights), 6))
    if missing:
        raise ArgumentError(f"class_weights has no weight for {', '.join(missing[:5])}{', ...' * (len(missing) > 5)}.",
                            hint="Give every class a weight; 1 is the usual one.")


def balanced_order(labels: NDArray[np.int32], *, seed: int, epoch: int) -> NDArray[np.intp]:
    """Returns the order of an epoch in which every class that has images is shown equally often, to within one image.

    It is as long as the training set. A class with more images shows a part of them, another one in each epoch; a class
    with fewer shows all of them several times. Index i + k N is the k-th further copy of image i of N: its
    augmentation is drawn on its own.

    Args:
        labels: of the training images, shape (N,).
        seed: the run's seed.
        epoch: from 0.

    Example:
        >>> order = balanced_order(np.array([0, 0, 0, 0, 0, 1]), seed=0, epoch=0)
        >>> np.bincount(np.array([0, 0, 0, 0, 0, 1])[order % 6]).tolist()
        [3, 3]
    """
    size = len(labels)
    key = stream_key(seed, BALANCE_STREAM, epoch)
    present = np.unique(labels)
    ranked = present[np.argsort(words(key, present, [1])[:, 0], kind="stable")]
    chosen = []
    for rank, label in enumerate(ranked):
        members = np.flatnonzero(labels == label)
        wanted = size // len(present) + (rank < size % len(present))
        copies = -(-wanted // len(members))
        items = (members + size * np.arange(copies)[:, None]).ravel()  # each image once before any is repeated
        draws = words(key, items, [0])[:, 0].reshape(copies, -1)
        order = np.argsort(draws, axis=1, kind="stable") + len(members) * np.arange(copies)[:, None]
        chosen.append(items[order.ravel()[:wanted]])
    order = np.concatenate(chosen)
    return order[np.argsort(words(stream_key(seed, ORDER_STREAM, epoch), order, [0])[:, 0], kind="stable")]
