"""How much less accurate a run is on an outside set than on its own test set."""
import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.analysis.over_images import accuracy_drop
from keras_fixhead.data import Split, run_dataset
from keras_fixhead.data.class_map import ClassMap
from keras_fixhead.data.sources import dataset_version
from keras_fixhead.errors import ArgumentError
from keras_fixhead.evaluation.measurer import Measurer
from keras_fixhead.evaluation.predictor import Predictor
from keras_fixhead.evaluation.run import MeasuredRun
from keras_fixhead.runs import Run
from keras_fixhead.runs.generalization import Generalization

TEST = "test"


def measure_generalization(run: Run, predictor: Predictor, measured: MeasuredRun, dataset: str,
                           data_dir: str | None = None, *,
                           own_logits: NDArray[np.float32] | None = None) -> Generalization:
    """Returns a run's accuracy on its own test set and on an outside set, and the drop between them.

    If the outside set does not have all classes of the run, only the images of the common classes count, and only
    these classes are predicted, on both sets; `accuracy` and `own_accuracy` are among all classes of the run.

    Args:
        run: a run.
        predictor: its model.
        measured: what was measured of it on the outside set, with the split 'test'.
        dataset: name of the outside set, or its path.
        data_dir: folder of the run's own data, if it is not the one used in training.
        own_logits: the model's logits of its own test set, if they are known, (N, m).

    Raises:
        ArgumentError: (a ValueError) for a model that never has all logits, or a set with only one of its classes.
        DataError: if the run's own data cannot be found or read.
    """
    outside, classes = measured.splits[TEST], measured.classes
    assert classes is not None
    if outside.logits is None:
        raise ArgumentError("The drop between two sets is measured with all logits, which a model of very many classes "
                            "does not have.", hint="Compare the two accuracies: fixhead evaluate.")
    if len(classes.common) < 2:
        raise ArgumentError("The drop between two sets is that among their common classes, of which there is only one, "
                            f"{predictor.label_names[classes.common[0]]}: every answer would be right.",
                            hint="Measure on a set with two or more of the run's classes.")
    fields = run.config().data_fields
    own = run_dataset(**{**fields, "data_dir": data_dir or fields["data_dir"]}).test
    used = np.flatnonzero(np.isin(own.labels, classes.common))
    own = own.take(used)
    logits = Measurer(predictor.model).outputs(own.images).logits if own_logits is None else own_logits[used]
    right = {"own": _right(logits, own, classes), "outside": _right(outside.logits, outside.split, classes)}
    drop = accuracy_drop(right["own"], right["outside"])
    return Generalization({
        "dataset": dataset, **dataset_version(dataset), "own_dataset": fields["dataset"],
        "n_own": len(own), "n_outside": len(outside.split),
        "classes": {"common": len(classes.common), "missing": list(classes.missing), "new": list(classes.new)},
        "accuracy": outside.evaluation.accuracy, "own_accuracy": float((logits.argmax(axis=1) == own.labels).mean()),
        "common_accuracy": float(right["outside"].mean()), "own_common_accuracy": float(right["own"].mean()),
        "drop_points": drop.mean, "drop_interval_95": list(drop.interval),
        "interval": "BCa bootstrap over the images of both sets", "images": _digest([own, outside.split]),
        "notes": list(measured.notes),
    }, right["own"], right["outside"])


def _right(logits: NDArray[np.float32], split: Split, classes: ClassMap) -> NDArray[np.bool_]:
    """Whether each image is classified correctly among the common classes, (N,)."""
    common = np.array(classes.common)
    found: NDArray[np.bool_] = common[logits[:, common].argmax(axis=1)] == split.labels
    return found


def _digest(splits: Sequence[Split]) -> str:
    """Identifies the images and labels of both sets: only runs on the same ones are compared image by image."""
    total = hashlib.sha256()
    for split in splits:
        total.update(np.ascontiguousarray(split.labels).data)
        for image in split.images:
            total.update(np.ascontiguousarray(image).data)
    return total.hexdigest()
