"""The temperature of a run, fitted on its validation images, and what it changes."""
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from keras_fixhead.analysis.calibration import (
    TEMPERATURES,
    fit_temperature,
    log_softmax,
    negative_log_likelihood,
    reliability,
)
from keras_fixhead.analysis.summary import Arrays
from keras_fixhead.errors import ArgumentError
from keras_fixhead.run_analysis.outputs import RunOutputs


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        value: T; calibrated probabilities are softmax(logits / T).
        validation_images: number of images that it was fitted on.
        test_images: number of images that the following numbers were measured on; 0 if there are none.
        ece, nll: expected calibration error (15 bins of equal width) and cross-entropy without it; None without images.
        ece_after, nll_after: the same with it.
    """

    value: float
    validation_images: int
    test_images: int
    ece: float | None
    nll: float | None
    ece_after: float | None
    nll_after: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def fitted_temperature(outputs: RunOutputs) -> Temperature:
    """Returns the temperature of a run, fitted on its validation images.

    Raises:
        ArgumentError: (a ValueError) if the run has no validation images, or no temperature fits them best.
        DataError: if the data cannot be found or read.
    """
    validation, test = outputs.arrays("validation"), outputs.arrays("test")
    if validation is None:
        raise ArgumentError(f"{outputs.run.path} has no validation images to fit a temperature on.",
                            hint="Leave out --calibrate, or train with --hold-out.")
    value = fit_temperature(validation.logits, validation.labels)
    if value in TEMPERATURES:
        why = ("all of them are classified correctly" if value == TEMPERATURES[0] else
               "its logits say nothing about their classes")
        raise ArgumentError(f"No temperature fits the {len(validation.labels)} validation images of {outputs.run.path} "
                            f"best: {why}.", hint="Leave out --calibrate.")
    before, after = ((None, None),) * 2 if test is None else (_measured(test, 1.0), _measured(test, value))
    return Temperature(value, len(validation.labels), 0 if test is None else len(test.labels), *before, *after)


def _measured(test: Arrays, temperature: float) -> tuple[float, float]:
    logits = np.asarray(test.logits, np.float64) / temperature
    return (reliability(np.exp(log_softmax(logits)), test.labels).error,
            negative_log_likelihood(logits, test.labels))
