"""The protobuf messages of TensorFlow Serving that we read and write, without its package.

The package `tensorflow-serving-api` cannot be installed alongside every version of TensorFlow, so the few messages we
need are described here. Names and numbers are those of TensorFlow Serving's .proto files; other fields are skipped.
"""
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# message: field: (number, type, repeated). A type that starts with a capital letter is a message.
_MESSAGES: dict[str, dict[str, tuple[int, str, bool]]] = {
    # apis/prediction_log.proto, predict.proto, model.proto
    "PredictionLog": {"predict_log": (6, "PredictLog", False)},
    "PredictLog": {"request": (1, "PredictRequest", False)},
    "PredictRequest": {"model_spec": (1, "ModelSpec", False), "inputs": (2, "InputEntry", True)},
    "InputEntry": {"key": (1, "string", False), "value": (2, "bytes", False)},  # the value is a TensorProto
    "ModelSpec": {"name": (1, "string", False), "signature_name": (3, "string", False)},
    # config/model_server_config.proto, file_system_storage_path_source.proto
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList", False)},
    "ModelConfigList": {"config": (1, "ModelConfig", True)},
    "ModelConfig": {
        "name": (1, "string", False),
        "base_path": (2, "string", False),
        "model_platform": (4, "string", False),
        "model_version_policy": (7, "ServableVersionPolicy", False),
        "version_labels": (8, "LabelEntry", True),
    },
    "LabelEntry": {"key": (1, "string", False), "value": (2, "int64", False)},
    "ServableVersionPolicy": {
        "latest": (100, "Latest", False),
        "all": (101, "All", False),
        "specific": (102, "Specific", False),
    },
    "Latest": {"num_versions": (1, "uint32", False)},
    "All": {},
    "Specific": {"versions": (1, "int64", True)},
}


def message(name: str) -> Any:
    """Returns a new, empty message, such as `ModelServerConfig`."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"fixhead.{name}"))()


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="fixhead_serving.proto", package="fixhead", syntax="proto3")
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            label = "LABEL_REPEATED" if repeated else "LABEL_OPTIONAL"
            added = described.field.add(
                name=field, number=number, label=descriptor_pb2.FieldDescriptorProto.Label.Value(label)
            )
            scalar = "MESSAGE" if kind in _MESSAGES else kind.upper()
            added.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{scalar}")
            if kind in _MESSAGES:
                added.type_name = f".fixhead.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
