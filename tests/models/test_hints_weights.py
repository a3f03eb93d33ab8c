"""Every hint about published networks and weights: produced in its situation, and followed."""
import inspect
import re
import sys
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hints import ROOT, check_way_out, leads_out, refused

from keras_fixhead.models import build_model, keras_cv_resnet, start_from_model, start_from_weights
from keras_fixhead.models.published import check_channels

MOBILE = "keras_applications/MobileNetV3Small"
DRY = f"train --dry-run --dataset digits --model {MOBILE}"


def tiny(filters=4, include_top=False, weights=None, input_tensor=None):
    """Stands in for a network of keras.applications, with one layer."""
    features = keras.layers.Conv2D(filters, 3, name="conv")(input_tensor)
    network = keras.Model(keras.utils.get_source_inputs(input_tensor), features)
    if weights == "imagenet":
        raise OSError("URL fetch failure on the address: no route to host")
    if weights is not None:
        network.load_weights(weights)
    return network


@pytest.fixture
def network(monkeypatch, tmp_path):
    """Returns the name of a small network, with a file of its weights and one of another's."""
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", tiny)
    for filters, name in ((4, "tiny_notop"), (5, "other_notop")):
        tiny(filters, input_tensor=keras.Input((32, 32, 3))).save_weights(tmp_path / f"{name}.weights.h5")
    return MOBILE


def model_of(network, channels=3, **options):
    return build_model(network, (32, 32, channels), 3, **options)


@leads_out("On a machine with a network, Keras keeps them in ~/.keras/models; give that file: --weights FILE. Or start "
           "without: --weights none.",
           "Files of Keras have 'notop' or 'no_top' in their names. Or start without: --weights none.")
@pytest.mark.parametrize("weights", ["imagenet", "other_notop.weights.h5"])
def test_weights_that_cannot_be_had_or_do_not_fit_are_given_as_a_file_or_left_out(fixhead, network, weights, tmp_path):
    model = model_of(network)
    wrong = weights if weights == "imagenet" else str(tmp_path / weights)
    with refused("Or start without: --weights none.") as caught:
        start_from_weights(model, network, wrong)
    assert "--weights FILE" in caught.value.hint if weights == "imagenet" else "'no_top'" in caught.value.hint
    start_from_weights(model, network, str(tmp_path / "tiny_notop.weights.h5"))
    for given in (tmp_path / "tiny_notop.weights.h5", "none"):
        assert fixhead(*DRY.split(), "--weights", given).code == 0


def test_keras_keeps_published_weights_where_and_under_the_names_that_hints_say():
    for file in Path(inspect.getfile(keras.applications.ResNet50)).parent.glob("*.py"):
        text = file.read_text()
        if "get_file(" in text and not file.name.endswith("_test.py") and file.name != "imagenet_utils.py":
            assert 'cache_subdir="models"' in text and re.search("notop|no_top", text), file.name


@leads_out("Use --init-from RUN, or --model ...NAME.")
def test_a_network_without_published_weights_starts_from_a_run_or_is_another(fixhead, network, tmp_path):
    model = build_model("resnet18", (32, 32, 3), 3, width=1 / 64)
    with refused("Use --init-from RUN, or --model keras_applications/NAME."):
        start_from_weights(model, "resnet18", "imagenet")
    model.save(tmp_path / "m.keras")
    wrong = "train --dry-run --dataset digits --model resnet18 --width 0.015625 --weights imagenet"
    for right in (f"{wrong.removesuffix(' --weights imagenet')} --init-from {tmp_path}/m.keras",
                  f"{DRY} --weights imagenet"):
        check_way_out(fixhead, wrong, "Use --init-from RUN, or --model keras_applications/NAME.", right)


@leads_out("Leave --...signed-features out.", "Use --weights none, or pictures in colour.")
def test_a_published_network_is_taken_in_its_own_form(network):
    for name, signed, option in ((network, True, "--signed-features"),
                                 ("keras_applications/ConvNeXtTiny", False, "--no-signed-features")):
        with refused(f"Leave {option} out."):
            model_of(name, signed_features=signed)
    assert model_of(network).output_shape == (None, 3)

    with refused("Use --weights none, or pictures in colour."):
        check_channels("MobileNetV3Small", model_of(network, channels=1).input)
    check_channels("MobileNetV3Small", model_of(network, channels=3).input)


def test_a_model_starts_from_one_that_is_built_as_the_hint_says(network, tmp_path):
    weights = str(tmp_path / "tiny_notop.weights.h5")
    source, other = (build_model("resnet18", (8, 8, 3), 3, width=width) for width in (1 / 64, 1 / 32))
    with refused("Give the --model and --width that it was trained with, and --pooling and --signed-features."):
        start_from_model(other, source, "the run")
    start_from_model(build_model("resnet18", (8, 8, 3), 3, width=1 / 64), source, "the run")

    with refused("Give the weights of the same network."):
        start_from_weights(source, network, weights)
    start_from_weights(model_of(network), network, weights)


# packages


@leads_out("Set KERAS_BACKEND=tensorflow, or choose another --model.")
def test_keras_cv_is_used_on_its_backend(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", SimpleNamespace())
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with refused("Set KERAS_BACKEND=tensorflow, or choose another --model."):
        keras_cv_resnet._keras_cv()
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")

    assert keras_cv_resnet._keras_cv() is sys.modules["keras_cv"]


@leads_out("Install it: pip install 'keras-fixhead[")
@pytest.mark.parametrize("package, name", [("keras_cv", "keras_cv/resnet18"), ("keras_hub", "keras_hub/PRESET")])
def test_packages_that_networks_need_are_installed_with_the_extra_that_is_named(package, name, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    with refused("Install it: pip install 'keras-fixhead[") as caught:
        build_model(name, (32, 32, 3), 3)
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")

    extra = setup["options.extras_require"][re.search(r"\[([\w-]+)\]", caught.value.hint)[1]]
    assert package.replace("_", "-") in extra


@leads_out("Give the model.weights.h5 of a preset with the same network; or start without: --weights none.")
def test_a_preset_starts_from_weights_of_the_same_network(monkeypatch, tmp_path):
    (tmp_path / "config.json").write_text('{"class_name": "VGGBackbone", "config": {"stackwise_num_filters": [4]}}')
    (tmp_path / "image_converter.json").write_text("{}")

    def from_preset(folder, load_weights=False, image_shape=None):
        images = keras.Input(image_shape)
        return keras.Model(images, keras.layers.Conv2D(4, 3, name="conv")(images))

    converter = SimpleNamespace(from_preset=lambda folder: SimpleNamespace(scale=None, offset=None))
    monkeypatch.setitem(sys.modules, "keras_hub", SimpleNamespace(
        models=SimpleNamespace(Backbone=SimpleNamespace(from_preset=from_preset)),
        layers=SimpleNamespace(ImageConverter=converter)))
    saved = from_preset(tmp_path, image_shape=(32, 32, 3))
    saved.save_weights(tmp_path / "model.weights.h5")
    model = model_of(f"keras_hub/{tmp_path}")
    with refused("Give the model.weights.h5 of a preset with the same network; or start without: --weights none."):
        start_from_weights(model, f"keras_hub/{tmp_path}", str(tmp_path / "config.json"))
    start_from_weights(model, f"keras_hub/{tmp_path}", str(tmp_path / "model.weights.h5"))

    kernel = next(layer for layer in model.layers if layer.weights).kernel
    np.testing.assert_array_equal(kernel, saved.layers[-1].kernel)
