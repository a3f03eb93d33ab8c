"""The server's core: models, and predictions of them within limits; arrays in, arrays out.

    load_model(DIR) -> ServedModel -> ModelServer([...]) -> place().answer(request) -> what the request writes

    sources     which models and versions a server is to serve; model_config: from a file of TensorFlow Serving's
    models      on disk, followed by watching; savedmodel: loaded; versions: what can be called, and its state
    core        requests in the event loop; predicting: in a worker's thread (workers), merged if they may (batching)
    limits      what may be asked for; request_checks, pictures: whether a request's arrays keep to it; refusals: if not
    readiness, metrics, memory

A protocol stands on top: it gives requests that can read themselves into arrays and write arrays as their answer
(`predicting.Request`), and turns refusals into codes of its own. `fixhead_serving.rest` is one. TensorFlow is imported
only to load and run a model, so the rest can be tested with plain functions.
"""
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixhead_serving.server.core import ModelServer
    from fixhead_serving.server.limits import Limits
    from fixhead_serving.server.models import load_model
    from fixhead_serving.server.sources import ModelSource, VersionPolicy
    from fixhead_serving.server.versions import LoadedVersion, ServedModel

_HOMES = {
    "Limits": "limits",
    "LoadedVersion": "versions",
    "ModelServer": "core",
    "ModelSource": "sources",
    "ServedModel": "versions",
    "VersionPolicy": "sources",
    "load_model": "models",
}

__all__ = ["Limits", "LoadedVersion", "ModelServer", "ModelSource", "ServedModel", "VersionPolicy", "load_model"]


def __getattr__(name: str) -> Any:
    # On first use, so that the command line reads its defaults in `limits` without loading anything else.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
