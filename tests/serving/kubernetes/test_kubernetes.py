"""The manifests with the patches of each overlay applied, compared with each other and with the container files."""
import pytest
from container_files import CONTAINER, compose, environment, instruction
from kubernetes_files import OVERLAYS, merged, overlay, pod
from own_server import PORT
from tensorflow_serving_facts import HEALTH_SERVICES

NAME = {"app.kubernetes.io/name": "fixhead-classifier"}


@pytest.fixture(params=OVERLAYS)
def manifests(request):
    return overlay(request.param)


@pytest.fixture
def container(manifests):
    [only] = pod(manifests)["containers"]
    return only


def test_each_overlay_has_every_object_once(manifests):
    assert set(manifests) == {
        "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}


def test_all_selectors_match_the_pods_of_the_deployment(manifests):
    """An empty or missing selector would match every pod of the namespace, or none."""
    spec = manifests["Deployment"]["spec"]

    assert spec["template"]["metadata"]["labels"] == spec["selector"]["matchLabels"] == NAME
    assert manifests["Service"]["spec"]["selector"] == NAME
    assert manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == NAME
    assert manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == NAME
    assert pod(manifests)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == NAME
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", manifests["Deployment"]["metadata"]["name"])
    assert all(each["metadata"]["labels"] == NAME for each in manifests.values())


def test_ports_match_the_image_and_are_referred_to_by_name(manifests, container):
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert ports == {"grpc": 8500, "rest": PORT}
    assert instruction("Dockerfile", "EXPOSE").split() == [str(port) for port in ports.values()]
    for port in manifests["Service"]["spec"]["ports"]:
        assert (port["targetPort"], port["port"]) == (port["name"], ports[port["name"]])
    [rule] = manifests["NetworkPolicy"]["spec"]["ingress"]
    assert {port["port"] for port in rule["ports"]} == set(ports)
    assert manifests["NetworkPolicy"]["spec"]["egress"] == []


def test_pods_meet_the_restricted_pod_security_standard_like_compose(manifests, container):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards: restricted, and a read-only root."""
    of_pod, of_container = pod(manifests)["securityContext"], container["securityContext"]
    service = compose()["services"]["server"]

    assert of_pod["runAsNonRoot"] is True
    assert f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}" == service["user"] == instruction("Dockerfile", "USER")
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container["allowPrivilegeEscalation"] is False and of_container["readOnlyRootFilesystem"] is True
    assert of_container["capabilities"] == {"drop": service["cap_drop"]}
    assert pod(manifests)["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod(manifests))
    assert [volume.keys() for volume in pod(manifests)["volumes"]] == [{"name", "emptyDir"}]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == service["tmpfs"]


def test_startup_and_liveness_probes_use_grpc_and_readiness_the_model_state(container):
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == 8500
        assert container[probe]["grpc"]["service"] in HEALTH_SERVICES
    ready = container["readinessProbe"]
    assert ready["exec"]["command"] == compose()["services"]["server"]["healthcheck"]["test"][1:]
    assert int(ready["exec"]["command"][1]) < ready["timeoutSeconds"]
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 120


def test_the_image_uses_its_own_command_and_a_pinned_tag(manifests, container):
    name, tag = container["image"].rsplit(":", 1)

    assert not {"command", "args"} & set(container)
    assert name == "registry.example.com/fixhead-classifier" and tag not in ("", "latest")
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) == tag.endswith("-gpu")


def test_pods_request_their_limits_and_use_one_thread_per_processor(container):
    requests, limits = container["resources"]["requests"], dict(container["resources"]["limits"])
    limits.pop("nvidia.com/gpu", None)
    [cpus] = [each for each in container["env"] if each["name"] == "CPUS"]

    assert requests == limits
    assert cpus["valueFrom"]["resourceFieldRef"] == {"containerName": container["name"], "resource": "limits.cpu"}


def test_the_limits_of_the_cpu_overlay_match_compose():
    [container] = pod(overlay("cpu"))["containers"]
    memory = environment()["MEMORY"].replace("g", "Gi")

    assert container["resources"]["limits"] == {"cpu": environment()["CPUS"], "memory": memory}


def test_stopping_leaves_time_to_drain(manifests, container):
    [drain] = [int(each["value"]) for each in container["env"] if each["name"] == "DRAIN_SECONDS"]

    assert drain + 5 <= pod(manifests)["terminationGracePeriodSeconds"] <= 30
    assert f"${{{'DRAIN_SECONDS'}:-1}}" in (CONTAINER / "config" / "serve.bash").read_text()


def test_the_autoscaler_sets_replicas_and_one_pod_at_a_time_may_be_evicted(manifests):
    scale = manifests["HorizontalPodAutoscaler"]["spec"]

    assert "replicas" not in manifests["Deployment"]["spec"]
    assert 2 <= scale["minReplicas"] <= scale["maxReplicas"]
    assert manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1 < scale["minReplicas"]
    rolling = manifests["Deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert rolling["maxSurge"] + rolling["maxUnavailable"] == 1


def test_merging_keeps_fields_missing_in_a_patch_and_matches_list_items_by_name():
    base = {"a": [{"name": "x", "keep": 1, "change": 1}, {"name": "y"}], "b": [1, 2], "c": {"d": 1, "e": 2}}
    patch = {"a": [{"name": "x", "change": 2}, {"name": "z"}], "b": [3], "c": {"e": 3}}

    assert merged(base, patch) == {
        "a": [{"name": "x", "keep": 1, "change": 2}, {"name": "y"}, {"name": "z"}], "b": [3], "c": {"d": 1, "e": 3}}
