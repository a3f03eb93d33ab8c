"""Warm-up requests, which TensorFlow Serving runs through a model before it reports the model as available.

They are `PredictionLog` messages in a TFRecord file that is part of a SavedModel: an export writes them, and its
self-check and the local server read them.
"""
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fixhead_serving.messages import message
from fixhead_serving.specs import DEFAULT_SIGNATURE
from keras_fixhead.errors import ServingError

FILE = "assets.extra/tf_serving_warmup_requests"
"""Path of the requests in a version's folder."""

BATCH_SIZES = (1, 8, 32)
MAX_REQUESTS = 1000  # TensorFlow Serving refuses a version that has more


def write_requests(path: Path, model: str, signatures: Mapping[str, Any]) -> None:
    """Writes requests with a grey picture for some signatures, in several batch sizes.

    Args:
        path: the file.
        model: the model's name.
        signatures: for each signature its input's name, and the shape of an image or vector if it takes numbers, or the
            bytes of a picture if it takes encoded pictures.
    """
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, (name, value) in signatures.items():
            for size in BATCH_SIZES:
                # One value and a shape: a message of a few bytes, which its reader expands with that value
                tensor = (tf.make_tensor_proto(value, tf.string, [size]) if isinstance(value, bytes) else
                          tf.make_tensor_proto(127.5, tf.float32, [size, *value]))
                writer.write(encode(model, signature, {name: tensor.SerializeToString()}))


def signature_inputs(shape: Sequence[int], picture: bytes) -> dict[str, tuple[str, Any]]:
    """Returns the `signatures` argument of `write_requests` for the signatures of our exports."""
    if len(shape) == 1:
        return {"serving_default": ("vectors", tuple(shape)), "features": ("vectors", tuple(shape))}
    return {"serving_default": ("images", tuple(shape)), "serving_bytes": ("image_bytes", picture),
            "features": ("images", tuple(shape))}


def encode(model: str, signature: str, inputs: Mapping[str, bytes]) -> bytes:
    """Returns a `PredictionLog` with one request.

    Args:
        model: the model's name.
        signature: the signature's name.
        inputs: serialized `TensorProto` messages, by the input's name.
    """
    log = message("PredictionLog")
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, tensor in sorted(inputs.items()):
        request.inputs.add(key=name, value=tensor)
    return bytes(log.SerializeToString(deterministic=True))


def read_requests(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the signature name and the inputs, as arrays, of each predict request in a file; others are skipped.

    Raises:
        ServingError: if the file, or a request in it, cannot be read, or there are more than 1000.
    """
    import tensorflow as tf

    try:
        for count, record in enumerate(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), 1):
            if count > MAX_REQUESTS:
                raise ServingError(f"'{path}' has more than {MAX_REQUESTS} warm-up requests.")
            log = message("PredictionLog")
            log.ParseFromString(record)
            request = log.predict_log.request
            if request.inputs:
                name = request.model_spec.signature_name or DEFAULT_SIGNATURE
                yield name, {entry.key: _tensor(entry.value) for entry in request.inputs}
    except ServingError:
        raise
    except Exception as error:  # TensorFlow and protobuf raise many kinds for damaged bytes
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = first.rpartition("}} ")[2].partition(" [Op:")[0]  # without the nodes around it
        raise ServingError(f"The warm-up requests in '{path}' cannot be read: {reason}") from error


def _tensor(serialized: bytes) -> Any:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    return tf.make_ndarray(tensor_pb2.TensorProto.FromString(serialized))
