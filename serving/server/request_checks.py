"""Checks a request's arrays before a model sees them: shapes against the signature, sizes against the limits."""
from collections.abc import Iterable

from fixhead_serving.server.limits import Limits
from fixhead_serving.server.pictures import check_pictures
from fixhead_serving.server.refusals import InvalidRequest
from fixhead_serving.specs import Signature, Tensors


def check_shapes(inputs: Tensors, signature: Signature) -> None:
    """Checks that arrays have shapes that fit a signature.

    TensorFlow does not compare shapes before it runs a graph, and a wrong rank can make oneDNN abort the process.

    Args:
        inputs: an array for each input of the signature, of the input's type.
        signature: the signature to call.

    Raises:
        InvalidRequest: if an array is empty, or its shape does not fit the signature.
    """
    for name, array in inputs.items():
        got, expected = array.shape, signature.inputs[name].shape
        if 0 in got:
            raise InvalidRequest(f"Input {name} is empty: its shape is {_text(got)}. Send at least one value.")
        if expected is None:
            continue
        if len(got) != len(expected) or any(
            want not in (None, size) for size, want in zip(got, expected, strict=True)
        ):
            text = f"Shape of input {name} {_text(got)} is not compatible with expected shape"
            raise InvalidRequest(f"{text} {_text(expected)}.")


def check_limits(inputs: Tensors, signature: Signature, limits: Limits) -> int:
    """Returns the number of pixels of all pictures in the inputs, after checking them and the batch against the limits.

    Raises:
        InvalidRequest: if the batch is too large.
        TooLarge: if the pictures are too large.
    """
    pixels = 0
    for name, spec in signature.inputs.items():
        array = inputs[name]
        if array.ndim and (not spec.shape or spec.shape[0] is None) and len(array) > limits.batch:
            raise InvalidRequest(f"Input {name} has a batch of {len(array)}. Expected at most {limits.batch}.")
        if spec.dtype == "DT_STRING":
            pixels += check_pictures(array.ravel(), limits)
    return pixels


def _text(shape: Iterable[int | None]) -> str:
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"
