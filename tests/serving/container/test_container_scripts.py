"""The container scripts, run with the real bash and with stand-ins for programs that only the container has."""
import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from container_files import CONFIG, CONTAINER, compose
from own_server import PORT, TIMEOUT_SECONDS
from tensorflow_serving_facts import FLAGS

from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer

SYSTEM = "/usr/bin:/bin"


@pytest.fixture
def stand_in(tmp_path):
    """Returns a function that puts a Python script with that program name on a separate path."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name, script):
        path = folder / name
        path.write_text(f"#!{sys.executable}\n{script}")
        path.chmod(0o755)
        return f"{folder}:{SYSTEM}"

    return make


# ---- healthcheck.bash

STATUS = """{
 "model_version_status": [
  {
   "version": "1",
   "state": "%s",
   "status": {
    "error_code": "%s",
    "error_message": ""
   }
  }
 ]
}
"""


@contextlib.contextmanager
def answering(body, *, hang=False):
    """Yields the port of a server that sends one answer to everything, or none."""
    requests = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                requests.append(line.decode().strip())
            if hang:
                time.sleep(4)
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body.encode()))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield listening.server_address[1], requests
        finally:
            listening.shutdown()


def is_healthy(port, model="classifier"):
    command = ["timeout", "3", "bash", CONFIG / "healthcheck.bash", model, str(port)]
    return subprocess.run(command, env={"PATH": SYSTEM}, capture_output=True, timeout=5).returncode == 0


@pytest.mark.parametrize("state, code, healthy", [
    ("AVAILABLE", "OK", True), ("LOADING", "OK", False), ("START", "OK", False), ("UNLOADING", "OK", False),
    ("END", "UNAVAILABLE", False),
])
def test_only_an_available_version_is_healthy(state, code, healthy):
    with answering(STATUS % (state, code)) as (port, requests):
        assert is_healthy(port) is healthy

    assert requests[0] == "GET /v1/models/classifier HTTP/1.1"
    assert "Connection: close" in requests


def test_one_available_version_among_broken_ones_is_enough():
    with answering(STATUS % ("END", "NOT_FOUND") + STATUS % ("AVAILABLE", "OK")) as (port, _):
        assert is_healthy(port)


def test_a_compact_answer_without_a_final_newline_is_read():
    with answering('{"model_version_status":[{"version":"1","state":"AVAILABLE"}]}') as (port, _):
        assert is_healthy(port)


def test_a_closed_port_is_unhealthy():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening

        assert not is_healthy(unused.getsockname()[1])


def test_a_server_that_hangs_is_unhealthy_within_five_seconds():
    with answering("", hang=True) as (port, _):
        start = time.monotonic()

        assert not is_healthy(port)
        assert time.monotonic() - start < 5


def test_an_answer_of_the_local_server_is_read_too(served, ask):
    status = ask(create_app(ModelServer([served])), "GET", "/v1/models/tiny")

    assert status.status == 200
    with answering(status.body.decode()) as (port, _):
        assert is_healthy(port, "tiny")


# ---- serve.bash

MODEL_SERVER = """
import json, os, pathlib, signal, sys, time
aside = pathlib.Path({record!r}).with_suffix(".aside")
aside.write_text(json.dumps(sys.argv[1:]))
aside.rename({record!r})
{then}
"""


@pytest.fixture
def serve(stand_in, tmp_path):
    """Returns a function that starts serve.bash with a stand-in for the server and waits until it runs."""
    record = tmp_path / "arguments.json"
    started = []

    def start(*arguments, then="time.sleep(60)", prefix=(), **environment):
        path = stand_in("tensorflow_model_server", MODEL_SERVER.format(record=str(record), then=then))
        process = subprocess.Popen([*prefix, "bash", CONFIG / "serve.bash", *arguments], start_new_session=True,
                                   env={"PATH": path, "DRAIN_SECONDS": "0", **environment})
        started.append(process)
        for _ in range(200):
            if record.exists():
                return process, json.loads(record.read_text())
            time.sleep(0.05)
        raise AssertionError("the stand-in did not start")

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def flags_of(arguments):
    assert all(argument.startswith("--") and "=" in argument for argument in arguments), arguments
    return dict(argument[2:].split("=", 1) for argument in arguments)


def test_every_flag_exists_in_tensorflow_serving(serve):
    _, arguments = serve(CPUS="3")
    flags = flags_of(arguments)

    assert set(flags) <= FLAGS
    assert flags["port"] == "8500" and flags["rest_api_port"] == str(PORT)
    assert flags["tensorflow_intra_op_parallelism"] == flags["tensorflow_inter_op_parallelism"] == "3"
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    assert flags["enable_grpc_healthcheck_service"] == "true" and flags["enable_profiler"] == "false"
    assert flags["max_num_load_retries"] == "0"
    assert int(flags["rest_api_timeout_in_ms"]) == 1000 * TIMEOUT_SECONDS


def test_every_configuration_file_exists(serve):
    _, arguments = serve()
    named = {name: Path(value) for name, value in flags_of(arguments).items() if name.endswith("_file")}

    assert {path.name for path in named.values()} == {"models.config", "batching.config", "monitoring.config"}
    assert all(path.parent == CONFIG and path.is_file() for path in named.values())


def test_batching_parameters_are_only_passed_together_with_the_batching_flag(serve):
    _, arguments = serve(BATCHING="off")

    assert not {"enable_batching", "batching_parameters_file"} & set(flags_of(arguments))


def test_batching_is_on_by_default_and_other_models_and_flags_are_accepted(serve):
    _, arguments = serve("--enable_model_warmup=false", MODELS_CONFIG="/elsewhere/models.config")

    assert flags_of(arguments)["enable_batching"] == "true"
    assert flags_of(arguments)["model_config_file"] == "/elsewhere/models.config"
    assert arguments[-1] == "--enable_model_warmup=false"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_ends_the_server_soon_and_successfully(serve, number):
    process, _ = serve()
    process.send_signal(number)

    assert process.wait(timeout=5) == 0
    with pytest.raises(ProcessLookupError):  # and the server with it
        os.killpg(process.pid, 0)


def test_stopping_leaves_the_server_time_to_drain(serve):
    process, _ = serve(DRAIN_SECONDS="1")
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=6) == 0
    assert 1 <= time.monotonic() - start < 4


@pytest.mark.parametrize("then, code", [
    ("sys.exit(255)", 255),  # the exit code of TensorFlow Serving for a failed start: -1
    ("os.abort()", 128 + signal.SIGABRT),
])
def test_a_server_that_exits_ends_the_container_with_its_exit_code(serve, then, code):
    process, _ = serve(then=then)

    assert process.wait(timeout=5) == code


# ---- run-checks.bash, make-models.bash, check.bash

RECORDER = """
import json, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps([name, *arguments]) + "\\n")
words = " ".join([name, *arguments])
{then}
"""


@pytest.fixture
def recorded(stand_in, tmp_path):
    """Returns a function that runs a container script with stand-ins and returns its exit code and their calls."""
    log = tmp_path / "calls.jsonl"
    log.touch()

    def run(script, *arguments, then="", names=(), cwd=None, **environment):
        for name in names:
            path = stand_in(name, RECORDER.format(log=str(log), then=then))
        environment |= {"PATH": path, "TMPDIR": str(tmp_path), "HEALTHY_WITHIN": "3"}
        done = subprocess.run(["bash", CONTAINER / script, *arguments], env=environment, cwd=cwd or tmp_path,
                              capture_output=True, text=True, timeout=60)
        return done, [json.loads(line) for line in log.read_text().splitlines()]

    return run


@pytest.mark.parametrize("failing, code", [
    ((), 0), (("conformance",), 1), (("parity",), 1), (("conformance", "parity"), 1)])
def test_both_checks_run_and_a_difference_in_either_sets_the_exit_code(recorded, failing, code):
    environment = compose()["services"]["check"]["environment"]
    done, calls = recorded("run-checks.bash", names=["fixhead"], **environment,
                           then=f"sys.exit(arguments[1] in {failing!r})")

    assert done.returncode == code, done.stderr
    assert calls == [
        ["fixhead", "check", "conformance", environment["CONFORMANCE_URL"], "--server-name",
         "tensorflow/serving:2.20.0", "--report", "conformance.json"],
        ["fixhead", "check", "parity", "run", environment["MODEL_URL"]]]


MAKE = """
import pathlib, subprocess
if arguments[:2] == ["check", "conformance"]:
    pathlib.Path("conformance/1").mkdir(parents=True)
elif arguments[0] == "-c":
    sys.exit(subprocess.run([sys.executable, *arguments]).returncode)
elif arguments[0] == "train":
    pathlib.Path("runs/one").mkdir(parents=True)
    print(json.dumps({"run": os.path.abspath("runs/one")}))
elif arguments[0] == "export":
    pathlib.Path(arguments[2], "1").mkdir(parents=True)
"""


def test_the_served_models_are_made_from_the_run_used_by_parity(recorded, tmp_path):
    folder = tmp_path / "check"
    folder.mkdir()
    done, calls = recorded("make-models.bash", names=["python", "fixhead"], then=MAKE, cwd=folder)

    assert done.returncode == 0, done.stderr
    assert (folder / "run").resolve() == folder / "runs" / "one"
    assert ["fixhead", "export", str(folder / "runs" / "one"), "classifier"] in calls
    assert {"conformance", "classifier", "run", "runs"} == {path.name for path in folder.iterdir()}

    again, _ = recorded("make-models.bash", names=["python", "fixhead"], then=MAKE, cwd=folder)
    assert again.returncode == 1 and "bash check.bash" in again.stderr


def test_a_failed_training_makes_the_script_fail(recorded, tmp_path):
    done, calls = recorded("make-models.bash", names=["python", "fixhead"],
                           then=MAKE.replace('"train":', '"train":\n    sys.exit(3)\nelif arguments[0] == "never":'))

    assert done.returncode != 0
    assert "export" not in [call[1] for call in calls]


HEALTHY = """
if "inspect" in words:
    print("0" if "ExitCode" in words else "healthy")
"""
CLEANED_UP = [["docker", "rm", "--force", "fixhead-baked"],
              ["docker", "compose", "--project-name", "fixhead-check", "--profile", "check", "down", "--volumes"]]


def test_the_whole_check_runs_the_profile_then_the_baked_image_and_cleans_up(recorded):
    done, calls = recorded("check.bash", names=["docker", "sleep"], then=HEALTHY)
    words = [" ".join(call) for call in calls]
    own = "docker compose --project-name fixhead-check --profile check"

    assert done.returncode == 0, done.stdout + done.stderr
    assert words[:3] == [f"{own} down --volumes", f"{own} build", f"{own} run --rm --no-TTY check"]
    assert any(line.startswith("docker build --build-context models=") for line in words)
    assert any(line.startswith("docker stop") for line in words)
    assert calls[-2:] == CLEANED_UP
    assert "everything that was checked has passed" in done.stdout


@pytest.mark.parametrize("then, code", [(HEALTHY, 0), ('sys.exit("run --rm" in words)', 1)])
def test_the_report_of_the_suite_is_kept_on_request_whatever_the_result(recorded, tmp_path, then, code):
    done, calls = recorded("check.bash", "report.json", names=["docker", "sleep"], then=then)
    copies = [call[6:] for call in calls if "cp" in call]

    assert done.returncode == code
    assert copies[0] == ["cp", "model-server:/models/conformance.json", str(tmp_path / "report.json")]


@pytest.mark.parametrize("then", [
    pytest.param('sys.exit("run --rm" in words)', id="a difference"),
    pytest.param('sys.exit("compose" in words and words.endswith("build"))', id="an image that cannot be built"),
    pytest.param('print("starting") if "Health" in words else None', id="an image that never becomes healthy"),
    pytest.param(HEALTHY.replace('"0"', '"137"'), id="a server that had to be killed"),
])
def test_any_failure_makes_the_whole_check_fail_show_logs_and_clean_up(recorded, then):
    done, calls = recorded("check.bash", names=["docker", "sleep"], then=then)

    assert done.returncode == 1
    assert "passed" not in done.stdout
    assert calls[-2:] == CLEANED_UP
    assert any("logs" in call for call in calls)
