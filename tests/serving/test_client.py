import io
import json
import socket
import subprocess
import sys

import httpx
import numpy as np
import pytest
from PIL import Image

from fixhead_serving.client import Client, encode_png
from keras_fixhead.errors import ArgumentError, RequestError, ServingError

URL = "http://127.0.0.1:8501/v1/models/tiny"
ECHO = {"outputs": {"logits": [[0.5, 1.0]], "class_index": [1], "label": ["dog"]}}


def client_of(answer, url=URL, requests=None):
    """Returns a client whose server is a function of the request, or always answers the same."""

    def handle(request):
        if requests is not None:
            requests.append(request)
        result = answer(request) if callable(answer) else answer
        if isinstance(result, Exception):
            raise result
        if isinstance(result, httpx.Response):
            return result
        return httpx.Response(200, content=result if isinstance(result, bytes) else json.dumps(result).encode())

    client = Client(url)
    client._http = httpx.Client(transport=httpx.MockTransport(handle))
    return client


def count(request):
    """Returns an answer with one row for each input of a request."""
    inputs = json.loads(request.content)["inputs"]
    return {"outputs": {"first": [np.ravel(one)[0] for one in inputs], "label": ["x"] * len(inputs)}}


def test_images_are_sent_in_batches_and_come_back_in_order():
    requests = []
    images = np.arange(7, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 3))

    outputs = client_of(count, requests=requests).predict_images(images, batch_size=3)
    assert outputs["first"].tolist() == list(range(7)) and outputs["first"].dtype == np.float32
    assert outputs["label"].tolist() == ["x"] * 7 and outputs["label"].dtype.kind == "U"
    assert [len(json.loads(request.content)["inputs"]) for request in requests] == [3, 3, 1]
    assert {str(request.url) for request in requests} == {f"{URL}:predict"}


def test_batches_of_large_images_are_small_by_default():
    requests = []
    client_of(count, requests=requests).predict_images(np.zeros((3, 400, 400, 3), np.uint8))

    assert len(requests) == 3


def test_float32_images_arrive_to_the_bit_also_when_not_all_are_numbers():
    sent = []

    def answer(request):
        sent.append(json.loads(request.content)["inputs"])
        return ECHO

    image = np.random.default_rng(0).normal(size=(1, 2, 2, 3)).astype(np.float32)
    client_of(answer).predict_images(image)
    image_with_nan = image.copy()
    image_with_nan[0, 0, 0] = [np.nan, np.inf, -np.inf]
    client_of(answer).predict_images(image_with_nan)
    np.testing.assert_array_equal(np.float32(sent[0]), image)
    np.testing.assert_array_equal(np.float32(sent[1]), image_with_nan)


def test_pictures_are_batched_by_number_and_by_bytes():
    def answer(request):
        return {"outputs": {"label": ["x"] * len(json.loads(request.content)["inputs"])}}

    requests = []
    client_of(answer, requests=requests).predict_pictures([b"x"] * 5, batch_size=2)
    client_of(answer, requests=requests).predict_pictures([b"x" * 5 * 2**20] * 2)
    bodies = [json.loads(request.content) for request in requests]
    assert [len(body["inputs"]) for body in bodies] == [2, 2, 1, 1, 1]
    assert bodies[0] == {"signature_name": "serving_bytes", "inputs": [{"b64": "eA=="}] * 2}


def test_an_only_output_gets_its_name_from_the_metadata():
    signatures = {"features": {"outputs": {"features": {}}}}

    def answer(request):
        if request.method == "GET":
            return {"metadata": {"signature_def": {"signature_def": signatures}}}
        return b'{"outputs": [[1.0, NaN]]}'

    outputs = client_of(answer).predict_images(np.zeros((1, 2, 2, 3)), signature="features")
    np.testing.assert_array_equal(outputs["features"], np.float32([[1, np.nan]]), strict=True)


@pytest.mark.parametrize(
    "url",
    ["", "tiny", "127.0.0.1:8501/v1/models/tiny", "ftp://h/v1/models/tiny", "http://h:8501", "http://h/v1/models/",
     "http://h/v1/models/tiny:predict", "http://h:99999999/v1/models/m", "http://h:x/v1/models/m", "http:///v1/models/m",
     "http://h/v1/models/m/versions/x", "http://h/v1/models/m?x=1", None],
)  # fmt: skip
def test_a_url_that_is_no_served_models_is_a_wrong_argument(url):
    with pytest.raises(ArgumentError, match="Expected http://HOST:PORT/v1/models/NAME"):
        Client(url)


@pytest.mark.parametrize(
    "url", [URL, f"{URL}/", f"{URL}/versions/2", f"{URL}/labels/stable", "http://[::1]:1/v1/models/a%20b"]
)
def test_urls_with_versions_and_labels_are_fine(url):
    assert Client(url).url == url.rstrip("/")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_that_is_no_time_is_a_wrong_argument(timeout):
    with pytest.raises(ArgumentError, match="timeout="):
        Client(URL, timeout=timeout)


@pytest.mark.parametrize("images", [np.zeros((2, 2, 3)), np.zeros((0, 2, 2, 3)), [[1], [1, 2]], "x", None])
def test_images_that_are_none_are_a_wrong_argument(images):
    with pytest.raises(ArgumentError, match=r"Expected (an array )?\(N, H, W, 3\)"):
        client_of(ECHO).predict_images(images)


@pytest.mark.parametrize("pictures", [[], b"x", [b""], ["x"], [b"x", np.zeros(3)]])
def test_pictures_that_are_none_are_a_wrong_argument(pictures):
    with pytest.raises(ArgumentError, match="picture"):
        client_of(ECHO).predict_pictures(pictures)


def test_a_batch_of_none_is_a_wrong_argument():
    with pytest.raises(ArgumentError, match="batch_size=0"):
        client_of(ECHO).predict_pictures([b"x"], batch_size=0)


def test_a_refusal_has_the_servers_text_on_one_line():
    answer = httpx.Response(404, json={"error": "Servable not\nfound"})

    with pytest.raises(RequestError, match=f"^{URL} answered 404: Servable not found$") as caught:
        client_of(answer).metadata()
    assert caught.value.status == 404


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": null}', b"[" * 100_000])
def test_a_refusal_without_a_text_has_its_reason(body):
    with pytest.raises(RequestError, match=r"answered 502: Bad Gateway$"):
        client_of(httpx.Response(502, content=body)).status()


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"\xff", b"[1]", b"{}", b"[" * 100_000, {"outputs": {"label": "x"}},
     {"outputs": {"label": ["x", "y"]}},
     {"outputs": {"label": [["x"], "y"]}}, {"outputs": {"label": [None]}}, {"outputs": {"label": [{"b64": ""}]}},
     {"outputs": [1]}, {"outputs": None}],
)  # fmt: skip
def test_a_malformed_answer_is_a_serving_error(answer):
    with pytest.raises(ServingError, match="is not a model server's: ") as caught:
        client_of(answer).predict_pictures([b"x"])
    assert "\n" not in str(caught.value)


def test_no_server_says_how_to_start_one():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ServingError, match=r"^No model server answers at .*: .*\. .*fixhead serve DIR$"):
        Client(f"http://127.0.0.1:{port}/v1/models/tiny").status()


def test_a_host_that_is_no_name_is_a_serving_error():
    with pytest.raises(ServingError, match="No model server answers"):
        Client(f"http://{'a' * 70}.example/v1/models/tiny").status()


def test_no_answer_in_time_says_so():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/models/tiny", timeout=0.05) as client,
        pytest.raises(ServingError, match=r"within 0\.05 seconds\. .*fixhead serve DIR"),
    ):
        client.status()


@pytest.mark.parametrize("error", [httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"), httpx.ConnectError("")])
def test_a_broken_connection_is_a_serving_error(error):
    with pytest.raises(ServingError, match="No model server answers"):
        client_of(error).status()


def test_a_png_has_the_very_pixels():
    image = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)

    for array in (image, image[::-1, :, ::-1]):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(array)))), array)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2, 3)), np.zeros((2, 2), np.uint8), np.zeros((2, 0, 3), np.uint8), [[[0] * 3]]]
)
def test_what_is_no_image_is_not_encoded(image):
    with pytest.raises(ArgumentError):
        encode_png(image)


def test_the_client_needs_neither_tensorflow_nor_keras():
    blocked = "import sys; sys.modules.update(tensorflow=None, keras=None, starlette=None, uvicorn=None)"
    check = "import fixhead_serving.client, fixhead_serving.protocol, keras_fixhead.errors"
    heavy = "print(sorted(name for name in sys.modules if name.startswith('keras_fixhead.')))"

    command = [sys.executable, "-c", f"{blocked}; {check}; {heavy}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "keras_fixhead.errors" in done.stdout
