"""Merges the inputs of several requests into one call, and splits its outputs again: plain functions."""
from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from fixhead_serving.specs import Array, Signature, Tensors


def mergeable_signatures(signatures: Mapping[str, Signature]) -> frozenset[str]:
    """Returns the names of the signatures in which every input and output has a first dimension of any length."""
    return frozenset(name for name, signature in signatures.items() if _is_mergeable(signature))


def _is_mergeable(signature: Signature) -> bool:
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    return bool(signature.inputs) and all(spec.shape and spec.shape[0] is None for spec in specs)


def merge_key(inputs: Tensors) -> Hashable:
    """Returns the key that two requests must share to be merged: each input's type, and shape without the batch.

    Example:
        >>> merge_key({"x": np.zeros((2, 3))}) == merge_key({"x": np.zeros((5, 3))})
        True
    """
    return tuple((name, array.dtype.str, array.shape[1:]) for name, array in sorted(inputs.items()))


def count_rows(inputs: Tensors) -> int | None:
    """Returns the length of all inputs' first dimension, or None if they differ."""
    lengths = {array.shape[0] if array.ndim else None for array in inputs.values()}
    return lengths.pop() if len(lengths) == 1 else None


def merge(requests: Sequence[Tensors]) -> dict[str, Array]:
    """Returns the concatenated inputs of several requests with the same `merge_key`."""
    if len(requests) == 1:
        return dict(requests[0])
    return {name: np.concatenate([request[name] for request in requests]) for name in requests[0]}


def split(outputs: Tensors, rows: Sequence[int]) -> list[dict[str, Array]] | None:
    """Returns each request's part of the outputs, or None if an output does not have one row per input row.

    Args:
        outputs: the outputs of a merged call.
        rows: the number of rows of each request, in order.
    """
    total = sum(rows)
    if any(array.ndim == 0 or len(array) != total for array in outputs.values()):
        return None
    ends = np.cumsum(rows).tolist()
    return [
        {name: array[end - count : end] for name, array in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]
