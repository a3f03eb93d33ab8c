import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode

import httpx
import numpy as np
import pytest

from fixhead_serving.client import Client, encode_png
from fixhead_serving.protocol import Refusal, Signature, TensorSpec
from fixhead_serving.server import LoadedVersion, ServedModel, create_app, load_model, serve
from keras_fixhead.errors import ArgumentError, RequestError, ServingError

# Of the model in conftest.py.
SIZE = 8
LABELS = ["cat", "dog", "owl"]

PREDICT = "/v1/models/tiny:predict"
ECHO = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {"y": TensorSpec("DT_FLOAT", (None,))})


def echo_model(call=lambda name, inputs: {"y": inputs["x"]}, versions=(1,), labels=None):
    """Returns a model that is a plain function: the app needs no TensorFlow."""
    loaded = {number: LoadedVersion(number, {"serving_default": ECHO}, call) for number in versions}
    return ServedModel("echo", loaded, labels or {})


@pytest.fixture
def app(served):
    return create_app([served])


@pytest.fixture
def echo():
    return create_app([echo_model()])


# The app over plain functions


@pytest.mark.parametrize(
    "method, path, body, status, text",
    [
        ("POST", "/v1/models/echo", b"", 400, "Malformed request: POST /v1/models/echo"),
        ("PUT", "/v1/models/echo:predict", b"{}", 400, "Malformed request: PUT /v1/models/echo:predict"),
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
            "/v1/models/echo:predict",
            b'{"signature_name": "x"}',
            400,
            'Serving signature name: "x" not found in',
        ),
        ("POST", "/v1/models/echo:predict", b'{"signature_name": "\\ud800"}', 400, "Serving signature name: "),
        ("POST", "/v1/models/echo:predict", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("POST", "/v1/models/echo:classify", b'{"examples": []}', 400, "This server answers ':predict' only."),
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

    assert ask(echo, "POST", "/v1/models/echo:predict", body, {"Content-Encoding": "gzip"}).json == {
        "predictions": [1.0, 2.0]
    }


@pytest.mark.parametrize("body", [b"not zipped", gzip.compress(b'{"instances": [1]}')[:-9], b""])
def test_a_request_that_does_not_inflate_is_an_empty_document(ask, echo, body):
    answer = ask(echo, "POST", "/v1/models/echo:predict", body, {"Content-Encoding": "gzip"})

    assert (answer.status, answer.json["error"]) == (400, "JSON Parse error: The document is empty")


@pytest.mark.parametrize("size, status", [(1000, 400), (1001, 413), (5000, 413)])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_body_above_the_limit_is_refused_also_when_it_is_zipped(ask, size, status, zipped):
    app = create_app([echo_model()], body_limit_bytes=1000)
    body = b" " * size
    headers = {"Content-Encoding": "gzip"} if zipped else {}

    answer = ask(app, "POST", "/v1/models/echo:predict", gzip.compress(body) if zipped else body, headers)
    assert answer.status == status and list(answer.json) == ["error"]


@pytest.mark.parametrize("failure", [RuntimeError("secret"), MemoryError(), KeyError("x")])
def test_an_unexpected_failure_is_a_500_that_tells_a_client_nothing(ask, failure, caplog):
    def call(name, inputs):
        raise failure

    answer = ask(create_app([echo_model(call)]), "POST", "/v1/models/echo:predict", {"instances": [1]})
    assert answer.status == 500
    assert answer.json == {"error": "The server failed on this request. Its log says why."}
    assert "Traceback" in caplog.text


def test_a_models_refusal_keeps_its_status(ask):
    def call(name, inputs):
        raise Refusal("no memory", status=429)

    answer = ask(create_app([echo_model(call)]), "POST", "/v1/models/echo:predict", {"instances": [1]})
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
    answers = ask_all(app, [("POST", "/v1/models/echo:predict", {"instances": [n]}, {}) for n in range(8)])
    assert [answer.json for answer in answers] == [{"predictions": [float(n)]} for n in range(8)]
    assert max(most) == 2


# The app over a SavedModel


def test_the_latest_version_is_loaded_and_only_that(served):
    assert served.name == "tiny" and list(served.versions) == [2]
    assert sorted(served.versions[2].signatures) == ["features", "serving_bytes", "serving_default"]
    inputs = served.versions[2].signatures["serving_default"].inputs
    assert inputs == {"images": TensorSpec("DT_FLOAT", (None, SIZE, SIZE, 3), "serving_default_images:0")}


def test_row_and_columnar_answers_agree_with_the_graph(ask, app, base_path, images):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(base_path / "2"))
    expected = loaded.signatures["serving_default"](images=tf.constant(images, tf.float32))
    row = ask(app, "POST", PREDICT, {"instances": images.tolist()}).json["predictions"]
    columns = ask(app, "POST", PREDICT, {"inputs": images.tolist()}).json["outputs"]

    assert set(columns) == {"logits", "cosines", "probabilities", "class_index", "label"}
    np.testing.assert_array_equal(np.float32(columns["logits"]), expected["logits"].numpy())
    assert columns["label"] == [LABELS[index] for index in columns["class_index"]]
    assert row == [{name: column[index] for name, column in columns.items()} for index in range(5)]


def test_pictures_are_decoded_to_the_same_answer(ask, app, images):
    as_numbers = ask(app, "POST", PREDICT, {"inputs": images.tolist()}).json
    encoded = [{"b64": b64encode(encode_png(image)).decode()} for image in images]
    as_pictures = ask(app, "POST", PREDICT, {"signature_name": "serving_bytes", "inputs": encoded}).json

    assert as_numbers == as_pictures


def test_metadata_list_the_signatures(ask, app):
    answer = ask(app, "GET", "/v1/models/tiny/metadata").json

    assert answer["model_spec"] == {"name": "tiny", "signature_name": "", "version": "2"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == ["features", "serving_bytes", "serving_default"]
    assert signatures["serving_bytes"]["inputs"]["image_bytes"]["dtype"] == "DT_STRING"


def test_versions_that_are_not_loaded_are_not_found(ask, app):
    assert ask(app, "POST", "/v1/models/tiny/versions/1:predict", {"instances": [1]}).status == 404
    assert ask(app, "GET", "/v1/models/tiny/versions/2").status == 200


@pytest.mark.parametrize(
    "body, text",
    [
        ({"instances": [1.0]}, "is not compatible with expected shape"),
        ({"instances": [[[1.0] * 3] * SIZE]}, "is not compatible with expected shape"),
        ({"inputs": [[[1.0] * 3] * SIZE] * SIZE}, "is not compatible with expected shape"),
        ({"inputs": np.zeros((1, 2 * SIZE, 2 * SIZE, 3)).tolist()}, "is not compatible with expected shape"),
        ({"inputs": np.zeros((1, SIZE, SIZE, 1)).tolist()}, "is not compatible with expected shape"),
        ({"inputs": []}, "is empty"),
        ({"signature_name": "serving_bytes", "instances": ["no picture"]}, "Unknown image file format."),
        ({"signature_name": "serving_bytes", "instances": [{"b64": "iVBORw0KGgo="}]}, "Invalid PNG"),
        ({"signature_name": "serving_bytes", "instances": [{"b64": "!"}]}, "Unable to base64 decode"),
        ({"signature_name": "serving_bytes", "instances": [""]}, "Input is empty."),
        (b"\x00\xff garbage", "JSON Parse error: "),
    ],
)
def test_what_the_model_does_not_take_is_a_400_and_the_server_goes_on(ask, app, images, body, text):
    answer = ask(app, "POST", PREDICT, body)

    assert answer.status == 400 and text in answer.json["error"]
    assert "{{node" not in answer.json["error"] and "stack traces" not in answer.json["error"]
    assert ask(app, "POST", PREDICT, {"inputs": images.tolist()}).status == 200


# Folders that cannot be served


def test_a_folder_without_a_version_says_what_to_type(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / ".tmp-1-x").mkdir()

    for base in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ServingError, match=f"'{base}'.* fixhead export RUN {base}$"):
            serve(base, port=0)


def test_a_version_folder_is_not_taken_for_a_base_path(base_path):
    with pytest.raises(ServingError, match=r"is one version of a model.* Serve its parent"):
        load_model(base_path / "2")


def test_a_damaged_version_is_one_line(tmp_path, base_path):
    shutil.copytree(base_path / "2", tmp_path / "m" / "3")
    damaged = tmp_path / "m" / "3"
    for file in (damaged / "variables").iterdir():
        file.write_bytes(b"")
    with pytest.raises(ServingError, match=r"^Version 3 in .* cannot be loaded: .+") as caught:
        load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)

    (damaged / "saved_model.pb").write_bytes(b"no protobuf")
    with pytest.raises(ServingError, match=r"^Version 3 in .* cannot be loaded: .+"):
        load_model(tmp_path / "m")


def test_an_input_of_unknown_rank_is_refused_at_load(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.run = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "m" / "1"), signatures={"serving_default": module.run})

    with pytest.raises(ServingError, match=r"Input 'x' of signature 'serving_default' in .* has no known rank"):
        load_model(tmp_path / "m")


# The process

SERVE = """
import sys
from fixhead_serving.server import serve
serve(sys.argv[1], port=int(sys.argv[2]), on_ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def running(base_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(base_path), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    yield process
    process.kill()
    process.communicate()


def test_a_server_starts_answers_and_stops_within_seconds_of_sigterm(running, images):
    url = running.stdout.readline().strip()
    with Client(url) as client:
        assert client.status()["model_version_status"][0]["version"] == "2"
        numbers = client.predict_images(images)
        pictures = client.predict_pictures([encode_png(image) for image in images], batch_size=2)
        for name in numbers:
            np.testing.assert_array_equal(numbers[name], pictures[name], strict=True)
        with pytest.raises(RequestError, match="413") as caught:  # over a real connection: not a reset
            client.predict_pictures([b"x" * 30 * 2**20])
        assert caught.value.status == 413
        assert client.predict_images(images)["label"].tolist() == numbers["label"].tolist()

        asked = time.monotonic()  # with a connection that is still open
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=10)
    assert time.monotonic() - asked < 10
    assert (running.returncode, output) == (0, "stopped\n")
    assert "Traceback" not in errors


def test_a_taken_port_is_said_before_the_model_is_loaded(base_path, monkeypatch):
    monkeypatch.setattr("fixhead_serving.server.load_model", lambda base: pytest.fail("loaded"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ServingError, match=f"^Port {port} of 127.0.0.1 cannot be used: .* --port 0 picks a free one"
        ):
            serve(base_path, port=port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_a_wrong_argument(base_path, port):
    with pytest.raises(ArgumentError, match=f"port={port} is not a port"):
        serve(base_path, port=port)


def test_a_host_that_is_not_ours_is_refused(base_path):
    with pytest.raises(ServingError, match=r"(cannot be used|is no address to serve on): .+"):
        serve(base_path, host="192.0.2.1", port=0)  # an address kept for examples


SLOW = """
import sys, time
from fixhead_serving import server
from fixhead_serving.protocol import Signature, TensorSpec

def call(name, inputs):
    print("called", flush=True)
    time.sleep(1)
    return {"y": inputs["x"]}

signature = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {})
version = server.LoadedVersion(1, {"serving_default": signature}, call)
server.load_model = lambda base: server.ServedModel("slow", {1: version})
server.serve(sys.argv[1], port=0, on_ready=lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_finished_before_the_server_stops(tmp_path, number):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    command = [sys.executable, "-c", SLOW, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}:predict", json={"inputs": [1.0]})))
        thread.start()
        assert process.stdout.readline() == "called\n"
        process.send_signal(number)
        thread.join(timeout=10)
        assert process.wait(timeout=10) == 0
    assert [answer.json() for answer in answers] == [{"outputs": [1.0]}]
