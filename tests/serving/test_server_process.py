"""The server as a process of its own, over real connections."""
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import numpy as np
import pytest

from fixhead_serving.client import Client, encode_png
from fixhead_serving.server import ServerConfig, serve
from keras_fixhead.errors import ArgumentError, RequestError, ServingError

SERVE = """
import sys
from fixhead_serving.server import ServerConfig, serve
serve(sys.argv[1], ServerConfig(port=0), on_ready=lambda urls: print(*urls, flush=True))
print("stopped", flush=True)
"""


@pytest.fixture
def running(base_path):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(base_path)],
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
    monkeypatch.setattr("fixhead_serving.server.process.WatchedModel", lambda *_: pytest.fail("loaded"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ServingError, match=f"^Port {port} of 127.0.0.1 cannot be used: .* --port 0 picks a free one"
        ):
            serve(base_path, ServerConfig(port=port))


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_a_wrong_argument(base_path, port):
    with pytest.raises(ArgumentError, match=f"port={port} is not a port"):
        serve(base_path, ServerConfig(port=port))


def test_a_host_that_is_not_ours_is_refused(base_path):
    with pytest.raises(ServingError, match=r"(cannot be used|is no address to serve on): .+"):
        serve(base_path, ServerConfig("192.0.2.1", 0))  # an address kept for examples


SLOW = """
import sys, time
from fixhead_serving.protocol import Signature, TensorSpec
from fixhead_serving.server import LoadedVersion, ServerConfig, process, serve

def call(name, inputs):
    print("called", flush=True)
    time.sleep(1)
    return {"y": inputs["x"]}

signature = Signature({"x": TensorSpec("DT_FLOAT", (None,))}, {})
process.Loader = lambda *_: lambda number, folder: LoadedVersion(number, {"serving_default": signature}, call)
serve(sys.argv[1], ServerConfig(port=0), on_ready=lambda urls: print(*urls, flush=True))
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
