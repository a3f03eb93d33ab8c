"""Warm-up requests: what TensorFlow Serving runs through a model before it says that the model is available.

They are `PredictionLog` messages in a TFRecord file. TensorFlow Serving's own package of messages is not needed: the
few fields that are used are described here, with their numbers from its `apis/*.proto`.
"""
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "tf_serving_warmup_requests"
BATCH_SIZES = (1, 8, 32)

_PACKAGE = "tensorflow.serving"
# message -> field -> (number, type); a map is written as the repeated entries that it is in a file
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "map of TensorProto")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
}


def write_requests(path: Path, model: str, signatures: Mapping[str, Any]) -> None:
    """Writes requests of one grey picture for signatures, in several batch sizes.

    Args:
        path: the file.
        model: the model's name.
        signatures: of each signature its input's name, with the image's shape (H, W, 3) where it takes numbers, and
            the bytes of a picture where it takes those.
    """
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, (name, value) in signatures.items():
            for size in BATCH_SIZES:
                # One value and a shape: a message of a few bytes, which its reader fills up with that value
                tensor = (tf.make_tensor_proto(value, tf.string, [size]) if isinstance(value, bytes) else
                          tf.make_tensor_proto(127.5, tf.float32, [size, *value]))
                writer.write(encode(model, signature, {name: tensor.SerializeToString()}))


def encode(model: str, signature: str, inputs: Mapping[str, bytes]) -> bytes:
    """Returns a `PredictionLog` of one request.

    Args:
        model: the model's name.
        signature: the signature's name.
        inputs: serialized `TensorProto` messages, by the input's name.
    """
    log = _message("PredictionLog")()
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, tensor in inputs.items():
        request.inputs[name].ParseFromString(tensor)
    return bytes(log.SerializeToString(deterministic=True))


def read_requests(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields signature name and inputs, as arrays, of the requests in a file."""
    import tensorflow as tf

    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = _message("PredictionLog").FromString(record).predict_log.request
        yield request.model_spec.signature_name, {
            name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


@functools.cache
def _message(name: str) -> Any:
    """A message's class, from a pool of our own: TensorFlow Serving's package may be loaded beside it."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_pb2

    pool = descriptor_pool.DescriptorPool()
    _add(pool, tensor_pb2.DESCRIPTOR)
    file = descriptor_pb2.FileDescriptorProto(name="fixhead_serving/prediction_log.proto", package=_PACKAGE,
                                              syntax="proto3", dependency=[tensor_pb2.DESCRIPTOR.name])
    for message, fields in _MESSAGES.items():
        _describe(file.message_type.add(name=message), fields)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def _add(pool: Any, file: Any) -> None:
    """Copies a file's description, and before it those that it depends on, into a pool."""
    from google.protobuf import descriptor_pb2

    for dependency in file.dependencies:
        _add(pool, dependency)
    copy = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(copy)
    pool.Add(copy)


def _describe(message: Any, fields: Mapping[str, tuple[int, str]]) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

    for name, (number, kind) in fields.items():
        field = message.field.add(name=name, number=number, label=Field.LABEL_OPTIONAL)
        if kind == "string":
            field.type = Field.TYPE_STRING
        elif kind == "map of TensorProto":
            entry = message.nested_type.add(name="InputsEntry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=Field.LABEL_OPTIONAL, type=Field.TYPE_STRING)
            entry.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL, type=Field.TYPE_MESSAGE,
                            type_name=".tensorflow.TensorProto")
            field.label, field.type = Field.LABEL_REPEATED, Field.TYPE_MESSAGE
            field.type_name = f".{_PACKAGE}.{message.name}.InputsEntry"
        else:
            field.type, field.type_name = Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"


def signature_inputs(shape: Sequence[int], picture: bytes) -> dict[str, tuple[str, Any]]:
    """Returns what `write_requests` takes, for the signatures of our exports."""
    return {"serving_default": ("images", tuple(shape)), "serving_bytes": ("image_bytes", picture),
            "features": ("images", tuple(shape))}
