"""The limits of cosine logits, known before any training."""
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors import ceiling, loss_optimum, reachable_cosine


@dataclass(frozen=True)
class Limits:
    """The limits of cosine logits, from S, m and the class vectors alone.

    Attributes:
        scale: S.
        ceiling_probability: largest probability by Eq. 5: true cosine 1, all others -1. For m > 2, no set of class
            vectors allows it for more than one class.
        ceiling_loss: the loss there, in nats.
        largest_probability: the largest probability that these class vectors allow for any class.
        smallest_loss: the smallest loss that they allow, as a mean over classes, in nats; the training loss stays above
            it.
        cosine: the mean cosine between features and their class vector at that loss.
        reachable_cosine: the largest cosine that features can reach, as a mean over classes; 1 if they are signed.
    """

    scale: float
    ceiling_probability: float
    ceiling_loss: float
    largest_probability: float
    smallest_loss: float
    cosine: float
    reachable_cosine: float


def limits_of(vectors: NDArray[Any], scale: float, *, signed_features: bool) -> Limits:
    """Returns the limits of class vectors, of shape (m, d), at a scale."""
    optimum = loss_optimum(vectors, scale, signed_features=signed_features)
    probability, loss = ceiling(len(vectors), scale)
    return Limits(
        scale=scale,
        ceiling_probability=probability,
        ceiling_loss=loss,
        largest_probability=float(optimum.probability.max()),
        smallest_loss=float(optimum.loss.mean()),
        cosine=float(optimum.cosine.mean()),
        reachable_cosine=1.0 if signed_features else float(np.mean(reachable_cosine(vectors))),
    )
