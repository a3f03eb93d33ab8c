"""The manifests with the patches of their overlay applied: the small part of kustomize that they use.

An unknown key is an error, and the long checks compare the result with that of kustomize.
"""
from container_files import ROOT, read_yaml

KUBERNETES = ROOT / "serving" / "kubernetes"
OVERLAYS = ("cpu", "gpu")


def overlay(name):
    """Returns the manifests of an overlay, by kind."""
    return render(KUBERNETES / "overlays" / name)


def render(folder):
    """Returns the manifests of a kustomization, by kind: its resources with patches and image names applied."""
    found = read_yaml(folder / "kustomization.yaml")
    unknown = set(found) - {"apiVersion", "kind", "resources", "images", "patches"}
    assert not unknown, unknown
    manifests = {}
    for resource in found["resources"]:
        path = folder / resource
        parts = render(path) if path.is_dir() else {(part := read_yaml(path))["kind"]: part}
        assert not manifests.keys() & parts.keys()  # one object per kind, so a kind identifies it
        manifests.update(parts)
    for patch in found.get("patches", []):
        assert set(patch) == {"path"}
        change = read_yaml(folder / patch["path"])
        assert change["metadata"]["name"] == manifests[change["kind"]]["metadata"]["name"]
        manifests[change["kind"]] = merged(manifests[change["kind"]], change)
    for image in found.get("images", []):
        for container in pod(manifests)["containers"]:
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    return manifests


def merged(base, patch):
    """Returns a strategic merge: objects key by key, lists of named objects by name, everything else replaced."""
    if isinstance(base, dict) and isinstance(patch, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in patch.items()}}
    if isinstance(base, list) and all(isinstance(each, dict) and "name" in each for each in [*base, *patch]):
        changes = {each["name"]: each for each in patch}
        return [merged(each, changes.pop(each["name"], {})) for each in base] + list(changes.values())
    return patch


def pod(manifests):
    return manifests["Deployment"]["spec"]["template"]["spec"]
