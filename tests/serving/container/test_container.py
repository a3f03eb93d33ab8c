"""The container files, checked without a Docker engine: with schemas and against each other."""
import json
import re
import shutil

import pytest
from container_files import (
    CONFIG,
    CONTAINER,
    DOCKERFILES,
    NEVER_RUN,
    PAGE,
    ROOT,
    WORKFLOW,
    compose,
    environment,
    instruction,
    instructions,
    read_yaml,
    validate,
    words,
)
from own_server import BATCH_SIZE, DRAIN_SECONDS, HOST, LARGEST_BATCH, PORT
from tensorflow_serving_facts import parse

from fixhead_serving.checks.conformance.models import MODELS_CONFIG
from fixhead_serving.checks.conformance.models import NAME as CONFORMANCE
from fixhead_serving.server.model_config import read_model_config
from keras_fixhead.errors import ServingError

TFS_VERSION = "2.20.0"
GRPC_PORT = 8500  # of TensorFlow Serving; ours serves only REST
MODEL = "classifier"
SERVERS = ("server", "server-gpu", "model-server", "conformance-server")


@pytest.fixture(scope="module")
def services():
    return compose()["services"]


def test_compose_follows_the_compose_specification_before_and_after_its_variables_are_filled_in(tmp_path):
    filled = tmp_path / "compose.json"
    filled.write_text(json.dumps(compose()))

    assert validate("compose-spec", CONTAINER / "compose.yaml") == []
    assert validate("compose-spec", filled) == []


def test_a_key_unknown_to_compose_is_found(tmp_path):
    changed = compose()
    changed["services"]["server"]["read_onyl"] = True
    (tmp_path / "compose.json").write_text(json.dumps(changed))

    assert "read_onyl" in json.dumps(validate("compose-spec", tmp_path / "compose.json"))


def test_the_workflow_follows_githubs_schema():
    assert validate("github-workflows", WORKFLOW) == []


def test_the_workflow_runs_the_documented_check_with_read_permission_only():
    workflow = read_yaml(WORKFLOW)
    [job] = workflow["jobs"].values()

    assert workflow["permissions"] == {"contents": "read"}
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash serving/container/check.bash"]
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in job["steps"] if "uses" in step)


def test_every_compose_variable_is_in_the_env_file_and_used():
    used = set(re.findall(r"\$\{(\w+)\}", (CONTAINER / "compose.yaml").read_text()))

    assert used == set(environment()) - {"COMPOSE_PROFILES"}


def test_by_default_one_server_starts_on_loopback(services):
    started = [name for name, service in services.items()
               if environment()["COMPOSE_PROFILES"] in service.get("profiles", [environment()["COMPOSE_PROFILES"]])]

    assert started == ["server"]
    assert services["server"]["ports"] == [f"127.0.0.1:{GRPC_PORT}:{GRPC_PORT}",
                                           f"127.0.0.1:{PORT}:{PORT}"]
    assert HOST == "127.0.0.1"


def test_every_container_runs_unprivileged_on_a_read_only_root(services):
    for name, service in services.items():
        assert service["user"] == "1000:1000", name
        assert service["read_only"] is True and service["tmpfs"] == ["/tmp"], name
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name


def test_servers_see_their_models_read_only_and_write_nowhere(services):
    for name in SERVERS:
        targets = {volume["target"]: volume for volume in services[name]["volumes"]}
        assert set(targets) == {"/etc/fixhead-serving", "/models"}, name
        assert all(volume["read_only"] is True for volume in targets.values()), name
        assert (CONTAINER / targets["/etc/fixhead-serving"]["source"]).resolve() == CONFIG, name


def test_stopping_leaves_time_to_drain_and_threads_follow_the_limit(services):
    for name in SERVERS:
        seconds = int(services[name]["stop_grace_period"].removesuffix("s"))
        assert int(services[name]["environment"]["DRAIN_SECONDS"]) == DRAIN_SECONDS, name
        assert DRAIN_SECONDS + 2 <= seconds < 10, name
        limits = services[name]["deploy"]["resources"]["limits"]
        assert services[name]["environment"]["CPUS"] == limits["cpus"] == environment()["CPUS"], name


def test_the_gpu_server_differs_from_the_cpu_server_in_image_and_gpu_only(services):
    cpu, gpu = dict(services["server"]), dict(services["server-gpu"])
    resources = gpu.pop("deploy")["resources"]

    assert resources["reservations"]["devices"] == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert resources["limits"] == cpu.pop("deploy")["resources"]["limits"]
    assert gpu.pop("image") == f"{cpu.pop('image')}-gpu"
    assert (cpu.pop("profiles"), gpu.pop("profiles")) == (["cpu"], ["gpu"])
    assert cpu == gpu


def test_the_server_checked_for_parity_is_configured_like_the_real_one(services):
    """Except for the source of its models, its network, and that it must not restart after a crash."""
    own = {"profiles", "ports", "networks", "depends_on", "volumes", "restart"}

    def rest(name):
        return {key: value for key, value in services[name].items() if key not in own}

    assert rest("model-server") == rest("server")
    assert services["model-server"]["restart"] == "no"


def test_the_check_profile_waits_for_both_servers_and_has_no_outside_network(services):
    checked = {name: service for name, service in services.items() if service["profiles"] == ["check"]}

    assert set(checked) == {"models", "model-server", "conformance-server", "check"}
    assert checked["check"]["depends_on"] == {
        name: {"condition": "service_healthy"} for name in ("model-server", "conformance-server")}
    for name in ("model-server", "conformance-server"):
        assert checked[name]["depends_on"] == {"models": {"condition": "service_completed_successfully"}}
    assert all(service["networks"] == ["check"] and not service.get("ports") for service in checked.values())
    assert compose()["networks"]["check"]["internal"] is True


def test_the_local_server_reads_models_config_and_every_label_has_a_served_version():
    [model] = read_model_config(CONFIG / "models.config")

    assert (model.name, str(model.base_path)) == (MODEL, f"/models/{MODEL}")
    assert model.policy.numbers == (1,)
    assert model.labels == {"stable": 1}


def test_the_conformance_server_serves_the_models_of_the_suite(services, tmp_path):
    file = tmp_path / "models.config"
    file.write_text(MODELS_CONFIG)
    [model] = read_model_config(file)

    assert (model.name, str(model.base_path)) == (CONFORMANCE, f"/models/{CONFORMANCE}")
    assert services["conformance-server"]["environment"]["MODELS_CONFIG"] == "/models/models.config"
    assert set(model.labels.values()) <= set(model.policy.numbers)


def test_an_unknown_message_field_is_refused_with_its_position(tmp_path):
    (tmp_path / "models.config").write_text((CONFIG / "models.config").read_text().replace("base_path", "basepath"))

    with pytest.raises(ServingError, match=r"\d+:\d+ : .*basepath"):
        read_model_config(tmp_path / "models.config")


def test_batching_uses_the_batch_limit_of_the_local_server_and_a_thread_per_processor():
    batching = parse("BatchingParameters", (CONFIG / "batching.config").read_text())

    assert batching.max_batch_size.value == LARGEST_BATCH >= BATCH_SIZE
    assert batching.num_batch_threads.value == int(environment()["CPUS"])
    assert batching.max_enqueued_batches.value > 0 and batching.batch_timeout_micros.value == 0
    assert not batching.allowed_batch_sizes  # padding to a list of sizes is worthwhile only on accelerators


def test_metrics_have_the_same_path_as_on_the_local_server():
    monitoring = parse("MonitoringConfig", (CONFIG / "monitoring.config").read_text()).prometheus_config

    assert monitoring.enable is True
    assert monitoring.path == "/monitoring/prometheus/metrics"


def test_the_version_is_the_same_everywhere():
    named = {path: set(re.findall(r"\b2\.\d+\.\d+(?=-gpu|\b)", path.read_text()))
             for path in (CONTAINER / ".env", CONTAINER / "Dockerfile",
                          ROOT / "serving/kubernetes/overlays/gpu/kustomization.yaml", PAGE)}

    assert environment()["TFS_VERSION"] == TFS_VERSION
    assert all(found == {TFS_VERSION} for found in named.values()), named


@pytest.mark.parametrize("name", DOCKERFILES)
def test_dockerfiles_have_a_pinned_base_labels_and_a_user_and_do_not_use_add(name):
    found = instructions(name)
    base = instruction(name, "FROM")

    assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+[a-z-]*", base), base
    assert instruction(name, "USER") == "1000:1000"
    assert not [rest for word, rest in found if word == "ADD"]
    assert "org.opencontainers.image.licenses" in instruction(name, "LABEL")
    order = [word for word, _ in found]
    assert order.index("USER") > max(index for index, word in enumerate(order) if word in ("RUN", "COPY"))
    assert not [rest for word, rest in found if word == "RUN" and re.search(r"curl|wget|sudo|latest", rest)]


def test_the_baked_image_starts_and_is_checked_like_in_compose(services):
    health = instruction("Dockerfile", "HEALTHCHECK")

    assert json.loads(instruction("Dockerfile", "ENTRYPOINT")) == words(services["server"]["entrypoint"])
    assert json.loads(health[health.index("["):]) == services["server"]["healthcheck"]["test"][1:]
    assert instruction("Dockerfile", "EXPOSE").split() == [str(GRPC_PORT), str(PORT)]
    assert f"CPUS={environment()['CPUS']}" in instruction("Dockerfile", "ENV")
    for key in ("interval", "timeout", "retries"):
        assert f"--{key.replace('_', '-')}={services['server']['healthcheck'][key]}" in health


def test_the_health_check_uses_the_served_model_and_the_port_of_the_server(services):
    for name in SERVERS:
        test = services[name]["healthcheck"]["test"]
        assert test[:2] == ["CMD", "timeout"]
        assert test[-1] == (CONFORMANCE if name == "conformance-server" else MODEL)
        assert int(test[2]) < int(services[name]["healthcheck"]["timeout"].removesuffix("s"))
    assert f"port=${{2:-{PORT}}}" in (CONFIG / "healthcheck.bash").read_text()


def test_files_copied_into_the_check_image_exist_and_are_in_its_context(tmp_path):
    """Its .dockerignore excludes everything, then includes some files again."""
    ignored = (CONTAINER / "Dockerfile.check.dockerignore").read_text().split()
    allowed = [line[1:] for line in ignored if line.startswith("!")]
    left_out = ignored[ignored.index("!serving") + 1:]

    assert ignored[0] == "*"
    for word, rest in instructions("Dockerfile.check"):
        for source in rest.split()[:-1] if word == "COPY" else []:
            path = source.rstrip("/")
            assert (ROOT / path).exists(), source
            assert any(path == each or path.startswith(f"{each}/") for each in allowed), source
            assert path not in left_out, source


def test_files_needed_by_the_installation_are_in_the_check_image(tmp_path):
    """setup.cfg reads the version and the long description from files, which must be in the image too."""
    copied = " ".join(rest for word, rest in instructions("Dockerfile.check") if word == "COPY").split()

    assert {"pyproject.toml", "setup.cfg", "README.md", "LICENSE", "keras_fixhead/", "cli/", "serving/"} <= set(copied)


def test_the_check_uses_existing_services(services):
    asked = services["check"]["environment"]

    assert asked == {"SERVER_NAME": services["model-server"]["image"],
                     "CONFORMANCE_URL": f"http://conformance-server:{PORT}",
                     "MODEL_URL": f"http://model-server:{PORT}/v1/models/{MODEL}"}
    assert {"conformance-server", "model-server"} <= set(services)


def test_page_and_workflow_say_never_run_until_there_is_a_record():
    assert ("never been run" in PAGE.read_text()) == NEVER_RUN
    assert ("NEVER RUN SO FAR" in WORKFLOW.read_text()) == NEVER_RUN


def test_every_file_is_in_the_source_distribution():
    manifest = (ROOT / "MANIFEST.in").read_text()

    for line in ("graft serving/container", "graft serving/kubernetes", "prune serving/container/models",
                 "include .github/workflows/container.yml"):
        assert f"{line}\n" in manifest
    assert "serving/container/models/" in (ROOT / ".gitignore").read_text()


def test_scripts_are_valid_bash():
    import subprocess

    from container_files import SCRIPTS

    assert {path.name for path in SCRIPTS} == {"check.bash", "healthcheck.bash", "make-models.bash",
                                               "run-checks.bash", "serve.bash"}
    for path in SCRIPTS:
        assert path.read_text().startswith("#!/usr/bin/env bash\n# ")
        done = subprocess.run([shutil.which("bash"), "-n", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_everything_named_on_the_page_exists():
    page = PAGE.read_text()
    script = (CONFIG / "serve.bash").read_text()

    for path in re.findall(r"(?<![\w/])(?:serving|requirements|\.github)/[\w./-]+\w", page):
        assert (ROOT / path).exists() or path.startswith("serving/container/models"), path
    for module in re.findall(r"python -m fixhead_serving\.(\w+)", page):
        assert list((ROOT / "serving").glob(f"{module}*")), module
    for flag in re.findall(r"`(--\w+_\w+(?:=\w+)?)`", page):
        assert flag in script, flag
    for file in re.findall(r"`config/([\w.]+)`", page):
        assert (CONFIG / file).is_file(), file
