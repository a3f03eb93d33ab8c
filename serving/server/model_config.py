"""TensorFlow Serving's models.config, so that one file configures both its server and ours."""
from pathlib import Path
from typing import Any

from fixhead_serving.server.sources import ALL, LATEST, ModelSource, VersionPolicy
from keras_fixhead.errors import ArgumentError, ServingError


def read_model_config(file: Path) -> list[ModelSource]:
    """Returns the models listed in a file.

    Args:
        file: a ModelServerConfig in protobuf's text format; relative base paths are relative to the file.

    Raises:
        ServingError: if the file cannot be read, is malformed, or does not list a model.
        ArgumentError: if a model's name, versions or labels are invalid.
    """
    from google.protobuf import text_format

    from fixhead_serving.messages import message

    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"'{file}' cannot be read: {error}.") from None
    parsed = message("ModelServerConfig")
    try:
        text_format.Parse(text, parsed)
    except text_format.ParseError as error:  # its message has line and column
        raise ServingError(f"'{file}' is not a valid models.config: {error}") from None
    sources = [_source(model, file.absolute().parent) for model in parsed.model_config_list.config]
    if not sources:
        hint = 'For example: model_config_list { config { name: "m" base_path: "m" } }'
        raise ServingError(f"'{file}' does not list any models.", hint=hint)
    names = [source.name for source in sources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ArgumentError(f"Two models in '{file}' are called '{twice}'.")
    return sources


def _source(model: Any, folder: Path) -> ModelSource:
    if model.model_platform not in ("", "tensorflow"):
        raise ArgumentError(f"Model '{model.name}' has model_platform '{model.model_platform}'. Expected tensorflow.")
    if not model.base_path:
        raise ArgumentError(f"Model '{model.name}' has no base_path.")
    labels = {label.key: label.value for label in model.version_labels}
    return ModelSource(model.name, folder / model.base_path, _policy(model), labels)


def _policy(model: Any) -> VersionPolicy:
    policy = model.model_version_policy
    if policy.HasField("all"):
        return ALL
    if policy.HasField("specific"):
        if not policy.specific.versions:
            raise ArgumentError(f"Model '{model.name}' has a specific version policy without any versions.")
        return VersionPolicy(numbers=tuple(policy.specific.versions))
    return VersionPolicy(latest=policy.latest.num_versions or 1) if policy.HasField("latest") else LATEST
