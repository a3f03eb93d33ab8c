"""What is kept of a trained run of a cell: numbers for one small JSON file, and two matrices for a file beside it."""
import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.confusion import confusion_matrix
from keras_fixhead.data import Dataset, Split
from keras_fixhead.evaluation import Measurer, Outputs
from keras_fixhead.hardware import cpu_count
from keras_fixhead.json_files import write_bytes, write_json
from keras_fixhead.models import load_model
from keras_fixhead.robustness import SEVERITIES, SUITES, RobustnessReport, corrupt
from keras_fixhead.runs import SCHEMA, Run
from keras_fixhead.vectors import reachable_cosine

SUITE = "paper"
TEST_TIME = "flip-shift"  # the evaluation of the records in seconds to 94 %
CHUNK_IMAGES = 500
BINS = 80  # of histograms of cosines over [-1, 1]

_kept_sets: dict[str, dict[tuple[str, int], NDArray[np.uint8]]] = {}


def measure(run: Run, dataset: Dataset, corrupted: int | None = None) -> tuple[dict[str, Any],
                                                                               dict[str, NDArray[Any]]]:
    """What the trained model of a run makes of the test images beyond what result.json has, and the two matrices.

    Of the test images the first `corrupted` ones are measured under corruptions; all, if it is None.
    """
    measurer = Measurer(load_model(run.path))
    test = dataset.test
    outputs = measurer.outputs(test.images)
    cosines = image_cosines(outputs)
    vectors = unit(outputs.class_vectors)
    predicted = outputs.logits.argmax(axis=1)
    robustness = measure_corruptions(measurer, Split(test.images[:corrupted], test.labels[:corrupted]))
    reach = reachable_cosine(outputs.class_vectors)
    return {
        "histograms": histograms(cosines, test.labels, predicted),
        "largest_probability": largest_probability(outputs.logits),
        "reachable_cosine": {"mean": float(reach.mean()), "max": float(reach.max())},
        "separation": separation(outputs.features, test.labels),
        "tta": {TEST_TIME: measurer.evaluate(test, TEST_TIME).as_dict()},
        "robustness": {SUITE: robustness.as_dict()},
    }, {
        "confusion": confusion_matrix(test.labels, predicted, dataset.num_classes).astype(np.uint16),
        "cosines": (vectors @ vectors.T).astype(np.float32),
    }


def write(content: Mapping[str, Any], matrices: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Writes the matrices, and then the JSON file, whose presence says that both are there."""
    if matrices:
        packed = io.BytesIO()
        np.savez_compressed(packed, **matrices)
        write_bytes(path.with_suffix(".npz"), packed.getvalue())
    write_json(path, content, schema=SCHEMA)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows divided by their norm; a row of zeros stays one."""
    return rows / np.maximum(np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True), 1e-12)


def image_cosines(outputs: Outputs) -> NDArray[np.float64]:
    """Cosines of images to class vectors, (N, m)."""
    return unit(outputs.features) @ unit(outputs.class_vectors).T


def histograms(cosines: NDArray[np.float64], labels: NDArray[np.int32],
               predicted: NDArray[np.int64]) -> dict[str, Any]:
    """How the cosines to the own, the predicted and the nearest wrong class vector are spread over [-1, 1]."""
    rows = np.arange(len(labels))
    wrong = cosines.copy()
    wrong[rows, labels] = -np.inf
    kinds = {"own": cosines[rows, labels], "predicted": cosines[rows, predicted], "nearest_wrong": wrong.max(axis=1)}
    return {"low": -1.0, "high": 1.0} | {
        name: np.histogram(np.clip(values, -1, 1), BINS, (-1.0, 1.0))[0].tolist() for name, values in kinds.items()}


def largest_probability(logits: NDArray[np.float32]) -> float:
    """The largest softmax probability that any image has."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((1 / np.exp(shifted).sum(axis=1)).max())


def separation(features: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[str, float]:
    """How embeddings lie to the means of their classes: spread within classes over spread between them, and cosines."""
    embeddings = unit(features)
    classes = np.unique(labels)
    means = np.stack([embeddings[labels == each].mean(axis=0) for each in classes])
    own = means[np.searchsorted(classes, labels)]
    within = float(((embeddings - own) ** 2).sum(axis=1).mean())
    between = float(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean())
    directions = unit(means.astype(np.float32))
    cosines = (directions @ directions.T)[~np.eye(len(classes), dtype=bool)]
    return {"within_to_between": within / max(between, 1e-12), "class_means_mean_cosine": float(cosines.mean()),
            "class_means_max_cosine": float(cosines.max()),
            "own_mean_cosine": float((embeddings * directions[np.searchsorted(classes, labels)]).sum(axis=1).mean())}


def measure_corruptions(measurer: Measurer, test: Split) -> RobustnessReport:
    """Accuracy under the paper's corruptions, by the function that gave the clean accuracy."""
    corrupted = _corrupted_sets(test)
    predictions = {key: measurer.outputs(images).logits.argmax(axis=1) for key, images in corrupted.items()}
    accuracy = {key: float((predicted == test.labels).mean()) for key, predicted in predictions.items()}
    return RobustnessReport(
        suite=SUITE, seed=0, n=len(test), clean=accuracy["clean", 0],
        accuracy={name: tuple(accuracy[name, severity] for severity in SEVERITIES) for name in SUITES[SUITE]},
        predictions=predictions)


def _corrupted_sets(test: Split) -> dict[tuple[str, int], NDArray[np.uint8]]:
    """The test images as they are and under each corruption: the same for all runs, and dear, so they are kept."""
    digest = hashlib.sha256(np.ascontiguousarray(test.images).data).hexdigest()
    if digest not in _kept_sets:
        _kept_sets.clear()  # 15 corrupted test sets of CIFAR are 460 MB: one data set's at a time
        _kept_sets[digest] = {("clean", 0): test.images} | _corrupt_all(test.images)
    return _kept_sets[digest]


def _corrupt_all(images: NDArray[np.uint8]) -> dict[tuple[str, int], NDArray[np.uint8]]:
    chunks = [np.arange(start, min(start + CHUNK_IMAGES, len(images)))
              for start in range(0, len(images), CHUNK_IMAGES)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        pending = {(name, severity): [pool.submit(corrupt, images[chunk], name, severity, suite=SUITE, indices=chunk)
                                      for chunk in chunks]
                   for name in SUITES[SUITE] for severity in SEVERITIES}
        return {key: np.concatenate([each.result() for each in parts]) for key, parts in pending.items()}


def device_name(gpus: list[str], devices: list[str], cpu: str) -> str:
    """The name of what a run was computed on: its GPU, or other accelerator, or processor."""
    if gpus and any("gpu" in each.lower() or "cuda" in each.lower() for each in devices):
        return gpus[0]
    others = [each for each in devices if "cpu" not in each.lower()]
    return others[0] if others else cpu


def current_device() -> str:
    """The name of what this process computes on."""
    from keras_fixhead.hardware import cpu_name
    from keras_fixhead.hardware import gpus as installed

    return device_name([name for name, _ in installed()],
                       [str(each) for each in keras.distribution.list_devices()], cpu_name())
