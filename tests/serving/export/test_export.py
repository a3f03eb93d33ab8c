"""What an export contains and answers, and what the command prints."""
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from fixhead_serving import export
from fixhead_serving.export import SIGNATURES
from fixhead_serving.export.card import card_text, describe_run
from keras_fixhead.analysis.intervals import wilson_interval
from keras_fixhead.models import head_of, load_model
from keras_fixhead.runs import Run


@pytest.fixture(scope="module")
def loaded(exported):
    import tensorflow as tf

    return tf.saved_model.load(str(exported.path))


@pytest.fixture(scope="module")
def model(digits_run):
    return load_model(digits_run.path)


def test_labels_card_warm_up_and_check_are_stored_where_a_server_ignores_them(exported):
    """TensorFlow Serving reads warm-up requests, saved_model_config.pb and mlmd_uuid from there: see its
    saved_model_warmup_util.cc, saved_model_config_util.cc and machine_learning_metadata.cc."""
    assert sorted(path.name for path in exported.path.iterdir() if path.name not in ("assets", "fingerprint.pb")) == [
        "assets.extra", "saved_model.pb", "variables"]
    assert sorted(path.name for path in (exported.path / "assets.extra").iterdir()) == [
        "labels.txt", "model_card.json", "model_card.md", "self_check.npz", "tf_serving_warmup_requests"]
    assert (exported.path / "assets.extra" / "labels.txt").read_text("utf-8").splitlines() == list("0123456789")
    assert not list(exported.path.parent.glob(".tmp-*"))


def test_the_size_is_that_of_graph_and_weights(exported):
    files = [exported.path / "saved_model.pb", *(exported.path / "variables").iterdir()]

    assert exported.size_bytes == sum(file.stat().st_size for file in files)
    assert exported.images_per_second > 1 and exported.largest_difference <= 1e-4


def test_the_card_matches_the_run_and_contains_no_path(exported, digits_run, tmp_path):
    extras = exported.path / "assets.extra"
    card, text = json.loads((extras / "model_card.json").read_text()), (extras / "model_card.md").read_text()
    result, config = digits_run.read("result"), digits_run.config()
    measured = result["evaluation"]["test"]
    low, high = wilson_interval(round(measured["accuracy"] * measured["n"]), measured["n"])

    assert card["schema"] == 1 and (card["name"], card["format"]) == ("digits", "saved_model")
    assert card["training"]["run"] == digits_run.name and card["training"]["recipe"] == "smoke"
    assert card["training"]["dataset"]["name"] == "digits" and card["training"]["precision"] == "bfloat16"
    assert card["training"]["accuracy"]["test"]["n"] == measured["n"] == 360
    assert card["training"]["accuracy"]["test"]["accuracy"] == measured["accuracy"]
    assert card["training"]["accuracy"]["test"]["interval_95"] == pytest.approx([low, high])
    assert card["training"]["accuracy"]["test"]["balanced_accuracy"] == measured["balanced_accuracy"]
    assert f"Balanced accuracy, the mean over the classes: {100 * measured['balanced_accuracy']:.2f} %." in text
    assert card["model"]["head"]["class_vectors_digest"] == result["class_vectors_digest"]
    assert card["size_bytes"] == exported.size_bytes
    assert card["self_check"]["images_per_second"] == exported.images_per_second
    assert card["self_check"]["warm_up_requests"] == 9
    assert card["exported_with"]["keras"] == keras.__version__
    for said in (digits_run.name, result["class_vectors_digest"], f"of {measured['n']}", "Wilson", "TEST"
                 if config.selection == "test" else "Intended use", "terms"):
        assert said in text
    for content in (json.dumps(card), text):
        assert not re.search(r"(?<![\w.`])/[a-zA-Z]+/", content)
        assert str(tmp_path.parent) not in content


def test_the_card_describes_the_actual_training_and_not_the_configuration(digits_run, exported, monkeypatch):
    """The run had 108 of 2,000 requested images and 3 of 100 epochs: the card reports the actual numbers."""
    card = json.loads((exported.path / "assets.extra" / "model_card.json").read_text())
    result = {**digits_run.read("result"), "train_images": 108, "epochs_done": 3}
    asked = dataclasses.replace(digits_run.config(), limit_train=2000, epochs=100)
    monkeypatch.setattr(Run, "read", lambda self, name: result)
    monkeypatch.setattr(Run, "config", lambda self: asked)
    text = card_text({**card, "training": describe_run(digits_run)})

    assert "108 training images" in text and "; 3 epochs," in text
    assert "2,000" not in text and "100 epochs" not in text


def test_the_card_of_a_single_epoch_says_1_epoch(digits_run, exported):
    card = json.loads((exported.path / "assets.extra" / "model_card.json").read_text())

    assert "; 1 epoch, seed " in card_text({**card, "training": {**describe_run(digits_run), "epochs": 1}})


def test_the_card_lists_the_classes_directly(exported):
    text = (exported.path / "assets.extra" / "model_card.md").read_text("utf-8")

    assert "below" not in text and "- Classes: 0, 1, " in text.partition("## Intended use")[0]


def test_the_card_shows_an_image_folder_by_its_name_only(digits_run, monkeypatch):
    config = dataclasses.replace(digits_run.config(), selection="test")
    object.__setattr__(config, "dataset", "/somewhere/of/mine/birds")
    monkeypatch.setattr(Run, "config", lambda self: config)
    described = describe_run(digits_run)

    assert described["dataset"]["name"] == "birds" and "/somewhere" not in json.dumps(described)


def test_the_signatures_are_float32_named_and_accept_any_batch_size(loaded):
    found = {name: {key: (each.dtype.name, each.shape.as_list()) for key, each in
                    loaded.signatures[name].structured_outputs.items()} for name in SIGNATURES}
    classes = {"logits": ("float32", [None, 10]), "probabilities": ("float32", [None, 10]),
               "cosines": ("float32", [None, 10]), "class_index": ("int64", [None]), "label": ("string", [None])}

    assert found["serving_default"] == found["serving_bytes"] == classes
    assert set(found["features"]) == {"features", "embedding"}
    assert {kind for kind, _ in found["features"].values()} == {"float32"}


def test_embedding_and_cosines_follow_from_features_and_class_vectors(loaded, model):
    import tensorflow as tf

    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)), tf.float32)
    found = {name: value.numpy() for name, value in loaded.signatures["features"](images=images).items()}
    answers = {name: value.numpy() for name, value in loaded.signatures["serving_default"](images=images).items()}
    vectors = keras.ops.convert_to_numpy(head_of(model).class_vectors.value)

    embedding = found["features"] / np.linalg.norm(found["features"], axis=1, keepdims=True)
    np.testing.assert_allclose(found["embedding"], embedding, atol=1e-6)
    np.testing.assert_allclose(answers["cosines"], embedding @ vectors.T, atol=1e-5)
    exponentials = np.exp(answers["logits"].astype(np.float64))
    np.testing.assert_allclose(answers["probabilities"], exponentials / exponentials.sum(axis=1, keepdims=True),
                               atol=1e-6)


def test_the_card_says_how_pictures_become_images(exported):
    extras = exported.path / "assets.extra"

    assert json.loads((extras / "model_card.json").read_text())["model"]["pictures"] == {
        "height": 32, "width": 32, "channels": 3, "fit": "crop", "filter": "bicubic", "decoding": "full",
        "rounded": "uint8", "orientation": "EXIF", "transparency": "dropped"}
    assert ("- Pictures: turned upright by their EXIF orientation, cropped to the centre to 32x32 pixels, bicubic with "
            "anti-aliasing; ") in (extras / "model_card.md").read_text()


def test_the_self_check_of_a_published_version_can_be_repeated_without_keras(exported):
    script = ("import sys\nsys.modules['keras'] = None\nfrom fixhead_serving.export.self_check import main\n"
              "sys.exit(main(sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", script, str(exported.path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["runtime"].startswith("tensorflow 2.") and set(report["largest_difference"]) == {
        "logits", "probabilities", "cosines", "features", "embedding"}


def test_the_command_prints_size_speed_and_the_next_command(fixhead, digits_run, tmp_path, monkeypatch):
    made = export.ExportedModel("digits", 4, tmp_path / "digits" / "4", "saved_model", 1_234_567, 5_432.1, 2.5e-7)
    asked = []
    monkeypatch.setattr(export, "export_run", lambda *arguments, **options: asked.append((arguments, options)) or made)
    answer = fixhead("export", digits_run.path, tmp_path / "digits")

    assert answer.code == 0 and asked == [((digits_run.path, tmp_path / "digits"), {
        "format": "saved_model", "calibrate": False, "data_dir": None, "checkpoint": None})]
    assert f"digits, version 4: {made.path}" in answer.out and "1.2 MB; 5,432 images per second here" in answer.out
    assert "3e-07" in answer.out or "2e-07" in answer.out
    assert answer.out.rstrip().splitlines()[-1].endswith(f"fixhead serve {tmp_path / 'digits'}")
    found = fixhead("export", digits_run.path, tmp_path / "digits", "--format", "onnx", "--json").json
    assert asked[1][1]["format"] == "onnx"
    assert found == {"run": str(digits_run.path), "name": "digits", "version": 4, "path": str(made.path),
                     "format": "saved_model", "size_bytes": 1_234_567, "images_per_second": 5_432.1,
                     "largest_difference": 2.5e-7}


def test_the_page_lists_all_signatures_files_and_options(exported, loaded, fixhead):
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text()
    rows = {name: row for name, *row in re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", page, re.M)}
    help_text = fixhead("export", "--help").out

    assert set(rows) == set(SIGNATURES)
    for name, (inputs, outputs) in rows.items():
        signature = loaded.signatures[name]
        assert re.findall(r"`(\w+)`", inputs) == list(signature.structured_input_signature[1]) or inputs.startswith(
            "`images`, as above")
        assert outputs == "the same" or set(re.findall(r"`([a-z_]+)`", outputs)) == set(signature.structured_outputs)
    for file in exported.path.rglob("assets.extra/*"):
        assert file.name in page
    for line in re.findall(r"^    fixhead export .*", page, re.M):
        for option in re.findall(r"--[a-z-]+", line):
            assert option in help_text


def test_the_command_refuses_an_unknown_format(fixhead, digits_run, tmp_path):
    answer = fixhead("export", digits_run.path, tmp_path / "m", "--format", "h5")

    assert answer.code == 2 and "'saved_model', 'onnx', 'litert'" in answer.err
