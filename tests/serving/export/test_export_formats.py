"""ONNX and LiteRT: one file, checked in its own runtime; needs the extras [onnx] and [litert]."""
import json

import numpy as np
import pytest

from fixhead_serving.export import export_model, export_run, versions
from keras_fixhead.errors import ServingError
from keras_fixhead.models import build_model, head_of, load_model

pytestmark = pytest.mark.long

FILES = {"onnx": "model.onnx", "litert": "model.tflite"}


@pytest.mark.parametrize("format", FILES)
def test_a_run_is_exported_as_one_file_next_to_the_served_versions(digits_run, tmp_path, fixhead, format):
    base = tmp_path / "digits"
    (base / "1").mkdir(parents=True)
    found = fixhead("export", digits_run.path, base, "--format", format, "--json").json
    again = export_run(digits_run.path, base, format=format)

    assert (found["version"], again.version) == (1, 2) and found["path"] == str(base / f"{format}-1")
    assert versions(base) == [1] and versions(base, f"{format}-") == [1, 2]  # a server sees only its own version
    assert {path.name for path in again.path.iterdir()} == {
        FILES[format], "labels.txt", "model_card.json", "model_card.md", "self_check.npz"}
    assert again.size_bytes == (again.path / FILES[format]).stat().st_size
    card = json.loads((again.path / "model_card.json").read_text())
    assert card["format"] == format and card["training"]["run"] == digits_run.name
    assert card["self_check"]["runtime"].startswith({"onnx": "onnxruntime", "litert": "ai-edge-litert"}[format])
    assert set(card["self_check"]["largest_difference"]) == {"logits", "probabilities", "cosines", "features",
                                                             "embedding"}
    assert max(card["self_check"]["largest_difference"].values()) <= 1e-4


@pytest.mark.parametrize("format", FILES)
def test_the_file_has_named_inputs_and_outputs_and_accepts_any_batch_size(digits_run, tmp_path, format):
    folder = export_run(digits_run.path, tmp_path / "m", format=format).path
    model = load_model(digits_run.path)
    vectors = np.asarray(head_of(model).class_vectors.value)
    for rows in (1, 3, 7):
        images = np.random.default_rng(rows).uniform(0, 255, (rows, 32, 32, 3)).astype("float32")
        if format == "onnx":
            import onnxruntime

            session = onnxruntime.InferenceSession(folder / "model.onnx")
            assert [each.name for each in session.get_inputs()] == ["images"]
            names = [each.name for each in session.get_outputs()]
            answers = dict(zip(names, session.run(None, {"images": images}), strict=True))
        else:
            from ai_edge_litert.interpreter import Interpreter

            answers = Interpreter(str(folder / "model.tflite")).get_signature_runner("serving_default")(images=images)
        np.testing.assert_allclose(answers["logits"], model.predict(images, verbose=0), atol=1e-4)
        np.testing.assert_allclose(answers["cosines"], answers["embedding"] @ vectors.T, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(answers["embedding"], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("format", FILES)
def test_a_file_with_wrong_answers_is_not_published(tmp_path, monkeypatch, format):
    from fixhead_serving.export import reference

    ask = reference.ask_model

    def ask_changed(model, scale, label_names):
        model.trainable_weights[0].assign(model.trainable_weights[0] * 1.5 + 0.1)
        return ask(model, scale, label_names)

    monkeypatch.setattr(reference, "ask_model", ask_changed)
    model = build_model("resnet18", (16, 16, 3), 3, width=1 / 64)
    with pytest.raises(ServingError, match=rf"nothing was published: {FILES[format]}, a batch of 1: \w+ differs by"):
        export_model(model, tmp_path / "m", label_names=["a", "b", "c"], format=format)
    assert list((tmp_path / "m").iterdir()) == []
