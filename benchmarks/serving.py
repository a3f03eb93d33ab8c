"""The cost of the local server, compared with a bare handler over the same SavedModel, a direct call, and `predict`.

    python benchmarks/serving.py

An untrained quarter-width ResNet18 for 32x32 images (its weights do not affect the cost of a request) is exported and
served on loopback, each time in a separate process: by `fixhead serve`, and by a Starlette handler that only parses
(with the same JSON parser), calls the signature, and writes; both have two threads for requests and call `gc.freeze()`
after loading. The handler calls the function that `tf.saved_model.load` returns; a second, stricter one runs a session,
as the server does, which takes less processor time. Rounds of requests alternate between the two, from 1 or 8 clients
that keep their connections; we compare the processor time that the serving process spends per request. Batching of
concurrent requests, which the bare handlers do not have, is measured on and off, and so is the single arena that the
server's threads allocate from.
"""
import argparse
import contextlib
import http.client
import json
import os
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
from report import RESULTS, ROOT, measurement, out_option, write_block, write_report

from fixhead_serving.local import SERVE, served_by

FILE = RESULTS / "serving.json"
PAGE = ROOT / "docs" / "server.md"
BLOCK = "server's cost"
CLIENTS, BATCHES, KINDS = (1, 8), (1, 32), ("arrays", "pictures")
ROUND_SECONDS = 0.7  # of processor time, long compared with the clock's 10 ms
THREADS = 2
BAR = 1.1
WARMUP = "one round, not counted"
CONFIG = {"model": "resnet18", "width": 0.25, "pixels": 32, "classes": 10, "precision": "float32"}


@dataclass(frozen=True)
class Server:
    """A serving process on loopback."""

    port: int
    pid: int

    def seconds(self) -> float:
        """Returns the processor time that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--page-only", action="store_true", help="write the page's table from the JSON file")
    parser.add_argument("--bare", metavar="DIR", help="serve DIR with the bare handler (used by this script itself)")
    parser.add_argument("--session", action="store_true", help="let the bare handler run a session")
    out_option(parser, FILE)
    options = parser.parse_args()
    if options.bare:
        serve_bare(Path(options.bare), options.session)
        return
    if not options.page_only:
        write_report(options.out, measure(options.rounds), command="python benchmarks/serving.py")
    if options.page_only or options.out == FILE:
        write_block(BLOCK, block(json.loads(FILE.read_text())), PAGE)


def measure(rounds: int) -> list[dict[str, Any]]:
    """All comparisons, with the measurements they are made of."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    from fixhead_serving.export import export_model
    from keras_fixhead.models import build_model

    model = build_model("resnet18", (32, 32, 3), 10, logits="cos", fixed=True, width=CONFIG["width"])
    made: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = export_model(model, Path(folder) / "model", label_names=[f"class {index}" for index in range(10)]).path
        bodies = {(batch, kind): body(batch, kind) for batch in BATCHES for kind in KINDS}
        with contextlib.ExitStack() as stack:
            ours = stack.enter_context(started(*SERVE, path.parent, "--no-batching"))
            batching = stack.enter_context(started(*SERVE, path.parent, "--batching"))
            bare = stack.enter_context(started(__file__, "--bare", path))
            strict = stack.enter_context(started(__file__, "--bare", path, "--session"))
            check_equal(ours, batching, bare, strict, bodies)
            for clients in CLIENTS:
                for (batch, kind), sent in bodies.items():
                    name = f"{clients} clients/batch {batch}/{kind}"
                    made += compare(name, "server divided by bare handler", ours, bare, sent, clients, rounds)
                    made += compare(f"{name}/session", "server divided by bare handler that runs a session", ours,
                                    strict, sent, clients, rounds)
            with patch.dict(os.environ, MALLOC_ARENA_MAX=str(8 * (os.cpu_count() or 1))):  # glibc's own default
                arenas = stack.enter_context(started(*SERVE, path.parent, "--no-batching"))
            for batch, kind in bodies:
                made += compare(f"8 clients/batch {batch}/{kind}/arenas",
                                "server divided by server whose threads have arenas of their own", ours, arenas,
                                bodies[batch, kind], 8, rounds)
            for batch, kind in ((1, "arrays"), (1, "pictures")):
                made += compare(f"batching/8 clients/batch {batch}/{kind}",
                                "server with batching divided by server without", batching, ours,
                                bodies[batch, kind], 8, rounds)
            call = tf.saved_model.load(str(path)).signatures["serving_default"]
            image = tf.constant(pixels(1), tf.float32)
            here, asked = in_turn(lambda: call(images=image), time.process_time, 100, ours, bodies[1, "arrays"], rounds)
            made += reported("in process/batch 1/arrays", {"one": asked["processor"], "other": here}, None,
                             "server divided by the signature called in process",
                             {**CONFIG, "clients": 1, "requests_a_round": 100})
            one = pixels(1).astype("float32")
            here, asked = in_turn(lambda: model.predict(one, verbose=0), time.perf_counter, 30, ours,
                                  bodies[1, "arrays"], rounds)
            made += reported("predict/batch 1/arrays", {"one": here, "other": asked["wall"]}, None,
                             "model.predict in process divided by the server, in wall time",
                             {**CONFIG, "clients": 1, "requests_a_round": 30})
    return made


def pixels(batch: int) -> "np.ndarray[Any, Any]":
    return np.random.default_rng(0).integers(0, 256, (batch, 32, 32, 3), dtype=np.uint8)


def body(batch: int, kind: str) -> bytes:
    """A request as our client writes it."""
    import orjson

    from fixhead_serving.client import encode_png

    if kind == "arrays":
        return orjson.dumps({"signature_name": "serving_default", "inputs": pixels(batch).astype("float32")},
                            option=orjson.OPT_SERIALIZE_NUMPY)
    pictures = [{"b64": b64encode(encode_png(image)).decode()} for image in pixels(batch)]
    return orjson.dumps({"signature_name": "serving_bytes", "inputs": pictures})


@contextlib.contextmanager
def started(*arguments: str | os.PathLike[str]) -> Iterator[Server]:
    """Yields a serving process once it answers, and ends it when the block exits."""
    with served_by(*arguments) as (process, url):
        yield Server(urlsplit(url).port, process.pid)


def ask(connection: http.client.HTTPConnection, sent: bytes) -> Any:
    connection.request("POST", "/v1/models/model:predict", sent, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {content[:300]!r}")
    return content


def check_equal(*arguments: Any) -> None:
    """Checks that all servers give the same answer to every request."""
    *servers, bodies = arguments
    for sent in bodies.values():
        answers = [json.loads(ask(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60), sent))["outputs"]
                   for server in servers]
        for other in answers[1:]:
            np.testing.assert_allclose(other["logits"], answers[0]["logits"], atol=1e-4)


def load(server: Server, sent: bytes, clients: int, requests: int) -> tuple[float, float]:
    """Processor and wall seconds per request when several clients send a total number of requests."""
    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(number):
            ask(connection, sent)
        connection.close()

    threads = [threading.Thread(target=client, args=(requests // clients,)) for _ in range(clients)]
    before, start = server.seconds(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = requests // clients * clients
    return (server.seconds() - before) / done, (time.perf_counter() - start) / done


def compare(name: str, what: str, one: Server, other: Server, sent: bytes, clients: int,
            rounds: int) -> list[dict[str, Any]]:
    """Processor time of a request to two servers, alternating round by round."""
    guess = load(other, sent, clients, 48)[0]  # enough for a clock resolution of 10 ms
    requests = max(clients, round(ROUND_SECONDS / max(guess, 1e-4) / clients) * clients)
    seconds: dict[str, list[float]] = {"one": [], "other": []}
    walls: dict[str, list[float]] = {"one": [], "other": []}
    for number in range(-1, rounds):
        pair = [("one", one), ("other", other)]
        for variant, server in pair if number % 2 else reversed(pair):
            processor, wall = load(server, sent, clients, requests)
            if number >= 0:
                seconds[variant].append(processor)
                walls[variant].append(wall)
    config = {**CONFIG, "clients": clients, "requests_a_round": requests, "body_bytes": len(sent)}
    return reported(name, seconds, walls, what, config)


def in_turn(call: Callable[[], Any], clock: Callable[[], float], number: int, server: Server, sent: bytes,
            rounds: int) -> tuple[list[float], dict[str, list[float]]]:
    """Seconds of a call in this process, and processor and wall seconds of a request, alternating round by round."""
    here: list[float] = []
    asked: dict[str, list[float]] = {"processor": [], "wall": []}
    for turn in range(-1, rounds):
        start = clock()
        for _ in range(number):
            call()
        spent = (clock() - start) / number
        processor, wall = load(server, sent, 1, number)
        if turn >= 0:
            here.append(spent)
            asked["processor"].append(processor)
            asked["wall"].append(wall)
    return here, asked


def reported(name: str, seconds: dict[str, list[float]], walls: dict[str, list[float]] | None, what: str,
             config: dict[str, Any]) -> list[dict[str, Any]]:
    """The measurements of one comparison; the last one is its ratio, round by round."""
    made = [measurement(name=f"serving/{name}/{variant}", metric="seconds of a request", unit="s", values=values,
                        warmup=WARMUP, config=config) for variant, values in seconds.items()]
    if walls is not None:
        ratios = [theirs / mine for mine, theirs in zip(walls["one"], walls["other"], strict=True)]
        made.append(measurement(name=f"serving/{name}/requests", metric="requests per second, the first divided by the "
                                "second", unit="1", values=ratios, warmup=WARMUP, config=config))
    ratios = [mine / theirs for mine, theirs in zip(seconds["one"], seconds["other"], strict=True)]
    made.append(measurement(name=f"serving/{name}/ratio", metric=what, unit="1", values=ratios, warmup=WARMUP,
                            config=config))
    last = made[-1]
    print(f"{name}: {what} {last['median']:.3f} ({last['quartiles'][0]:.3f} to {last['quartiles'][1]:.3f}, n = "
          f"{last['n']})", flush=True)
    return made


def block(report: dict[str, Any]) -> list[str]:
    """The table of docs/server.md."""
    from pages import median_interval

    lines = ["", "| request | what is divided by what | median | 95 % interval of the median | n |",
             "| --- | --- | --- | --- | --- |"]
    for each in report["measurements"]:
        if each["name"].endswith("/ratio"):
            low, high = median_interval(each["values"])
            name = each["name"].removeprefix("serving/").removesuffix("/ratio").replace("1 clients", "1 client")
            name = name.removesuffix("/session").removesuffix("/arenas")
            lines.append(f"| {name.replace('/', ', ')} | {each['metric']} | {each['median']:.2f} | {low:.2f} to "
                         f"{high:.2f} | {each['n']} |")
    lines += ["", "Processor time of the serving process per request, unless noted otherwise, alternating by round, "
              f"on {report['hardware']['cpu']}, {report['hardware']['cores']} cores, TensorFlow "
              f"{report['versions']['tensorflow']}; quarter-width ResNet18, 32 px. By `{report['command']}`."]
    bars = [each for each in report["measurements"] if each["metric"] == "server divided by bare handler"]
    beyond = [each["name"].split("/", 1)[1].removesuffix("/ratio").replace("/", ", ").replace("1 clients", "1 client")
              for each in bars if median_interval(each["values"])[1] > BAR]
    lines.append(f"The median is within 10 % of the bare handler's in {sum(each['median'] <= BAR for each in bars)} of "
                 f"{len(bars)} cases; the interval reaches beyond it in {len(beyond)}"
                 + (f" ({'; '.join(beyond)})." if beyond else "."))
    strict = [each for each in report["measurements"] if each["metric"].endswith("bare handler that runs a session")]
    lines.append("The handler calls the function that `tf.saved_model.load` returns. Compared with one that runs a "
                 "session, as the server does, the median is within 10 % in "
                 f"{sum(each['median'] <= BAR for each in strict)} of "
                 f"{len(strict)}.")
    faster = [each for each in report["measurements"] if each["name"].startswith("serving/batching")
              and each["name"].endswith("/requests")]
    lines += [f"With batching, {each['name'].split('/', 2)[2].removesuffix('/requests').replace('/', ', ')}: "
              f"{each['median']:.2f} times as many requests per second (quartiles {each['quartiles'][0]:.2f} to "
              f"{each['quartiles'][1]:.2f})." for each in faster]
    return [*lines, ""]


def session(folder: Path) -> Callable[[str, Any], dict[str, "np.ndarray[Any, Any]"]]:
    """A function that runs a signature with one input in a session."""
    import tensorflow as tf

    running = tf.compat.v1.Session(graph=tf.Graph())
    with running.graph.as_default():
        signatures = tf.compat.v1.saved_model.load(running, ["serve"], str(folder)).signature_def
    runs = {name: running.make_callable([info.name for info in definition.outputs.values()],
                                        [info.name for info in definition.inputs.values()])
            for name, definition in signatures.items() if definition.inputs}
    return lambda name, value: dict(zip(signatures[name].outputs, runs[name](value), strict=True))


def loaded_function(folder: Path) -> Callable[[str, Any], dict[str, "np.ndarray[Any, Any]"]]:
    """A function that calls a signature with one input as TensorFlow loads it."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    inputs = {name: next(iter(each.structured_input_signature[1])) for name, each in model.signatures.items()}
    return lambda name, value: {key: tensor.numpy() for key, tensor in
                                model.signatures[name](**{inputs[name]: tf.constant(value)}).items()}


def serve_bare(folder: Path, in_session: bool) -> None:
    """A handler that trusts its requests: the minimum that any server over this SavedModel must do."""
    import gc
    import socket
    from base64 import b64decode

    import orjson
    import uvicorn
    from anyio import CapacityLimiter, to_thread
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    call = (session if in_session else loaded_function)(folder)
    limiter = None

    def answer(content: bytes) -> bytes:
        asked = orjson.loads(content)
        name, values = asked["signature_name"], asked["inputs"]
        if name == "serving_bytes":
            outputs = call(name, [b64decode(each["b64"]) for each in values])
        else:
            outputs = call(name, np.asarray(values, np.float32))
        plain = {key: [text.decode() for text in value] if value.dtype == object else value
                 for key, value in outputs.items()}
        return orjson.dumps({"outputs": plain}, option=orjson.OPT_SERIALIZE_NUMPY)

    async def predict(request: Request) -> Response:
        nonlocal limiter
        limiter = limiter or CapacityLimiter(THREADS)
        content = await to_thread.run_sync(answer, await request.body(), limiter=limiter)
        return Response(content, media_type="application/json")

    answer(body(1, "arrays"))
    answer(body(1, "pictures"))
    gc.collect()
    gc.freeze()
    app = Starlette(routes=[Route("/v1/models/model:predict", predict, methods=["POST"])])
    # the protocol is named because asyncio only turns off Nagle's algorithm if it is
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)  # before its address is announced
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models/model"}), flush=True)
        uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
