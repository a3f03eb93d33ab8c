"""What an export writes, what its self-check finds, and what becomes of failures."""
import errno
import io
import json
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from fixhead_serving import export
from fixhead_serving.export import SIGNATURES, export_model, export_run, formats, reference, self_check, versions, warmup
from fixhead_serving.export.answers import answers_model
from fixhead_serving.export.formats import FORMATS
from keras_fixhead.errors import ArgumentError, DependencyError, RunError, ServingError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import attach_head, build_model, head_of, load_model, precision_policy
from keras_fixhead.runs import create_run
from keras_fixhead.statistics import wilson_interval

NAMES = ["Änne", "zwei Wörter", "梟"]
SIZE = 16


def small_model(**arguments):
    return build_model("resnet18", (SIZE, SIZE, 3), 3, width=1 / 64, **arguments)


@pytest.fixture(scope="module")
def exported(digits_run, tmp_path_factory):
    return export_run(digits_run.path, tmp_path_factory.mktemp("served") / "digits")


@pytest.fixture(scope="module")
def loaded(exported):
    import tensorflow as tf

    return tf.saved_model.load(str(exported.path))


@pytest.fixture(scope="module")
def model(digits_run):
    return load_model(digits_run.path)


@pytest.fixture
def copy(exported, tmp_path):
    """Returns a version folder that may be damaged."""
    shutil.copytree(exported.path, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def checked_here(monkeypatch):
    """Lets the self-check run in this process: a fresh one loads TensorFlow first."""
    def check(folder):
        try:
            return self_check.check(folder)
        except self_check.Mismatch as problem:
            raise ServingError(str(problem)) from None

    monkeypatch.setattr(export, "_self_check", check)


# What is written


def test_labels_card_warm_up_and_check_stand_beside_the_model_where_a_server_does_not_mind(exported):
    """TensorFlow Serving takes warm-up requests, saved_model_config.pb and mlmd_uuid from there; see its
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


def test_the_card_says_what_the_run_says_and_names_no_path(exported, digits_run, tmp_path):
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
    assert card["model"]["head"]["class_vectors_digest"] == config.class_vectors_digest
    assert card["size_bytes"] == exported.size_bytes
    assert card["self_check"]["images_per_second"] == exported.images_per_second
    assert card["self_check"]["warm_up_requests"] == 9
    assert card["exported_with"]["keras"] == keras.__version__
    for said in (digits_run.name, config.class_vectors_digest, f"of {measured['n']}", "Wilson", "TEST"
                 if config.selection == "test" else "Intended use", "terms"):
        assert said in text
    for content in (json.dumps(card), text):
        assert not re.search(r"(?<![\w.`])/[a-zA-Z]+/", content)
        assert str(tmp_path.parent) not in content


def test_an_exported_folder_is_a_data_set_by_its_name_alone(digits_run, monkeypatch):
    import dataclasses

    from fixhead_serving.export.card import describe_run
    from keras_fixhead.runs import Run

    config = dataclasses.replace(digits_run.config(), selection="test")
    object.__setattr__(config, "dataset", "/somewhere/of/mine/birds")
    monkeypatch.setattr(Run, "config", lambda self: config)
    described = describe_run(digits_run)

    assert described["dataset"]["name"] == "birds" and "/somewhere" not in json.dumps(described)


def test_the_signatures_are_float32_named_and_of_any_batch_size(loaded):
    found = {name: {key: (each.dtype.name, each.shape.as_list()) for key, each in
                    loaded.signatures[name].structured_outputs.items()} for name in SIGNATURES}
    classes = {"logits": ("float32", [None, 10]), "probabilities": ("float32", [None, 10]),
               "cosines": ("float32", [None, 10]), "class_index": ("int64", [None]), "label": ("string", [None])}

    assert found["serving_default"] == found["serving_bytes"] == classes
    assert set(found["features"]) == {"features", "embedding"}
    assert {kind for kind, _ in found["features"].values()} == {"float32"}


def test_embedding_and_cosines_are_what_features_and_class_vectors_give(loaded, model):
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


def test_pictures_of_every_kind_and_size_are_decoded_without_animation_and_resized_with_anti_aliasing(loaded, model):
    import tensorflow as tf

    draw = np.random.default_rng(0)
    frames = [Image.fromarray(draw.integers(0, 256, (70, 45, 3)).astype(np.uint8)) for _ in range(2)]
    still = frames[0]

    def encoded(picture, kind, **options):
        file = io.BytesIO()
        picture.save(file, kind, **options)
        return file.getvalue()

    pictures = {
        "png": encoded(still, "PNG"), "bmp": encoded(still, "BMP"), "webp": encoded(still, "WEBP", lossless=True),
        "transparent png": encoded(still.convert("RGBA"), "PNG"),
        "transparent webp": encoded(still.convert("RGBA"), "WEBP", lossless=True),
    }
    found = loaded.signatures["serving_bytes"](image_bytes=tf.constant(list(pictures.values())))["logits"].numpy()
    pixels = keras.ops.image.resize(np.asarray(still, np.float32)[None], (32, 32), antialias=True)
    wanted = model.predict(np.clip(pixels, 0, 255), verbose=0)
    for name, row in zip(pictures, found, strict=True):
        np.testing.assert_allclose(row, wanted[0], atol=1e-4, err_msg=name)

    lossy = {"jpeg": encoded(still, "JPEG", quality=95),
             "grey jpeg": encoded(still.convert("L"), "JPEG"),
             "gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])}
    answers = loaded.signatures["serving_bytes"](image_bytes=tf.constant(list(lossy.values())))["logits"].numpy()
    for name, row in zip(lossy, answers, strict=True):
        with Image.open(io.BytesIO(lossy[name])) as opened:
            decoded = np.asarray(opened.convert("RGB"), np.float32)[None]
        wanted = model.predict(np.clip(keras.ops.image.resize(decoded, (32, 32), antialias=True), 0, 255), verbose=0)
        np.testing.assert_allclose(row, wanted[0], atol=2e-2, err_msg=name)  # decoders round in different ways

    animated = encoded(still, "WEBP", lossless=True, save_all=True, append_images=frames[1:])
    with pytest.raises(tf.errors.InvalidArgumentError, match="WebP Animation"):
        loaded.signatures["serving_bytes"](image_bytes=tf.constant([animated]))


def test_the_self_check_of_a_published_version_can_be_run_again_without_keras(exported):
    script = ("import sys\nsys.modules['keras'] = None\nfrom fixhead_serving.export.self_check import main\n"
              "sys.exit(main(sys.argv[1:]))")
    done = subprocess.run([sys.executable, "-c", script, str(exported.path)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["runtime"].startswith("tensorflow 2.") and set(report["largest_difference"]) == {
        "logits", "probabilities", "cosines", "features", "embedding"}


# Precision


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_whatever_a_model_computes_in_its_answers_are_those_of_the_float32_model(policy, logits):
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


def test_a_model_built_in_16_bits_is_exported_in_float32_from_beside_a_policy_of_16_bits(tmp_path, checked_here):
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


def test_a_model_that_cannot_be_built_anew_says_what_to_do():
    images = keras.Input((8, 8, 3))
    code = keras.layers.Lambda(lambda x: x, dtype="mixed_bfloat16")  # Keras does not run code out of a configuration
    x = code(keras.layers.GlobalAveragePooling2D()(images))
    with pytest.raises(ArgumentError, match=r"computes in bfloat16.* Build it under the float32 policy"):
        answers_model(keras.Model(images, HypersphereHead(3)(x)))


# Models that cannot be served, and wrong arguments


def model_of(shape, batch=None):
    images = keras.Input(batch_shape=(batch, *shape))
    return keras.Model(images, HypersphereHead(3)(keras.layers.GlobalAveragePooling2D()(images)))


@pytest.mark.parametrize("shape, batch", [((8, 8, 1), None), ((None, None, 3), None), ((8, 8, 3), 4)])
def test_a_model_of_other_inputs_is_refused(tmp_path, shape, batch):
    with pytest.raises(ArgumentError, match=r"takes inputs of shape .* \(None, H, W, 3\)"):
        export_model(model_of(shape, batch), tmp_path / "m", label_names=NAMES)
    assert not (tmp_path / "m").exists()


def test_a_model_of_two_inputs_is_refused():
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
def test_labels_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, names, said):
    with pytest.raises(ArgumentError, match=said):
        export_model(small_model(), tmp_path / "m", label_names=names)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["a b", "a:b", "é", "-x", ".tmp-1"])
def test_a_name_that_cannot_stand_in_a_url_is_refused_before_the_model_is_loaded(tmp_path, digits_run, name,
                                                                                 monkeypatch):
    monkeypatch.setattr("keras_fixhead.models.load_model", lambda path: pytest.fail("loaded"))
    with pytest.raises(ArgumentError, match="stands in URLs"):
        export_run(digits_run.path, tmp_path / name)


def test_a_run_without_a_model_says_what_it_is(tmp_path, digits_run):
    run = create_run(digits_run.config().__class__(dataset="digits", runs_dir=str(tmp_path)))
    with pytest.raises(RunError, match=r"holds no model.keras: it is no finished run\. Look: fixhead show"):
        export_run(run.path, tmp_path / "m")
    with pytest.raises(RunError, match="does not exist"):
        export_run(tmp_path / "nothing", tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_an_unknown_format_and_a_missing_extra_are_said_before_anything_is_written(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"no format 'h5'.* saved_model, onnx, litert"):
        export_model(small_model(), tmp_path / "m", label_names=NAMES, format="h5")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name, package in (("onnx", "tf2onnx, onnxruntime"), ("litert", "ai_edge_litert")):
        with pytest.raises(DependencyError, match=rf"needs {package}, .* pip install 'keras-fixhead\[{name}\]'"):
            export_model(small_model(), tmp_path / "m", label_names=NAMES, format=name)
    assert not (tmp_path / "m").exists()


def test_another_backend_is_told_what_export_needs():
    script = "from fixhead_serving.export import export_run\nexport_run('nothing', 'served/m')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env={**__import__("os").environ, "KERAS_BACKEND": "jax"})

    assert done.stderr.strip().splitlines()[-1] == (
        "keras_fixhead.errors.DependencyError: Exporting a SavedModel needs the TensorFlow backend, not jax. Install "
        "TensorFlow where it is missing, and run it with KERAS_BACKEND=tensorflow")


# Failures


def test_a_model_whose_weights_change_between_writing_and_asking_is_not_published(tmp_path, monkeypatch):
    def write_and_change(answers, folder, label_names):
        formats.write_saved_model(answers, folder, label_names)
        weight = answers.trainable_weights[-1]
        weight.assign(weight + 0.5)

    monkeypatch.setitem(FORMATS, "saved_model", formats.Format("", "assets.extra", (), write_and_change))
    (tmp_path / "m" / "1").mkdir(parents=True)
    with pytest.raises(ServingError, match=r"^The exported model has failed its check, and nothing was published: "
                                           r"serving_default on images, a batch of 1: logits differs by \S+, allowed "
                                           r"1.0e-04\. .*") as caught:
        export_model(small_model(), tmp_path / "m", label_names=NAMES)

    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"] and not list((tmp_path / "m" / "1").iterdir())


def test_a_model_without_guards_is_not_published(tmp_path, monkeypatch, checked_here):
    """Global pooling would answer images of any size, and a wrong rank end a server's process."""
    import tensorflow as tf

    guard = tf.ensure_shape
    monkeypatch.setattr(tf, "ensure_shape", lambda x, shape: x if len(shape) == 4 else guard(x, shape))
    with pytest.raises(ServingError, match=rf"serving_default answers inputs of shape \(1, {SIZE + 1}, {SIZE}, 3\)"):
        export_model(small_model(), tmp_path / "m", label_names=NAMES)
    assert list((tmp_path / "m").iterdir()) == []


@pytest.mark.parametrize("script, said", [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process ended with -9 at: its start"),
    ("print('loading', flush=True); import os; os.abort()", "its process ended with -6 at: loading"),
    ("raise ImportError('no tensorflow')", "ImportError: no tensorflow"),
])
def test_a_check_that_dies_says_where(tmp_path, monkeypatch, script, said):
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", script], **options))
    with pytest.raises(ServingError, match=said):
        export._self_check(tmp_path)


def test_a_check_that_hangs_is_ended(tmp_path, monkeypatch):
    run = subprocess.run
    script = "import time; time.sleep(60)"
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", script], **options))
    monkeypatch.setattr(export, "_CHECK_SECONDS", 1)
    with pytest.raises(ServingError, match="not checked within 1 s"):
        export._self_check(tmp_path)


@pytest.mark.parametrize("name", ["full disk", "full disk, said by TensorFlow", "stopped"])
def test_a_write_that_fails_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, name):
    import tensorflow as tf

    error = {"full disk": OSError(errno.ENOSPC, "No space left on device"),
             "full disk, said by TensorFlow": tf.errors.ResourceExhaustedError(None, None, "/x; No space left on "
                                                                               "device\nand more"),
             "stopped": KeyboardInterrupt()}[name]

    def write(answers, folder, label_names):
        (folder / "saved_model.pb").write_bytes(b"half")
        raise error

    monkeypatch.setitem(FORMATS, "saved_model", formats.Format("", "assets.extra", (), write))
    if name == "stopped":
        with pytest.raises(KeyboardInterrupt):
            export_model(small_model(), tmp_path / "m", label_names=NAMES)
    else:
        with pytest.raises(ServingError, match=r"cannot be written: .*No space left on device\. Choose a folder") as said:
            export_model(small_model(), tmp_path / "m", label_names=NAMES)
        assert "\n" not in str(said.value)
    assert list((tmp_path / "m").iterdir()) == []


# What the check finds, on copies that are damaged


def test_the_check_finds_nothing_on_a_whole_copy(copy):
    said = []
    report = self_check.check(copy, said.append)

    assert report["warm_up_requests"] == 9 and report["batch"] == 5
    assert [step for step in said if step.startswith("serving_bytes on")] == [
        f"serving_bytes on {of}, a batch of {size}" for of in ("pictures of the model's size", "pictures of other sizes")
        for size in (1, 5)]


def damage_weights(folder):
    (file,) = (folder / "variables").glob("*.data*")
    content = bytearray(file.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    file.write_bytes(content)


def damage_warm_up(folder):
    (folder / "assets.extra" / warmup.FILE).write_bytes(b"no record" * 20)


def empty_warm_up(folder):
    (folder / "assets.extra" / warmup.FILE).write_bytes(b"")


def wrong_warm_up(folder):
    warmup.write_requests(folder / "assets.extra" / warmup.FILE, "m", {"features": ("images", (5, 5, 3))})


def no_warm_up(folder):
    (folder / "assets.extra" / warmup.FILE).unlink()


def other_labels(folder):
    kept = reference.read_reference(folder / "assets.extra" / reference.FILE)
    changed = {**kept.__dict__, "label_names": [f"not {name}" for name in kept.label_names]}
    reference.write_reference(folder / "assets.extra" / reference.FILE, reference.Reference(**changed))


def no_reference(folder):
    (folder / "assets.extra" / reference.FILE).unlink()


def no_model(folder):
    (folder / "saved_model.pb").unlink()


@pytest.mark.parametrize("damage, said", [
    (damage_weights, "(cannot be loaded|differs by|no finite numbers|Checksum)"),
    (damage_warm_up, "warm-up request 1: "),
    (empty_warm_up, "warm-up requests for nothing only"),
    (wrong_warm_up, "warm-up request 1: .*not compatible with expected shape"),
    (no_warm_up, "warm-up request 1: "),
    (other_labels, "serving_default on images, a batch of 1: label is"),
    (no_model, "holds no saved_model.pb"),
])
def test_damage_is_found(copy, damage, said):
    damage(copy)
    with pytest.raises(self_check.Mismatch, match=said):
        self_check.check(copy)


def test_the_program_says_in_one_line_what_is_wrong(copy, capsys):
    no_reference(copy)

    assert self_check.main([str(copy)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert self_check.main([]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("kind, found", [("python", "EagerPyFunc"), ("numpy", "PyFunc"), ("xla", "_XlaMustCompile"),
                                         ("plain", None)])
def test_what_a_stock_server_cannot_run_is_named_inside_functions_too(tmp_path, kind, found):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    inner = {"python": lambda x: tf.py_function(lambda y: y + 1, [x], tf.float32),
             "numpy": lambda x: tf.numpy_function(lambda y: y + 1, [x], tf.float32),
             "xla": tf.function(lambda x: x + 1, jit_compile=True),
             "plain": tf.function(lambda x: x + 1)}[kind]
    module = tf.Module()
    module.run = tf.function(lambda x: tf.map_fn(inner, x), input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())

    assert self_check.foreign_parts(saved) == ([found] if found else [])


@pytest.mark.parametrize("answer, said", [
    ("half", "y is float16"), ("scalar", r"y has shape \(\): its first dimension is not the batch"),
    ("constant", r"y has shape \(3,\): its first dimension is not the batch")])
def test_outputs_that_a_server_cannot_write_are_named(answer, said):
    import tensorflow as tf

    def call(x):
        return {"y": {"half": tf.cast(x, tf.float16), "scalar": tf.reduce_sum(x), "constant": tf.constant(NAMES)}[answer]}

    function = tf.function(call, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    with pytest.raises(self_check.Mismatch, match=said):
        self_check._check_types("serving_default", function.get_concrete_function())


# Other models, the command line


def test_a_head_on_a_backbone_is_exported_with_its_own_answers(tmp_path, checked_here):
    """No layer of build_model's, no name of an input, a dot head with a bias: and version 2 follows version 1."""
    backbone = keras.Sequential([keras.Input((12, 9, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3)])
    model = attach_head(backbone, 3, logits="dot", bias="learned", fixed=False)
    (tmp_path / "m" / "1").mkdir(parents=True)
    made = export_model(model, tmp_path / "m", label_names=NAMES)
    card = json.loads((made.path / "assets.extra" / "model_card.json").read_text())

    assert made.version == 2 and versions(tmp_path / "m") == [1, 2]
    assert card["model"]["outputs"] == ["logits", "probabilities", "features", "embedding"]
    assert card["training"] is None and card["model"]["head"]["fixed"] is False
    assert "not from a run" in (made.path / "assets.extra" / "model_card.md").read_text()


def test_the_command_says_size_speed_and_what_to_type_next(fixhead, digits_run, tmp_path, monkeypatch):
    made = export.ExportedModel("digits", 4, tmp_path / "digits" / "4", "saved_model", 1_234_567, 5_432.1, 2.5e-7)
    asked = []
    monkeypatch.setattr(export, "export_run", lambda *arguments, **options: asked.append((arguments, options)) or made)
    answer = fixhead("export", digits_run.path, tmp_path / "digits")

    assert answer.code == 0 and asked == [((digits_run.path, str(tmp_path / "digits")), {"format": "saved_model"})]
    assert f"digits, version 4: {made.path}" in answer.out and "1.2 MB; 5,432 images a second here" in answer.out
    assert "3e-07" in answer.out or "2e-07" in answer.out
    assert answer.out.rstrip().splitlines()[-1].endswith(f"fixhead serve {tmp_path / 'digits'}")
    found = fixhead("export", digits_run.path, tmp_path / "digits", "--format", "onnx", "--json").json
    assert asked[1][1] == {"format": "onnx"}
    assert found == {"run": str(digits_run.path), "name": "digits", "version": 4, "path": str(made.path),
                     "format": "saved_model", "size_bytes": 1_234_567, "images_per_second": 5_432.1,
                     "largest_difference": 2.5e-7}


def test_the_command_refuses_an_unknown_format(fixhead, digits_run, tmp_path):
    answer = fixhead("export", digits_run.path, tmp_path / "m", "--format", "h5")

    assert answer.code == 2 and "'saved_model', 'onnx', 'litert'" in answer.err
