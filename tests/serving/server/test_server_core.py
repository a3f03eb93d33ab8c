"""The core without REST: a minimal protocol whose requests and answers are arrays."""
import asyncio
import threading

import numpy as np
import pytest

from fixhead_serving.server import Limits, LoadedVersion, ModelServer, ServedModel
from fixhead_serving.server.predicting import Call
from fixhead_serving.server.refusals import InvalidRequest, ModelNotFound, TimedOut, TooManyRequests
from fixhead_serving.server.versions import find_version
from fixhead_serving.specs import ModelSpec, Signature, TensorSpec

DOUBLE = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {"y": TensorSpec("DT_FLOAT", (None,))})


class ArrayRequest:
    """A request that is an array and is answered with the output of the model."""

    def __init__(self, x, name="double"):
        self.spec = ModelSpec(name)
        self.x = np.float32(x)

    def read(self, models):
        return Call(find_version(models, self.spec), "serving_default", {"x": self.x})

    def write(self, outputs):
        return outputs["y"]


def double(call=lambda name, inputs: {"y": inputs["x"] * 2}, **fields):
    return ServedModel("double", {1: LoadedVersion(1, {"serving_default": DOUBLE}, call, **fields)})


async def ask(server, *requests):
    async def one(request):
        with server.place() as place:
            return await place.answer(request)

    return await asyncio.gather(*map(one, requests), return_exceptions=True)


def test_arrays_go_in_and_out_and_refusals_have_no_status():
    server = ModelServer([double()], limits=Limits(batch=3))
    answers = asyncio.run(ask(server, ArrayRequest([1, 2]), ArrayRequest([[1]]), ArrayRequest([1] * 4),
                              ArrayRequest([1], "other")))  # fmt: skip

    np.testing.assert_array_equal(answers[0], np.float32([2, 4]), strict=True)
    assert [type(answer) for answer in answers[1:]] == [InvalidRequest, InvalidRequest, ModelNotFound]
    assert not any(hasattr(answer, "status") for answer in answers[1:])


def test_requests_of_any_protocol_are_merged():
    calls, begun, go_on = [], threading.Event(), threading.Event()

    def call(name, inputs):
        calls.append(inputs["x"].tolist())
        begun.set()
        assert go_on.wait(10)
        return {"y": inputs["x"] * 2}

    async def run():
        server = ModelServer([double(call, mergeable=frozenset({"serving_default"}))], workers=1)
        first = asyncio.create_task(ask(server, ArrayRequest([0])))
        await asyncio.to_thread(begun.wait, 10)
        others = asyncio.create_task(ask(server, ArrayRequest([1]), ArrayRequest([2, 3])))
        await asyncio.sleep(0.05)
        go_on.set()
        await first
        return await others

    one, two = asyncio.run(run())
    assert calls == [[0], [1, 2, 3]]
    assert (one.tolist(), two.tolist()) == ([2], [4, 6])


def test_slots_are_limited_and_kept_until_the_thread_ends():
    go_on = threading.Event()

    def call(name, inputs):
        assert go_on.wait(10)
        return {"y": inputs["x"]}

    async def run():
        server = ModelServer([double(call)], limits=Limits(concurrent=1, timeout_seconds=0.1), workers=1)
        slow = await ask(server, ArrayRequest([1]))
        refused = await ask(server, ArrayRequest([2]))
        go_on.set()
        for _ in range(200):
            await asyncio.sleep(0.01)
            [answer] = await ask(server, ArrayRequest([3]))
            if not isinstance(answer, TooManyRequests):
                break
        return *slow, *refused, answer

    late, refused, after = asyncio.run(run())
    assert isinstance(late, TimedOut) and isinstance(refused, TooManyRequests)
    assert after.tolist() == [3]


@pytest.mark.parametrize("failing", ["read", "write"])
def test_an_exception_in_a_protocol_reaches_only_its_own_request(failing):
    bad, good = ArrayRequest([1]), ArrayRequest([2])
    setattr(bad, failing, lambda *_: 1 / 0)

    first, second = asyncio.run(ask(ModelServer([double()]), bad, good))
    assert isinstance(first, ZeroDivisionError) and second.tolist() == [4]
