"""Every hint of `fixhead export` and `fixhead check`: produced in its situation, and followed."""
import asyncio
import configparser
import shutil
import subprocess
import sys

import httpx
import keras
import numpy as np
import pytest
from hints import ROOT, follow, hint_of, leads_out, serving
from PIL import Image

from fixhead_serving import export
from fixhead_serving.checks.conformance import CASES, run_cases
from fixhead_serving.checks.parity import compare
from fixhead_serving.export import export_model, export_run, own_pictures
from fixhead_serving.export.answers import answers_model
from fixhead_serving.export.formats import look_up_format
from fixhead_serving.export.own_pictures import own_reference
from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer, ServedModel
from fixhead_serving.server.models import WatchedModel
from fixhead_serving.server.savedmodel import Loader
from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.errors import ArgumentError, DependencyError, ServingError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import build_model, precision_policy

NAMES = ["cat", "dog", "owl"]


@pytest.fixture
def model():
    return build_model("resnet18", (8, 8, 3), 3, width=1 / 64)


@leads_out("Choose another DIR, such as ")
@pytest.mark.parametrize("place", ["the run", "a folder in it", "a version"])
def test_an_export_is_never_written_into_another_kind_of_folder(fixhead, tmp_path, digits_run, quick_export, place):
    run = shutil.copytree(digits_run.path, tmp_path / "runs" / "first")
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "saved_model.pb").touch()
    target = {"the run": run, "a folder in it": run / "served" / "x", "a version": tmp_path / "m" / "1"}[place]
    before = sorted(target.rglob("*"))
    hint = hint_of(fixhead("export", run, target))

    assert sorted(target.rglob("*")) == before
    assert fixhead("export", run, hint.removeprefix("Choose another DIR, such as ")).code == 0


@leads_out("Use letters, digits, '.', '_' and '-' for the folder's name.",
           "Choose a writable folder with enough space for the model.")
def test_another_folder_works_after_a_bad_name_or_a_full_disk(fixhead, tmp_path, digits_run, quick_export, monkeypatch):
    assert hint_of(fixhead("export", digits_run.path, tmp_path / "a b")).startswith("Use letters")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(export, "publish", full)
        hint = hint_of(fixhead("export", digits_run.path, tmp_path / "a-b", "--quiet"))
        assert hint.startswith("Choose a writable folder")

    assert export_run(digits_run.path, tmp_path / "a-b").version == 1


@leads_out("Give one name per class, in the order of the classes.",
           "Use names of at least one character, without line breaks.", "Build it with keras.Input((H, W, 3)).",
           "Build it under the float32 policy and carry the weights over.")
def test_models_and_names_that_cannot_be_exported_are_fixed_by_their_hints(model):
    for names, match in ((NAMES[:2], "Give one name per class"), (["a", "", "c"], "Use names of at least one")):
        with pytest.raises(ArgumentError, match=match):
            export._check_labels(names, model)
    export._check_labels(NAMES, model)

    def with_input(shape, **options):
        images = keras.Input(shape)
        x = keras.layers.Lambda(lambda x: x, **options)(keras.layers.GlobalAveragePooling2D()(images))
        return keras.Model(images, HypersphereHead(3)(x))

    with pytest.raises(ArgumentError, match=r"Build it with keras.Input\(\(H, W, 3\)\)"):
        answers_model(with_input((8, 8, 2)))
    other = with_input((8, 8, 3), dtype="mixed_bfloat16")
    with pytest.raises(ArgumentError, match="Build it under the float32 policy"):
        answers_model(other)
    with precision_policy("float32"):
        plain = with_input((8, 8, 3))
    plain.set_weights(other.get_weights())
    answers_model(plain)


@leads_out("Formats: ...", "Install it: pip install 'keras-fixhead[",
           "Install TensorFlow if it is missing, and run this with KERAS_BACKEND=tensorflow")
def test_missing_formats_and_backends_are_named(monkeypatch):
    with pytest.raises(ArgumentError) as caught:
        look_up_format("savedmodel")
    look_up_format(caught.value.hint.removeprefix("Formats: ").split(",")[0])

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for name in ("onnx", "litert"):
        with pytest.raises(DependencyError) as missing:
            look_up_format(name)
        assert missing.value.hint == f"Install it: pip install 'keras-fixhead[{name}]'"
        assert name in setup["options.extras_require"]

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(DependencyError, match="KERAS_BACKEND=tensorflow"):
        export.check_backend()
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    export.check_backend()


@leads_out("Export again on a less busy machine.", "Export again. If that fails too, report it with this message.")
def test_a_check_that_failed_once_may_pass_the_next_time(model, tmp_path, monkeypatch, written_once):
    monkeypatch.setattr(export, "_CHECK_SECONDS", 0.01)
    with pytest.raises(ServingError, match="Export again on a less busy machine"):
        export_model(model, tmp_path / "m", label_names=NAMES)
    monkeypatch.setattr(export, "_CHECK_SECONDS", 600)
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", "1/0"], **options))
    with pytest.raises(ServingError, match=r"Export again\. If that fails too"):
        export_model(model, tmp_path / "m", label_names=NAMES)
    monkeypatch.setattr(subprocess, "run", run)

    assert export_model(model, tmp_path / "m", label_names=NAMES).version == 1


# fixhead check


@leads_out("fixhead check conformance http://127.0.0.1:8501", "For example: http://127.0.0.1:8501",
           "Serve the suite's model: fixhead check conformance --make-models DIR && ",
           "Serve it: ")
def test_a_server_without_the_model_of_the_suite_gets_it(fixhead, tmp_path, monkeypatch):
    """From invalid arguments through a server without the model to one that serves it."""
    assert hint_of(fixhead("check", "conformance")) == "Check a server: fixhead check conformance http://127.0.0.1:8501"
    assert hint_of(fixhead("check", "conformance", "127.0.0.1:8501")) == "For example: http://127.0.0.1:8501"
    with serving(create_app(ModelServer([ServedModel("other", {})]))) as origin:
        hint = hint_of(fixhead("check", "conformance", origin))

    served = []
    monkeypatch.setattr("fixhead_serving.process.serve", lambda sources, *_, **options: served.append(sources))
    follow(fixhead, hint, DIR=tmp_path / "models")
    follow(fixhead, hint_of(fixhead("check", "conformance", "--make-models", tmp_path / "models")))
    assert served[0] == served[1]
    app = create_app(ModelServer([WatchedModel(source, Loader()).start() for source in served[0]]))

    async def send():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
            return await run_cases(client, CASES[:20], "fixhead serve")

    assert {result.outcome for result in asyncio.run(send())} <= {"pass", "deviation"}


@leads_out("Is this the model that was exported from the run?")
def test_an_answer_from_another_model_gets_a_hint():
    expected = np.array([[0.7, 0.3]], np.float32)
    own = {"probabilities": expected, "class_index": np.array([0]), "label": np.array(["a"])}
    with pytest.raises(ServingError, match=r"Is this the model that was exported from the run\?"):
        compare(expected, {**own, "probabilities": np.ones((1, 3))}, ["a", "b"], 1e-4)
    assert compare(expected, own, ["a", "b"], 1e-4).equal


@leads_out("Save such pictures as PNG, or install Pillow's own wheel: pip install -U pillow")
@pytest.mark.parametrize("levels, said", [(1.0, r"a\.jpg differs by"), (255.0, "another class than in training")])
def test_a_run_is_exported_after_saving_pictures_that_decoders_disagree_on_as_png(tmp_path, monkeypatch, levels, said):
    """Darker JPEG pixels stand for another decoder."""
    import tensorflow as tf

    draw, jpeg = np.random.default_rng(0), tf.io.decode_jpeg
    Image.fromarray(draw.integers(0, 256, (40, 30, 3)).astype("uint8")).save(tmp_path / "a.jpg")
    Image.open(tmp_path / "a.jpg").save(tmp_path / "a.png")
    answers, form = answers_model(build_model("resnet18", (16, 16, 3), 3, width=1 / 64)), PictureForm(16, 16)
    monkeypatch.setattr(tf.io, "decode_jpeg", lambda *arguments, **options: jpeg(*arguments, **options) // 2)
    assert len(own_reference(answers, 1.0, ["a", "b", "c"], form, [tmp_path / "a.png"]).pictures) == 1
    monkeypatch.setattr(own_pictures, "LEVELS", levels)
    if levels > 1:  # pixels may differ, but not classes
        rows = iter([np.eye(3)[:1], np.eye(3)[1:2]])
        monkeypatch.setattr(own_pictures, "answers_of", lambda model, images: dict.fromkeys(
            ("logits", "probabilities"), next(rows)))
    with pytest.raises(ServingError, match=f"{said}.*Save such pictures as PNG"):
        own_reference(answers, 1.0, ["a", "b", "c"], form, [tmp_path / "a.jpg"])


# All of them
