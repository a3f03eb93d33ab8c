"""Helpers for writing cases, and the names of the sources that they cite."""

import json
from collections.abc import Mapping
from typing import Any

from fixhead_serving.checks.conformance.case import Case, Expect, Need

MODEL = "/v1/models/conformance"

# Paths in the repository tensorflow/serving, read at commit 9d981c5c; texts and order are the same at tag 2.20.0.
HANDLER = "tensorflow_serving/model_servers/http_rest_api_handler.cc"
HANDLER_TEST = "tensorflow_serving/model_servers/http_rest_api_handler_test.cc"
ROUTES = "tensorflow_serving/model_servers/http_rest_api_util.cc"
ROUTES_TEST = "tensorflow_serving/model_servers/http_rest_api_util_test.cc"
HTTP = "tensorflow_serving/model_servers/http_server.cc"
JSON = "tensorflow_serving/util/json_tensor.cc"
JSON_TEST = "tensorflow_serving/util/json_tensor_test.cc"
DOCS = "tensorflow_serving/g3doc/api_rest.md"
STATUS = "tensorflow_serving/model_servers/get_model_status_impl.cc"
MANAGER = "tensorflow_serving/core/basic_manager.cc"
CORE = "tensorflow_serving/model_servers/server_core.cc"
CLASSIFIER = "tensorflow_serving/servables/tensorflow/classifier.cc"
REGRESSOR = "tensorflow_serving/servables/tensorflow/regressor.cc"
NET_HTTP = "tensorflow_serving/util/net_http/server/internal/evhttp_server.cc"
NET_REQUEST = "tensorflow_serving/util/net_http/server/internal/evhttp_request.cc"
NET_REQUEST_TEST = "tensorflow_serving/util/net_http/server/internal/evhttp_request_test.cc"
MODEL_SERVER_TEST = "tensorflow_serving/model_servers/tensorflow_model_server_test.py"
# The JSON library that TensorFlow Serving builds with (tensorflow_serving/workspace.bzl): Tencent/rapidjson v1.1.0.
READER = "rapidjson v1.1.0 include/rapidjson/reader.h"
PARSE_TEXTS = "rapidjson v1.1.0 include/rapidjson/error/en.h"


def get(name: str, path: str, expect: Expect, source: str, needs: tuple[Need, ...] = ()) -> Case:
    return Case(name, "GET", path, expect, source, needs=needs)


def post(
    name: str,
    body: Any,
    expect: Expect,
    source: str,
    *,
    path: str = f"{MODEL}:predict",
    headers: Mapping[str, str] | None = None,
    needs: tuple[Need, ...] = (),
) -> Case:
    return Case(name, "POST", path, expect, source, _bytes(body), headers or {}, needs)


def ask(name: str, signature: str, document: dict[str, Any] | str, expect: Expect, source: str) -> Case:
    """Returns a predict request to one of the model's signatures; a document given as text is used as it is."""
    if isinstance(document, str):
        body = f'{{"signature_name": "{signature}", {document}}}'.encode()
    else:
        body = _bytes({"signature_name": signature, **document})
    return post(name, body, expect, source)


def predictions(values: Any) -> Expect:
    return Expect(json={"predictions": values})


def outputs(values: Any) -> Expect:
    return Expect(json={"outputs": values})


def error(text: str, status: int = 400) -> Expect:
    return Expect(status, error=text)


def error_has(part: str = "", status: int = 400) -> Expect:
    return Expect(status, error_has=part)


def _bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
