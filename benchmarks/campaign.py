"""A bounded campaign of random bytes and mutated valid requests against its own `fixhead serve` process.

    python benchmarks/campaign.py --requests 100000 --seed 0 --out results/checks/campaign.json

It sends a given number of requests over loopback to a server that it starts and stops itself. It fails, with the
numbers of the requests at fault, on an undocumented status, a dropped connection, a server exit, or a wrong answer to a
sentinel, and if fewer than 30 % of the requests reach a model. `--only NUMBER` sends a single request again.
"""

import argparse
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mutations

from fixhead_serving.checks.conformance.models import LABELS, make_models
from fixhead_serving.local import SERVE, served_by
from keras_fixhead.json_files import write_json

SCHEMA = 1
CONNECTIONS = 4
ANSWER_SECONDS = 60
NOT_HTTP_SECONDS = 0.2  # the server may wait for more of a request that is not HTTP; the client then disconnects
REACHED = 0.3  # the smallest share of requests that must reach a model
SHOWN_FAULTS = 20

# The statuses of answers; docs/conformance.md shows this table. No other status is allowed.
DOCUMENTED = {
    200: "the answer",
    400: "path, JSON, signature, type, shape, nesting, batch or picture is wrong, or the request is not HTTP",
    404: "no such model or version, or a path outside /v1/",
    413: "body, inflated body or picture above its limit",
    501: "an input of a type that JSON cannot represent",
}


@dataclass
class Tally:
    """The results so far; its lock is held for every change."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0  # among requests that are not HTTP
    sentinels: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def judge(sent: mutations.Sent, status: int | None, body: bytes) -> str | None:
    """Returns a description of what is wrong with an answer, or None.

    Args:
        sent: the request.
        status: the answer's status; None: the connection was dropped before an answer.
        body: the answer's body.
    """
    if status is None:
        return "the connection was dropped" if sent.framed else None
    if status not in DOCUMENTED:
        return f"status {status}: {body[:200]!r}"
    if sent.expected is not None and (status != 200 or json.loads(body) != sent.expected):
        return f"a wrong answer to a sentinel: {status} {body[:200]!r}, expected {sent.expected}"
    if sent.framed and status >= 400 and sent.method not in ("HEAD", "OPTIONS") and not _says_why(body):
        return f"status {status} without an error: {body[:200]!r}"
    return None


def _says_why(body: bytes) -> bool:
    if body.startswith((b"<html>", b"Unexpected path")):
        return True
    try:
        return isinstance(json.loads(body)["error"], str)
    except (ValueError, KeyError, TypeError):
        return False


class Sender:
    """A connection that is kept alive, and reopened if a request closes it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def send(self, sent: mutations.Sent) -> tuple[int | None, bytes]:
        """Returns status and body of the answer, or None and what is known about the drop."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_SECONDS)
        self._socket.settimeout(ANSWER_SECONDS if sent.framed else NOT_HTTP_SECONDS)
        try:
            self._socket.sendall(sent.wire)
            response = http.client.HTTPResponse(self._socket, method=sent.method)
            response.begin()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return None, repr(error).encode()
        if response.will_close or not sent.framed:
            self.close()
        return response.status, body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def run_campaign(url: str, numbers: range, seed: int) -> Tally:
    """Runs a campaign over several connections at once and returns the tally."""
    tally = Tally()
    address = urlsplit(url)
    shares = [numbers[each::CONNECTIONS] for each in range(CONNECTIONS)]
    threads = [
        threading.Thread(target=_send_all, args=(address.hostname, address.port, share, seed, tally))
        for share in shares
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if (asked := sum(tally.kinds.values())) != len(numbers) and len(tally.faults) < SHOWN_FAULTS:
        tally.faults.append(f"only {asked} of {len(numbers)} requests were sent")
    return tally


def _send_all(host: str, port: int, numbers: range, seed: int, tally: Tally) -> None:
    sender = Sender(host, port)
    for number in numbers:
        sent = mutations.make_request(seed, number)
        try:
            status, body = sender.send(sent)
            fault = judge(sent, status, body)
        except OSError as error:  # the server no longer listens
            status, fault = None, f"no connection: {error}"
        except ValueError as error:
            fault = f"an answer that is not valid JSON: {error}: {body[:200]!r}"
        with tally.lock:
            tally.kinds[sent.kind] += 1
            tally.sentinels += sent.expected is not None
            if status is None:
                tally.unanswered += 1
            else:
                tally.statuses[status] += 1
            if fault:
                tally.faults.append(f"request {number} ({sent.kind}): {fault}")
            if len(tally.faults) >= SHOWN_FAULTS:
                break
    sender.close()


# The server


def served(folder: Path) -> AbstractContextManager[tuple[subprocess.Popen[str], str]]:
    """Returns a context with a `fixhead serve` process for the campaign's two models and its address."""
    labels = [word for label, version in LABELS.items() for word in ("--label", f"conformance:{label}={version}")]
    return served_by(*SERVE, make_models(folder), _make_pictures(folder), "--versions", "all", *labels, stop_seconds=60)


def _make_pictures(folder: Path) -> Path:
    """Writes a model that takes pictures and images, with an unguarded convolution, and returns its base path."""
    import tensorflow as tf

    side = mutations.SIDE
    kernel = tf.constant(0.01, shape=[3, 3, 3, 4])

    def images(x: Any) -> Any:
        return {"features": tf.reduce_mean(tf.nn.conv2d(x, kernel, 1, "SAME"), [1, 2])}

    def pictures(image_bytes: Any) -> Any:
        def decode(encoded: Any) -> Any:
            image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
            image.set_shape([None, None, 3])
            return tf.image.resize(tf.cast(image, tf.float32), [side, side], antialias=True)

        return images(tf.map_fn(decode, image_bytes, fn_output_signature=tf.TensorSpec([side, side, 3], tf.float32)))

    def concrete(function: Any, spec: Any) -> Any:
        return tf.function(function, autograph=False).get_concrete_function(spec)

    module = tf.Module()
    signatures = {
        "images": concrete(images, tf.TensorSpec([None, side, side, 3], tf.float32, name="x")),
        "image_bytes": concrete(pictures, tf.TensorSpec([None], tf.string, name="image_bytes")),
    }
    module.functions = signatures
    base = folder / "pictures"
    tf.saved_model.save(module, str(base / "1"), signatures=signatures)
    return base


def count_reached(url: str) -> int:
    """Returns the number of completed model calls, from the server's own metrics."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=ANSWER_SECONDS)
    connection.request("GET", "/monitoring/prometheus/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(r"^:tensorflow:serving:runtime_latency_count\{[^}]*\} ([0-9.e+]+)$", page, re.MULTILINE)
    return sum(int(float(count)) for count in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="send only the request with this number, and print it")
    parser.add_argument("--out", type=Path, help="file to write the histogram to")
    asked = parser.parse_args()
    result = campaign(asked.requests, asked.seed, asked.only)
    if asked.out:
        write_json(asked.out, result, schema=SCHEMA)
    print(json.dumps(result, indent=1))
    sys.exit(bool(result["faults"]))


def campaign(requests: int, seed: int, only: int | None = None) -> dict[str, Any]:
    """Runs a campaign against its own server and returns the histogram with its faults."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (process, url):
        numbers = range(requests) if only is None else range(only, only + 1)
        if only is not None:
            print(mutations.make_request(seed, only))
        tally = run_campaign(url, numbers, seed)
        ended = process.poll()
        if ended is not None:
            tally.faults.append(f"the server exited with {ended}")
        reached = count_reached(url) if ended is None else 0
    if only is None and reached < REACHED * requests:
        tally.faults.append(f"only {reached} of {requests} requests reached a model, expected {REACHED:.0%}")
    if process.returncode != 0:
        tally.faults.append(f"the server's exit status is {process.returncode}")
    return {
        "requests": len(numbers), "seed": seed, "seconds": round(time.perf_counter() - start),
        "reached_a_model": reached, "sentinels": tally.sentinels,
        "statuses": {str(status): count for status, count in sorted(tally.statuses.items())},
        "not_http_and_unanswered": tally.unanswered, "kinds": dict(sorted(tally.kinds.items())),
        "faults": tally.faults[:SHOWN_FAULTS],
    }  # fmt: skip


if __name__ == "__main__":
    main()
