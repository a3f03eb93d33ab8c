"""The local server: TensorFlow Serving's REST surface over SavedModels, without Docker.

    load_model(DIR) -> ServedModel -> create_app([...]) -> Starlette app -> serve(DIR) runs it until it is stopped

    config      what a server can be told: limits, address, models
    app         requests in the event loop; predicting: in a worker's thread (workers), merged where it may (batching)
    nesting, pictures   what is refused before anything is parsed or decoded
    versions    what can be called, and its state; models: on disk, followed by watching; savedmodel: loaded
    process     socket, uvicorn, signals; memory: what is given back

TensorFlow is imported only to load and run a model, so the app itself can be tested with plain functions.
"""
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixhead_serving.server.app import create_app
    from fixhead_serving.server.config import Limits, ModelSource, ServerConfig, VersionPolicy
    from fixhead_serving.server.models import load_model
    from fixhead_serving.server.process import serve
    from fixhead_serving.server.versions import LoadedVersion, ServedModel

_HOMES = {
    "Limits": "config",
    "LoadedVersion": "versions",
    "ModelSource": "config",
    "ServedModel": "versions",
    "ServerConfig": "config",
    "VersionPolicy": "config",
    "create_app": "app",
    "load_model": "models",
    "serve": "process",
}

__all__ = ["Limits", "LoadedVersion", "ModelSource", "ServedModel", "ServerConfig", "VersionPolicy", "create_app",
           "load_model", "serve"]  # fmt: skip


def __getattr__(name: str) -> Any:
    # On first use, so that the command line reads its defaults in `config` without loading a web framework.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
