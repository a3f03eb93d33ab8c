"""Names of classes, and the most probable ones."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_fixhead.errors import DataError


def read_label_names(path: str | os.PathLike[str]) -> list[str]:
    """Returns the names in a file with one per line, such as the `assets.extra/labels.txt` of an export.

    Raises:
        DataError: if it cannot be read, or names nothing.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")  # which makes \r\n to \n
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{os.fspath(path)} is not text.", hint="Expected the name of one class per line.") from None
    names = text.removesuffix("\n").split("\n") if text else []
    if not names or not all(names):
        raise DataError(f"{os.fspath(path)} has {'an empty line' if names else 'no line'}.",
                        hint="Expected the name of one class per line.")  # fmt: skip
    return names


def top_classes(probabilities: npt.NDArray[Any], k: int) -> npt.NDArray[np.intp]:
    """Returns the indices of the k most probable classes, the most probable first; of equal ones the lower index.

    Args:
        probabilities: shape (N, m).
        k: how many; all where there are fewer.

    Returns:
        integer array of shape (N, min(k, m)).

    Example:
        >>> top_classes(np.array([[0.2, 0.5, 0.3]]), 2).tolist()
        [[1, 2]]
    """
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
