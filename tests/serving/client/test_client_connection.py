"""Requests to misbehaving servers on real sockets: each ends in time with a one-line error."""

import itertools
import json
import logging
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixhead_serving.client import Client, Retries, connection
from fixhead_serving.client.retries import retry_after_seconds
from keras_fixhead.errors import ArgumentError, RequestError, ServingError

URL = "http://127.0.0.1:8501/v1/models/tiny"
STATUS = {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}
QUICK = Retries(first_seconds=0.01, seed=0)
SLACK_SECONDS = 2.5  # for a busy machine


def http(status, body=b"", *headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


GOOD = http(200, STATUS)


class Scripted:
    """A server that handles its n-th connection with the n-th function of a script, later ones with the last."""

    def __init__(self, script, context=None):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._script = script
        self._context = context
        self.connections = 0
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self._listener.getsockname()[1]}/v1/models/tiny"
        self._stopped = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            handle = self._script[min(self.connections, len(self._script) - 1)]
            self.connections += 1
            threading.Thread(target=self._handle, args=(connection, handle), daemon=True).start()

    def _handle(self, plain, handle):
        try:
            with (self._context.wrap_socket(plain, server_side=True) if self._context else plain) as connection:
                handle(connection, self._stopped)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._listener.close()


def answers(data):
    def handle(connection, stopped):
        connection.recv(65536)
        connection.sendall(data)
        stopped.wait(0.2)

    return handle


def trickles(data, seconds=0.02):
    """Sends one byte at a time, endlessly."""

    def handle(connection, stopped):
        connection.recv(65536)
        for number in itertools.cycle(data):
            connection.sendall(bytes([number]))
            if stopped.wait(seconds):
                return

    return handle


def resets(connection, stopped):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def hangs_up(connection, stopped):
    connection.recv(65536)


def is_silent(connection, stopped):
    stopped.wait(30)


def timed(call, match, error=ServingError):
    start = time.monotonic()
    with pytest.raises(error, match=match) as caught:
        call()
    assert "\n" not in str(caught.value)
    return time.monotonic() - start


# Timeouts


@pytest.mark.parametrize("handle", [
    is_silent,
    trickles(b"x"),
    trickles(b"HTTP/1.1 200 OK\r\n" + b"X-Head: er\r\n" * 50),
    answers(http(200, STATUS)[:-5]),
    trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b" " * 500, 0.005),
], ids=["silent", "no head", "endless head", "short body", "slow body"])  # fmt: skip
def test_no_call_takes_longer_than_its_timeout(handle):
    with Scripted([handle]) as server, Client(server.url, timeout=0.5, retries=QUICK) as client:
        assert timed(client.status, "within 0.5 seconds|dropped the connection") < 0.5 + SLACK_SECONDS


def test_a_server_that_does_not_read_the_request_costs_at_most_the_timeout():
    images = np.zeros((1, 400, 400, 3), np.float32)  # 2 MB, more than sockets buffer
    with Scripted([is_silent]) as server, Client(server.url, timeout=0.5) as client:
        assert timed(lambda: client.predict_images(images), "within 0.5 seconds") < 0.5 + SLACK_SECONDS


def test_a_server_that_does_not_accept_costs_at_most_the_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # until its queue is full
            filler.setblocking(False)
            filler.connect_ex(address)
        with Client(f"http://127.0.0.1:{address[1]}/v1/models/tiny", timeout=0.5) as client:
            assert timed(client.status, "within 0.5 seconds") < 0.5 + SLACK_SECONDS
        for filler in fillers:
            filler.close()


def test_an_endless_name_lookup_costs_at_most_the_timeout(monkeypatch):
    released = threading.Event()

    def look_up(*_, **__):
        released.wait(10)
        raise socket.gaierror("never")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Client("http://nowhere.example/v1/models/tiny", timeout=0.4) as client:
        assert timed(client.status, "within 0.4 seconds") < 0.4 + SLACK_SECONDS
    released.set()


def test_retries_end_with_the_timeout():
    with Scripted([resets]) as server:
        client = Client(server.url, timeout=0.6, retries=Retries(most=10_000, first_seconds=0.02, longest_seconds=0.05))
        assert timed(client.status, "dropped the connection|within 0.6") < 0.6 + SLACK_SECONDS
        assert server.connections > 3


def test_a_timed_out_call_does_not_affect_the_next_one():
    with Scripted([is_silent, answers(GOOD)]) as server, Client(server.url, timeout=1.0) as client:
        timed(client.status, "within")
        assert client.status() == STATUS


def test_calls_from_several_threads_do_not_wait_for_each_other():
    with Scripted([is_silent, answers(GOOD)]) as server, Client(server.url, timeout=1.0) as client:
        stuck = threading.Thread(target=lambda: timed(client.status, "within"))
        stuck.start()
        while not server.connections:
            time.sleep(0.01)
        start = time.monotonic()
        assert client.status() == STATUS
        assert time.monotonic() - start < 0.9
        stuck.join()


# Retries


@pytest.mark.parametrize("trouble", [resets, hangs_up, answers(http(429)), answers(http(503, {"error": "loading"}))],
                         ids=["reset", "hang-up", "429", "503"])  # fmt: skip
def test_temporary_failures_are_retried(trouble, caplog):
    with Scripted([trouble, trouble, answers(GOOD)]) as server, Client(server.url, retries=QUICK) as client, \
            caplog.at_level(logging.INFO, "fixhead_serving"):  # fmt: skip
        assert client.status() == STATUS
        assert server.connections == 3
    assert caplog.text.count("Trying again in") == 2


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 501, 504])
def test_other_refusals_are_not_retried(status):
    with Scripted([answers(http(status, {"error": "no"}))]) as server, Client(server.url, retries=QUICK) as client:
        timed(client.status, f"answered {status}: no", RequestError)
        assert server.connections == 1


def test_a_server_that_is_down_is_reported_immediately():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}/v1/models/tiny", timeout=60)

    assert timed(client.status, r"^No model server answers at .*: .*\. Start one: fixhead serve DIR$") < SLACK_SECONDS


@pytest.mark.parametrize("most", [0, 2])
def test_the_number_of_retries_is_limited(most):
    with Scripted([answers(http(503))]) as server:
        client = Client(server.url, retries=Retries(most=most, first_seconds=0.01))
        timed(client.status, "answered 503: Some. The server is busy", RequestError)
        assert server.connections == most + 1


def test_a_wait_requested_by_the_server_is_respected():
    with Scripted([answers(http(429, b"", "Retry-After: 1")), answers(GOOD)]) as server, \
            Client(server.url, retries=QUICK) as client:  # fmt: skip
        start = time.monotonic()
        client.status()
        assert 1.0 <= time.monotonic() - start < 1.0 + SLACK_SECONDS


def test_a_wait_beyond_the_timeout_is_reported_and_not_started():
    with Scripted([answers(http(429, {"error": "busy"}, "Retry-After: 3600"))]) as server:
        client = Client(server.url, timeout=30, retries=QUICK)
        assert timed(client.status, "busy .*It asks to retry in 3600 s", RequestError) < SLACK_SECONDS
        assert server.connections == 1


def test_waits_double_up_to_a_maximum_and_depend_on_the_seed():
    retries = Retries(most=8, first_seconds=0.5, longest_seconds=4, seed=3)
    waits = list(retries.waits())

    assert waits == list(retries.waits()) and waits != list(Retries(8, 0.5, 4, seed=4).waits())
    for wait, longest in zip(waits, [0.5, 1, 2, 4, 4, 4, 4, 4], strict=True):
        assert longest / 2 <= wait <= longest


@pytest.mark.parametrize("wrong", [{"most": -1}, {"first_seconds": -1}, {"longest_seconds": float("nan")}])
def test_an_invalid_number_of_retries_is_an_argument_error(wrong):
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        Retries(**wrong)


@given(st.text(max_size=40) | st.integers(-(10**30), 10**30).map(str))
def test_any_retry_after_becomes_a_number_of_seconds(value):
    assert 0 <= retry_after_seconds(value) < float("inf")


def test_a_retry_after_may_be_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)

    assert retry_after_seconds(format_datetime(now + timedelta(seconds=90), usegmt=True), now) == 90
    assert retry_after_seconds(format_datetime(now - timedelta(seconds=90), usegmt=True), now) == 0


# Answers


def test_an_endless_answer_is_cut_off(monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_LIMIT_BYTES", 2**20)

    def pours(connection, stopped):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stopped.is_set():
            connection.sendall(b" " * 65536)

    with Scripted([pours]) as server, Client(server.url) as client:
        timed(client.status, "larger than 1 MiB")


@pytest.mark.parametrize("data, match", [
    (b"SSH-2.0-OpenSSH_9.6\r\n", "dropped the connection: "),
    (b"\x00" * 100, "dropped the connection: "),
    (http(200, b"<html>"), "not valid JSON"),
    (http(200, b"xx", "Content-Encoding: gzip"), "cannot be decompressed"),
    (http(302, b"", "Location: /login"), "It redirects to /login"),
    (http(502, b"<html><h1>Bad Gateway"), "answered 502: Some$"),
])  # fmt: skip
def test_a_server_of_another_kind_is_a_one_line_error(data, match):
    with Scripted([answers(data)]) as server, Client(server.url, retries=Retries(most=1, first_seconds=0)) as client:
        timed(client.status, match)
