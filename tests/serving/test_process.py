"""The server as its own process, with real connections."""
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from fixhead_serving import process
from fixhead_serving.client import Client, encode_png
from fixhead_serving.config import ServerConfig
from fixhead_serving.process import serve
from keras_fixhead.errors import ArgumentError, FixheadWarning, RequestError, ServingError

SERVE = """
import sys
from fixhead_serving.config import ServerConfig
from fixhead_serving.process import serve
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
        with pytest.raises(RequestError, match="413") as caught:  # not a connection reset
            client.predict_pictures([b"x" * 30 * 2**20])
        assert caught.value.status == 413
        assert client.predict_images(images)["label"].tolist() == numbers["label"].tolist()

        asked = time.monotonic()  # with a connection still open
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=10)
    assert time.monotonic() - asked < 10
    assert (running.returncode, output) == (0, "stopped\n")
    assert "Traceback" not in errors


def test_a_port_in_use_is_reported_before_the_model_is_loaded(base_path, monkeypatch):
    monkeypatch.setattr("fixhead_serving.process.WatchedModel", lambda *_: pytest.fail("loaded"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ServingError, match=f"^Port {port} of 127.0.0.1 cannot be used: .* --port 0 picks a free one"
        ):
            serve(base_path, ServerConfig(port=port))


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_invalid_port_is_an_argument_error(base_path, port):
    with pytest.raises(ArgumentError, match=f"port={port} is not a valid port"):
        serve(base_path, ServerConfig(port=port))


def test_a_host_of_another_machine_is_refused(base_path):
    with pytest.raises(ServingError, match=r"cannot be used: .+"):
        serve(base_path, ServerConfig("192.0.2.1", 0))  # an address reserved for examples


# Without TensorFlow: versions answer with their number, after a delay if their model is called slow.
PLAIN = """
import json, sys, time
from pathlib import Path
import numpy as np
from fixhead_serving.specs import Signature, TensorSpec
from fixhead_serving import process
from fixhead_serving.config import ServerConfig
from fixhead_serving.process import serve
from fixhead_serving.server import Limits, LoadedVersion

def load(number, folder):
    if (folder / "broken").exists():
        raise RuntimeError("damaged")

    def call(name, inputs):
        if inputs["x"][0] > 0:
            print("called", flush=True)
            time.sleep(float(inputs["x"][0]))
        return {"y": np.full(len(inputs["x"]), float(number))}

    spec = TensorSpec("DT_FLOAT", (None,))
    signature = Signature({"x": spec}, {"y": spec})
    return LoadedVersion(number, {"serving_default": signature}, call, sample=("serving_default", {"x": np.zeros(1)}))

process.Loader = lambda *_: load
fields = json.loads(sys.argv[2])
config = ServerConfig(**{"port": 0, "drain_seconds": 0, "poll_seconds": 0.05, **fields.pop("config", {})},
                      limits=Limits(**fields.pop("limits", {})))
serve(sys.argv[1], config, on_ready=lambda urls: print(*urls, flush=True))
print("stopped", flush=True)
"""
TLS = Path(__file__).with_name("tls")  # a certificate for localhost, made for these tests and trusted nowhere else


def publish(base, number, broken=False):
    aside = base / f".tmp-{number}"
    aside.mkdir()
    (aside / "saved_model.pb").touch()
    if broken:
        (aside / "broken").touch()
    aside.rename(base / str(number))


@pytest.fixture
def start(tmp_path):
    """Returns a function that starts a server with version 1 of a model and returns its process and URL."""
    publish(tmp_path, 1)
    started = []

    def start_one(**fields):
        command = [sys.executable, "-c", PLAIN, str(tmp_path), json.dumps(fields)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start_one
    for each in started:
        each.kill()
        each.communicate()


def in_background(function):
    """Calls a function in a thread; returns a function that waits for its result."""
    with_result = []
    thread = threading.Thread(target=lambda: with_result.append(function()))
    thread.start()

    def result():
        thread.join(timeout=20)
        return with_result[0]

    return result


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_in_flight_are_finished_before_the_server_stops(start, number):
    process, url = start()
    answer = in_background(lambda: httpx.post(f"{url}:predict", json={"inputs": [1.0]}))
    assert process.stdout.readline() == "called\n"
    process.send_signal(number)

    assert answer().json() == {"outputs": [1.0]}
    assert process.wait(timeout=10) == 0 and process.stdout.read() == "stopped\n"


def test_an_idle_server_with_open_connections_fails_its_probe_and_stops_within_seconds(start):
    process, url = start(config={"drain_seconds": 1})
    origin = url.partition("/v1/")[0]
    host, port = origin.removeprefix("http://").split(":")
    with httpx.Client() as kept, socket.create_connection((host, int(port))), \
            socket.create_connection((host, int(port))) as half:  # fmt: skip
        half.sendall(b"POST /v1/models/x:predict HTTP/1.1\r\nHost: x\r\n")  # endless headers
        assert kept.get(f"{origin}/readyz").status_code == 200
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: kept.get(f"{origin}/readyz").status_code == 503, 1)
        assert httpx.get(f"{origin}/livez").status_code == 200  # the port is still open
        assert httpx.post(f"{url}:predict", json={"inputs": [0.0]}).status_code == 200
        assert process.wait(timeout=10) == 0
    assert time.monotonic() - asked < 10
    assert "Traceback" not in process.stderr.read()


def test_a_second_signal_skips_the_drain(start):
    process, _ = start(config={"drain_seconds": 60})
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=10) == 0


def test_over_tls_only_requests_with_the_token_are_answered(start):
    _, url = start(config={"tls_cert": str(TLS / "cert.pem"), "tls_key": str(TLS / "key.pem"), "token": "right"})
    context = ssl.create_default_context(cafile=str(TLS / "cert.pem"))

    assert url.startswith("https://127.0.0.1:")
    with httpx.Client(verify=context) as client:
        refused = client.post(f"{url}:predict", json={"inputs": [0.0]})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        client.headers["Authorization"] = "Bearer right"
        assert client.post(f"{url}:predict", json={"inputs": [0.0]}).json() == {"outputs": [1.0]}
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url)


def test_too_many_requests_are_refused_and_slow_ones_time_out(start):
    process, url = start(config={"workers": 1}, limits={"concurrent": 1, "timeout_seconds": 0.5})
    slow = in_background(lambda: httpx.post(f"{url}:predict", json={"inputs": [2.0]}))
    assert process.stdout.readline() == "called\n"
    refused = httpx.post(f"{url}:predict", json={"inputs": [0.0]})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")

    assert slow().status_code == 504
    assert httpx.post(f"{url}:predict", json={"inputs": [0.0]}).status_code == 429  # its thread is still running
    wait_for(lambda: httpx.post(f"{url}:predict", json={"inputs": [0.0]}).status_code == 200)


def test_a_refusal_before_the_end_of_the_body_does_not_break_the_connection(start):
    _, url = start(config={"token": "t"}, limits={"body_bytes": 1000})
    with httpx.Client() as client:
        assert client.post(f"{url}:predict", content=b"x" * 10**6).status_code == 401
        client.headers["Authorization"] = "Bearer t"
        assert client.post(f"{url}:predict", content=b"x" * 10**6).status_code == 413
        assert client.post(f"{url}:predict", json={"inputs": [0.0]}).status_code == 200


def test_a_new_version_is_picked_up_and_a_broken_one_is_not_during_requests(start, tmp_path):
    process, url = start()
    stop = threading.Event()
    seen = []

    def ask():
        with httpx.Client() as client:
            while not stop.is_set():
                answer = client.post(f"{url}:predict", json={"inputs": [0.0]})
                seen.append((answer.status_code, answer.json()["outputs"][0]))

    done = in_background(ask)
    try:
        wait_for(lambda: seen)
        publish(tmp_path, 2)
        wait_for(lambda: seen and seen[-1] == (200, 2.0))
        publish(tmp_path, 3, broken=True)
        wait_for(lambda: states(url).get("3") == ("END", "INTERNAL"))
        publish(tmp_path, 4)
        wait_for(lambda: seen[-1] == (200, 4.0))
        wait_for(lambda: states(url).get("2") == ("END", "OK"))
    finally:
        stop.set()
        done()
    versions = [version for _, version in seen]
    assert {status for status, _ in seen} == {200} and versions == sorted(versions)
    assert set(versions) == {1.0, 2.0, 4.0}
    process.terminate()
    assert process.wait(timeout=10) == 0
    assert "Version 3 of model" in process.stderr.read()


def states(url):
    listed = httpx.get(url).json()["model_version_status"]
    return {each["version"]: (each["state"], each["status"]["error_code"]) for each in listed}


@pytest.mark.parametrize("file", ["none.pem", __file__])
def test_unusable_tls_files_are_reported_before_anything_else(base_path, file):
    with pytest.raises(ServingError, match=r"cannot be used for TLS: .+ Expected PEM files"):
        serve(base_path, ServerConfig(port=0, tls_cert=file, tls_key=file))


@pytest.mark.parametrize(
    "config, text",
    [
        (ServerConfig("0.0.0.0", 0), "without a token .* and without TLS"),
        (ServerConfig("0.0.0.0", 0, token="t"), "without TLS"),
        (ServerConfig("::", 0, tls_cert=TLS / "cert.pem", tls_key=TLS / "key.pem"), "without a token"),
    ],
)
def test_listening_beyond_this_machine_unprotected_gives_a_warning(base_path, monkeypatch, config, text):
    monkeypatch.setattr(process, "WatchedModel", lambda *_: 1 / 0)
    with pytest.warns(FixheadWarning, match=text), pytest.raises(ZeroDivisionError):
        serve(base_path, config)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_listening_only_on_this_machine_gives_no_warning(host, recwarn):
    process._warn_of_openness(ServerConfig(host))

    assert not recwarn.list


def test_onednn_cannot_be_switched_off_after_importing_tensorflow(base_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    with pytest.raises(ArgumentError, match="TensorFlow has already been imported"):
        serve(base_path, ServerConfig(port=0, onednn=False))
