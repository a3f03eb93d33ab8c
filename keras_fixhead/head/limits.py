"""What cosine logits can reach before any training."""
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.vectors import ceiling, loss_optimum, reachable_cosine


@dataclass(frozen=True)
class Limits:
    """What cosine logits can reach before any training: from S, m and the class vectors alone.

    Attributes:
        scale: S.
        ceiling_probability: largest probability of Eq. 5: true cosine 1, all others -1. No set of class vectors offers
            it to more than one class, for m > 2.
        ceiling_loss: the loss there, in nats.
        largest_probability: the largest that these class vectors allow any class.
        smallest_loss: the mean over classes of the smallest loss that they allow, in nats: expect no training loss
            below it.
        cosine: the mean cosine of features and their class vector at that loss.
        reachable_cosine: the mean over classes of the largest cosine that the features can have; 1 where signed.
    """

    scale: float
    ceiling_probability: float
    ceiling_loss: float
    largest_probability: float
    smallest_loss: float
    cosine: float
    reachable_cosine: float


def limits_of(vectors: NDArray[Any], scale: float, *, signed_features: bool) -> Limits:
    """Returns the limits of class vectors (m, d) under a scale."""
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
