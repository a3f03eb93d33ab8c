"""What was measured of a run on an outside set, next to its own test set: RUN/generalization/NAME.json and .npz."""
import hashlib
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


def kept_name(folder: Path, dataset: str, usual: str) -> str:
    """Returns the name of a measurement among those of a run, apart from that of another folder of the same name.

    Args:
        folder: where measurements are kept as NAME.json.
        dataset: the data set that is measured, or that was.
        usual: the name of its measurement if there is no other, such as 'test' for ./site-a/test.

    Returns:
        `usual`; for ./site-b/test, if 'test' is that of ./site-a/test already, 'test-' and a digest of its path.
    """
    if not is_folder(dataset):
        return usual
    place = Path(dataset).expanduser().resolve()
    other = f"{usual}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    if (folder / f"{other}.json").is_file():
        return other
    try:
        before = str(read_json(folder / f"{usual}.json", schema=SCHEMA).get("dataset", place))
    except RunError:  # there is none
        return usual
    return usual if Path(before).expanduser().resolve() == place else other


def write_generalization(run: Path, dataset: str, found: Generalization) -> Path:
    """Writes a measurement below a run directory and returns the path of its JSON file (see `kept_name`).

    Raises:
        RunError: if it cannot be written.
    """
    folder = run / FOLDER
    make_folder(folder)
    name = kept_name(folder, dataset, measurement_name(dataset))
    packed = io.BytesIO()
    np.savez_compressed(packed, own=found.own, outside=found.outside)
    write_bytes(folder / f"{name}.npz", packed.getvalue())
    path = folder / f"{name}.json"
    write_json(path, found.content, schema=SCHEMA)
    return path


def read_generalization(run: Path, dataset: str) -> Generalization:
    """Returns a measurement of a run, by its data set or its name.

    Raises:
        RunError: if it has not been made, or is damaged.
    """
    name = kept_name(run / FOLDER, dataset, measurement_name(dataset))
    path = run / FOLDER / f"{name}.json"
    if not path.is_file():
        known = next((each for each in DATASETS if measurement_name(each) == name), None)
        quoted = shlex.quote(str(run))
        raise RunError(f"{run} has not been measured on {name}.",
                       hint=f"Measure it: fixhead evaluate {quoted} --dataset {known}" if known else
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
