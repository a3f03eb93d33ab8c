"""For any input (random bytes, mutated requests) the app answers with a documented status and keeps running."""
import json
from base64 import b64encode

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixhead_serving.client import encode_png
from fixhead_serving.rest import create_app
from fixhead_serving.server import Limits, ModelServer

# docs/server.md documents each of them; none is a 5xx.
DOCUMENTED = {200, 400, 401, 404, 408, 413, 429}
# For the model in conftest.py.
SIZE = 8

FEW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

IMAGE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype("uint8")
PICTURE = {"b64": b64encode(encode_png(IMAGE)).decode()}
VALID = [
    {"instances": [IMAGE.tolist()] * 2},
    {"inputs": [IMAGE.tolist()]},
    {"signature_name": "features", "instances": [{"images": IMAGE.tolist()}]},
    {"signature_name": "serving_bytes", "inputs": {"image_bytes": [PICTURE, PICTURE]}},
    {"signature_name": "serving_bytes", "instances": [{"image_bytes": PICTURE}]},
]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just(PICTURE),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "b64", "images", "image_bytes", "x"]),
                      inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def app(served):
    return create_app(ModelServer([served], limits=Limits(body_bytes=2**20)))


@st.composite
def mutations(draw):
    """Bodies of valid requests with a few bytes changed, removed, repeated or inserted."""
    body = bytearray(json.dumps(draw(st.sampled_from(VALID))).encode())
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted(draw(st.integers(0, len(body))) for _ in range(2))
        end = min(end, at + draw(st.sampled_from([0, 1, 3, 50, 10**6])))
        known = [b"", b"[", b"]", b"1e999", b"NaN", b'"', b"\xff", b"null", bytes(body[at:end]) * 2]
        body[at:end] = draw(st.sampled_from(known) | st.binary(max_size=4))
    return bytes(body)


def check(answer):
    assert answer.status in DOCUMENTED, answer.body
    if answer.media_type == "application/json" and answer.body:
        text = json.loads(answer.body)
        assert answer.status == 200 or list(text) == ["error"]


@FEW
@given(body=mutations(), zipped=st.booleans())
def test_mutated_requests_are_answered(app, ask, body, zipped):
    check(ask(app, "POST", "/v1/models/tiny:predict", body, {"Content-Encoding": "gzip"} if zipped else {}))


@FEW
@given(body=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_random_bodies_are_answered(app, ask, body):
    check(ask(app, "POST", "/v1/models/tiny:predict", body))


PIECES = ["/v1", "/models", "/tiny", "/versions", "/labels", "/2", "/99999999999999999999", ":predict", ":PREDICT", "/",
          "/metadata", "?x", "%2f", "%ff", "/readyz", "/livez", "/monitoring/prometheus/metrics", "ä", " "]  # fmt: skip


@FEW
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get"]),
    path=st.lists(st.sampled_from(PIECES), max_size=7).map("".join),
)
def test_random_paths_are_answered(app, ask, method, path):
    check(ask(app, method, path if path.startswith("/") else f"/{path}", b"{}"))


def test_a_valid_request_is_still_answered_afterwards(app, ask):
    for body in VALID:
        assert ask(app, "POST", "/v1/models/tiny:predict", body).status == 200
    assert ask(app, "GET", "/readyz").status == 200
