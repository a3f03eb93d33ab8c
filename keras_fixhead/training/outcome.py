"""The output of a finished run: its model, numbers and figures."""
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead import hardware
from keras_fixhead.analysis.confusion import balanced_accuracy, class_scores, confusion_matrix
from keras_fixhead.analysis.geometry import cosine_matrix
from keras_fixhead.class_names import names_to_json
from keras_fixhead.config import Stored, TrainConfig, dataset_entry
from keras_fixhead.data import Dataset
from keras_fixhead.evaluation import Outputs, StreamedMeasurer, measurer_of, summarize, summarize_streamed
from keras_fixhead.figures import plot_confusion, plot_curves, plot_predictions
from keras_fixhead.figures.class_vectors import plot_cosine_matrix
from keras_fixhead.figures.classes import grouped_order
from keras_fixhead.models import head_of, multiply_adds, save_model
from keras_fixhead.runs import Run
from keras_fixhead.streaming import StreamingHead
from keras_fixhead.training.backend import device_peak_memory_bytes, on_gpu, to_numpy
from keras_fixhead.training.checkpoint import Progress
from keras_fixhead.training.checkpointed import model_at
from keras_fixhead.training.compiled import Models
from keras_fixhead.vectors import pairwise_cosines

_PAIRS_CLASSES = 4_000  # with more classes, pairwise cosines take too much time and memory for each epoch
_CONFUSION_CLASSES = 10_000  # with more classes, their matrix takes gigabytes
_DRAWN_CLASSES = 1_000  # more would be smaller than a pixel
_STATISTICS_FILE = "test.npz"


def finish(run: Run, stored: Stored, dataset: Dataset, models: Models, progress: Progress,
           stop_reason: str | None) -> None:
    """Saves the selected model under the float32 policy, evaluates it, draws its figures and writes result.json.

    Args:
        run: a run whose epochs are done.
        stored: the configuration of the run.
        dataset: the data set of the run.
        models: the models of the run.
        progress: the progress of the run.
        stop_reason: why training ended early; None if it did not.
    """
    selected = run.newest_checkpoint if stored.config.selection == "last" else run.best_checkpoint
    chosen, final = model_at(selected, stored.config, dataset, models)
    save_model(final, run.model_path)
    rows = run.metrics()
    splits = [split for split in ("validation", "test") if len(dataset.split(split))]
    outputs: dict[str, Outputs] = {}
    measurer = measurer_of(final)
    if isinstance(measurer, StreamedMeasurer):
        told = {split: measurer.outputs(dataset.split(split)) for split in splits}
        evaluations = {split: summarize_streamed(each, dataset.split(split).labels, dataset.num_classes)
                       for split, each in told.items()}
        predicted = {split: each.classes[:, 0] for split, each in told.items()}
    else:
        outputs = {split: measurer.outputs(dataset.split(split).images) for split in splits}
        evaluations = {split: summarize(each.features, each.logits, each.class_vectors, dataset.split(split).labels)
                       for split, each in outputs.items()}
        predicted = {split: each.logits.argmax(axis=1) for split, each in outputs.items()}
    confusions = {split: confusion_matrix(dataset.split(split).labels, each, dataset.num_classes)
                  for split, each in predicted.items() if dataset.num_classes <= _CONFUSION_CLASSES}
    run.write("result", {
        "config_digest": stored.digest,
        "class_vectors_digest": head_of(final).vectors_digest,
        "label_names": names_to_json(dataset.label_names),
        "data_digest": dataset.digest(),
        "data_mean": dataset.mean.tolist(),
        "data_std": dataset.std.tolist(),
        "subset": dataset.subset,
        "train_images": len(dataset.train),
        "skipped_pictures": dataset.skipped,
        "epoch": chosen.epoch,
        "epochs_done": min(progress.epoch, stored.config.epochs),
        "stop_reason": stop_reason,
        "selection": "training" if stored.config.selection == "validation" and not len(dataset.validation) else
        stored.config.selection,
        "accuracy": {split: each.accuracy for split, each in evaluations.items()},
        "evaluation": {split: each.as_dict() for split, each in evaluations.items()},
        "classes": {split: _class_numbers(each) for split, each in confusions.items()},
        **vector_metrics(final),
        "parameters": {"trainable": _count(final.trainable_weights), "fixed": _count(final.non_trainable_weights)},
        "seconds": progress.seconds,
        **_speed(stored.config, final, rows),
        "peak_memory_bytes": hardware.peak_memory_bytes(),
        "device_peak_memory_bytes": device_peak_memory_bytes(),
        "environment": run.read("environment"),
    })
    plot_curves(rows, run.path / "curves.png", title=run.name)
    if "test" in outputs and "test" in confusions:
        _draw(run, dataset, outputs["test"].logits, outputs["test"].class_vectors, confusions["test"])


def _class_numbers(confusion: NDArray[np.int64]) -> dict[str, Any]:
    """Numbers of images, balanced accuracy, and precision, recall and F1 by class."""
    return {"images": confusion.sum(axis=1).tolist(), "balanced_accuracy": balanced_accuracy(confusion),
            **class_scores(confusion)}


def vector_metrics(model: keras.Model) -> dict[str, float]:
    """Returns the scale, and the norms and cosines of the class vectors, since learned ones may merge.

    For a `StreamingHead` it is only the scale: its class vectors are fixed, and may not be in memory.
    """
    head = head_of(model)
    if isinstance(head, StreamingHead):
        return {"scale": float(to_numpy(head.current_scale()))}
    vectors = to_numpy(head.class_vectors)
    found = {"scale": float(to_numpy(head.current_scale())),
             "class_vectors_mean_norm": float(np.linalg.norm(vectors, axis=1).mean())}
    if len(vectors) <= _PAIRS_CLASSES:
        cosines = pairwise_cosines(vectors)
        found |= {"class_vectors_mean_cosine": float(cosines.mean()), "class_vectors_max_cosine": float(cosines.max())}
    return found


def _speed(config: TrainConfig, model: keras.Model, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Images per second, FLOP/s of the steps, and their share of the device's peak, if known.

    A step is counted as three forward passes, with two operations per multiply-add.
    """
    images = float(np.median([row["images_per_second"] for row in rows]))
    rate = 6 * multiply_adds(model) * images
    card, peak = hardware.gpu_peak(config.precision) if on_gpu() else (None, None)
    return {"images_per_second": images, "flops_per_second": rate, "peak_device": card, "peak_flops_per_second":
            None if peak is None else peak * config.devices,
            "share_of_peak": None if peak is None else rate / (peak * config.devices)}


def _count(weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _draw(run: Run, dataset: Dataset, logits: Any, class_vectors: Any, confusion: Any) -> None:
    """Draws the figures of the run's classes and pictures, and writes the two matrices for tables."""
    test = dataset.test
    run.write_arrays(_STATISTICS_FILE, confusion=confusion, class_vectors=class_vectors)
    groups = dataset_entry(run.config()).similar
    plot_confusion(confusion, dataset.label_names, run.path / "confusion.png", title=f"{run.name}\ntest", groups=groups,
                   counts=run.config().confusion_counts)
    if len(class_vectors) <= _DRAWN_CLASSES:
        order = grouped_order(dataset.label_names, groups)
        plot_cosine_matrix(cosine_matrix(class_vectors), dataset.label_names, run.path / "class_vectors.png",
                           order=order, groups=None if order is None else groups,
                           title=f"{run.name}\ncosines between class vectors")
    if dataset.has_vectors:
        return
    plot_predictions(test.images, test.labels, logits, dataset.label_names, run.path / "predictions.png",
                     title=f"{run.name}: test images, right and wrong")
