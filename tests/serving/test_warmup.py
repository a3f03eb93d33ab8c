"""Warm-up requests: the bytes of `PredictionLog`, by hand and with the messages of TensorFlow Serving."""
import numpy as np
import pytest

from fixhead_serving import warmup

SIGNATURES = {"serving_default": ("images", (4, 6, 3)), "serving_bytes": ("image_bytes", b"\x89PNG\0\xff"),
              "features": ("images", (4, 6, 3))}


@pytest.fixture
def path(tmp_path):
    warmup.write_requests(tmp_path / "requests", "m", SIGNATURES)
    return tmp_path / "requests"


def test_requests_are_encoded_with_the_field_numbers_of_the_proto_files():
    """PredictionLog.predict_log = 6, PredictLog.request = 1, PredictRequest.model_spec = 1 and inputs = 2, a map whose
    entries have key = 1 and value = 2, ModelSpec.name = 1 and signature_name = 3; each is length-delimited: its tag is
    8 * number + 2. The value is a TensorProto, here dtype = 1 (DT_FLOAT = 1): 08 01."""
    def field(number, content):
        return bytes([8 * number + 2, len(content)]) + content

    spec = field(1, b"m") + field(3, b"features")
    request = field(1, spec) + field(2, field(1, b"x") + field(2, b"\x08\x01"))

    assert warmup.encode("m", "features", {"x": b"\x08\x01"}) == field(6, field(1, request))


def test_a_small_file_has_requests_of_every_batch_size_for_every_signature(path):
    found = list(warmup.read_requests(path))

    assert [(name, len(next(iter(inputs.values())))) for name, inputs in found] == [
        (name, size) for name in SIGNATURES for size in (1, 8, 32)]
    for name, inputs in found:
        ((key, value),) = inputs.items()
        assert key == SIGNATURES[name][0]
        if name == "serving_bytes":
            assert (value == b"\x89PNG\0\xff").all()
        else:
            np.testing.assert_array_equal(value, np.full((len(value), 4, 6, 3), 127.5, np.float32), strict=True)
    assert path.stat().st_size < 1500  # a batch of 32 is stored as one value and a shape


@pytest.mark.long
def test_the_messages_of_tensorflow_serving_parse_the_requests(path):
    """Needs tensorflow-serving-api, installed with --no-deps."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    list(warmup.read_requests(path))  # both descriptions in one process
    logs = [prediction_log_pb2.PredictionLog.FromString(record)
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()]

    assert [log.WhichOneof("log_type") for log in logs] == ["predict_log"] * 9
    for log, (signature, inputs) in zip(logs, warmup.read_requests(path), strict=True):
        request = log.predict_log.request
        assert (request.model_spec.name, request.model_spec.signature_name) == ("m", signature)
        assert request.model_spec.WhichOneof("version_choice") is None and not request.output_filter
        ((name, value),) = inputs.items()
        assert list(request.inputs) == [name]
        np.testing.assert_array_equal(tf.make_ndarray(request.inputs[name]), value)
        ours = warmup.encode("m", signature, {name: request.inputs[name].SerializeToString()})
        assert prediction_log_pb2.PredictionLog.FromString(ours) == log
