"""What was measured of a run on an outside set, next to its own test set: RUN/generalization/NAME.json and .npz."""
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.packed_index import file_name
from keras_fixhead.data.sources import is_folder
from keras_fixhead.errors import RunError
from keras_fixhead.json_files import read_json, write_bytes, write_json
from keras_fixhead.runs.directory import SCHEMA, make_folder
from keras_fixhead.runs.result import read_arrays

FOLDER = "generalization"


@dataclass(frozen=True)
class Generalization:
    """A run on its own test set and on an outside set, over the classes that both have.

    Attributes:
        content: the numbers, ready for JSON.
        own, outside: whether each image is classified correctly, among the common classes; boolean, (N,) and (M,).
    """

    content: Mapping[str, Any]
    own: NDArray[np.bool_]
    outside: NDArray[np.bool_]


def measurement_name(dataset: str) -> str:
    """Returns the name under which the measurement on a data set is kept.

    Example:
        >>> measurement_name("cifar10_1/v4"), measurement_name("./my/photographs")
        ('cifar10_1-v4', 'photographs')
    """
    return Path(dataset).expanduser().absolute().name if is_folder(dataset) else file_name(dataset)


def write_generalization(run: Path, name: str, found: Generalization) -> Path:
    """Writes a measurement below a run directory and returns the path of its JSON file.

    Raises:
        RunError: if it cannot be written.
    """
    folder = run / FOLDER
    make_folder(folder)
    packed = io.BytesIO()
    np.savez_compressed(packed, own=found.own, outside=found.outside)
    write_bytes(folder / f"{name}.npz", packed.getvalue())
    path = folder / f"{name}.json"
    write_json(path, found.content, schema=SCHEMA)
    return path


def read_generalization(run: Path, name: str) -> Generalization:
    """Returns a measurement of a run.

    Raises:
        RunError: if it has not been made, or is damaged.
    """
    path = run / FOLDER / f"{name}.json"
    if not path.is_file():
        dataset = next((each for each in DATASETS if measurement_name(each) == name), None)
        quoted = shlex.quote(str(run))
        raise RunError(f"{run} has not been measured on {name}.",
                       hint=f"Measure it: fixhead evaluate {quoted} --dataset {dataset}" if dataset else
                       f"Measure it: fixhead evaluate {quoted} --dataset FOLDER, where FOLDER is the path of {name}.")
    content, arrays = read_json(path, schema=SCHEMA), read_arrays(path.with_suffix(".npz"))
    try:
        found = Generalization(content, arrays["own"], arrays["outside"])
        whole = (len(found.own), len(found.outside)) == (content["n_own"], content["n_outside"])
    except KeyError:
        whole = False
    if not whole:
        raise RunError(f"{path} and its .npz file do not belong together.", hint="Measure the run again.")
    return found
