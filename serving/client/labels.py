"""Class names, and the most probable classes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fixhead.errors import DataError


def read_label_names(path: str | os.PathLike[str]) -> list[str]:
    """Returns the names in a file with one per line, such as the `assets.extra/labels.txt` of an export.

    Raises:
        DataError: if the file cannot be read, is empty, or has an empty line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")  # turns \r\n into \n
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{os.fspath(path)} is not text.", hint="Expected one class name per line.") from None
    names = text.removesuffix("\n").split("\n") if text else []
    if not names or not all(names):
        raise DataError(f"{os.fspath(path)} {'has an empty line' if names else 'is empty'}.",
                        hint="Expected one class name per line.")  # fmt: skip
    return names


def top_classes(probabilities: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    """Returns the indices of the k most probable classes, the most probable first; ties go to the lower index.

    Args:
        probabilities: shape (N, m).
        k: number of classes; all of them if there are fewer.

    Returns:
        integer array of shape (N, min(k, m)).

    Example:
        >>> top_classes(np.array([[0.2, 0.5, 0.3]]), 2).tolist()
        [[1, 2]]
    """
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
