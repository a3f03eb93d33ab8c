"""Every hint about names of networks, recipes and configurations: produced in its situation, and followed."""
import json
import re
from configparser import ConfigParser

import numpy as np
import pytest
from hints import ROOT, check_way_out, hint_of, leads_out, refused
from PIL import Image

from keras_fixhead.catalog import feature_dim
from keras_fixhead.config import resolve
from keras_fixhead.json_files import read_json
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

APPLICATION = "train --dry-run --dataset digits --model keras_applications/"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Changes to a folder with an embedding set, a folder of pictures, and a configuration."""
    monkeypatch.chdir(tmp_path)
    np.savez("set.npz", features=np.eye(60, 5, dtype="float32"), labels=np.arange(60) % 4)
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 40, 9, 9)).save(tmp_path / "pictures" / name / f"{number}.png")
    (tmp_path / "config.json").write_text(json.dumps({"recipe": "cpu", "dataset": "digits"}))


@leads_out("Did you mean ...?", "Use --width 1, or choose another --model.",
           "Use --model ....", "Use --pooling global.", "Leave out --recipe or --config.",
           "Use a folder of pictures with --image-size ... or more, or another --model.")
@pytest.mark.parametrize("wrong, hint, rights", [
    ("train --dry-run --model resnet81", "Did you mean 'resnet18'?", ["train --dry-run --model resnet18"]),
    (f"{APPLICATION}ResNet55", "Did you mean 'keras_applications/ResNet50'?", [f"{APPLICATION}ResNet50"]),
    (f"{APPLICATION}ResNet50 --width 0.5", "Use --width 1, or choose another --model.",
     [f"{APPLICATION}ResNet50 --width 1", "train --dry-run --dataset digits --model resnet18 --width 0.5"]),
    ("train --dry-run --dataset digits --model mlp", "Use --model resnet18.",
     ["train --dry-run --dataset digits --model resnet18"]),
    ("train --dry-run --dataset set.npz --model resnet18", "Use --model mlp.",
     ["train --dry-run --dataset set.npz --model mlp"]),
    ("train --dry-run --dataset set.npz --model mlp --pooling 4x4", "Use --pooling global.",
     ["train --dry-run --dataset set.npz --model mlp --pooling global"]),
    (f"{APPLICATION}ResNet50 --pooling 4x4", "Use --pooling global.", [f"{APPLICATION}ResNet50 --pooling global"]),
    (f"{APPLICATION}InceptionV3", "Use a folder of pictures with --image-size 75 or more, or another --model.",
     ["train --dry-run --dataset pictures --image-size 75 --model keras_applications/InceptionV3",
      f"{APPLICATION}ResNet50"]),
    ("train --dry-run --config config.json --recipe smoke", "Leave out --recipe or --config.",
     ["train --dry-run --config config.json", "train --dry-run --recipe smoke"])])
def test_options_that_name_what_exists_and_fits_are_taken(fixhead, here, wrong, hint, rights):
    for right in rights:
        check_way_out(fixhead, wrong, hint, right)


@leads_out("Pass H and W, or use pooling 'global'.")
def test_pooling_of_pictures_of_any_size_gets_a_size_or_is_global():
    with refused("Pass H and W, or use pooling 'global'."):
        feature_dim("resnet18", 1.0, (None, None, 3), "4x4")

    assert feature_dim("resnet18", 1.0, (32, 32, 3), "4x4") == feature_dim("resnet18", 1.0, (None, None, 3), "global")


@leads_out("Upgrade: pip install -U keras-fixhead")
def test_a_run_of_a_newer_version_is_read_by_the_package_that_the_hint_names(fixhead, tmp_path):
    run = create_run(resolve(build_config({"dataset": "digits", "runs_dir": str(tmp_path)})))
    file = run.path / "config.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "schema": content["schema"] + 1}))
    hint = hint_of(fixhead("show", run.path))
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")

    assert re.fullmatch(r"Upgrade: pip install -U (\S+)", hint)[1] == setup["metadata"]["name"]
    assert read_json(file, schema=content["schema"] + 1)["resolved"]
