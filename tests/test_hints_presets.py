"""Every hint about presets of KerasHub and about hubs: produced in its situation, and followed."""
import json
import re
import sys
from types import SimpleNamespace
from typing import ClassVar

import keras
import pytest
from hints import ROOT, check_way_out, hint_of, leads_out, refused

from keras_fixhead import hubs
from keras_fixhead.catalog import find_model
from keras_fixhead.errors import HubError
from keras_fixhead.models import attach_head

TRAIN = "train --dry-run --dataset digits --model keras_hub/"
KERAS_HUB_FILES = {
    "config.json": {"class_name": "ResNetBackbone",
                    "config": {"stackwise_num_filters": [64, 128], "block_type": "basic_block"}},
    "image_converter.json": {"config": {"scale": 0.1, "offset": None}},
    "model.weights.h5": {}}
"""What `save_to_preset` of KerasHub writes, as far as it is read before Keras is loaded."""


class Backbone:
    """Stands in for KerasHub's: its own presets, and saving one."""

    presets: ClassVar = {name: {"kaggle_handle": f"kaggle://keras/resnet/keras/{name}/3"}
                         for name in ("small_11", "wide_28")}

    def __init__(self, files=KERAS_HUB_FILES):
        self.files = files

    @classmethod
    def from_preset(cls, name):
        assert name in cls.presets
        return cls()

    def save_to_preset(self, folder):
        folder.mkdir(exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_text(json.dumps(content))


def preset(folder, *without):
    Backbone({name: content for name, content in KERAS_HUB_FILES.items() if name not in without}).save_to_preset(folder)
    return folder


def ImageConverter(**values):
    return Backbone({"image_converter.json": {"config": values}})


@pytest.fixture
def keras_hub(monkeypatch, tmp_path):
    """Returns a stand-in for KerasHub, with a hub that has its preset."""
    package = SimpleNamespace(models=SimpleNamespace(Backbone=Backbone))
    monkeypatch.setitem(sys.modules, "keras_hub", package)
    downloaded = str(preset(tmp_path / "downloaded"))
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=lambda name: downloaded))
    return package


def unreachable(*_):
    raise ConnectionError("no route to host")


@leads_out("Use --weights FILE or --weights none.", "Use --pooling ....",
           "Write it with KerasHub: ImageConverter(scale=..., offset=...).save_to_preset(FOLDER)",
           "Save one with KerasHub: backbone.save_to_preset(FOLDER)")
def test_a_preset_that_lacks_a_file_is_completed_or_used_without(fixhead, tmp_path):
    folder = preset(tmp_path / "tiny", "model.weights.h5")
    wrong = f"{TRAIN}{folder} --weights imagenet"
    (tmp_path / "w.h5").write_text("weights")
    for weights in (tmp_path / "w.h5", "none"):
        check_way_out(fixhead, wrong, "Use --weights FILE or --weights none.", f"{TRAIN}{folder} --weights {weights}")
    check_way_out(fixhead, f"{TRAIN}{folder} --pooling 4x4", "Use --pooling global.", f"{TRAIN}{folder}")

    folder = preset(tmp_path / "unscaled", "image_converter.json")
    wrong = f"{TRAIN}{folder} --weights imagenet"
    hint = hint_of(fixhead(*wrong.split()))
    check_way_out(fixhead, wrong, "; or use --weights none.", f"{TRAIN}{folder} --weights none")
    eval(re.search(r"ImageConverter\(.*\)(?=;)", hint)[0].replace("...", "0.5"), {**globals(), "FOLDER": folder})
    assert fixhead(*wrong.split()).code == 0

    folder = preset(tmp_path / "nothing", *KERAS_HUB_FILES)
    hint = hint_of(fixhead(*f"{TRAIN}{folder}".split()))
    eval(hint.removeprefix("Save one with KerasHub: "), {"backbone": Backbone(), "FOLDER": folder})
    assert fixhead(*f"{TRAIN}{folder}".split()).code == 0


@leads_out("Save one: backbone.save_to_preset(FOLDER); or name one of KerasHub's.", "Did you mean ...?")
def test_what_is_no_preset_is_saved_or_named(fixhead, tmp_path, keras_hub, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hint = hint_of(fixhead(*f"{TRAIN}presets/tiny".split()))
    assert hint == "Save one: backbone.save_to_preset(FOLDER); or name one of KerasHub's."
    (tmp_path / "presets").mkdir()
    eval(re.search(r"backbone\S+\)", hint)[0], {"backbone": Backbone(), "FOLDER": tmp_path / "presets" / "tiny"})
    assert fixhead(*f"{TRAIN}presets/tiny".split()).code == 0

    hint = hint_of(fixhead(*f"{TRAIN}small_12".split()))
    assert fixhead(*f"{TRAIN}{re.search('mean (.*)[?]', hint)[1]}".replace("'", "").split()).code == 0


@leads_out("On a machine with a network, save it: keras_hub.models.Backbone.from_preset(...).save_to_preset(FOLDER), "
           "and its ImageConverter too; then --model ...FOLDER.")
def test_a_preset_that_cannot_be_downloaded_is_saved_elsewhere(fixhead, tmp_path, keras_hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=unreachable))
    hint = hint_of(fixhead(*f"{TRAIN}wide_28".split()))
    eval(re.search(r"keras_hub\.models.*?FOLDER\)", hint)[0], {"keras_hub": keras_hub, "FOLDER": tmp_path / "saved"})
    model = re.search(r"--model (\S+)\.", hint)[1].replace("FOLDER", str(tmp_path / "saved"))

    assert fixhead("train", "--dry-run", "--dataset", "digits", "--model", model).code == 0


def test_a_preset_that_the_hub_refuses_is_not_said_to_be_there_on_another_machine(monkeypatch):
    def missing(name):
        raise FileNotFoundError("404 Not Found")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(model_download=missing))
    with pytest.raises(HubError, match=r"404 Not Found$"):
        find_model("keras_hub/kaggle://me/nets/keras/none")


@leads_out("In Python, attach_head takes any model that ends in a feature map (docs/head.md).")
def test_a_network_without_a_name_here_gets_a_head_in_python(tmp_path):
    folder = preset(tmp_path / "vit")
    (folder / "config.json").write_text(json.dumps({"class_name": "ViTBackbone", "config": {}}))
    with refused("In Python, attach_head takes any model that ends in a feature map (docs/head.md).") as caught:
        find_model(f"keras_hub/{folder}")
    backbone = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])

    assert attach_head(backbone, 3).output_shape == (None, 3)
    assert "attach_head(" in (ROOT / re.search(r"\((docs/.*)\)", caught.value.hint)[1]).read_text()


# hubs


@leads_out("Leave out the last part: ...", "Check the network, then repeat the command.")
def test_a_model_is_published_and_read_after_following_the_hints(monkeypatch, tmp_path):
    config = SimpleNamespace(get_kaggle_credentials=lambda: "a token")
    kagglehub = SimpleNamespace(config=config, model_download=unreachable)
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    with refused("Leave out the last part: ") as caught:
        hubs.check_upload(hubs.parse_target("kaggle://me/digits/keras/small/3"))
    target = hubs.parse_target(caught.value.hint.removeprefix("Leave out the last part: "))
    hubs.check_upload(target)

    with refused("Check the network, then repeat the command."):
        hubs.download(target)
    kagglehub.model_download = lambda name: str(tmp_path)
    assert hubs.download(target) == tmp_path
