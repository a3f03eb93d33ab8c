"""One picture as the body, and what is said about it elsewhere; the model is a plain function."""
import gzip
import logging

import numpy as np
import pytest

from fixhead_serving.rest import create_app
from fixhead_serving.server import Limits, LoadedVersion, ModelServer, ServedModel
from fixhead_serving.specs import Signature, TensorSpec

PNG = b"\x89PNG\r\n\x1a\n" + bytes(4) + b"IHDR" + bytes([0, 0, 0, 2, 0, 0, 0, 3]) + b"\r\n--x\r\n"
PATH = "/v1/models/pets:classify-picture"
BYTES = Signature({"image_bytes": TensorSpec("DT_STRING", (None,))},
                  {"probabilities": TensorSpec("DT_FLOAT", (None, 2)), "label": TensorSpec("DT_STRING", (None,)),
                   "class_index": TensorSpec("DT_INT64", (None,))})
NUMBERS = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {"y": TensorSpec("DT_FLOAT", (None,))})


@pytest.fixture
def got():
    return []


@pytest.fixture
def pets(got):
    def call(name, inputs):
        got.append(inputs["image_bytes"].tolist())
        return {"probabilities": np.array([[0.25, 0.75]], np.float32), "class_index": np.array([1]),
                "label": np.array([b"d\xc3\xb6g"], object)}

    versions = {1: LoadedVersion(1, {"serving_bytes": BYTES}, call), 2: LoadedVersion(2, {"serving_default": NUMBERS},
                                                                                     lambda name, inputs: {})}
    return [ServedModel("pets", versions, {"pictures": 1})]


def form(*parts, boundary="XyZ"):
    body = b"".join(b"--" + boundary.encode() + b"\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + content
                    + b"\r\n" for head, content in parts) + b"--" + boundary.encode() + b"--\r\n"
    return body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}


ONE = form((b'name="note"', b"a cat?"), (b'name="picture"; filename="cat.png"\r\nContent-Type: image/png', PNG))


@pytest.mark.parametrize("body, headers", [
    (PNG, {}), (PNG, {"Content-Type": "application/x-www-form-urlencoded"}), ONE,
    (gzip.compress(PNG, mtime=0), {"Content-Encoding": "gzip"})], ids=["plain", "like curl", "form", "zipped"])
def test_one_picture_is_classified_as_it_is_sent(ask, pets, got, body, headers):
    answer = ask(create_app(ModelServer(pets)), "POST", PATH.replace(":", "/versions/1:"), body, headers)

    assert (answer.status, answer.media_type) == (200, "application/json") and got == [[PNG]]
    assert answer.json == {"label": "d\u00f6g", "class_index": 1, "probability": 0.75, "probabilities": [0.25, 0.75]}


@pytest.mark.parametrize("path, body, headers, status, text", [
    ("labels/pictures:", b"", {}, 400, "The body is empty. Expected one picture: curl --data-binary @cat.jpg"),
    ("labels/pictures:", b"not a picture", {}, 400, "The body is not a PNG, JPEG, GIF"),
    ("labels/pictures:", *form(), 400, "The body has 0 files"),
    ("labels/pictures:", *form((b'name="a"; filename="a"', PNG), (b'name="b"; filename="b"', PNG)), 400,
     "The body has 2 files"),
    ("versions/2:", PNG, {}, 400, "The model does not take encoded pictures: it has no signature 'serving_bytes'"),
    ("versions/3:", PNG, {}, 404, "Servable not found for request: Specific(pets, 3)"),
    ("labels/no:", PNG, {}, 400, "Unrecognized servable version label: no"),
])
def test_what_is_not_one_picture_for_such_a_model_is_refused(ask, pets, got, path, body, headers, status, text):
    answer = ask(create_app(ModelServer(pets)), "POST", f"/v1/models/pets/{path}classify-picture", body, headers)

    assert (answer.status, got) == (status, []) and answer.json["error"].startswith(text)


def test_the_limits_of_pictures_hold_here_too(ask, pets):
    app = create_app(ModelServer(pets, limits=Limits(picture_pixels=5)))

    assert ask(app, "POST", PATH.replace(":", "/versions/1:"), PNG).status == 413
    assert ask(app, "GET", PATH).status == 400


def test_a_single_picture_that_is_too_large_is_answered_with_what_can_be_done(ask, pets):
    app = create_app(ModelServer(pets, limits=Limits(body_bytes=len(PNG) - 1)))
    answer = ask(app, "POST", PATH, PNG)

    assert answer.status == 413 and answer.json["error"].endswith("Send fewer pictures at once, or a smaller one.")


@pytest.mark.parametrize("body, headers", [(PNG, {}), ONE])
def test_a_picture_that_is_sent_to_predict_is_answered_with_the_right_request(ask, pets, body, headers):
    error = ask(create_app(ModelServer(pets)), "POST", "/v1/models/pets:predict", body, headers).json["error"]

    assert error.startswith("JSON Parse error: Invalid value. at offset: 0")  # as TensorFlow Serving answers
    assert PATH in error and '"signature_name": "serving_bytes"' in error


def test_the_token_is_required(ask, pets):
    assert ask(create_app(ModelServer(pets), token="secret"), "POST", PATH, PNG).status == 401


@pytest.mark.parametrize("which, expected", [("none", []), ("errors", [400, 404]), ("all", [200, 400, 404])])
def test_the_access_log_has_a_line_for_each_request_with_its_level(ask, pets, caplog, which, expected):
    caplog.set_level(logging.INFO, "fixhead_serving")
    app = create_app(ModelServer(pets), access_log=which)
    for path, body in [(PATH.replace(":", "/versions/1:"), PNG), (PATH, PNG), ("/v1/models/no:predict", b"{}")]:
        ask(app, "POST", path, body, {"Authorization": "Bearer secret"})
    lines = [(record.levelname, record.getMessage().split()) for record in caplog.records]

    assert [int(words[4]) for _, words in lines] == expected and "secret" not in caplog.text
    assert {level for level, words in lines if words[4] != "200"} <= {"WARNING"}
    assert all(words[2] == "POST" and words[6] == "ms" for _, words in lines)
