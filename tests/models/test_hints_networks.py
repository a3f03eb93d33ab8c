"""Every hint about models and their parts: produced in its situation, and followed."""
import re

import keras
import numpy as np
import pytest
from hints import follow, leads_out, refused

import keras_fixhead
from keras_fixhead.config import resolve
from keras_fixhead.evaluation import Measurer
from keras_fixhead.models import (
    as_streaming,
    attach_head,
    build_model,
    feature_model,
    load_model,
    multiply_adds,
    save_model,
)
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

PICTURE = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")


def backbone(*names, shape=(8, 8, 3)):
    return keras.Sequential([keras.Input(shape), *(keras.layers.Conv2D(4, 3, name=name) for name in names)])


def small(**changes):
    return attach_head(backbone("conv", **changes), 3)


class Subclassed(keras.Model):
    def call(self, images):
        return images


BUILT = "Pass a functional or sequential model that has been built, for example starting with keras.Input."
HINTS = {
    BUILT: [(lambda: attach_head(keras.Sequential([keras.layers.Conv2D(4, 3)]), 3),
             lambda: small()),
            (lambda: feature_model(Subclassed()), lambda: feature_model(small()))],
    "Rename that layer.": [(lambda: attach_head(backbone("features", "conv"), 3),
                            lambda: attach_head(backbone("mine", "conv"), 3))],
    "Models from build_model and attach_head have both.": [
        (lambda: feature_model(backbone("conv")), lambda: feature_model(small())),
        (lambda: feature_model(backbone("conv")),
         lambda: feature_model(build_model("resnet18", (8, 8, 3), 3, width=1 / 64)))],
    "Pass keras_fixhead.as_dense(model).": [
        (lambda: Measurer(as_streaming(small())), lambda: Measurer(keras_fixhead.as_dense(as_streaming(small()))))],
    "Build it with a fixed input_shape.": [
        (lambda: multiply_adds(small(shape=(None, None, 3))), lambda: multiply_adds(small(shape=(8, 8, 3))))],
}


@leads_out(*HINTS)
@pytest.mark.parametrize("hint, wrong, right", [(hint, *case) for hint, cases in HINTS.items() for case in cases])
def test_what_a_hint_about_a_model_says_works(hint, wrong, right):
    with refused(hint):
        wrong()
    right()


@leads_out("Choose one: keras.Model(model.inputs, model.outputs[0]).")
def test_one_of_several_outputs_gets_a_head():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, [keras.layers.Conv2D(4, 3)(images), keras.layers.Conv2D(5, 3)(images)])
    with refused("Choose one: ") as caught:
        attach_head(model, 3)
    one = eval(caught.value.hint.removeprefix("Choose one: ").rstrip("."), {"keras": keras, "model": model})

    assert attach_head(one, 3)(PICTURE).shape == (2, 3)


@leads_out("Pass the network without its classifier; keras.applications: include_top=False.")
@pytest.mark.parametrize("last, right", [
    (keras.layers.Softmax(), lambda model: keras.Model(model.inputs, model.layers[-1].input)),
    (keras.layers.Dense(10, name="predictions"), lambda model: keras.Model(model.inputs, model.layers[-1].input)),
    (None, feature_model)])
def test_a_network_gets_a_head_without_its_classifier(last, right):
    model = attach_head(backbone("conv"), 3) if last is None else keras.Sequential([
        keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), last])
    with refused("Pass feature_model(model)." if last is None else "Pass the network without its classifier; "):
        attach_head(model, 3)

    assert attach_head(right(model), 3).output_shape == (None, 3)


# files


@leads_out("Use ....", "Pass a run directory or a .keras file.",
           "Pass a run directory or a .keras file; list runs with: fixhead list runs", "Finish it: ...")
def test_a_model_is_saved_and_loaded_after_following_the_hints(fixhead, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = small()
    with refused(f"Use '{tmp_path}/m.keras'.") as caught:
        save_model(model, tmp_path / "m.h5")
    file = re.search(r"'(.*)'", caught.value.hint)[1]
    save_model(model, file)

    np.savez("set.npz", features=np.eye(60, 5, dtype="float32"), labels=np.arange(60) % 4)
    run = create_run(resolve(build_config({"dataset": "set.npz", "model": "mlp", "width": 1 / 16, "batch_size": 20,
                                           "epochs": 1, "runs_dir": str(tmp_path / "runs")})))
    for path, hint in ((tmp_path / "none", "Pass a run directory or a .keras file."),
                       (tmp_path, "Pass a run directory or a .keras file; list runs with: fixhead list runs")):
        with refused(hint) as caught:
            load_model(path)
    assert load_model(file)(PICTURE).shape == (2, 3)
    assert run.path.name in follow(fixhead, caught.value.hint).out

    with refused("Finish it: ") as caught:
        load_model(run.path)
    follow(fixhead, caught.value.hint)
    assert load_model(run.path).output_shape == (None, 4)
