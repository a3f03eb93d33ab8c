"""The requests that a SavedModel brings along to be warmed up with, as TensorFlow Serving reads them."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fixhead_serving.protocol import DEFAULT_SIGNATURE, Array
from fixhead_serving.server.messages import message
from keras_fixhead.errors import ServingError

RECORDS_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000


def read_records(file: Path) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yields the signature's name and the inputs of each predict request in a file of warm-up records.

    Args:
        file: a TFRecord file of PredictionLog messages; records of other calls than Predict are passed over.

    Raises:
        ServingError: if the file, or a record in it, cannot be read, or it has more than 1000 records.
    """
    import tensorflow as tf

    try:
        for count, record in enumerate(tf.data.TFRecordDataset(str(file)).as_numpy_iterator(), 1):
            if count > MAX_RECORDS:
                raise ServingError(f"'{file}' has more than {MAX_RECORDS} warm-up records.")
            request = _parse(record).predict_log.request
            if request.inputs:
                name = request.model_spec.signature_name or DEFAULT_SIGNATURE
                yield name, {entry.key: _tensor(entry.value) for entry in request.inputs}
    except ServingError:
        raise
    except Exception as error:  # whatever TensorFlow and protobuf raise for damaged bytes
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ServingError(f"The warm-up records in '{file}' cannot be read: {reason}") from error


def _parse(record: bytes) -> Any:
    log = message("PredictionLog")
    log.ParseFromString(record)
    return log


def _tensor(serialized: bytes) -> Array:
    import tensorflow as tf
    from tensorflow.core.framework import tensor_pb2

    array: Array = tf.make_ndarray(tensor_pb2.TensorProto.FromString(serialized))
    return array
