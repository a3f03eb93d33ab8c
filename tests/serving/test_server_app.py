"""The app over plain functions, in memory: no TensorFlow."""
import gzip
import threading

import pytest

from fixhead_serving.protocol import Refusal, Signature, TensorSpec
from fixhead_serving.server import Limits, LoadedVersion, ServedModel, create_app

ECHO = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {"y": TensorSpec("DT_FLOAT", (None,))})
PREDICT = "/v1/models/echo:predict"


def echo_model(call=lambda name, inputs: {"y": inputs["x"]}, versions=(1,), labels=None, **fields):
    loaded = {number: LoadedVersion(number, {"serving_default": ECHO}, call, **fields) for number in versions}
    return ServedModel("echo", loaded, labels or {})


@pytest.fixture
def echo():
    return create_app([echo_model()])


@pytest.mark.parametrize(
    "method, path, body, status, text",
    [
        ("POST", "/v1/models/echo", b"", 400, "Malformed request: POST /v1/models/echo"),
        ("PUT", PREDICT, b"{}", 400, "Malformed request: PUT /v1/models/echo:predict"),
        ("GET", "/v1/models/echo/metadata?x=1", b"", 400, "Malformed request: GET /v1/models/echo/metadata?x=1"),
        ("GET", "/v1/models", b"", 400, "Missing model name in request."),
        ("GET", "/v1/models/no", b"", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/echo?x=1", b"", 404, "Could not find any versions of model echo?x=1"),
        ("GET", "/v1/models/echo/versions/9", b"", 404, "Could not find version 9 of model echo"),
        ("GET", "/v1/models/no/metadata", b"", 404, "Servable not found for request: Latest(no)"),
        ("GET", "/v1/models/echo/labels/canary/metadata", b"", 400, "Unrecognized servable version label: canary"),
        ("POST", "/v1/models/no/labels/canary:predict", b"{}", 400, "Unrecognized servable version label: canary"),
        ("POST", "/v1/models/no:predict", b"{}", 404, "Servable not found for request: Latest(no)"),
        ("POST", "/v1/models/Echo:predict", b"{}", 404, "Servable not found for request: Latest(Echo)"),
        ("POST", "/v1/models/echo/versions/9:predict", b"{}", 404, "Servable not found for request: Specific(echo, 9)"),
        ("POST", "/v1/models/no:predict", b"{", 400, "JSON Parse error: "),
        ("POST", "/v1/models/no:predict", b'{"signature_name": 1}', 400, "JSON Value: "),
        (
            "POST",
            PREDICT,
            b'{"signature_name": "x"}',
            400,
            'Serving signature name: "x" not found in',
        ),
        ("POST", PREDICT, b'{"signature_name": "\\ud800"}', 400, "JSON Parse error: The surrogate pair"),
        ("POST", PREDICT, b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", "/v1/models/no:classify", b'{"examples": [1]}', 400, "Example must be JSON object"),
        ("POST", "/v1/models/no:regress", b'{"examples": [{}]}', 404, "Servable not found for request: Latest(no)"),
        ("POST", "/v1/models/echo:classify", b'{"examples": [{}]}', 400, "No classification inputs found"),
    ],
)
def test_refusals_come_in_tensorflow_servings_order(ask, echo, method, path, body, status, text):
    answer = ask(echo, method, path, body)

    assert (answer.status, answer.media_type) == (status, "application/json")
    assert list(answer.json) == ["error"] and answer.json["error"].startswith(text)


def test_paths_match_in_any_case_and_versions_and_labels_choose(ask):
    call = {number: (lambda name, inputs, number=number: {"y": inputs["x"] * number}) for number in (2, 5)}
    versions = {number: LoadedVersion(number, {"serving_default": ECHO}, call[number]) for number in call}
    app = create_app([ServedModel("echo", versions, {"stable": 2})])
    body = {"instances": [1.0]}

    assert ask(app, "POST", "/V1/Models/echo:predict", body).json == {"predictions": [5.0]}
    assert ask(app, "POST", "/v1/models/echo/versions/2:predict", body).json == {"predictions": [2.0]}
    assert ask(app, "POST", "/v1/models/echo/labels/stable:predict", body).json == {"predictions": [2.0]}
    states = ask(app, "GET", "/v1/models/echo").json["model_version_status"]
    assert [(state["version"], state["state"]) for state in states] == [("5", "AVAILABLE"), ("2", "AVAILABLE")]
    assert ask(app, "GET", "/v1/models/echo/labels/nonsense").status == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/models/echo", "/favicon.ico"])
def test_paths_outside_v1_are_not_found(ask, echo, path):
    assert ask(echo, "GET", path).status == 404


def test_options_are_answered_as_tensorflow_serving_does(ask, echo):
    assert ask(echo, "OPTIONS", "/v1/models/echo", headers={"Origin": "https://a.example"}).status == 200
    assert ask(echo, "OPTIONS", "/v1/models/echo").status == 400


def test_a_zipped_request_is_inflated(ask, echo):
    body = gzip.compress(b'{"instances": [1, 2]}')

    assert ask(echo, "POST", PREDICT, body, {"Content-Encoding": "gzip"}).json == {
        "predictions": [1.0, 2.0]
    }


@pytest.mark.parametrize("body", [b"not zipped", gzip.compress(b'{"instances": [1]}')[:-9], b""])
def test_a_request_that_does_not_inflate_is_an_empty_document(ask, echo, body):
    answer = ask(echo, "POST", PREDICT, body, {"Content-Encoding": "gzip"})

    assert (answer.status, answer.json["error"]) == (400, "JSON Parse error: The document is empty")


@pytest.mark.parametrize("size, status", [(1000, 400), (1001, 413), (5000, 413)])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_body_above_the_limit_is_refused_also_when_it_is_zipped(ask, size, status, zipped):
    app = create_app([echo_model()], limits=Limits(body_bytes=1000))
    body = b" " * size
    headers = {"Content-Encoding": "gzip"} if zipped else {}

    answer = ask(app, "POST", PREDICT, gzip.compress(body) if zipped else body, headers)
    assert answer.status == status and list(answer.json) == ["error"]


@pytest.mark.parametrize("failure", [RuntimeError("secret"), MemoryError(), KeyError("x")])
def test_an_unexpected_failure_is_a_500_that_tells_a_client_nothing(ask, failure, caplog):
    def call(name, inputs):
        raise failure

    answer = ask(create_app([echo_model(call)]), "POST", PREDICT, {"instances": [1]})
    assert answer.status == 500
    assert answer.json == {"error": "The server failed on this request. Its log says why."}
    assert "Traceback" in caplog.text


def test_a_models_refusal_keeps_its_status(ask):
    def call(name, inputs):
        raise Refusal("no memory", status=429)

    answer = ask(create_app([echo_model(call)]), "POST", PREDICT, {"instances": [1]})
    assert (answer.status, answer.json) == (429, {"error": "no memory"})


def test_no_more_models_run_at_once_than_there_are_workers(ask_all):
    running, most = [], []
    pair = threading.Barrier(2, timeout=10)

    def call(name, inputs):
        running.append(threading.get_ident())
        most.append(len(running))
        pair.wait()  # passes only while two run
        running.remove(threading.get_ident())
        return {"y": inputs["x"]}

    app = create_app([echo_model(call)], workers=2)
    answers = ask_all(app, [("POST", PREDICT, {"instances": [n]}, {}) for n in range(8)])
    assert [answer.json for answer in answers] == [{"predictions": [float(n)]} for n in range(8)]
    assert max(most) == 2
