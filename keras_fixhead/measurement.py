"""Measurements of a trained run beyond its result.json: geometry of features, accuracy under corruptions."""
import gc
import hashlib
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead import hardware
from keras_fixhead.analysis.confusion import confusion_matrix
from keras_fixhead.analysis.geometry import (
    class_mean_cosines,
    cosine_histograms,
    cosine_matrix,
    image_cosines,
    largest_probability,
    separation,
)
from keras_fixhead.analysis.projection import feature_plane
from keras_fixhead.catalog import MODELS
from keras_fixhead.data import Split, run_dataset
from keras_fixhead.data.open_images import GATHERED
from keras_fixhead.data.sources import data_folder_of, is_on_this_machine
from keras_fixhead.errors import DependencyError
from keras_fixhead.evaluation import Measurer, Predictor, run_predictor
from keras_fixhead.evaluation import measure_run as measure_on
from keras_fixhead.evaluation.outside import measure_generalization
from keras_fixhead.robustness import (
    CorruptedChunk,
    Suite,
    corrupted_chunks,
    measure_robustness,
    native_suite,
    result_name,
)
from keras_fixhead.robustness.imgaug_engine import imgaug_suite
from keras_fixhead.runs import Run
from keras_fixhead.runs.generalization import measurement_name
from keras_fixhead.runs.result import TEST_TIME
from keras_fixhead.vectors import reachable_cosine

SUITES = ("paper", "paper-plain")
"""Suites of corruptions: both readings of the paper's Table 6. The first is measured on all images that are asked for;
the other, and both as imgaug makes them if it is installed, on at most `BESIDE_IMAGES`."""
BESIDE_IMAGES = 1_000
OUTSIDE = {"cifar10": ("cifar10_1", "cifar10_1/v4", "stl10"), "cifar100": ("cifar100_gen",), "stl10": ("stl_gen",)}
"""Data set -> outside sets on which its runs are measured, if they are on this machine: sets of the catalogue, and
those that `fixhead data build` has written into a folder of this name in the data folder."""
CHUNK_IMAGES = 500
"""Number of images that a thread corrupts at a time."""

_kept: dict[tuple[str, str], list[CorruptedChunk]] = {}


def measure_run(run: Run, corrupted: int | None = None) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Returns measurements of a run's model on the test images beyond result.json, and arrays.

    Args:
        run: a complete run.
        corrupted: number of test images to measure under corruptions; None for all of them, 0 to leave out corruptions
            and test-time augmentation, for a run that only chooses a scale.

    Returns:
        numbers, ready for JSON: histograms of cosines, largest softmax probability, largest cosine that features can
        reach, separation of classes, accuracy with test-time augmentation, under the paper's corruptions (`SUITES`),
        and on those of the outside sets in `OUTSIDE` that are on this machine;
        and arrays: three matrices of shape (m, m), which are confusion, cosines between class vectors, and cosines
        between the mean embeddings of the classes (float16); and features of some images in a plane, to be drawn.

    Raises:
        RunError: if the run has no model.
        DataError: if its data cannot be found or read.
    """
    dataset = run_dataset(**run.config().data_fields)
    predictor = run_predictor(run)
    measurer, test = Measurer(predictor.model), dataset.test
    outputs = measurer.outputs(test.images)
    cosines = image_cosines(outputs.features, outputs.class_vectors)
    predicted = outputs.logits.argmax(axis=1)
    more = {} if corrupted == 0 else {
        "tta": {TEST_TIME: measurer.evaluate(test, TEST_TIME).as_dict()},
        "robustness": _robustness(measurer, Split(test.images[:corrupted], test.labels[:corrupted]), predicted),
        "generalization": _generalization(run, predictor, outputs.logits)}
    plane = feature_plane(outputs.features, test.labels, outputs.class_vectors, cosine=run.config().head == "cos")
    length = max(float(np.linalg.norm(outputs.features, axis=1).mean()), 1e-12)
    reach = reachable_cosine(outputs.class_vectors, lowest=MODELS[run.config().model].lowest / length)
    return {
        "histograms": cosine_histograms(cosines, test.labels, predicted),
        "largest_probability": largest_probability(outputs.logits),
        "reachable_cosine": {"mean": float(reach.mean()), "max": float(reach.max())},
        "separation": separation(outputs.features, test.labels),
        **({} if plane is None else {"plane": plane.facts()}),
        **more,
    }, {
        "confusion": confusion_matrix(test.labels, predicted, dataset.num_classes).astype(np.uint16),
        "cosines": cosine_matrix(outputs.class_vectors).astype(np.float32),
        "class_means": class_mean_cosines(outputs.features, test.labels).astype(np.float16),
        **({} if plane is None else plane.arrays()),
    }


def _generalization(run: Run, predictor: Predictor, own_logits: NDArray[np.float32]) -> dict[str, Any]:
    """Accuracy on outside sets, and the drop from the own test set, by the names of their measurements."""
    fields, found = run.config().data_fields, {}
    for name in OUTSIDE.get(fields["dataset"], ()):
        if (place := _outside_set(name, fields["data_dir"])) is not None:
            measured = measure_on(run, ("test",), dataset=place, predictor=predictor)
            outside = measure_generalization(run, predictor, measured, place, own_logits=own_logits)
            found[measurement_name(name)] = dict(outside.content)
    return found


def _outside_set(name: str, data_dir: str | None) -> str | None:
    """The name of a set in the catalogue, or the path of one that was gathered; None if it is not here."""
    if name not in GATHERED:
        return name if is_on_this_machine(name, data_dir) else None
    folder = data_folder_of(data_dir) / name
    return str(folder) if folder.is_dir() else None


def _robustness(measurer: Measurer, test: Split, clean: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy under the corruptions of each suite, from the same function as the classes of the clean images."""
    def predict(images: NDArray[np.uint8]) -> NDArray[np.int64]:
        if np.array_equal(images, test.images[: len(images)]):  # each suite has the clean images as well
            return clean[: len(images)]
        return measurer.outputs(images).logits.argmax(axis=1)

    found = {}
    for suite in _suites():
        name = result_name(suite.name, engine=suite.engine)
        part = test if name == SUITES[0] else Split(test.images[:BESIDE_IMAGES], test.labels[:BESIDE_IMAGES])
        chunks = _corrupted(part, name, suite)
        found[name] = measure_robustness(predict, part, suite=suite, chunks=chunks).as_dict()
    return found


def _suites() -> list[Suite]:
    native = [native_suite(name) for name in SUITES]
    try:
        return native + [imgaug_suite(name) for name in SUITES]
    except DependencyError:
        return native


def _corrupted(test: Split, measurement: str, suite: Suite) -> list[CorruptedChunk]:
    """The test images under each corruption, cached: they are slow to compute and the same for all runs."""
    key = measurement, hashlib.sha256(np.ascontiguousarray(test.images).data).hexdigest()
    if key not in _kept:
        for other in [each for each in _kept if each[0] == measurement]:
            del _kept[other]  # 15 corrupted test sets of CIFAR take 460 MB, so keep those of one data set only
        chunks = corrupted_chunks(test.images, suite=suite, chunk_images=CHUNK_IMAGES, threads=hardware.cpu_count())
        # joined into large arrays, because each call of the model has a fixed cost
        _kept[key] = [(name, severity, np.concatenate([chunk for *_, chunk in group])) for (name, severity), group
                      in itertools.groupby(chunks, key=lambda chunk: chunk[:2])]
    return _kept[key]


def device_name(gpus: Sequence[str], devices: Sequence[str], cpu: str) -> str:
    """Returns the name of the device that a run was computed on: a GPU, another accelerator, or the CPU.

    Example:
        >>> device_name(["NVIDIA H100"], ["cuda:0"], "cpu"), device_name(["NVIDIA H100"], ["cpu:0"], "a processor")
        ('NVIDIA H100', 'a processor')
    """
    if gpus and any("gpu" in each.lower() or "cuda" in each.lower() for each in devices):
        return gpus[0]
    others = [each for each in devices if "cpu" not in each.lower()]
    return others[0] if others else cpu


def current_device() -> str:
    """Returns the name of the device that this process computes on."""
    return device_name([name for name, _ in hardware.gpus()],
                       [str(each) for each in keras.distribution.list_devices()], hardware.cpu_name())


def forget_models() -> None:
    """Frees memory that models have left behind."""
    keras.backend.clear_session()
    gc.collect()
