"""Models that can be exported (any precision, other backbones), and those refused before writing anything."""
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from fixhead_serving.export import export_model, export_run, versions
from fixhead_serving.export.answers import answers_model
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, DependencyError, RunError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import attach_head, build_model, precision_policy
from keras_fixhead.runs import create_run

NAMES = ["Änne", "zwei Wörter", "梟"]
SIZE = 16


def small_model(**arguments):
    return build_model("resnet18", (SIZE, SIZE, 3), 3, width=1 / 64, **arguments)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_answers_of_any_precision_match_the_float32_model(policy, logits):
    with precision_policy("float32"):
        plain = small_model(logits=logits, seed=3, scale="learned")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        other = small_model(logits=logits, seed=3, scale="learned")
        other.set_weights(plain.get_weights())
        found, wanted = answers_model(other), answers_model(plain)
    finally:
        keras.config.set_dtype_policy(before)
    images = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype("float32")

    assert set(wanted.output) == {"logits", "probabilities", "features", "embedding"} | (
        {"cosines"} if logits == "cos" else set())
    for name, value in wanted(images).items():
        assert keras.backend.standardize_dtype(found(images)[name].dtype) == "float32"
        np.testing.assert_array_equal(found(images)[name], value, err_msg=name)


def test_a_16_bit_model_is_exported_in_float32_even_under_a_16_bit_policy(tmp_path, checked_here):
    import tensorflow as tf

    with precision_policy("bfloat16"):
        model = small_model(seed=5, class_vectors=np.eye(3, 8, dtype="float32"), bias="learned")
        path = export_model(model, tmp_path / "m", label_names=NAMES).path
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    images = tf.constant(np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)), tf.float32)
    answers = signature(images=images)

    assert {value.dtype.name for value in answers.values()} == {"float32", "int64", "string"}
    assert [each.decode() for each in answers["label"].numpy()] == [NAMES[n] for n in answers["class_index"].numpy()]
    assert (path / "assets.extra" / "labels.txt").read_text("utf-8") == "".join(f"{name}\n" for name in NAMES)
    np.testing.assert_allclose(answers["logits"], model(images), atol=0.05)  # bfloat16 has 8 bits


def test_a_model_that_cannot_be_rebuilt_is_an_error_with_a_hint():
    images = keras.Input((8, 8, 3))
    code = keras.layers.Lambda(lambda x: x, dtype="mixed_bfloat16")  # Keras does not run code from a configuration
    x = code(keras.layers.GlobalAveragePooling2D()(images))
    with pytest.raises(ArgumentError, match=r"computes in bfloat16.* Build it under the float32 policy"):
        answers_model(keras.Model(images, HypersphereHead(3)(x)))


def test_a_head_on_a_backbone_is_exported_with_its_own_answers(tmp_path, checked_here):
    """No layers from build_model, an unnamed input, a dot head with a bias; and version 2 follows version 1."""
    backbone = keras.Sequential([keras.Input((12, 9, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3)])
    model = attach_head(backbone, 3, logits="dot", bias="learned", fixed=False)
    (tmp_path / "m" / "1").mkdir(parents=True)
    made = export_model(model, tmp_path / "m", label_names=NAMES)
    card = json.loads((made.path / "assets.extra" / "model_card.json").read_text())

    assert made.version == 2 and versions(tmp_path / "m") == [1, 2]
    assert card["model"]["outputs"] == ["logits", "probabilities", "features", "embedding"]
    assert card["training"] is None and card["model"]["head"]["fixed"] is False
    assert "not from a run" in (made.path / "assets.extra" / "model_card.md").read_text()


def model_of(shape, batch=None):
    images = keras.Input(batch_shape=(batch, *shape))
    return keras.Model(images, HypersphereHead(3)(keras.layers.GlobalAveragePooling2D()(images)))


@pytest.mark.parametrize("shape, batch", [((8, 8, 2), None), ((None, None, 3), None), ((8, 8, 3), 4)])
def test_a_model_with_other_inputs_is_refused(tmp_path, shape, batch):
    with pytest.raises(ArgumentError, match=r"takes inputs of shape .* \(None, H, W, 3\)"):
        export_model(model_of(shape, batch), tmp_path / "m", label_names=NAMES)
    assert not (tmp_path / "m").exists()


def test_a_model_with_two_inputs_is_refused():
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([one, two]))
    with pytest.raises(ArgumentError, match="takes inputs of shape"):
        answers_model(keras.Model([one, two], HypersphereHead(3)(x)))


@pytest.mark.parametrize("names, said", [
    (NAMES[:2], "2 label names for 3 classes"),
    ("abc", "label names for 3 classes"),
    (["a", "", "c"], "cannot be called ''"),
    (["a", "b\nb", "c"], "line breaks"),
    (["a", "b\udcff", "c"], "cannot be called"),
    (["a", 2, "c"], "cannot be called 2"),
])
def test_labels_that_do_not_fit_are_refused_before_writing_anything(tmp_path, names, said):
    with pytest.raises(ArgumentError, match=said):
        export_model(small_model(), tmp_path / "m", label_names=names)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["a b", "a:b", "é", "-x", ".tmp-1"])
def test_a_name_invalid_in_a_url_is_refused_before_loading_the_model(tmp_path, digits_run, name,
                                                                                 monkeypatch):
    monkeypatch.setattr("keras_fixhead.models.load_model", lambda path: pytest.fail("loaded"))
    with pytest.raises(ArgumentError, match="its name is part of URLs"):
        export_run(digits_run.path, tmp_path / name)


def test_a_run_without_a_model_is_reported_as_such(tmp_path, digits_run):
    run = create_run(resolve(TrainConfig(dataset="digits", runs_dir=str(tmp_path))))
    with pytest.raises(RunError, match=r"has no model.keras: the run is not finished\. Finish it: fixhead train"):
        export_run(run.path, tmp_path / "m")
    with pytest.raises(RunError, match="does not exist"):
        export_run(tmp_path / "nothing", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_an_unknown_format_or_a_missing_extra_is_reported_before_writing_anything(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"Unknown format 'h5'.* saved_model, onnx, litert"):
        export_model(small_model(), tmp_path / "m", label_names=NAMES, format="h5")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in (("onnx", "tf2onnx and onnxruntime"), ("litert", "ai_edge_litert")):
        said = rf"needs {package}, not installed.* pip install 'keras-fixhead\[{name}\]'"
        with pytest.raises(DependencyError, match=said):
            export_model(small_model(), tmp_path / "m", label_names=NAMES, format=name)
    assert not (tmp_path / "m").exists()


def test_another_backend_is_refused_with_what_export_needs():
    script = "from fixhead_serving.export import export_run\nexport_run('nothing', 'served/m')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": "jax"})

    assert done.stderr.strip().splitlines()[-1] == (
        "keras_fixhead.errors.DependencyError: Exporting a SavedModel needs the TensorFlow backend, not jax. Install "
        "TensorFlow if it is missing, and run this with KERAS_BACKEND=tensorflow")
