"""Loads a SavedModel: its signatures, how to call them, and their first calls. Needs TensorFlow."""
import contextlib
import logging
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fixhead_serving import warmup
from fixhead_serving.server.batching import mergeable_signatures
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.refusals import ModelFailed
from fixhead_serving.server.versions import LoadedVersion
from fixhead_serving.specs import DEFAULT_SIGNATURE, NUMPY_TYPES, Array, Signature, Tensors, TensorSpec
from keras_fixhead.errors import ServingError

MODEL_CARD = "assets.extra/model_card.json"  # only our exports have it

# A grey PNG of 1x1 pixel, to warm up signatures that take pictures.
_PIXEL_PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loader:
    """Loads versions.

    Args:
        onednn: whether TensorFlow runs with oneDNN, which aborts the process on a wrong rank: signatures of unknown
            rank, which cannot be checked, are then refused.
        batching: whether concurrent requests may be run as one call; None: for models with one of our model cards,
            whose answer for a picture does not depend on the rest of the batch.
        metrics: counts warm-ups.
    """

    onednn: bool = True
    batching: bool | None = None
    metrics: Metrics | None = None

    def __call__(self, number: int, folder: Path) -> LoadedVersion:
        """Loads and warms up the version in a folder, and returns it.

        Raises:
            ServingError: if it has no signature, one of unknown rank, or a warm-up record that fails.
            Exception: whatever TensorFlow raises for a damaged folder.
        """
        graph = _serving_graph(folder)
        signatures = _signatures(graph, folder)
        if self.onednn:
            _check_ranks(signatures, folder)
        call = _load(folder, list(graph.meta_info_def.tags), signatures)
        start = time.perf_counter()
        tried = {**_run_records(folder, signatures, call, self.metrics), **_run_samples(signatures, call)}
        if self.metrics:
            self.metrics.warmup_latency.add(str(folder), "OK", value=(time.perf_counter() - start) * 1e6)
        merges = self.batching if self.batching is not None else (folder / MODEL_CARD).is_file()
        mergeable = mergeable_signatures(signatures) if merges else frozenset()
        return LoadedVersion(number, signatures, call, mergeable, _choose_sample(tried))


def _serving_graph(folder: Path) -> Any:
    """The first graph of a SavedModel tagged "serve", as a MetaGraphDef; an empty one if there is none."""
    from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    tagged = (graph for graph in saved.meta_graphs if "serve" in graph.meta_info_def.tags)
    return next(tagged, meta_graph_pb2.MetaGraphDef())


def _signatures(graph: Any, folder: Path) -> dict[str, Signature]:
    definitions = dict(graph.signature_def)
    definitions.pop("__saved_model_init_op", None)
    signatures = {name: _signature(definition) for name, definition in sorted(definitions.items())}
    dense = {name: signature for name, signature in signatures.items() if _is_dense(signature)}
    if not dense:
        raise ServingError(f"The SavedModel '{folder}' has no signature to serve.",
                           hint="Save it with signatures: tf.saved_model.save(model, DIR, signatures=FUNCTION)")
    for name in sorted(signatures.keys() - dense.keys()):
        logger.warning("Signature '%s' in '%s' is left out: it has a sparse or ragged tensor.", name, folder)
    return dense


def _signature(definition: Any) -> Signature:
    inputs = {key: _spec(info) for key, info in sorted(definition.inputs.items())}
    outputs = {key: _spec(info) for key, info in sorted(definition.outputs.items())}
    return Signature(inputs, outputs, definition.method_name)


def _spec(info: Any) -> TensorSpec:
    from tensorflow.core.framework import types_pb2

    dims = tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim)
    return TensorSpec(types_pb2.DataType.Name(info.dtype), None if info.tensor_shape.unknown_rank else dims, info.name)


def _is_dense(signature: Signature) -> bool:
    return all(spec.name for spec in [*signature.inputs.values(), *signature.outputs.values()])


def _check_ranks(signatures: Mapping[str, Signature], folder: Path) -> None:
    for name, signature in signatures.items():
        for key, spec in signature.inputs.items():
            if spec.shape is None:
                text = f"Input '{key}' of signature '{name}' in '{folder}' has no known rank: "
                text += "requests cannot be checked, and one with a wrong rank would crash the server."
                hint = "Export the model with an input_signature of known rank, or serve it with --no-onednn."
                raise ServingError(text, hint=hint)


def _load(folder: Path, tags: list[str], signatures: Mapping[str, Signature]) -> Any:
    """Returns `call(signature_name, inputs)`, which runs a session, as TensorFlow Serving does.

    Eager functions would keep about a kilobyte of each failed run for as long as the process lives
    (`aborted_rendezs_` in TensorFlow's local_rendezvous.cc); a session releases everything when the run ends.
    """
    import tensorflow as tf

    graph = tf.Graph()
    session = tf.compat.v1.Session(graph=graph, config=tf.compat.v1.ConfigProto(allow_soft_placement=True))
    with graph.as_default(), _without_advice():
        tf.compat.v1.saved_model.load(session, tags, str(folder))

    def tensors(specs: Mapping[str, TensorSpec]) -> list[Any]:
        return [graph.get_tensor_by_name(spec.name) for spec in specs.values()]

    runs = {name: session.make_callable(tensors(signature.outputs), tensors(signature.inputs))
            for name, signature in signatures.items()}

    def call(signature_name: str, inputs: Tensors) -> dict[str, Array]:
        signature = signatures[signature_name]
        try:
            values = runs[signature_name](*(inputs[name] for name in signature.inputs))
        except tf.errors.OpError as error:
            raise ModelFailed(_graph_error_text(error), code=error.error_code) from None
        return {name: _to_array(value) for name, value in zip(signature.outputs, values, strict=True)}

    return call


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Suppresses TensorFlow's advice to load functions instead."""
    import tensorflow as tf

    level = tf.get_logger().level
    tf.get_logger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        tf.get_logger().setLevel(level)


def _to_array(value: Any) -> Array:
    if not isinstance(value, bytes):
        return np.asarray(value)
    scalar = np.empty((), object)  # np.asarray would drop trailing zero bytes of a scalar string
    scalar[()] = value
    return scalar


def _graph_error_text(error: Any) -> str:
    """Returns the reason for a failed run, without the nodes and traces around it."""
    message: str = getattr(error.__context__, "message", error.message)  # without Python's traces
    return " ".join(message.partition("\n\t [[")[0].split())


# First calls, because the first run of a graph is far slower than later ones


def _run_records(
    folder: Path, signatures: Mapping[str, Signature], call: Any, metrics: Metrics | None
) -> dict[str, Tensors]:
    """Runs the model's own warm-up records; as in TensorFlow Serving, a failed record fails the version."""
    file = folder / warmup.FILE
    if not file.is_file():
        return {}
    tried: dict[str, Tensors] = {}
    count = 0
    for count, (name, inputs) in enumerate(warmup.read_requests(file), 1):
        try:
            if name not in signatures:
                raise ServingError(f"there is no signature '{name}'")
            if inputs.keys() != signatures[name].inputs.keys():
                raise ServingError(f"its inputs are {sorted(inputs)}, not {sorted(signatures[name].inputs)}")
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
        except Exception as error:  # made-up inputs need not fit the model
            logger.info("Signature '%s' was not warmed up: %s", name, error)
        else:
            tried[name] = known
    return tried


def _sample(spec: TensorSpec) -> Array | None:
    """Returns a batch of one that fits a signature's input, or None if that is unknown."""
    if spec.shape is None:
        return None
    shape = [size or 1 for size in spec.shape[:1]] + [size or 0 for size in spec.shape[1:]]
    if 0 in shape:
        return None
    if spec.dtype == "DT_STRING":
        return np.full(shape, _PIXEL_PNG, object)
    dtype = NUMPY_TYPES.get(spec.dtype)
    return None if dtype is None else np.zeros(shape, dtype)


def _choose_sample(tried: Mapping[str, Tensors]) -> tuple[str, Tensors] | None:
    if not tried:
        return None
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in tried else next(iter(tried))
    return name, tried[name]
