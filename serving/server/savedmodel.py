"""Loading one SavedModel: what its signatures are, how they are called, its first calls. TensorFlow is needed here."""
import logging
import time
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fixhead_serving import protocol, warmup
from fixhead_serving.protocol import Array, Refusal, Signature, TensorSpec
from fixhead_serving.server.batching import Tensors, mergeable_signatures
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.versions import LoadedVersion
from keras_fixhead.errors import ServingError

MODEL_CARD = "assets.extra/model_card.json"  # what our exports have, and no other

# A grey PNG of 1x1 pixel: what a signature that takes pictures is warmed up with.
_PIXEL_PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loader:
    """Loads versions.

    Args:
        onednn: whether TensorFlow runs with oneDNN, which aborts the process on a wrong rank: signatures of unknown
            rank, which cannot be checked, are then refused.
        batching: whether concurrent requests may be run as one call; None: for models with a model card of ours,
            whose answer for a picture does not depend on its neighbours.
        metrics: where warming up is counted.
    """

    onednn: bool = True
    batching: bool | None = None
    metrics: Metrics | None = None

    def __call__(self, number: int, folder: Path) -> LoadedVersion:
        """Returns the version in a folder, loaded and warmed up.

        Raises:
            ServingError: if it has no signature, one of unknown rank, or a warm-up record that it does not take.
            Exception: whatever TensorFlow raises for a folder that is damaged.
        """
        signatures = read_signatures(folder)
        if self.onednn:
            _check_ranks(signatures, folder)
        call = _load(folder)
        start = time.perf_counter()
        tried = {**_run_records(folder, signatures, call, self.metrics), **_run_samples(signatures, call)}
        if self.metrics:
            self.metrics.warmup_latency.add(str(folder), "OK", value=(time.perf_counter() - start) * 1e6)
        merges = self.batching if self.batching is not None else (folder / MODEL_CARD).is_file()
        mergeable = mergeable_signatures(signatures) if merges else frozenset()
        return LoadedVersion(number, signatures, call, mergeable, _choose_sample(tried))


def read_signatures(folder: Path) -> dict[str, Signature]:
    """Returns the signatures of a SavedModel, by name, without loading it.

    Raises:
        ServingError: if there is none.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    serving = next((graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags), None)
    definitions = {} if serving is None else dict(serving.signature_def)
    definitions.pop("__saved_model_init_op", None)
    if not definitions:
        raise ServingError(f"The SavedModel '{folder}' has no signature to serve.", hint="Export it again.")
    return {name: _signature(definition) for name, definition in sorted(definitions.items())}


def _signature(definition: Any) -> Signature:
    inputs = {key: _spec(info) for key, info in sorted(definition.inputs.items())}
    outputs = {key: _spec(info) for key, info in sorted(definition.outputs.items())}
    return Signature(inputs, outputs, definition.method_name)


def _spec(info: Any) -> TensorSpec:
    from tensorflow.core.framework import types_pb2

    dims = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorSpec(types_pb2.DataType.Name(info.dtype), None if info.tensor_shape.unknown_rank else dims, info.name)


def _check_ranks(signatures: Mapping[str, Signature], folder: Path) -> None:
    for name, signature in signatures.items():
        for key, spec in signature.inputs.items():
            if spec.shape is None:
                text = f"Input '{key}' of signature '{name}' in '{folder}' has no known rank: "
                text += "requests cannot be checked, and one of a wrong rank would end the process."
                hint = "Export the model with an input_signature that gives the rank, or serve it with --no-onednn."
                raise ServingError(text, hint=hint)


def _load(folder: Path) -> Any:
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))

    def call(signature_name: str, inputs: Tensors) -> dict[str, Array]:
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        try:  # through `model`, which has to stay alive as long as its functions are called
            outputs = model.signatures[signature_name](**tensors)
            return {name: _to_numpy(tensor) for name, tensor in sorted(outputs.items())}
        except tf.errors.OpError as error:
            status = protocol.HTTP_STATUS.get(error.error_code, 500)
            status = 500 if status == 499 else status  # it was not the client who cancelled
            raise Refusal(_graph_error_text(error.message), status=status) from None

    return call


def _to_numpy(tensor: Any) -> Array:
    value = tensor.numpy()
    if not isinstance(value, bytes):
        return np.asarray(value)
    scalar = np.empty((), object)  # np.asarray would cut zero bytes off a scalar string
    scalar[()] = value
    return scalar


def _graph_error_text(message: str) -> str:
    """Returns the reason from a TensorFlow error, without the nodes and traces around it."""
    reason = message.rpartition("<stack traces unavailable>")[2].partition("\n\t [[")[0]
    return " ".join(reason.partition(" [Op:")[0].split())


# First calls, for the first run of a graph is far slower than the next


def _run_records(
    folder: Path, signatures: Mapping[str, Signature], call: Any, metrics: Metrics | None
) -> dict[str, Tensors]:
    """Runs the model's own warm-up records; as in TensorFlow Serving, one that fails fails the version."""
    file = folder / warmup.FILE
    if not file.is_file():
        return {}
    tried: dict[str, Tensors] = {}
    count = 0
    for count, (name, inputs) in enumerate(warmup.read_requests(file), 1):
        try:
            if name not in signatures:
                raise Refusal(f"there is no signature '{name}'")
            call(name, inputs)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ServingError(f"Warm-up record {count} in '{file}' fails: {reason}") from error
        tried[name] = inputs
    if metrics:
        metrics.warmup_records.add(str(folder), "OK", count=count)
    return tried


def _run_samples(signatures: Mapping[str, Signature], call: Any) -> dict[str, Tensors]:
    tried: dict[str, Tensors] = {}
    for name, signature in signatures.items():
        inputs = {key: _sample(spec) for key, spec in signature.inputs.items()}
        known = {key: array for key, array in inputs.items() if array is not None}
        if len(known) < len(inputs):
            continue
        try:
            call(name, known)
        except Exception as error:  # made-up inputs need not suit the model
            logger.info("Signature '%s' was not warmed up: %s", name, error)
        else:
            tried[name] = known
    return tried


def _sample(spec: TensorSpec) -> Array | None:
    """Returns a batch of one that a signature's input may take, or None where that is anyone's guess."""
    if spec.shape is None:
        return None
    shape = [size or 1 for size in spec.shape[:1]] + [size or 0 for size in spec.shape[1:]]
    if 0 in shape:
        return None
    if spec.dtype == "DT_STRING":
        return np.full(shape, _PIXEL_PNG, object)
    dtype = protocol.NUMPY_TYPES.get(spec.dtype)
    return None if dtype is None else np.zeros(shape, dtype)


def _choose_sample(tried: Mapping[str, Tensors]) -> tuple[str, Tensors] | None:
    if not tried:
        return None
    name = protocol.DEFAULT_SIGNATURE if protocol.DEFAULT_SIGNATURE in tried else next(iter(tried))
    return name, tried[name]
