"""Inputs round trip, even through a real model in the real app, and no framework is needed."""
import asyncio
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_client import URL, client_of

from fixhead_serving.client import Client
from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer
from keras_fixhead.errors import RequestError, ServingError

# Properties


def echo(request):
    """Reads a request and answers with the same numbers."""
    return json.dumps({"outputs": {"same": json.loads(request.content)["inputs"], "label": [
        "x"] * len(json.loads(request.content)["inputs"])}}).encode()


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.just(3))
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


@given(images=arrays.arrays(np.float32, SHAPES, elements=FLOATS), batch_size=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_any_float32_round_trips_exactly_in_batches_of_any_size(images, batch_size):
    with client_of(echo) as client:
        same = client.predict_images(images, batch_size=batch_size)["same"]

    # as text, a NaN has no payload, so all NaNs come back the same
    np.testing.assert_array_equal(same.astype(np.float32), images)
    finite = np.isfinite(images)
    assert (same.astype(np.float32)[finite].view(np.uint32) == images[finite].view(np.uint32)).all()


@given(images=arrays.arrays(st.sampled_from([np.uint8, np.int16, np.int64, np.uint32]), SHAPES))
@settings(max_examples=40, deadline=None)
def test_any_integers_round_trip(images):
    with client_of(echo) as client:
        np.testing.assert_array_equal(client.predict_images(images)["same"], images)


@given(body=st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["outputs", "error", "label", "metadata"]), inner, max_size=3), max_leaves=12))
@settings(max_examples=150, deadline=None)
def test_any_answer_becomes_arrays_or_a_serving_error(body):
    answer = body if isinstance(body, bytes) else json.dumps(body).encode("ascii")

    with client_of(answer) as client:
        try:
            outputs = client.predict_pictures([b"x"])
        except ServingError as error:
            assert "\n" not in str(error)
        else:
            assert all(len(each) == 1 for each in outputs.values())


# A real model in the real app, in memory


@pytest.fixture
def in_memory(served, ask):
    """Returns a client of the app with the tiny model."""
    app = create_app(ModelServer([served]))

    async def handle(request):
        answer = await asyncio.to_thread(ask, app, request.method, request.url.raw_path.decode(), request.content,
                                         {"Content-Encoding": request.headers.get("content-encoding", "")})
        return httpx.Response(answer.status, content=answer.body)

    with Client(URL, transport=httpx.MockTransport(handle), compress=True) as client:
        yield client


def test_the_local_server_answers_png_and_numbers_alike(in_memory, images):
    by_picture, by_number = in_memory.predict(images), in_memory.predict(images.astype(np.float32))

    assert by_picture.keys() == by_number.keys() == {"logits", "cosines", "probabilities", "class_index", "label"}
    for name, values in by_picture.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, by_number[name], rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(values, by_number[name])


def test_the_local_server_reports_its_versions_and_signatures(in_memory, images):
    assert {each["state"] for each in in_memory.status()["model_version_status"]} == {"AVAILABLE"}
    assert in_memory.predict_images(images, signature="features")["features"].shape == (5, 4)
    with pytest.raises(RequestError, match="it has 'features', 'serving_bytes', 'serving_default'"):
        in_memory.predict_images(images, signature="embedding")


def test_large_requests_reach_the_local_server_compressed(in_memory):
    images = np.random.default_rng(0).normal(100, 30, (600, 8, 8, 3)).astype(np.float32)

    np.testing.assert_array_equal(in_memory.predict_images(images)["logits"][:3],
                                  in_memory.predict_images(images[:3])["logits"])


# Without frameworks


def test_the_client_needs_neither_tensorflow_nor_keras():
    blocked = "import sys; sys.modules.update(dict.fromkeys("
    blocked += "['tensorflow', 'keras', 'jax', 'torch', 'starlette', 'uvicorn', 'scipy', 'sklearn'])); "
    check = "import fixhead_serving.client, fixhead_serving.protocol; "
    loaded = "print(*sorted(name for name, module in sys.modules.items() if module and 'fixhead' in name))"

    done = subprocess.run([sys.executable, "-c", blocked + check + loaded], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ours = {name for name in done.stdout.split() if name.startswith("keras_fixhead")}
    assert ours == {"keras_fixhead", "keras_fixhead._version", "keras_fixhead.errors"}
