"""TensorFlow Serving's REST interface on top of the server's core.

    connection -> bodies -> requests (JSON to arrays) -> the core -> requests (arrays to JSON) -> connection

    app         one ASGI app: the predict, status and metadata routes, probes, metrics, token
    requests    a predict request, decoded by `fixhead_serving.protocol`; nesting: how deep its JSON is
    statuses    the HTTP status of everything that the core refuses

Nothing here loads models, runs them or merges requests: other protocols can use the same `ModelServer`.
"""
from fixhead_serving.rest.app import create_app

__all__ = ["create_app"]
