"""Probes, metrics and the token, with the app in memory."""
import asyncio
import time

import httpx
import pytest
from echo import PREDICT, echo_model

from fixhead_serving.rest import create_app
from fixhead_serving.server import Limits, ModelServer


@pytest.fixture
def echo():
    return create_app(ModelServer([echo_model()]))


def test_readiness_means_every_version_of_every_model_predicts(ask):
    calls = []

    def call(name, inputs):
        calls.append((name, inputs))
        return {}

    first, second = echo_model(call, versions=(1, 2), sample=("serving_default", {"x": 1})), echo_model()
    second.name = "other"
    assert ask(create_app(ModelServer([first, second])), "GET", "/readyz").json == {"status": "ready"}
    assert calls == [("serving_default", {"x": 1})] * 2


@pytest.mark.parametrize(
    "model, text",
    [
        (echo_model(lambda name, inputs: 1 / 0, sample=("s", {})), "Model 'echo', version 1: division by zero"),
        (echo_model(versions=()), "Model 'echo' has no loaded version."),
        (echo_model(lambda name, inputs: time.sleep(1), sample=("s", {})), "The models did not answer within 0.1 sec"),
    ],
)
def test_a_model_that_cannot_predict_is_not_ready_and_the_reason_is_given(ask, model, text):
    app = create_app(ModelServer([model], limits=Limits(timeout_seconds=0.1)))

    answer = ask(app, "GET", "/readyz")
    assert answer.status == 503 and answer.json["error"].startswith(text)
    assert ask(app, "GET", "/livez").json == {"status": "alive"}


def test_many_probes_cost_one_prediction(ask, ask_all):
    calls = []
    model = echo_model(lambda name, inputs: calls.append(1) or time.sleep(0.05) or {}, sample=("s", {}))
    app = create_app(ModelServer([model]))

    answers = ask_all(app, [("GET", "/readyz", b"", {})] * 5)
    assert [answer.status for answer in answers] == [200] * 5 and len(calls) == 1


def test_a_stopping_server_is_alive_but_not_ready(ask, echo):
    echo.state.stopping = True

    answer = ask(echo, "GET", "/readyz")
    assert (answer.status, answer.json) == (503, {"error": "The server is shutting down."})
    assert ask(echo, "GET", "/livez").status == 200
    assert ask(echo, "POST", PREDICT, {"inputs": [1]}).status == 200


def test_requests_are_counted_by_model_and_status_with_one_entry_for_unknown_models(ask, echo):
    ask(echo, "POST", PREDICT, {"inputs": [1]})
    ask(echo, "POST", PREDICT, b"{")
    ask(echo, "GET", "/v1/models/echo")
    for name in ("a", "b"):
        ask(echo, "POST", f"/v1/models/{name}:predict", {"inputs": [1]})
    ask(echo, "POST", "/v1/nonsense", b"")
    answer = ask(echo, "GET", "/monitoring/prometheus/metrics")
    lines = answer.body.decode().splitlines()

    assert answer.media_type == "text/plain"
    for line in (
        ':tensorflow:serving:request_count{model_name="echo",status="OK"} 2.0',
        ':tensorflow:serving:request_count{model_name="echo",status="INVALID_ARGUMENT"} 1.0',
        ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"} 2.0',
        ':tensorflow:serving:request_count{model_name="",status="INVALID_ARGUMENT"} 1.0',
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="echo"} 1.0',
        ':tensorflow:serving:request_latency_count{API="",entrypoint="REST",model_name="echo"} 1.0',
        ':tensorflow:serving:runtime_latency_count{API="Predict",model_name="echo",runtime="TF1"} 1.0',
    ):
        assert line in lines
    wrong = ask(echo, "GET", "/monitoring/prometheus/metrics?x=1")
    assert (wrong.status, wrong.media_type) == (400, "text/plain")
    assert wrong.body.startswith(b"Unexpected path: /monitoring/prometheus/metrics?x=1. Should be ")


@pytest.mark.parametrize(
    "header, status",
    [(None, 401), ("", 401), ("Bearer", 401), ("Bearer wrong", 401), ("Basic right-1", 401), ("Bearer right-12", 401),
     ("Bearer right-1", 200), ("bearer  right-1", 200), ("Bearer r\u00efght", 401)],
)  # fmt: skip
def test_a_token_is_required_everywhere_except_at_livez(ask, header, status):
    app = create_app(ModelServer([echo_model()]), token="right-1")
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}

    for path in ("/v1/models/echo", "/v1/models/echo/metadata", "/readyz", "/monitoring/prometheus/metrics"):
        assert ask(app, "GET", path, headers=headers).status == status
    assert ask(app, "POST", PREDICT, {"inputs": [1]}, headers).status == status
    assert ask(app, "GET", "/nothing", headers=headers).status == (404 if status == 200 else 401)
    assert ask(app, "GET", "/livez", headers=headers).status == 200


def test_a_missing_token_is_reported_in_the_headers_too():
    app = create_app(ModelServer([echo_model()]), token="right")

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await client.get("/v1/models/echo")

    assert asyncio.run(run()).headers["www-authenticate"] == "Bearer"
