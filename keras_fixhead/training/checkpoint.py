"""The state of a training: weights, optimizer and epoch, in one NumPy file."""
import io
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fixhead.errors import RunError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.json_files import write_bytes
from keras_fixhead.runs import make_folder

SCHEMA = 1


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes:
        epoch: epochs done.
        best_epoch: the first of them with the best validation accuracy; 0 before any.
        best: that accuracy.
    """

    epoch: int = 0
    best_epoch: int = 0
    best: float = -1.0

    def after_epoch(self, epoch: int, accuracy: float) -> "Progress":
        """Returns the progress after one more epoch with this validation accuracy."""
        if accuracy > self.best:
            return Progress(epoch, epoch, accuracy)
        return replace(self, epoch=epoch)


def save_checkpoint(path: Path, model: keras.Model, progress: Progress) -> None:
    """Writes weights, optimizer variables and progress.

    Raises:
        RunError: if it cannot be written; the checkpoint that was there stays as it was.
    """
    arrays: dict[str, Any] = {f"weight_{index}": _array(weight) for index, weight in enumerate(_stored(model))}
    arrays |= {f"optimizer_{index}": _array(each) for index, each in enumerate(model.optimizer.variables)}
    arrays["meta"] = np.array(json.dumps({"schema": SCHEMA, **asdict(progress)}))
    content = io.BytesIO()
    np.savez(content, **arrays)
    make_folder(path.parent)
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, model: keras.Model) -> Progress:
    """Puts the state of a checkpoint into a compiled model; returns its progress.

    Every array is read and checked (by the archive's checksums) before the first one is assigned.

    Raises:
        RunError: if it is missing, damaged, from a newer version, or of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
        schema = meta.pop("schema")
        progress = Progress(**meta) if schema <= SCHEMA else Progress()
    except FileNotFoundError:
        raise RunError(f"{path} is missing: there is nothing to resume from.", hint="Start a new run.") from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"The checkpoint {path} is damaged: {error}.", hint="Start a new run.") from None
    if schema > SCHEMA:
        raise RunError(f"The checkpoint {path} is from a newer version.", hint="Upgrade: pip install -U keras-fixhead")
    if not model.optimizer.built:  # the loss-scaling optimizer would build its variables a second time
        model.optimizer.build(model.trainable_variables)
    targets = {f"weight_{index}": weight for index, weight in enumerate(_stored(model))}
    targets |= {f"optimizer_{index}": each for index, each in enumerate(model.optimizer.variables)}
    if targets.keys() != arrays.keys() or any(arrays[name].shape != tuple(targets[name].shape) for name in targets):
        raise RunError(f"The checkpoint {path} belongs to another model than the run's config.json describes.")
    for name, target in targets.items():
        target.assign(arrays[name])
    return progress


def _stored(model: keras.Model) -> list[Any]:
    """The weights that a checkpoint holds: all but class vectors that are drawn again."""
    redrawn = [layer.class_vectors for layer in model.layers
               if isinstance(layer, HypersphereHead) and not layer.store_vectors]
    return [weight for weight in model.weights if not any(weight is each for each in redrawn)]


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable.value))
