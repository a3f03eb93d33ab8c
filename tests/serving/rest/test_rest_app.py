"""The app in memory with plain functions as models, without TensorFlow."""
import asyncio
import gzip
import struct
import threading
from base64 import b64encode

import httpx
import pytest
from echo import ECHO, PREDICT, echo_model

from fixhead_serving.rest import create_app
from fixhead_serving.server import Limits, LoadedVersion, ModelServer, ServedModel
from fixhead_serving.server.refusals import ModelFailed
from fixhead_serving.server.versions import VersionState
from fixhead_serving.specs import Signature, TensorSpec


@pytest.fixture
def echo():
    return create_app(ModelServer([echo_model()]))


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
def test_checks_are_made_in_the_order_of_tensorflow_serving(ask, echo, method, path, body, status, text):
    answer = ask(echo, method, path, body)

    assert (answer.status, answer.media_type) == (status, "application/json")
    assert list(answer.json) == ["error"] and answer.json["error"].startswith(text)


def test_paths_are_case_insensitive_and_select_versions_and_labels(ask):
    call = {number: (lambda name, inputs, number=number: {"y": inputs["x"] * number}) for number in (2, 5)}
    versions = {number: LoadedVersion(number, {"serving_default": ECHO}, call[number]) for number in call}
    app = create_app(ModelServer([ServedModel("echo", versions, {"stable": 2})]))
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


def test_options_requests_are_answered_like_by_tensorflow_serving(ask, echo):
    assert ask(echo, "OPTIONS", "/v1/models/echo", headers={"Origin": "https://a.example"}).status == 200
    assert ask(echo, "OPTIONS", "/v1/models/echo").status == 400


def test_a_compressed_request_is_decompressed(ask, echo):
    body = gzip.compress(b'{"instances": [1, 2]}')

    assert ask(echo, "POST", PREDICT, body, {"Content-Encoding": "gzip"}).json == {
        "predictions": [1.0, 2.0]
    }


@pytest.mark.parametrize("body", [b"not zipped", gzip.compress(b'{"instances": [1]}', mtime=0)[:-9], b""])
def test_a_request_that_cannot_be_decompressed_is_an_empty_document(ask, echo, body):
    answer = ask(echo, "POST", PREDICT, body, {"Content-Encoding": "gzip"})

    assert (answer.status, answer.json["error"]) == (400, "JSON Parse error: The document is empty")


@pytest.mark.parametrize("size, status", [(1000, 400), (1001, 413), (5000, 413)])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_body_above_the_limit_is_refused_even_if_compressed(ask, size, status, zipped):
    app = create_app(ModelServer([echo_model()], limits=Limits(body_bytes=1000)))
    body = b" " * size
    headers = {"Content-Encoding": "gzip"} if zipped else {}

    answer = ask(app, "POST", PREDICT, gzip.compress(body) if zipped else body, headers)
    assert answer.status == status and list(answer.json) == ["error"]


@pytest.mark.parametrize("failure", [RuntimeError("secret"), MemoryError(), KeyError("x")])
def test_an_unexpected_failure_is_a_500_without_details(ask, failure, caplog):
    def call(name, inputs):
        raise failure

    answer = ask(create_app(ModelServer([echo_model(call)])), "POST", PREDICT, {"instances": [1]})
    assert answer.status == 500
    assert answer.json == {"error": "The server failed on this request. Its log says why."}
    assert "Traceback" in caplog.text


def test_a_model_failure_maps_the_tensorflow_code_to_a_status(ask):
    def call(name, inputs):
        raise ModelFailed("no memory", code=8)  # RESOURCE_EXHAUSTED

    answer = ask(create_app(ModelServer([echo_model(call)])), "POST", PREDICT, {"instances": [1]})
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

    app = create_app(ModelServer([echo_model(call)], workers=2))
    answers = ask_all(app, [("POST", PREDICT, {"instances": [n]}, {}) for n in range(8)])
    assert [answer.json for answer in answers] == [{"predictions": [float(n)]} for n in range(8)]
    assert max(most) == 2


def test_status_lists_the_states_of_all_versions_seen(ask):
    model = echo_model(versions=(2,))
    model.set_state(3, VersionState("END", "NOT_FOUND", "no \ud800 file"))
    app = create_app(ModelServer([model]))

    answer = ask(app, "GET", "/v1/models/echo").json
    assert answer == {"model_version_status": [
        {"version": "3", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "no \\ud800 file"}},
        {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
    ]}  # fmt: skip
    assert ask(app, "GET", "/v1/models/echo/versions/3").json["model_version_status"][0]["state"] == "END"
    assert ask(app, "POST", "/v1/models/echo/versions/3:predict", {"inputs": [1]}).status == 404


# Limits


@pytest.mark.parametrize("depth, status", [(3, 400), (4, 200)])
@pytest.mark.parametrize("body", [b'{"inputs": [1.0], "ignored": [[[1]]]}', b'{"inputs": [1.0], "x": {"[": [[{}]]}}'])
def test_json_nested_too_deeply_is_refused_anywhere(ask, depth, status, body):
    if b"[[{}]]" in body:
        depth += 1
    answer = ask(create_app(ModelServer([echo_model()], limits=Limits(json_depth=depth))), "POST", PREDICT, body)

    assert answer.status == status
    assert status == 200 or answer.json["error"] == f"The JSON is nested too deeply. Expected at most {depth} levels."


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"inputs":' * 50_000, b'{"inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"]
)
def test_nesting_that_crashes_tensorflow_serving_is_a_400(ask, echo, body):
    assert ask(echo, "POST", PREDICT, body).status == 400


def test_a_batch_above_the_limit_is_refused(ask):
    app = create_app(ModelServer([echo_model()], limits=Limits(batch=3)))

    assert ask(app, "POST", PREDICT, {"inputs": [1, 2, 3]}).status == 200
    answer = ask(app, "POST", PREDICT, {"instances": [1, 2, 3, 4]})
    assert (answer.status, answer.json["error"]) == (400, "Input x has a batch of 4. Expected at most 3.")


def test_a_decompression_bomb_is_refused_before_decoding_and_text_is_not(ask):
    signature = Signature({"s": TensorSpec("DT_STRING", (None,))}, {"n": TensorSpec("DT_INT64", (None,))})
    called = []
    call = lambda name, inputs: called.append(1) or {"s": inputs["s"]}  # noqa: E731
    version = LoadedVersion(1, {"serving_default": signature}, call)
    app = create_app(ModelServer([ServedModel("text", {1: version})]))
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 60000, 60000) + bytes(50)

    answer = ask(app, "POST", "/v1/models/text:predict", {"inputs": [{"b64": b64encode(bomb).decode()}]})
    assert (answer.status, called) == (413, []) and "3600000000 pixels" in answer.json["error"]
    assert ask(app, "POST", "/v1/models/text:predict", {"inputs": ["BMW", "GIF", "GIF8"]}).status == 200


def held_model():
    """Returns a model whose calls wait, two events (a call has started; calls may end) and the list of ended calls."""
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def call(name, inputs):
        begun.set()
        assert go_on.wait(10)
        ended.append(1)
        return {"y": inputs["x"]}

    return echo_model(call), begun, go_on, ended


def test_requests_above_the_limit_are_told_when_to_retry():
    model, begun, go_on, _ = held_model()
    app = create_app(ModelServer([model], limits=Limits(concurrent=2), workers=1))

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            held = [asyncio.create_task(client.post(PREDICT, json={"inputs": [n]})) for n in range(2)]
            await asyncio.to_thread(begun.wait, 10)
            refused = await client.post(PREDICT, json={"inputs": [3]})
            others = [await client.get(path) for path in ("/livez", "/v1/models/echo", "/v1/models/echo/metadata")]
            go_on.set()
            done = await asyncio.gather(*held)
            return refused, others, done, await client.post(PREDICT, json={"inputs": [4]})

    refused, others, done, after = asyncio.run(run())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json() == {"error": "There are already 2 requests in flight. Try again."}
    assert [answer.status_code for answer in [*others, *done, after]] == [200] * 6


def test_a_request_that_takes_too_long_is_a_504_and_keeps_its_slot_until_its_thread_ends():
    model, _, go_on, ended = held_model()
    app = create_app(ModelServer([model], limits=Limits(concurrent=2, timeout_seconds=0.2), workers=1))

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            running, queued = await asyncio.gather(*(client.post(PREDICT, json={"inputs": [n]}) for n in range(2)))
            # The queued request has released its slot, the running one has not.
            second = asyncio.create_task(client.post(PREDICT, json={"inputs": [3]}))
            await asyncio.sleep(0.05)
            third = await client.post(PREDICT, json={"inputs": [4]})
            second = await second
            go_on.set()
            while len(ended) < 1:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            return running, queued, second, third, await client.post(PREDICT, json={"inputs": [5]})

    *early, last = asyncio.run(run())
    assert [answer.status_code for answer in early] == [504, 504, 504, 429]
    assert early[0].json() == {"error": "No answer within 0.2 seconds."}
    assert last.json() == {"outputs": [5.0]} and len(ended) == 2  # requests removed from the queue were never run


def test_a_body_that_never_arrives_is_a_408(ask):
    app = create_app(ModelServer([echo_model()], limits=Limits(timeout_seconds=0.1)))
    sent = []

    async def receive():
        await asyncio.sleep(10)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PREDICT, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408 and b"did not arrive within 0.1 seconds" in sent[1]["body"]
    assert ask(app, "POST", PREDICT, {"inputs": [1]}).status == 200


def test_a_client_that_disconnects_while_sending_gets_no_answer_and_takes_no_slot(ask):
    app = create_app(ModelServer([echo_model()], limits=Limits(concurrent=1)))
    sent = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PREDICT, "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))
    assert not sent
    assert ask(app, "POST", PREDICT, {"inputs": [1]}).status == 200
