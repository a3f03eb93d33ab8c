"""Checks whether a server gives the same answers as the run that its model was exported from.

Both get the same test images, clean and with the corruptions of `fixhead robustness`.
"""
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixhead_serving.client import Client
from keras_fixhead.data.pictures import in_channels
from keras_fixhead.errors import ArgumentError, ServingError

LIMIT = 200
TOLERANCE = 1e-4  # of probabilities, for logits of scale 1: allows for another processor's rounding

Images = NDArray[np.uint8]
Predict = Callable[[Images], NDArray[np.float32]]
Ask = Callable[[Images], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Comparison:
    """The comparison of a run's and a server's answers on one set of images.

    Attributes:
        n: number of images.
        other_class: images that the server assigns to another class, without ties.
        ties: images of another class for which the run's two probabilities differ by less than the tolerance: rounding
            decides, and neither answer is wrong.
        other_label: images whose label is not the name of their class.
        beyond_tolerance: images with a probability that differs by more than the tolerance, or is not a number.
        max_difference: the largest difference of a probability; None if one is not a number.
    """

    n: int
    other_class: int
    ties: int
    other_label: int
    beyond_tolerance: int
    max_difference: float | None

    @property
    def equal(self) -> bool:
        """Whether nothing but ties differs."""
        return not (self.other_class or self.other_label or self.beyond_tolerance)


def compare(expected: NDArray[np.float32], answer: Mapping[str, NDArray[Any]], label_names: Sequence[str],
            tolerance: float) -> Comparison:
    """Compares a server's answer with a run's probabilities.

    Args:
        expected: the run's probabilities, shape (N, m).
        answer: the server's outputs: `probabilities` (N, m), `class_index` (N,), `label` (N,).
        label_names: names of the m classes.
        tolerance: the largest allowed difference of a probability.

    Raises:
        ServingError: if an output is missing or has another shape.

    Example:
        >>> answer = {"probabilities": np.array([[0.3, 0.7]]), "class_index": np.array([1]), "label": np.array(["b"])}
        >>> compare(np.array([[0.3, 0.7]], "float32"), answer, ["a", "b"], 1e-4).equal
        True
    """
    probabilities, classes, labels = (_output(answer, name, shape) for name, shape in (
        ("probabilities", expected.shape), ("class_index", expected.shape[:1]), ("label", expected.shape[:1])))
    rows = np.arange(len(expected))
    known = (classes >= 0) & (classes < len(label_names))
    chosen = np.where(known, classes, 0).astype(np.int64)
    own = expected.argmax(axis=1)
    other = ~known | (chosen != own)
    ties = other & known & (expected[rows, own] - expected[rows, chosen] < tolerance)
    differences = np.abs(probabilities.astype(np.float64) - expected).max(axis=1)
    return Comparison(
        n=len(expected),
        other_class=int((other & ~ties).sum()),
        ties=int(ties.sum()),
        other_label=int((~known | (labels != np.array(label_names)[chosen])).sum()),
        beyond_tolerance=int((~(differences <= tolerance)).sum()),  # so that NaN counts
        max_difference=float(differences.max()) if np.isfinite(differences).all() else None,
    )


def _output(answer: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if name not in answer or answer[name].shape != shape:
        got = f"of shape {answer[name].shape}" if name in answer else "missing"
        raise ServingError(f"The server's output '{name}' is {got}; the run's is of shape {shape}.",
                           hint="Is this the model that was exported from the run?")
    return answer[name]


def compare_on(images: Images, predict: Predict, asks: Mapping[str, Ask], label_names: Sequence[str],
               tolerance: float, *, suite: str = "paper", seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yields a comparison of the clean images for each signature, then one for each corruption and severity.

    Args:
        images: uint8, shape (N, H, W, 3).
        predict: returns the run's probabilities of images, shape (N, m).
        asks: signature -> function that returns the server's outputs for images; the first one is used for the
            corrupted images.
        label_names: names of the m classes.
        tolerance: as in `compare`.
        suite: a name in `keras_fixhead.robustness.SUITES`.
        seed: seed of the corruptions.

    Yields:
        `images` ('clean', or corruption and severity), `signature`, and the fields of a `Comparison` and its `equal`.
    """
    from keras_fixhead.robustness import CLEAN, corrupted_chunks

    chunks = corrupted_chunks(images, suite=suite, seed=seed)
    for (name, severity), group in itertools.groupby(chunks, key=lambda chunk: chunk[:2]):
        changed = np.concatenate([chunk for _, _, chunk in group])
        expected = predict(changed)
        for signature in asks if name == CLEAN else [next(iter(asks))]:
            found = compare(expected, asks[signature](changed), label_names, tolerance)
            title = CLEAN if name == CLEAN else f"{name} {severity}"
            yield {"images": title, "signature": signature, **asdict(found), "equal": found.equal}


def check_call(url: str, suite: str) -> None:
    """Checks, before anything is loaded, that the suite exists and that the server answers.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite, or an address that is not one.
        ServingError: if the server cannot be reached, refuses the request, or answers with something else.
    """
    from keras_fixhead.catalog import look_up
    from keras_fixhead.robustness.suites import SUITES

    look_up(SUITES, suite, "suite")
    with Client(url) as client:
        client.status()


def check_parity(run: str | os.PathLike[str], url: str, *, data_dir: str | None = None, limit: int = LIMIT,
                 suite: str = "paper", seed: int = 0, calibrated: bool = False,
                 progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Compares a server's answers with those of a run, on the run's own test images.

    Args:
        run: a finished run directory.
        url: a served model's address, such as `http://127.0.0.1:8501/v1/models/digits`.
        data_dir: folder of the data, if not the one used in training.
        limit: use only the first N test images.
        suite: corruptions and their severities.
        seed: seed of the corruptions.
        calibrated: whether the model was exported with `--calibrate`.
        progress: called with a line for each comparison.

    Returns:
        `run`, `url`, `n`, `scale`, `temperature`, `tolerance`, `comparisons` (see `compare_on`), and whether all are
        `equal`.

    Raises:
        ArgumentError: (a ValueError) for an unknown suite, a limit below 1, or an invalid address.
        RunError: if the run has no model.
        DataError: if its data are missing.
        ServingError: if the server cannot be reached, refuses the request, or answers with something else.
    """
    from keras_fixhead.runs import open_run

    if limit < 1:
        raise ArgumentError(f"limit must be at least 1, got {limit}.")
    check_call(url, suite)
    opened = open_run(run)
    from keras_fixhead.evaluation import run_predictor

    with Client(url) as client:
        predictor = run_predictor(opened)
        temperature = _temperature(opened, data_dir) if calibrated else 1.0
        tolerance = TOLERANCE * max(1.0, predictor.scale / temperature)
        channels = predictor.form.channels
        asks: dict[str, Ask] = {"serving_bytes": client.classify, "serving_default": lambda images:
                                client.predict_images(in_channels(images, channels))}
        images = in_channels(_test_images(opened, data_dir)[:limit], 3)  # corruptions are of colours
        comparisons = []

        def predict(each: Images) -> NDArray[np.float32]:
            return predictor.probabilities(each, temperature)

        for found in compare_on(images, predict, asks, predictor.label_names, tolerance, suite=suite, seed=seed):
            comparisons.append(found)
            progress(line(found))
    return {"run": str(opened.path), "url": url, "n": len(images), "scale": predictor.scale,
            "temperature": temperature, "tolerance": tolerance, "comparisons": comparisons,
            "equal": all(found["equal"] for found in comparisons)}


def _temperature(run: Any, data_dir: str | None) -> float:
    from keras_fixhead.run_analysis import RunOutputs
    from keras_fixhead.run_analysis.temperature import fitted_temperature

    return fitted_temperature(RunOutputs(run, data_dir)).value


def _test_images(run: Any, data_dir: str | None) -> Images:
    from keras_fixhead.data import measured_fields, run_dataset

    config = run.config()
    data = run_dataset(**measured_fields(config.data_fields, None, data_dir))
    if not len(data.test):
        raise ArgumentError(f"{data.name} has no test images.")
    images: Images = data.test.images
    return images


def line(found: Mapping[str, Any]) -> str:
    """Returns a comparison from `compare_on` as a line of text."""
    largest = "not a number" if found["max_difference"] is None else f"{found['max_difference']:.1e}"
    counts = ", ".join(f"{found[key]} {words}" for key, words in (
        ("other_class", "of another class"), ("ties", "ties"), ("other_label", "of another label"),
        ("beyond_tolerance", "beyond the tolerance")) if found[key])
    verdict = "equal" if found["equal"] else "DIFFERENT"
    return f"{verdict}: {found['images']}, {found['signature']}, n={found['n']}, largest difference {largest}" + (
        f"; {counts}" if counts else "")


def verdict(report: Mapping[str, Any]) -> str:
    """Returns the summary of a report from `check_parity` as a line of text."""
    sets = len(report["comparisons"])
    if different := sum(not found["equal"] for found in report["comparisons"]):
        return f"The answers DIFFER in {different} of {sets} sets of {report['n']} images."
    return (f"The answers agree: {sets} sets of {report['n']} images, same classes, probabilities within "
            f"{report['tolerance']:g}.")
