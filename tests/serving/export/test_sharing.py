"""Publishing a run, and loading it in a new process, with stand-ins for the packages of both hubs."""
import contextlib
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixhead_serving.export import sharing
from fixhead_serving.export.sharing import publish_run
from keras_fixhead import hubs
from keras_fixhead.config import resolve
from keras_fixhead.errors import ArgumentError, DependencyError, HubError, RunError
from keras_fixhead.models import load_model
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

FAKES = Path(__file__).parent / "fake_hubs"
ON_KAGGLE = "kaggle://me/digits/keras/small"
LOAD = """
import sys
import keras
import numpy as np
import keras_fixhead
images = np.load(sys.argv[1])
models = [keras_fixhead.load_model(name) for name in sys.argv[3:]] + [keras.saving.load_model(sys.argv[3])]
np.save(sys.argv[2], [model.predict(images, verbose=0) for model in models])
print(*[type(model.layers[-1]).__name__ for model in models], models[0].layers[-1].kind)
"""


@contextlib.contextmanager
def stand_ins(folder):
    """Replaces the packages of both hubs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(str(FAKES))
        for name in ("huggingface_hub", "kagglehub", "kagglehub.config"):
            monkeypatch.delitem(sys.modules, name, raising=False)
            monkeypatch.setitem(sys.modules, name, importlib.import_module(name))
        monkeypatch.setenv("FAKE_HUB", str(folder))
        yield folder


@pytest.fixture
def hub(tmp_path):
    """Returns the folder of a hub that starts empty."""
    with stand_ins(tmp_path / "hub") as folder:
        yield folder


@pytest.fixture(scope="module")
def published(digits_run, tmp_path_factory):
    """Returns a run's files on Hugging Face, which Kaggle has too."""
    with stand_ins(tmp_path_factory.mktemp("hub")) as folder:
        done = publish_run(digits_run.path, "hf://me/digits", license="mit", private=True)
        assert done.address == "https://huggingface.co/me/digits"
        files = folder / "hf" / "me" / "digits"
        assert done.files == {path.name: path.stat().st_size for path in files.iterdir()
                              if path.name != ".gitattributes"}
        assert hubs.upload(hubs.parse_target(ON_KAGGLE), files, message="m") == (
            "https://www.kaggle.com/models/me/digits/keras/small")
        yield files


@pytest.fixture
def unfinished(tmp_path):
    return create_run(resolve(build_config({"dataset": "digits", "runs_dir": str(tmp_path / "runs")})))


def test_a_published_model_gives_the_same_logits_in_a_new_process(digits_run, published, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    names = ["hf://me/digits", f"{ON_KAGGLE}/1"]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path / "images.npy"), str(tmp_path / "logits.npy"), *names],
        env={**os.environ, "FAKE_HUB": str(published.parents[2]),
             "PYTHONPATH": os.pathsep.join([str(FAKES), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == 3 * ["HypersphereHead"] + ["uniform"]
    expected = load_model(digits_run.path).predict(images, verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), np.stack(3 * [expected]))
    assert {path.name for path in published.iterdir()} == {
        ".gitattributes", "README.md", "model_card.json", "config.json", "metadata.json", "model.weights.h5"}


def test_the_card_has_metrics_with_n_and_interval_and_no_path(digits_run, published):
    text, card = (published / "README.md").read_text(), json.loads((published / "model_card.json").read_text())
    measured, seed = digits_run.read("result")["evaluation"]["test"], digits_run.config().seed

    assert (published / ".gitattributes").read_text() == "private=True"
    lines = text.splitlines()
    front = dict(line.split(": ", 1) for line in lines[1 : lines.index("---", 1)])
    assert lines[0] == "---" and json.loads(front["license"]) == "mit"
    assert json.loads(front["library_name"]) == "keras"
    (test,) = [each for each in json.loads(front["model-index"])[0]["results"] if each["dataset"]["split"] == "test"]
    assert test["metrics"][0]["value"] == measured["accuracy"] and "n = 360" in test["metrics"][0]["name"]
    for said in ("of 360 images (95 % Wilson interval", f"seed {seed}", "recipe smoke", "kind uniform", "## Limits",
                 digits_run.digest(), digits_run.read("result")["class_vectors_digest"], "Data set: digits",
                 'keras_fixhead.load_model("hf://me/digits")', "bit for bit"):
        assert said in text
    assert card["training"]["accuracy"]["test"]["n"] == 360 and card["self_check"] == {"reloaded_images": 8}
    assert not re.search(r"(?<![\w.:/`])/[a-zA-Z]+/", text) and str(digits_run.path.parent) not in json.dumps(card)


def test_the_command_prints_the_address_and_how_to_load(digits_run, hub, fixhead, monkeypatch):
    monkeypatch.setattr(sharing, "_write", lambda run, target, folder, license: (folder / "a").write_text(str(license)))
    answer = fixhead("publish", digits_run.path, ON_KAGGLE, "--license", "mit", "--quiet")

    assert answer.code == 0 and answer.out.splitlines() == [
        "https://www.kaggle.com/models/me/digits/keras/small: 0.0 MB in 1 file",
        f'Load it: keras_fixhead.load_model("{ON_KAGGLE}")']
    assert (hub / "kaggle" / "me" / "digits" / "keras" / "small" / "1" / "a").read_text() == "mit"


def test_a_rehearsal_needs_no_hub_and_prints_the_card(digits_run, fixhead, monkeypatch):
    for name in ("huggingface_hub", "kagglehub"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sharing, "_write", lambda run, target, folder, license: f"The card of {target}.")
    answer = fixhead("publish", digits_run.path, ON_KAGGLE, "--dry-run", "--quiet")

    assert answer.code == 0 and answer.out.splitlines() == [
        "The card of kaggle://me/digits/keras/small.",
        "Not uploaded: 0.0 MB in 0 files, for kaggle://me/digits/keras/small."]


@pytest.mark.parametrize("target", [
    "digits", "hf://digits", "hf://a/b/c", "hf://a/b--c", "hf://a/b.git", "s3://a/b", "hf://", "kaggle://a/b",
    "kaggle://a/b/pytorch/c", "hf://a b/c", f"hf://a/{'b' * 97}", "hf://a/b\n"])
def test_a_wrong_target_is_refused_in_one_line_before_anything_else(target, unfinished):
    with pytest.raises(ArgumentError, match=r"Expected hf://NAMESPACE/NAME|Expected kaggle://OWNER") as caught:
        publish_run(unfinished.path, target)

    assert "\n" not in str(caught.value)


def test_an_unfinished_run_is_refused(unfinished, fixhead):
    answer = fixhead("publish", unfinished.path, "hf://me/digits")

    assert answer.code == 1 and answer.err.splitlines() == [
        f"Error: {unfinished.path} has no model to publish: the run is not finished.",
        f"Finish it: fixhead train --resume {unfinished.path}"]


@pytest.mark.parametrize("target, package", [
    ("hf://me/digits", "huggingface_hub"), (ON_KAGGLE, "kagglehub")])
def test_a_missing_package_is_named_with_the_extra(digits_run, fixhead, monkeypatch, target, package):
    monkeypatch.setitem(sys.modules, package, None)
    answer = fixhead("publish", digits_run.path, target)

    assert answer.code == 1 and answer.err.splitlines()[0].endswith(
        f"needs the package {package}, which is not installed.")
    assert answer.err.splitlines()[1] == "Install it: pip install 'keras-fixhead[hub]'"
    with pytest.raises(DependencyError, match=package):
        load_model(target)


@pytest.mark.parametrize("target, module, says", [
    ("hf://me/digits", "huggingface_hub", "hf auth login"),
    (ON_KAGGLE, "kagglehub.config", "KAGGLE_API_TOKEN")])
def test_a_missing_token_is_reported_before_the_model_is_loaded(digits_run, hub, fixhead, monkeypatch, target, module,
                                                                says):
    monkeypatch.setattr(importlib.import_module(module), "TOKENS", [None])
    answer = fixhead("publish", digits_run.path, target)

    assert answer.code == 1 and "No token for" in answer.err and says in answer.err
    assert len(answer.err.splitlines()) == 2


def test_a_version_of_kaggle_can_be_loaded_but_not_published(digits_run, hub):
    with pytest.raises(ArgumentError, match=r"Leave out the last part: kaggle://me/digits/keras/small$"):
        publish_run(digits_run.path, "kaggle://me/digits/keras/small/2")


def test_a_hub_that_cannot_be_reached_is_reported_in_one_line(hub, monkeypatch, tmp_path):
    class ConnectError(Exception):
        """Named like the classes of httpx, which have no base class in common with those of requests."""

    def unreachable(*_, **__):
        raise ConnectError("[Errno -2] Name or service not known")

    module = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(module.HfApi, "create_repo", unreachable)
    monkeypatch.setattr(module, "snapshot_download", unreachable)
    with pytest.raises(HubError, match=r"hf://me/digits was not published: Hugging Face cannot be reached\. Check"):
        hubs.upload(hubs.parse_target("hf://me/digits"), tmp_path, message="m")
    with pytest.raises(HubError, match=r"hf://me/digits cannot be downloaded: Hugging Face cannot be reached"):
        load_model("hf://me/digits")


def test_what_is_not_on_the_hub_or_not_a_model_is_reported_in_one_line(hub):
    with pytest.raises(HubError, match=r"hf://me/none cannot be downloaded: 404 Client Error.*none\.$"):
        load_model("hf://me/none")
    (hub / "hf" / "me" / "text").mkdir(parents=True)
    with pytest.raises(RunError, match=r"hf://me/text has no model\.weights\.h5"):
        load_model("hf://me/text")
    (hub / "hf" / "me" / "text" / "model.weights.h5").write_bytes(b"no weights")
    (hub / "hf" / "me" / "text" / "config.json").write_text("{}")
    with pytest.raises(RunError, match=r"^hf://me/text is damaged, or not a model of keras_fixhead") as caught:
        load_model("hf://me/text")
    assert "\n" not in str(caught.value)


@pytest.mark.long
def test_the_packages_of_both_hubs_take_our_calls_and_their_failures_are_one_line(monkeypatch, tmp_path):
    """The packages themselves, with every address leading nowhere. Runs with the extra [hub] installed."""
    import inspect

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "none")  # no token of this machine is sent anywhere
    monkeypatch.setenv("KAGGLE_API_TOKEN", "none")
    import huggingface_hub
    import kagglehub

    inspect.signature(huggingface_hub.HfApi.create_repo).bind(None, "a/b", private=None, exist_ok=True)
    inspect.signature(huggingface_hub.HfApi.upload_folder).bind(
        None, repo_id="a/b", folder_path="f", commit_message="m")
    inspect.signature(kagglehub.model_upload).bind("a/b/keras/c", "f", license_name=None, version_notes="m")
    for target in map(hubs.parse_target, ("hf://me/digits", ON_KAGGLE)):
        with pytest.raises(HubError, match="cannot be reached") as down:
            hubs.download(target)
        with pytest.raises(HubError, match="cannot be reached") as up:
            hubs.upload(target, tmp_path, message="m")
        assert "\n" not in f"{down.value}{up.value}"
