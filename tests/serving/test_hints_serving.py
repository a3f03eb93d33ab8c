"""Every hint of `fixhead serve`: produced in its situation, and followed."""
import shutil
import socket
from pathlib import Path

import click
import pytest
from hints import command_in, follow, hint_of, leads_out

from fixhead_serving import process
from fixhead_serving.config import ServerConfig
from fixhead_serving.process import serve
from fixhead_serving.server import load_model
from fixhead_serving.server.folders import check_source
from fixhead_serving.server.sources import ModelSource
from keras_fixhead.config import resolve
from keras_fixhead.errors import ArgumentError, ServingError
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

TLS = Path(__file__).with_name("tls")


@pytest.fixture
def served(fixhead, monkeypatch, tmp_path):
    """Returns a function that calls `fixhead serve`, which exits successfully where it would start loading."""
    def loading():
        raise click.exceptions.Exit(0)

    monkeypatch.setattr(process, "share_arena", loading)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIXHEAD_TOKEN", raising=False)

    def call(*arguments):
        return fixhead(*arguments) if arguments[0] != "serve" else fixhead(*arguments, "--port", 0)

    return call


def publish(model, *versions):
    for number in versions:
        (model / str(number)).mkdir(parents=True)
        (model / str(number) / "saved_model.pb").touch()
    return model


@leads_out("Export a run first: fixhead export ")
@pytest.mark.parametrize("situation", ["empty", "unpublished", "other files", "missing"])
def test_a_folder_without_a_version_gets_an_export_and_other_folders_are_left_alone(
        served, tmp_path, digits_run, quick_export, situation):
    folder = tmp_path / "m"
    if situation != "missing":
        folder.mkdir()
    if situation == "unpublished":
        (folder / ".tmp-x").mkdir()
        (folder / "onnx-1").mkdir()
    if situation == "other files":
        (folder / "thesis.tex").touch()
    before = sorted(folder.rglob("*")) if situation == "other files" else None
    with pytest.raises(ServingError) as caught:  # the command line itself detects a missing folder
        serve(folder)
    follow(served, caught.value.hint, RUN=digits_run.path)

    target = tmp_path / "served" / "m" if situation == "other files" else folder
    assert served("serve", target).code == 0
    assert before is None or sorted(folder.rglob("*")) == before
    if situation == "missing":
        hint = hint_of(served("serve", tmp_path / "none"))
        follow(served, hint, RUN=digits_run.path, DIR=tmp_path / "none")
        assert served("serve", tmp_path / "none").code == 0


@pytest.mark.parametrize("inside", [False, True])
def test_a_run_directory_is_exported_to_another_folder(served, tmp_path, digits_run, quick_export, monkeypatch, inside):
    """The hint used to suggest exporting the run into itself."""
    run = shutil.copytree(digits_run.path, tmp_path / "runs" / "first")
    monkeypatch.chdir(run if inside else tmp_path)
    before = sorted(run.rglob("*"))
    answer = served("serve", "." if inside else run)
    follow(served, hint_of(answer))

    assert "is a run directory" in answer.err and sorted(run.rglob("*")) == before
    assert served("serve", tmp_path / "served" / "first").code == 0


def test_the_newest_run_is_suggested_for_a_folder_of_runs(served, tmp_path, digits_run, quick_export):
    for name in ("2025-a", "2026-b"):
        shutil.copytree(digits_run.path, tmp_path / "runs" / name)
    answer = served("serve", tmp_path / "runs")
    follow(served, hint_of(answer))

    assert "is a folder of runs" in answer.err
    assert served("serve", tmp_path / "served" / "2026-b").code == 0


@leads_out("It has no model yet. Finish its training: ")
def test_training_of_an_unfinished_run_is_completed_first(served, tmp_path):
    run = create_run(resolve(build_config({"recipe": "smoke", "width": 1 / 16, "limit_train": 100, "epochs": 1,
                                           "runs_dir": str(tmp_path / "runs")})))
    hint = hint_of(served("serve", run.path))
    follow(served, hint)

    assert "Export a run first" in hint_of(served("serve", run.path))


@leads_out("Serve them: fixhead serve ")
def test_the_command_that_serves_its_models_is_suggested_for_a_folder_of_models(served, tmp_path):
    """The hint used to suggest an export."""
    for name in ("cats", "two words", "a:b"):
        publish(tmp_path / "models" / name, 1)
    (tmp_path / "models" / "notes").mkdir()
    answer = served("serve", tmp_path / "models")

    assert "is not a model but a folder of models: a:b, cats, two words." in answer.err
    follow(served, hint_of(answer))


@leads_out("Serve its parent: fixhead serve ", "Make it version 1 of a model: mkdir -p ")
@pytest.mark.parametrize("name", ["3", "my model", "digits"])
def test_a_version_is_served_through_its_model(served, tmp_path, name):
    publish(tmp_path / "all", name)

    follow(served, hint_of(served("serve", tmp_path / "all" / name)))


@leads_out("Serve one of them: --versions ", "Serve that version too: --versions all",
           "Point it to one of them: --label ")
@pytest.mark.parametrize("options", [("--versions", "8"), ("--label", "new=1"), ("--label", "new=9")])
def test_served_versions_and_labels_are_suggested_in_place_of_missing_ones(served, tmp_path, options):
    model = publish(tmp_path / "m", 1, 2)
    hint = hint_of(served("serve", model, *options))
    found, wanted = hint.partition(": ")[2].partition(", or in models.config ")[::2]
    kept = () if found.split()[0] == options[0] else options
    assert served("serve", model, *kept, *found.split()).code == 0

    policy = "all {}" if "version_labels" in wanted else ""
    config = tmp_path / "models.config"
    label = 'version_labels { key: "new" value: 1 }' if options == ("--label", "new=1") else ""
    policy = f"model_version_policy {{ {policy} }}" if policy else ""
    config.write_text(f'model_config_list {{ config {{ name: "m" base_path: "m" {policy} {label} {wanted} }} }}')
    assert served("serve", "--config", config).code == 0


@leads_out("Remove that folder and export again: fixhead export RUN ")
def test_a_damaged_version_is_removed_and_exported_again(served, tmp_path, digits_run, quick_export):
    (publish(tmp_path / "m", 1) / "1" / "saved_model.pb").write_bytes(b"not protobuf")
    with pytest.raises(ServingError, match=r"Version 1 in .* cannot be loaded") as caught:
        load_model(tmp_path / "m")
    shutil.rmtree(tmp_path / "m" / "1")
    follow(served, caught.value.hint, RUN=digits_run.path)

    assert list(load_model(tmp_path / "m").versions) == [1]


@leads_out("Save it with signatures: tf.saved_model.save(model, DIR, signatures=FUNCTION)",
           "Export the model with an input_signature of known rank, or serve it with --no-onednn.")
def test_a_model_without_signature_or_rank_is_saved_with_them(tmp_path):
    import tensorflow as tf

    from fixhead_serving.server.savedmodel import Loader

    module = tf.Module()
    module.run = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    module.ranked = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "none" / "1"))
    with pytest.raises(ServingError, match=r"no signature to serve\. Save it with signatures"):
        load_model(tmp_path / "none")
    tf.saved_model.save(module, str(tmp_path / "any" / "1"), signatures=module.run)
    with pytest.raises(ServingError, match=r"no known rank.* input_signature of known rank"):
        load_model(tmp_path / "any")
    tf.saved_model.save(module, str(tmp_path / "good" / "1"), signatures=module.ranked)

    assert load_model(tmp_path / "good").versions[1].signatures
    assert Loader(onednn=False)(1, tmp_path / "any" / "1").signatures


@leads_out("Choose a name without '/' and ':': NAME=DIR.", "Rename one of them: NAME=DIR.", "For example ...:...",
           "fixhead serve DIR", "Leave them out here.")
def test_a_wrong_call_works_after_following_its_hint(served, tmp_path):
    one, two = publish(tmp_path / "a:b", 1), publish(tmp_path / "c" / "m", 1)
    other = publish(tmp_path / "d" / "m", 1)
    config = tmp_path / "models.config"
    config.write_text('model_config_list { config { name: "m" base_path: "c/m" } }')

    assert "':': NAME=DIR" in hint_of(served("serve", one))
    assert served("serve", f"ab={one}").code == 0
    assert "NAME=DIR" in hint_of(served("serve", two, other))
    assert served("serve", two, f"other={other}").code == 0
    hint = hint_of(served("serve", two, f"x={other}", "--label", "new=1"))
    assert served("serve", two, f"x={other}", "--label", hint.split()[-1]).code == 0
    follow(served, hint_of(served("serve")), DIR=two)
    assert hint_of(served("serve", "--config", config, "--label", "new=1")) == "Leave them out here."
    assert served("serve", "--config", config).code == 0


@leads_out("For example: model_config_list {")
def test_a_working_configuration_is_suggested_for_an_empty_one(served, tmp_path):
    publish(tmp_path / "m", 1)
    config = tmp_path / "models.config"
    config.write_text("model_config_list {}")
    hint = hint_of(served("serve", "--config", config))
    config.write_text(hint.removeprefix("For example: "))

    assert served("serve", "--config", config).code == 0


@leads_out("--tls-cert C --tls-key K", "Expected PEM files: a certificate, and its key without a password.",
           "Generate one: python -c 'import secrets; print(secrets.token_urlsafe())'")
def test_tls_and_token_are_accepted_after_following_their_hints(served, tmp_path):
    import subprocess

    model = publish(tmp_path / "m", 1)
    cert, key = TLS / "cert.pem", TLS / "key.pem"
    hint = hint_of(served("serve", model, "--tls-cert", cert))
    assert served("serve", model, *hint.replace("C", str(cert), 1).replace("K", str(key), 1).split()).code == 0
    assert hint_of(served("serve", model, "--tls-cert", key, "--tls-key", cert)).startswith("Expected PEM files")

    token = tmp_path / "token"
    token.write_text("two\nlines\n")
    command = command_in(hint_of(served("serve", model, "--token-file", token)))
    token.write_bytes(subprocess.run(command, shell=True, check=True, capture_output=True).stdout)
    assert served("serve", model, "--token-file", token).code == 0


@leads_out("--port 0 picks a free one.", "Try --host ", "Set TF_ENABLE_ONEDNN_OPTS=0 before the import")
def test_a_usable_address_is_suggested_in_place_of_an_unusable_one(tmp_path, fixhead, served, monkeypatch):
    model = publish(tmp_path / "m", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        hint = hint_of(fixhead("serve", model, "--port", taken.getsockname()[1]))
    assert hint == "--port 0 picks a free one." and fixhead("serve", model, "--port", 0).code == 0
    for host in ("192.0.2.1", "no such host"):  # an address reserved for examples, not of this machine
        hint = hint_of(served("serve", model, "--host", host))
        assert served("serve", model, *hint.removeprefix("Try ").rstrip(".").split()).code == 0

    monkeypatch.setitem(__import__("sys").modules, "tensorflow", pytest)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    with pytest.raises(ArgumentError, match="Set TF_ENABLE_ONEDNN_OPTS=0 before the import"):
        process._switch_onednn(False)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    process._switch_onednn(False)


def test_a_source_that_can_be_served_gets_no_hint(tmp_path):
    check_source(ModelSource("m", publish(tmp_path / "m", 1), labels={"stable": 1}))
    assert ServerConfig().port
