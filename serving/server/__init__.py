"""The server's core: models, and their predictions within limits; arrays in, arrays out.

    load_model(DIR) -> ServedModel -> ModelServer([...]) -> place().answer(request) -> what the request writes

    sources     which models and versions to serve; model_config: the same from a file of TensorFlow Serving's
    models      models on disk; watching: follows them; savedmodel: loads them; versions: loaded versions and states
    core        requests in the event loop; predicting: in a worker's thread (workers), merged if possible (batching)
    limits      limits of requests; request_checks, pictures: check a request's arrays; refusals: if they do not fit
    readiness, metrics, memory

A protocol is built on top: it provides requests that read themselves into arrays and write arrays as their answer
(`predicting.Request`), and maps refusals to its own codes. `fixhead_serving.rest` is one. TensorFlow is imported only
to load and run a model, so everything else can be tested with plain functions.
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
    # On first use, so that the command line can read the defaults in `limits` without loading anything else.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
