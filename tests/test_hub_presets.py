"""Presets of KerasHub, read without it: their files are written here, in the form of `save_to_preset`."""
import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

from keras_fixhead.catalog import feature_dim, find_model
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, DataError, DependencyError, HubError
from keras_fixhead.hub_presets import FAMILIES
from keras_fixhead.runs.result import portable_config

SIZES = {
    "ResNetBackbone": {"stackwise_num_filters": [64, 128], "block_type": "basic_block"},
    "DenseNetBackbone": {"stackwise_num_repeats": [6, 12, 24, 16], "compression_ratio": 0.5, "growth_rate": 32},
    "VGGBackbone": {"stackwise_num_filters": [64, 128, 256, 512, 512]},
    "XceptionBackbone": {"stackwise_conv_filters": [[32, 64], [128, 128], [1536, 1536, 2048]]},
    "CSPNetBackbone": {"stackwise_num_filters": [64, 1024]},
}


def write_preset(folder, kind="ResNetBackbone", *, converter=True, weights=b"weights", **changes):
    folder.mkdir()
    config = {"class_name": kind, "registered_name": f"keras_hub>{kind}", "config": SIZES.get(kind, {}) | changes}
    (folder / "config.json").write_text(json.dumps(config))
    if converter:
        (folder / "image_converter.json").write_text('{"config": {"scale": 0.1, "offset": null}}')
    if weights is not None:
        (folder / "model.weights.h5").write_bytes(weights)
    return f"keras_hub/{folder}"


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "tiny")


def asked(model, **changes):
    return TrainConfig(dataset="cifar10", model=model, fixed=False, **changes)


@pytest.mark.parametrize("kind, changes, channels", [
    ("ResNetBackbone", {}, 128), ("ResNetBackbone", {"block_type": "bottleneck_block_vd"}, 512),
    ("DenseNetBackbone", {}, 1024), ("VGGBackbone", {}, 512), ("XceptionBackbone", {}, 2048),
    ("CSPNetBackbone", {}, 1024)])
def test_channels_are_read_from_the_preset(tmp_path, kind, changes, channels):
    model = write_preset(tmp_path / "preset", kind, **changes)

    assert feature_dim(model, 1.0) == channels
    assert find_model(model).signed_features == (kind == "CSPNetBackbone")


def test_every_family_has_an_example_here():
    assert set(SIZES) == set(FAMILIES)


def test_a_folder_is_resolved_to_its_place_and_its_contents(preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resolved = resolve(asked("keras_hub/tiny", weights="imagenet"))
    random = resolve(asked("keras_hub/tiny"))
    (tmp_path / "tiny" / "image_converter.json").write_text('{"config": {"scale": 0.2}}')
    other = resolve(asked("keras_hub/tiny", weights="imagenet"))

    assert (resolved.config.model, resolved.dim) == (preset, 128)
    assert len({each.config.pretrained for each in (resolved, random, other)}) == 3
    assert len({each.digest for each in (resolved, random, other)}) == 3


def test_a_stored_configuration_is_read_without_its_preset_and_exported_without_its_folder(preset, tmp_path):
    stored = resolve(asked(preset, weights=str(tmp_path / "tiny" / "model.weights.h5"))).config
    (tmp_path / "tiny").rename(tmp_path / "gone")

    assert TrainConfig(**dataclasses.asdict(stored)) == stored
    exported = portable_config(stored)
    assert (exported["model"], exported["weights"]) == ("keras_hub/tiny", "model.weights.h5")
    assert str(tmp_path) not in json.dumps(exported)


def test_weights_need_a_known_preprocessing_and_a_file(tmp_path):
    unscaled = write_preset(tmp_path / "unscaled", converter=False)
    empty = write_preset(tmp_path / "empty", weights=None)

    assert resolve(asked(unscaled)).dim == 128 and find_model(unscaled).preprocessing == "normalize"
    with pytest.raises(ArgumentError, match=r"does not say how its pixels are scaled: it has no image_converter\.json"):
        resolve(asked(unscaled, weights="imagenet"))
    with pytest.raises(ArgumentError, match=r"has no weights: .*weights\.h5 does not exist\. Use --weights FILE"):
        resolve(asked(empty, weights="imagenet"))


def test_presets_that_cannot_be_used_are_one_line_errors(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"nothing is not a preset of KerasHub: its config\.json is missing"):
        find_model(f"keras_hub/{tmp_path}/nothing")
    with pytest.raises(DataError, match=r"config\.json is damaged: the network's sizes are missing"):
        find_model(write_preset(tmp_path / "damaged", stackwise_num_filters=None))
    with pytest.raises(ArgumentError, match=r"is a ViTBackbone, which cannot be chosen .* Expected one of ResNetBack"):
        find_model(write_preset(tmp_path / "vit", "ViTBackbone"))
    with pytest.raises(ArgumentError, match=r"^presets/tiny is not a folder\. .* backbone\.save_to_preset\(FOLDER\)"):
        find_model("keras_hub/presets/tiny")
    with pytest.raises(ArgumentError, match=r"Unknown model 'keras_hub/'"):
        TrainConfig(model="keras_hub/")
    with pytest.raises(ArgumentError, match=r"does not support pooling 4x4\. Use --pooling global"):
        feature_dim(write_preset(tmp_path / "tiny"), 1.0, (64, 64, 3), "4x4")
    with pytest.raises(ArgumentError, match=r"supports width 1 only"):
        feature_dim(f"keras_hub/{tmp_path}/tiny", 0.5)


def test_the_names_of_keras_hub_need_it_and_a_network(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(DependencyError, match=r"keras_hub/resnet_9 needs KerasHub.*'keras-fixhead\[keras-hub\]'"):
        resolve(asked("keras_hub/resnet_9"))

    presets = {"resnet_9": {"kaggle_handle": "kaggle://keras/resnet/keras/resnet_9/3"}}
    backbone = SimpleNamespace(presets=presets)
    monkeypatch.setitem(sys.modules, "keras_hub", SimpleNamespace(models=SimpleNamespace(Backbone=backbone)))

    def unreachable(name):
        raise ConnectionError("no route to host")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=unreachable))
    with pytest.raises(ArgumentError, match=r"has no preset 'resnet_8'.* Did you mean 'resnet_9'\?"):
        resolve(asked("keras_hub/resnet_8"))
    message = (r"^kaggle://keras/resnet/keras/resnet_9/3 cannot be downloaded: Kaggle cannot be reached\. .*"
               r"from_preset\('resnet_9'\)\.save_to_preset\(FOLDER\).* --model keras_hub/FOLDER\.$")
    with pytest.raises(HubError, match=message):
        resolve(asked("keras_hub/resnet_9"))


def test_a_preset_is_downloaded_once(preset, tmp_path, monkeypatch):
    found = []

    def download(name):
        found.append(name)
        return str(tmp_path / "tiny")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=download))
    model = "keras_hub/kaggle://me/nets/keras/tiny"
    first = resolve(asked(model, weights="imagenet"))

    assert (first.config.model, first.dim) == (model, 128) and found == ["me/nets/keras/tiny"]
    assert first.config.pretrained == resolve(asked(preset, weights="imagenet")).config.pretrained
