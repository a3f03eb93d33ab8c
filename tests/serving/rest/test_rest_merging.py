"""Concurrent requests merged into one call, with the app in memory."""
import asyncio
import threading

import httpx
import pytest
from echo import PREDICT, echo_model

from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer
from fixhead_serving.server.refusals import ModelFailed


def rows_model(calls, *, mergeable=frozenset({"serving_default"}), wrong=None):
    """Returns a model that records the rows of each call and waits in the first call until released."""
    begun, go_on = threading.Event(), threading.Event()

    def call(name, inputs):
        calls.append(inputs["x"].tolist())
        if not begun.is_set():
            begun.set()
            assert go_on.wait(10)
        if wrong in inputs["x"]:
            raise ModelFailed("bad picture", code=3)
        return {"y": inputs["x"] * 2}

    return echo_model(call, mergeable=mergeable), begun, go_on


def send_while_busy(app, begun, go_on, bodies):
    """Sends a request that occupies the only worker, then others that queue behind it; returns all answers."""

    async def run():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            first = asyncio.create_task(client.post(PREDICT, json={"inputs": [0]}))
            await asyncio.to_thread(begun.wait, 10)
            others = []
            for body in bodies:  # in this order
                others.append(asyncio.create_task(client.post(PREDICT, json=body)))
                await asyncio.sleep(0.01)
            go_on.set()
            return await asyncio.gather(first, *others)

    return asyncio.run(run())


def test_waiting_requests_run_as_one_call_and_each_gets_its_own_rows():
    calls = []
    model, *events = rows_model(calls)
    bodies = [{"inputs": [1]}, {"instances": [2, 3]}, {"inputs": [4]}, {"signature_name": "no"}, {"inputs": [5]}]
    answers = send_while_busy(create_app(ModelServer([model], workers=1)), *events, bodies)

    assert calls == [[0], [1, 2, 3, 4, 5]]
    assert [answer.json() for answer in answers[:4]] == [
        {"outputs": [0.0]}, {"outputs": [2.0]}, {"predictions": [4.0, 6.0]}, {"outputs": [8.0]}]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 400, 200]


def test_a_bad_request_does_not_affect_the_others():
    calls = []
    model, *events = rows_model(calls, wrong=2)
    app = create_app(ModelServer([model], workers=1))
    answers = send_while_busy(app, *events, [{"inputs": [n]} for n in (1, 2, 3)])

    assert [answer.status_code for answer in answers] == [200, 200, 400, 200]
    assert answers[2].json() == {"error": "bad picture"} and answers[3].json() == {"outputs": [6.0]}
    assert calls == [[0], [1, 2, 3], [1], [2], [3]]


def test_no_more_rows_are_merged_than_allowed():
    calls = []
    model, *events = rows_model(calls)
    app = create_app(ModelServer([model], workers=1, max_batch_merge=3))
    bodies = [{"inputs": [1, 2]}, {"inputs": [3, 4]}, {"inputs": [5] * 9}, {"inputs": [6]}]
    answers = send_while_busy(app, *events, bodies)

    assert calls == [[0], [1, 2], [3, 4], [5] * 9, [6]]
    assert [answer.status_code for answer in answers] == [200] * 5


@pytest.mark.parametrize("merging", [{"mergeable": frozenset()}, {"max_batch_merge": 1}])
def test_requests_run_one_by_one_if_merging_is_off(merging):
    calls = []
    model, *events = rows_model(calls, **{key: merging[key] for key in merging if key == "mergeable"})
    app = create_app(ModelServer([model], workers=1, **{key: merging[key] for key in merging if key != "mergeable"}))
    send_while_busy(app, *events, [{"inputs": [1]}, {"inputs": [2]}])

    assert calls == [[0], [1], [2]]


def test_a_failure_of_merged_requests_reaches_each_of_them(monkeypatch, caplog):
    calls = []
    model, *events = rows_model(calls)
    monkeypatch.setattr("fixhead_serving.server.batching.split", lambda outputs, rows: [])  # too few parts
    answers = send_while_busy(create_app(ModelServer([model], workers=1)), *events, [{"inputs": [n]} for n in (1, 2)])

    assert [answer.status_code for answer in answers] == [200, 500, 500]
