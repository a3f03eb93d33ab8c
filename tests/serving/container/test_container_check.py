"""The scripts of the check profile from start to end, with the local server in place of TensorFlow Serving."""
import contextlib
import os
import subprocess
import sys

import pytest
from container_files import CONFIG, CONTAINER

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Returns an environment with `python` and `fixhead` on the path, as in the check image."""
    folder = tmp_path_factory.mktemp("bin")
    for name, words in (("python", ""), ("fixhead", " -m fixhead_cli")):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable}{words} "$@"\n')
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}


@pytest.fixture(scope="module")
def check(environment, tmp_path_factory):
    """Returns the volume /check with the files from make-models.bash."""
    folder = tmp_path_factory.mktemp("check")
    subprocess.run(["bash", CONTAINER / "make-models.bash"], cwd=folder, env=environment, check=True)
    return folder


@contextlib.contextmanager
def served(config, check, environment):
    """Yields the address of a local server with this models.config, whose /models is the volume."""
    own = check / f"{config.parent.name}-{config.name}"
    own.write_text(config.read_text().replace("/models/", f"{check}/"))
    command = ["fixhead", "serve", "--config", own, "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[1].partition("/v1/")[0]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def servers(check, environment):
    """Yields the addresses of the conformance server and the model server."""
    with (served(check / "models.config", check, environment) as conformance,
          served(CONFIG / "models.config", check, environment) as model):
        yield conformance, model


def is_healthy(url, model):
    port = url.rpartition(":")[2]
    return subprocess.run(["timeout", "3", "bash", CONFIG / "healthcheck.bash", model, port]).returncode == 0


def run_checks(check, environment, conformance, model):
    return subprocess.run(
        ["bash", CONTAINER / "run-checks.bash"], cwd=check, capture_output=True, text=True,
        env={**environment, "SERVER_NAME": "fixhead serve", "CONFORMANCE_URL": conformance, "MODEL_URL": model})


def test_the_check_passes_if_nothing_differs(check, environment, servers):
    conformance, model = servers
    assert is_healthy(conformance, "conformance") and is_healthy(model, "classifier")

    done = run_checks(check, environment, conformance, f"{model}/v1/models/classifier")

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 fail" in done.stdout and "The answers agree: 17 sets of 200 images" in done.stdout
    assert (check / "conformance.json").is_file()


def test_the_check_fails_if_the_model_is_not_from_the_run(check, environment, servers):
    conformance, _ = servers
    done = run_checks(check, environment, conformance, f"{conformance}/v1/models/conformance")

    assert done.returncode == 1
    assert " 0 fail" in done.stdout and "The answers agree" not in done.stdout


def test_the_check_fails_if_the_protocol_is_not_followed(check, environment, servers):
    _, model = servers
    done = run_checks(check, environment, model, f"{model}/v1/models/classifier")

    assert done.returncode == 1
    assert "The answers agree" in done.stdout
