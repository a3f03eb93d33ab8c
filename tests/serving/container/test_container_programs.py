"""The files for containers and Kubernetes, checked by external programs: requirements/container-checks.txt."""
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from container_files import CONFIG, CONTAINER, DOCKERFILES, ROOT, SCRIPTS, WORKFLOW, instructions
from kubernetes_files import KUBERNETES, OVERLAYS, overlay, pod
from ruamel.yaml import YAML

pytestmark = pytest.mark.long
PROGRAMS = Path(sys.executable).parent


def finds_nothing(program, *arguments):
    done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_reports_nothing(name):
    finds_nothing("hadolint", CONTAINER / name)


def test_hadolint_reports_an_unpinned_base_image(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM ubuntu:latest\n")

    with pytest.raises(AssertionError, match="DL3007"):
        finds_nothing("hadolint", tmp_path / "Dockerfile")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_reports_nothing(path):
    finds_nothing("shellcheck", path)


def test_zizmor_finds_no_weakness_in_the_workflow():
    finds_nothing("zizmor", "--offline", "--persona", "pedantic", WORKFLOW)


def test_the_messages_of_tensorflow_serving_parse_the_models_config():
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    parsed = text_format.Parse((CONFIG / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    [model] = parsed.model_config_list.config

    assert model.model_version_policy.WhichOneof("policy_choice") == "specific"
    assert dict(model.version_labels) == {"stable": 1}


@pytest.mark.parametrize("name", OVERLAYS)
def test_kustomize_renders_an_overlay_like_the_other_tests(name):
    """Uses kubectl, which includes kustomize and needs no cluster for it."""
    built = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / "overlays" / name)], check=True,
                           capture_output=True, text=True).stdout
    documents = list(YAML(typ="safe").load_all(built))

    assert {each["kind"]: each for each in documents} == overlay(name)
    assert len(documents) == len(overlay(name))


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_the_kubernetes_schemas_accept_every_manifest(version, name):
    import kubernetes_validate

    for manifest in overlay(name).values():
        kubernetes_validate.validate(json.loads(json.dumps(manifest)), version, strict=True)


def test_a_field_unknown_to_kubernetes_is_refused():
    import kubernetes_validate

    manifests = overlay("cpu")
    pod(manifests)["containers"][0]["livenesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(json.loads(json.dumps(manifests["Deployment"])), "1.37", strict=True)


def test_the_files_copied_into_the_check_image_install_the_project(tmp_path):
    """Runs its two pip steps without Docker, the second one in a folder with only the files copied before it."""
    context, installed = tmp_path / "context", tmp_path / "installed"
    for sources, target in (rest.rsplit(None, 1) for word, rest in instructions("Dockerfile.check") if word == "COPY"):
        for source in sources.split() if not target.startswith("/") else []:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, context / target, dirs_exist_ok=True)
            else:
                (context / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, context / target)
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--dry-run", "--requirement", context / "requirements/tensorflow-cpu.txt"], check=True)
    subprocess.run([*pip, "--no-deps", "--target", installed, context], check=True)

    for module in ("fixhead_serving/checks/parity.py", "fixhead_cli/main.py",
                   "keras_fixhead/robustness/severities.json"):
        assert (installed / module).is_file(), module
    assert (installed / "bin" / "fixhead").is_file()


@pytest.mark.parametrize("command, ends", [
    (("bash", CONFIG / "serve.bash"), True), (("tensorflow_model_server",), False)])
def test_as_process_1_a_stop_reaches_the_server_only_through_the_script(command, ends, tmp_path):
    """The reason for the script: process 1 has no default action for SIGTERM, and the server does not handle it.

    The stand-in for the server sleeps. unshare makes the namespace and needs permission to do so.
    """
    running = tmp_path / "running"
    stand_in = tmp_path / "tensorflow_model_server"
    stand_in.write_text(f"#!/bin/sh\ntouch {running}\nexec sleep 60\n")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DRAIN_SECONDS": "0"}
    with subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command], env=environment) as outer:
        try:
            for _ in range(100):
                if running.exists():
                    break
                time.sleep(0.1)
            assert running.exists()
            [first] = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
            subprocess.run(["kill", f"-{signal.SIGTERM.value}", first], check=True)
            code = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = outer.wait(timeout=4)
            assert code == (0 if ends else None)
        finally:
            outer.kill()
