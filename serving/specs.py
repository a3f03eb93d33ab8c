"""Descriptions of models and tensors, for every protocol: which model a request is for, its inputs and its outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

DEFAULT_SIGNATURE = "serving_default"
MAX_VERSION = 2**63 - 1

FLOAT_TYPES: dict[str, Any] = {"DT_FLOAT": np.float32, "DT_DOUBLE": np.float64}
INTEGER_TYPES: dict[str, Any] = {
    "DT_INT8": np.int8,
    "DT_INT16": np.int16,
    "DT_INT32": np.int32,
    "DT_INT64": np.int64,
    "DT_UINT8": np.uint8,
    "DT_UINT32": np.uint32,
    "DT_UINT64": np.uint64,
}
# The NumPy type of each numeric type that JSON can be converted to.
NUMPY_TYPES: dict[str, Any] = {**FLOAT_TYPES, **INTEGER_TYPES, "DT_BOOL": np.bool_}


@dataclass(frozen=True)
class ModelSpec:
    """Which model a request is for, and which of its versions.

    Args:
        name: the model's name.
        version: the number of the version, or None for the latest.
        label: the label of the version, or None.
    """

    name: str
    version: int | None = None
    label: str | None = None


@dataclass(frozen=True)
class TensorSpec:
    """What a signature says about one tensor.

    Args:
        dtype: TensorFlow's name of the type, such as `DT_FLOAT`.
        shape: the length of each dimension, or None where any length is allowed; None for an unknown rank.
        name: the tensor's name in the graph.
    """

    dtype: str
    shape: tuple[int | None, ...] | None
    name: str = ""


@dataclass(frozen=True)
class Signature:
    """One way of calling a model: its named inputs and outputs."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = "tensorflow/serving/predict"
