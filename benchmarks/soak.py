"""Minutes of mixed load on the local server, with faults: every answer is checked, and memory is monitored.

    python benchmarks/soak.py                 # 10 minutes, plus preparation and follow-up
    python benchmarks/soak.py --minutes 2     # a trial that writes no file

`fixhead serve` watches a folder to which new versions are added under load: first as soon as the last one is served,
with three times the clients, until the process has reached its final size (allocators keep the memory of their fullest
moment); then every minute, and twice a broken one. Clients send arrays and pictures and compare each answer with the
in-process output of the version that may be served at that moment; others disconnect in the middle of a request or
before its answer, send a body slowly, or send garbage. Afterwards bare_loop.py loads the same versions in a separate
process, to measure what TensorFlow itself keeps of reloaded models. Exits with 1 if any answer was wrong or anything
broke; the page says which of the two grows faster. Everything runs on loopback and in limited time.
"""
import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bare_loop import images, resident_bytes
from report import ROOT, write_report
from soak_page import CROWD, FILE, SETTLED, reported, write_page

from fixhead_serving.local import SERVE, served_by

VERSIONS = 10  # different versions, published again and again under new numbers
BROKEN_AFTER = (2.5, 6.5)  # minutes
PAUSE_SECONDS = 0.02
RELOAD_SECONDS = 30  # by when a new version must answer
SETTLING_SECONDS = 3  # how long each version is called until then
TOLERANCE = 1e-4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--bare-only", action="store_true", help="measure the bare loop again and keep everything else")
    parser.add_argument("--page-only", action="store_true", help="write the page's lines and figure from the JSON file")
    options = parser.parse_args()
    if options.minutes < 2:
        parser.error("measuring growth takes at least 2 minutes")
    if options.page_only:
        write_page()
        return
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "staged" / "model"
        expected = export_versions(staged, VERSIONS)
        if options.bare_only:
            kept = json.loads(FILE.read_text())
            counts, served = kept["counts"], kept["measurements"][0]["values"]
        else:
            soak = Soak(staged, Path(folder) / "served" / "model", expected)
            counts, served = soak.run(options.minutes)
            faults = soak.faults
            print(*faults[:10], sep="\n", file=sys.stderr)
        loads = str(SETTLED + options.minutes)
        command = [sys.executable, str(ROOT / "benchmarks" / "bare_loop.py"), str(staged), "--loads", loads]
        bare = [int(line) for line in subprocess.run(command, capture_output=True, text=True, check=True, env={
            **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}).stdout.split()]
    made = reported(options.minutes, served, bare)
    print(json.dumps({"counts": counts, **{each["name"]: each["metric"] for each in made}}, indent=1))
    if options.minutes >= 10:
        write_report(FILE, made, command="python benchmarks/soak.py", counts=counts)
        write_page()
    if faults:
        raise SystemExit(1)


def export_versions(base: Path, count: int) -> list["np.ndarray[Any, Any]"]:
    """Exports versions that differ in their class vectors; returns each version's logits (8, 10) for `images()`."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from fixhead_serving.export import export_model
    from keras_fixhead.models import build_model

    logits = []
    for version in range(count):
        model = build_model("resnet18", (32, 32, 3), 10, logits="cos", fixed=True, width=0.125, vector_seed=version)
        export_model(model, base, label_names=[f"class {index}" for index in range(10)])
        logits.append(model.predict(images().astype("float32"), verbose=0))
    return logits


class Soak:
    """A server under load, and the observations."""

    def __init__(self, staged: Path, base: Path, expected: list["np.ndarray[Any, Any]"]) -> None:
        self._staged, self._base, self._expected = staged, base, expected
        self._published: list[tuple[int, float]] = []  # index into expected, when
        self._next = 1
        self._end = False
        self._settling = True
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self, minutes: int) -> tuple[dict[str, int], list[int]]:
        """Runs the load; returns counts of what happened, and the resident bytes at the end of each version."""
        self._base.mkdir(parents=True)
        self._publish()
        memory: dict[int, int] = {}  # by number of versions so far
        with self._server() as (process, self._port):
            kinds = [self._arrays, self._arrays_of_eight, self._pictures, self._rows, self._vanish, self._hang_up,
                     self._slow, self._garbage, self._looks]
            threads = [threading.Thread(target=self._repeat, args=(act, seed, seed < len(kinds)), daemon=True)
                       for seed, act in enumerate(kinds * CROWD)]
            for thread in threads:
                thread.start()
            while len(self._published) <= SETTLED and process.poll() is None:
                self._await_newest()
                time.sleep(SETTLING_SECONDS)
                memory[len(self._published)] = resident_bytes(process.pid)
                self._publish()
            self._settling = False
            start = time.monotonic()
            broken = [after for after in BROKEN_AFTER if after < minutes]
            while (seconds := time.monotonic() - start) < 60 * minutes:
                if seconds >= 60 * (len(self._published) - SETTLED):
                    self._publish()
                if broken and seconds >= 60 * broken[0]:
                    broken.pop(0)
                    self._publish_broken()
                if process.poll() is not None:
                    self._fault(f"the server exited with status {process.returncode} after {seconds:.0f} s")
                    break
                memory[len(self._published)] = resident_bytes(process.pid)
                time.sleep(5)
            self._end = True
            for thread in threads:
                thread.join(120)
                if thread.is_alive():
                    self._fault("a client is still waiting for its answer")
            self._check_latest_is_served()
        return dict(sorted(self.counts.items())), list(memory.values())

    @contextlib.contextmanager
    def _server(self) -> Iterator[tuple["subprocess.Popen[str]", int | None]]:
        with served_by(*SERVE, self._base, stop_seconds=60) as (process, url):
            yield process, urlsplit(url).port
            if process.poll() is None:
                begin = time.monotonic()
                process.terminate()
                process.wait(60)
                self.counts["seconds to stop"] = round(time.monotonic() - begin)
                if process.returncode != 0:
                    self._fault(f"the server stopped with status {process.returncode}")

    def _publish(self) -> None:
        index = len(self._published) % len(self._expected)
        self._put(self._staged / str(index + 1))
        self._published.append((index, time.monotonic()))
        self.counts["versions published"] += 1

    def _await_newest(self) -> None:
        deadline = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):  # the deadline decides
                newest = json.loads(self._ask("GET", "")[1])["model_version_status"][0]
                if int(newest["version"]) == self._next - 1 and newest["state"] == "AVAILABLE":
                    return
            time.sleep(0.2)
        self._fault(f"version {self._next - 1} was not served within {RELOAD_SECONDS} s")

    def _publish_broken(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            broken = Path(folder) / "broken"
            shutil.copytree(self._staged / "1", broken)
            graph = (broken / "saved_model.pb").read_bytes()
            (broken / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
            self._put(broken)
        self.counts["broken versions published"] += 1

    def _put(self, version: Path) -> None:
        aside = self._base / f".tmp-{self._next}"
        shutil.copytree(version, aside)
        aside.rename(self._base / str(self._next))
        self._next += 1

    def _repeat(self, act: Callable[[random.Random], None], seed: int, to_the_end: bool) -> None:
        """Repeats an action until the end, or until the memory has settled."""
        draw = random.Random(seed)
        while not self._end and (to_the_end or self._settling):
            try:
                act(draw)
            except Exception as error:  # anything unexpected is a fault
                self._fault(f"{act.__name__}: {type(error).__name__}: {error}")
            if not self._settling:
                time.sleep(PAUSE_SECONDS)

    # Requests whose answers must be right

    def _arrays(self, draw: random.Random) -> None:
        self._predict({"inputs": images()[:1].astype(float).tolist()}, "outputs", 1)

    def _arrays_of_eight(self, draw: random.Random) -> None:
        self._predict({"inputs": images().astype(float).tolist()}, "outputs", 8)
        time.sleep(0.2)

    def _pictures(self, draw: random.Random) -> None:
        from fixhead_serving.client import encode_png

        sent = [{"b64": b64encode(encode_png(image)).decode()} for image in images()[:3]]
        self._predict({"signature_name": "serving_bytes", "inputs": sent}, "outputs", 3)

    def _rows(self, draw: random.Random) -> None:
        self._predict({"instances": images()[:2].astype(float).tolist()}, "predictions", 2)

    def _predict(self, asked: dict[str, Any], key: str, count: int) -> None:
        begin = time.monotonic()
        status, content = self._ask("POST", ":predict", json.dumps(asked).encode())
        end = time.monotonic()
        self.counts[f"predict: {status}"] += 1
        if status != 200:
            self._fault(f"a valid request was answered with {status}: {content[:200]!r}")
            return
        answer = json.loads(content)[key]
        logits = [row["logits"] for row in answer] if key == "predictions" else answer["logits"]
        self._check(np.array(logits), count, begin, end)

    def _check(self, logits: "np.ndarray[Any, Any]", count: int, begin: float, end: float) -> None:
        """An answer is right if it is from a version that may have been the latest one during the request."""
        known = [(index, when) for index, when in list(self._published) if when <= end]
        old = [place for place, (_, when) in enumerate(known) if when + RELOAD_SECONDS <= begin]
        allowed = known[old[-1] if old else 0:]
        if not any(np.abs(self._expected[index][:count] - logits).max() < TOLERANCE for index, _ in allowed):
            self.counts["wrong answers"] += 1
            self._fault(f"an answer that none of the allowed versions gives: {[index for index, _ in allowed]}")

    def _check_latest_is_served(self) -> None:
        self._published = self._published[-1:]
        self._published[0] = (self._published[0][0], 0.0)
        self._predict({"inputs": images()[:1].astype(float).tolist()}, "outputs", 1)

    # Requests that must do no harm

    def _vanish(self, draw: random.Random) -> None:
        """Closes the connection in the middle of its request."""
        sent = self._request(json.dumps({"inputs": images().tolist()}).encode())
        with socket.create_connection(("127.0.0.1", self._port), 30) as connection:
            connection.sendall(sent[: draw.randrange(1, len(sent))])
        self.counts["vanished within a request"] += 1
        time.sleep(0.2)

    def _hang_up(self, draw: random.Random) -> None:
        """Closes the connection without reading the answer."""
        with socket.create_connection(("127.0.0.1", self._port), 30) as connection:
            connection.sendall(self._request(json.dumps({"inputs": images().tolist()}).encode()))
            time.sleep(draw.random() * 0.02)
        self.counts["vanished before the answer"] += 1
        time.sleep(0.2)

    def _slow(self, draw: random.Random) -> None:
        """Sends a valid body in pieces with pauses."""
        sent = self._request(json.dumps({"inputs": images()[:1].tolist()}).encode())
        with socket.create_connection(("127.0.0.1", self._port), 60) as connection:
            pieces = 20
            for piece in range(pieces):
                connection.sendall(sent[len(sent) * piece // pieces: len(sent) * (piece + 1) // pieces])
                time.sleep(0.1)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
        self.counts[f"slow body: {answer.status}"] += 1
        if answer.status != 200:
            self._fault(f"a slow body was answered with {answer.status}")

    def _garbage(self, draw: random.Random) -> None:
        valid = json.dumps({"inputs": images()[:1].tolist()}).encode()
        sent = draw.choice([
            draw.randbytes(draw.randrange(2000)),
            valid[: draw.randrange(len(valid))],
            json.dumps({"inputs": draw.choice([1.0, [], [[1.0]], "text", None, [[[[1.0] * 4] * 32] * 32]])}).encode(),
            json.dumps({"signature_name": "serving_bytes",
                        "inputs": [{"b64": b64encode(draw.randbytes(100)).decode()}]}).encode()])
        status, _ = self._ask("POST", ":predict", sent)
        self.counts[f"garbage: {status}"] += 1
        if not 400 <= status < 500:
            self._fault(f"garbage was answered with {status}")

    def _looks(self, draw: random.Random) -> None:
        for path in ("", "/metadata"):
            status, _ = self._ask("GET", path)
            self.counts[f"status and metadata: {status}"] += 1
        time.sleep(1)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, f"/v1/models/model{path}", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _request(self, body: bytes) -> bytes:
        return (f"POST /v1/models/model:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n").encode() + body

    def _fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)
            self.counts["faults"] += 1


if __name__ == "__main__":
    main()
