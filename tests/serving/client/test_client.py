import gzip
import json
import socket

import httpx
import numpy as np
import pytest

from fixhead_serving.client import Client
from keras_fixhead.errors import ArgumentError, RequestError, ServingError

URL = "http://127.0.0.1:8501/v1/models/tiny"
ECHO = {"outputs": {"logits": [[0.5, 1.0]], "class_index": [1], "label": ["dog"]}}


def client_of(answer, url=URL, requests=None, **options):
    """Returns a client whose server is a function of the request or a fixed answer."""

    def handle(request):
        if requests is not None:
            requests.append(request)
        result = answer(request) if callable(answer) else answer
        if isinstance(result, httpx.Response):
            return result
        return httpx.Response(200, content=result if isinstance(result, bytes) else json.dumps(result).encode())

    return Client(url, transport=httpx.MockTransport(handle), **options)


def count(request):
    """Returns an answer with one row per input of the request."""
    inputs = json.loads(request.content)["inputs"]
    return {"outputs": {"first": [float(np.ravel(one)[0]) for one in inputs], "label": ["x"] * len(inputs)}}


def test_images_are_sent_in_batches_and_answers_are_in_order():
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


def test_float32_images_arrive_exactly_even_with_nan_and_infinity():
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


def test_a_single_output_gets_its_name_from_the_metadata():
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
def test_a_url_that_is_not_of_a_served_model_is_an_argument_error(url):
    with pytest.raises(ArgumentError, match="Expected http://HOST:PORT/v1/models/NAME"):
        Client(url)


@pytest.mark.parametrize(
    "url", [URL, f"{URL}/", f"{URL}/versions/2", f"{URL}/labels/stable", "http://[::1]:1/v1/models/a%20b"]
)
def test_urls_with_versions_and_labels_are_accepted(url):
    assert Client(url).url == url.rstrip("/")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_an_invalid_timeout_is_an_argument_error(timeout):
    with pytest.raises(ArgumentError, match="timeout="):
        Client(URL, timeout=timeout)


@pytest.mark.parametrize("images", [np.zeros((2, 2, 3)), np.zeros((0, 2, 2, 3)), [[1], [1, 2]], "x", None])
def test_invalid_images_are_an_argument_error(images):
    with pytest.raises(ArgumentError, match=r"Expected (an array )?\(N, H, W, 3\)"):
        client_of(ECHO).predict_images(images)


@pytest.mark.parametrize("pictures", [[], b"x", [b""], ["x"], [b"x", np.zeros(3)]])
def test_invalid_pictures_are_an_argument_error(pictures):
    with pytest.raises(ArgumentError, match="picture"):
        client_of(ECHO).predict_pictures(pictures)


def test_an_empty_batch_is_an_argument_error():
    with pytest.raises(ArgumentError, match="batch_size=0"):
        client_of(ECHO).predict_pictures([b"x"], batch_size=0)


def test_a_refusal_has_the_message_of_the_server_on_one_line():
    answer = httpx.Response(404, json={"error": "Servable not\nfound"})

    with pytest.raises(RequestError) as caught:
        client_of(answer).metadata()
    assert caught.value.what == f"{URL} answered 404: Servable not found." and caught.value.status == 404
    assert "case-sensitive" in caught.value.hint


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"error": null}', b"[" * 100_000])
def test_a_refusal_without_a_message_has_its_reason_phrase(body):
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


def test_a_missing_server_is_an_error_that_says_how_to_start_one():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(ServingError, match=r"^No model server answers at .*: .*\. .*fixhead serve DIR$"):
        Client(f"http://127.0.0.1:{port}/v1/models/tiny").status()


def test_an_invalid_host_name_is_a_serving_error():
    with pytest.raises(ServingError, match="No model server answers"):
        Client(f"http://{'a' * 70}.example/v1/models/tiny").status()


def test_a_timeout_is_reported():
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/models/tiny", timeout=0.05) as client,
        pytest.raises(ServingError, match=r"within 0\.05 seconds\. Raise the timeout"),
    ):
        client.status()


def test_outputs_that_change_shape_between_batches_are_an_error():
    lengths = iter([2, 3])

    def answer(request):
        return {"outputs": {"logits": [[0.0] * next(lengths)]}}

    with pytest.raises(ServingError, match="other shapes from one batch to the next"):
        client_of(answer).predict_pictures([b"x", b"y"], batch_size=1)


# Request forms


def test_uint8_images_are_sent_as_png_and_others_as_numbers():
    requests = []
    client = client_of(count_any, requests=requests)
    for dtype in (np.uint8, np.float32, np.float64, np.int64):
        assert client.predict(np.full((1, 4, 4, 3), 7, dtype))["label"].tolist() == ["x"]

    names = [json.loads(request.content)["signature_name"] for request in requests]
    assert names == ["serving_bytes", "serving_default", "serving_default", "serving_default"]


def count_any(request):
    return {"outputs": {"label": ["x"] * len(json.loads(request.content)["inputs"])}}


@pytest.mark.parametrize("side", [8, 32, 64, 224])
def test_png_is_less_than_half_the_size_of_the_shortest_numbers_even_for_noise(side):
    """The basis of the choice in `predict`. Noise is the worst case for PNG, integers are the best case for numbers."""
    requests = []
    client = client_of(count_any, requests=requests)
    image = np.random.default_rng(0).integers(0, 256, (1, side, side, 3)).astype(np.uint8)
    client.classify(image)
    client.predict_images(image)

    picture, numbers = (len(request.content) for request in requests)
    assert picture < 0.5 * numbers + 60  # the name of the signature and the brackets


def test_numbers_are_compressed_only_on_request_and_arrive_unchanged():
    requests = []
    images = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype(np.float32)
    for compress in (False, True):
        client_of({"outputs": {"label": ["x", "y"]}}, requests=requests, compress=compress).predict_images(images)

    plain, packed = requests
    assert "content-encoding" not in plain.headers and packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < 0.6 * len(plain.content)


# Batches that are too large


def limited(most_bytes):
    """Returns a server that refuses bodies above a size and otherwise answers with the number of pictures."""

    def answer(request):
        if len(request.content) > most_bytes:
            return httpx.Response(413, json={"error": "too large"})
        inputs = json.loads(request.content)["inputs"]
        return {"outputs": {"label": [each["b64"] for each in inputs]}}

    return answer


def test_a_batch_that_is_too_large_is_halved_until_it_fits_and_stays_in_order():
    requests = []
    pictures = [bytes([number]) * 300 for number in range(20)]
    client = client_of(limited(1_500), requests=requests)
    expected = client_of(limited(10**9)).predict_pictures(pictures)["label"].tolist()

    assert client.predict_pictures(pictures)["label"].tolist() == expected
    refused = sum(len(request.content) > 1_500 for request in requests)
    client.predict_pictures(pictures)
    assert sum(len(request.content) > 1_500 for request in requests) == refused  # it has learnt the limit


def test_a_picture_with_too_many_pixels_does_not_shrink_later_batches():
    requests = []

    def answer(request):
        inputs = json.loads(request.content)["inputs"]
        if {"b64": "Ym9tYg=="} in inputs:
            return httpx.Response(413, json={"error": "Picture 0 decodes to too many pixels"})
        return {"outputs": {"label": ["x"] * len(inputs)}}

    client = client_of(answer, requests=requests)
    with pytest.raises(RequestError, match="too many pixels"):
        client.predict_pictures([b"x", b"bomb", b"y"])
    requests.clear()
    client.predict_pictures([b"x" * 1_000] * 32)
    assert len(requests) == 1


def test_a_single_picture_that_is_too_large_is_refused_with_a_hint():
    with pytest.raises(RequestError, match=r"answered 413: too large\. .*smaller picture") as caught:
        client_of(limited(100)).predict_pictures([b"x" * 1_000] * 3)
    assert caught.value.status == 413


# Explanations of refusals


def test_a_missing_signature_is_named_together_with_the_existing_ones():
    def answer(request):
        if request.method == "GET":
            return {"metadata": {"signature_def": {"signature_def": {"features": {}, "serving_default": {},
                                                                     "__saved_model_init_op": {}}}}}
        return httpx.Response(400, json={"error": 'Serving signature name: "serving_bytes" not found in signature def'})

    with pytest.raises(RequestError) as caught:
        client_of(answer).predict_pictures([b"x"])
    assert caught.value.hint == "The model has no 'serving_bytes'; it has 'features', 'serving_default'."


def test_a_missing_version_is_answered_with_the_served_ones():
    def answer(request):
        if request.method == "GET":
            assert str(request.url) == URL
            return {"model_version_status": [{"version": "2", "state": "AVAILABLE"}, {"version": "1", "state": "END"}]}
        return httpx.Response(404, json={"error": "Servable not found for request: Specific(tiny, 9)"})

    with pytest.raises(RequestError) as caught:
        client_of(answer, url=f"{URL}/versions/9").predict_pictures([b"x"])
    assert caught.value.hint == "Versions served: 2."


@pytest.mark.parametrize("explanation", [
    b"", b"[]", b'{"metadata": 1}', b"[" * 100_000, b'{"model_version_status": [1]}'])  # fmt: skip
@pytest.mark.parametrize("url, text", [(URL, "x not found in signature def"), (f"{URL}/versions/9", "no such version")])
def test_a_refusal_without_an_available_explanation_is_left_unchanged(url, text, explanation):
    def answer(request):
        if request.method == "GET":
            return explanation
        return httpx.Response(400 if "signature" in text else 404, json={"error": text})

    with pytest.raises(RequestError, match=text):
        client_of(answer, url=url).predict_pictures([b"x"])


def test_a_server_message_is_shown_as_one_printable_line():
    answer = httpx.Response(400, json={"error": "\x1b[31mred\nand " + "long " * 10_000})

    with pytest.raises(RequestError) as caught:
        client_of(answer).predict_pictures([b"x"])
    assert str(caught.value).startswith(f"{URL} answered 400: [31mred and long long")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 700


def test_the_name_of_a_single_output_is_requested_once_per_call():
    requests = []

    def answer(request):
        if request.method == "GET":
            return {"metadata": {"signature_def": {"signature_def": {"features": {"outputs": {"features": {}}}}}}}
        return {"outputs": [[1.0]] * len(json.loads(request.content)["inputs"])}

    outputs = client_of(answer, requests=requests).predict_images(np.zeros((6, 2, 2, 3)), "features", batch_size=2)
    assert outputs["features"].shape == (6, 1)
    assert [request.method for request in requests] == ["POST", "POST", "POST", "GET"]


@pytest.mark.parametrize("status, hint", [(401, "--token"), (403, "Ask whoever runs it"), (504, "fewer")])
def test_other_refusals_have_a_hint(status, hint):
    with pytest.raises(RequestError, match=hint):
        client_of(httpx.Response(status, json={"error": "no"})).predict_pictures([b"x"])


def test_a_redirect_is_shown_and_not_followed():
    requests = []
    answer = httpx.Response(301, headers={"Location": "https://elsewhere.example/v1/models/tiny"})

    with pytest.raises(RequestError, match=r"It redirects to https://elsewhere\.example/v1/models/tiny") as caught:
        client_of(answer, requests=requests).predict_pictures([b"x"])
    assert caught.value.status == 301 and len(requests) == 1
