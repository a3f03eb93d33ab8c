"""Options that would do nothing in a call are refused in one line; in files and recipes they are harmless."""
import json
import re
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

from fixhead_cli.diagnosis import EXTRAS
from keras_fixhead.config import TrainConfig, refuse_without_effect, resolve
from keras_fixhead.config.dependent import DEPENDENT
from keras_fixhead.errors import ArgumentError
from keras_fixhead.recipes import RECIPES, build_config
from keras_fixhead.runs import create_run

# a value of each dependent field, and options with which it has an effect
CASES = {
    "plateau_patience": (2, {"schedule": "plateau"}), "plateau_factor": (0.5, {"schedule": "plateau"}),
    "lookahead_decay": (0.9, {"lookahead_every": 5}), "vector_lr": (0.5, {"fixed": False}),
    "vector_weight_decay": (1e-4, {"bias": "learned"}), "rotate": (True, {"class_vectors": "simplex"}),
    "decay_norms": (True, {"weight_decay": 1e-3}), "whitening_bias_epochs": (1, {"recipe": "fast"}),
    "backbone_lr": (0.1, {"freeze": "none"}), "randaugment_magnitude": (5.0, {"randaugment": 2}),
    "crop_border": ("reflect", {"crop_padding": 2}), "flip_mode": ("alternating", {"flip": True}),
    "skip_broken": (True, {"dataset": "FOLDER", "image_size": 8}),
    "decoding": ("reduced", {"dataset": "FOLDER", "image_size": 8}), "vector_seed": (3, {"class_vectors": "uniform"}),
    "norm_offset_lr": (64.0, {"freeze": "none"}), "weight_decay": (1e-3, {"freeze": "none"}),
    "pretrained": ("0" * 64, {"init_from": "FILE"}), "confusion_counts": (True, {"dataset": "cifar10"}),
    "data_dir": ("prepared", {"dataset": "digits"}),
}
FROZEN = {"freeze": "backbone", "init_from": "FILE", "fixed": False}
WITHOUT = {"decay_norms": {"weight_decay": 0.0}, "backbone_lr": FROZEN, "norm_offset_lr": FROZEN,
           "weight_decay": FROZEN, "vector_seed": {"class_vectors": "simplex", "rotate": False},
           "confusion_counts": {"dataset": "cifar100"}, "data_dir": {"dataset": "FOLDER", "image_size": 8}}


@pytest.fixture
def places(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "FOLDER" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 40, 9, 9)).save(tmp_path / "FOLDER" / name / f"{number}.png")
    (tmp_path / "FILE").write_bytes(b"weights")
    return lambda values: {key: str(tmp_path / value) if value in ("FOLDER", "FILE") else value
                           for key, value in values.items()}


def test_every_dependent_option_has_a_case():
    assert set(CASES) == {each.field for each in DEPENDENT}


@pytest.mark.parametrize("field", CASES)
def test_a_training_option_that_does_nothing_is_refused_with_what_it_needs(field, places):
    explicit = {"dataset": "digits", field: CASES[field][0], **places(WITHOUT.get(field, {}))}
    file = {"crop_padding": 0} if field == "crop_border" else {}
    config = TrainConfig.from_dict({**build_config({"dataset": "digits"}, file).as_dict(), **(
        {} if field in ("crop_border", "flip_mode") else explicit)})
    option = f"--{field.replace('_', '-')}"
    message = rf"^{option} has no effect (without --.*\. Add it, or leave|(with|on) .*\. Leave) out {option}\.$"
    with pytest.raises(ArgumentError, match=message):
        refuse_without_effect(explicit, [resolve(config)])


@pytest.mark.parametrize("field", CASES)
def test_it_is_accepted_with_what_it_needs(field, places):
    value, needed = CASES[field]
    explicit = {"dataset": "digits", **places(needed), field: value}

    refuse_without_effect(explicit, [resolve(build_config(explicit))])


def test_a_grid_needs_it_in_one_of_its_runs():
    runs = [resolve(TrainConfig(fixed=fixed, vector_lr=0.5)) for fixed in (True, False)]
    refuse_without_effect({"vector_lr": 0.5}, runs)
    with pytest.raises(ArgumentError, match="--vector-lr has no effect without --learned"):
        refuse_without_effect({"vector_lr": 0.5}, runs[:1])


def test_values_that_ask_for_nothing_and_those_of_recipes_are_accepted():
    off = {"vector_weight_decay": 0.0, "vector_lr": 1.0, "decay_norms": False}
    refuse_without_effect(off, [resolve(TrainConfig())])
    for recipe in RECIPES:
        refuse_without_effect({"recipe": recipe}, [resolve(build_config({"recipe": recipe}))])


def test_a_value_in_a_configuration_file_is_not_refused(fixhead, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"lookahead_decay": 0.9, "vector_lr": 0.5}))

    assert fixhead("train", "--config", tmp_path / "config.json", "--dry-run").code == 0
    answer = fixhead("train", "--lookahead-decay", 0.9, "--dry-run")
    assert answer.code == 2 and "--lookahead-decay has no effect without --lookahead-every N" in answer.err


URL = "http://127.0.0.1:1/v1/models/m"
COMMANDS = [
    ("data check VECTORS --sheet s.png", "--sheet has no effect on VECTORS, which has vectors"),
    ("data check VECTORS --each 3", "--each has no effect on VECTORS"),
    ("data check FOLDER --each 3", "--each has no effect without --sheet"),
    ("data pack digits out --name it", "--name has no effect on digits, which has its own"),
    ("data pack digits out --skip-broken", "--skip-broken has no effect on digits"),
    ("data show digits --randaugment-magnitude 3", "--randaugment-magnitude has no effect without --randaugment N"),
    ("data build stl_gen FOLDER out --manifest FILE --seed 3", "--seed has no effect with --manifest"),
    ("data build stl_gen FOLDER out --manifest FILE --per-class 3", "--per-class has no effect with --manifest"),
    (f"predict {URL} PICTURE --curl --top-k 3", "--top-k has no effect with --curl"),
    (f"predict {URL} PICTURE --curl --sheet s.png", "--sheet has no effect with --curl"),
    (f"predict {URL} PICTURE --curl --gzip", "--gzip has no effect with --curl"),
    (f"predict {URL} PICTURE --curl --checkpoint best", "--checkpoint has no effect with --curl"),
    ("predict RUN PICTURE --gzip", "--gzip has no effect with a run"),
    ("predict RUN PICTURE --timeout 3", "--timeout has no effect with a run"),
    ("robustness RUN --labels FILE", "--labels has no effect with runs"),
    ("robustness RUN --token t", "--token has no effect with runs"),
    ("compare RUN --robustness paper --split validation", "--split has no effect with --robustness"),
    ("compare RUN --generalization cifar10_1 --split test", "--split has no effect with --robustness or --generaliz"),
    ("list models --runs-dir FOLDER", "--runs-dir has no effect on models"),
    ("serve FOLDER --no-batching --max-batch-merge 8", "--max-batch-merge has no effect with --no-batching"),
    ("check conformance --make-models out --server-name it", "--server-name has no effect with --make-models"),
    (f"predict {URL} PICTURE --gzip", "--gzip has no effect on pictures, which are sent as they are"),
    ("data show digits --fit pad", "--fit has no effect on the images of digits, which all have the same size"),
    ("data show FOLDER --data-dir FOLDER", "--data-dir has no effect on a data set that is given by its path"),
    ("data pack FOLDER out --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("data corrupt FOLDER out --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("train --dataset VECTORS --model mlp --augment-on host --dry-run", "augment_on applies to pictures, but VECTORS"),
    ("train --dataset cifar100 --confusion-counts --dry-run", "--confusion-counts has no effect with more than 12"),
    ("train --resume OWN --data-dir FOLDER --dry-run", "--data-dir has no effect on a data set that is given by"),
    ("train --weights imagenet --pretrained 0f --model keras_applications/ResNet50 --dry-run",
     "pretrained is '0f', but weights is 'imagenet'"),
    ("export RUN out --data-dir FOLDER", "--data-dir has no effect without --calibrate or --checkpoint"),
    ("export OWN out --calibrate --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("analyze OWN --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("evaluate OWN --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("evaluate OWN --dataset FOLDER --class-map FILE", "--class-map applies to another data set"),
    ("robustness OWN --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    (f"check parity OWN {URL} --data-dir FOLDER", "--data-dir has no effect on FOLDER, which is a path"),
    ("publish RUN kaggle://me/digits/keras/small --private --dry-run", "--private has no effect on Kaggle"),
    ("sweep --dataset digits --plateau-factor 0.1 --dry-run", "--plateau-factor has no effect without --schedule"),
    ("sweep --dataset digits --grid lookahead_decay=0.9,0.95 --dry-run", "--lookahead-decay has no effect without"),
]


@pytest.mark.parametrize("line, message", COMMANDS, ids=[re.sub(r"http\S+", "URL", line) for line, _ in COMMANDS])
def test_an_option_that_does_nothing_in_this_call_is_refused(line, message, fixhead, places, tmp_path, request):
    np.savez(tmp_path / "VECTORS.npz", features=np.ones((4, 3), np.float32), labels=np.arange(4) % 2)
    names = {"VECTORS": tmp_path / "VECTORS.npz", "FOLDER": tmp_path / "FOLDER", "FILE": tmp_path / "FILE",
             "PICTURE": tmp_path / "FOLDER" / "a" / "0.png"}
    if "RUN" in line.split():
        names["RUN"] = request.getfixturevalue("digits_run").path
    if "OWN" in line.split():
        names["OWN"] = create_run(resolve(TrainConfig(dataset=str(names["FOLDER"]), image_size=8,
                                                      runs_dir=str(tmp_path / "runs")))).path
    if "--manifest" in line:
        (tmp_path / "FILE").write_text("{}")
    answer = fixhead(*(names.get(word, word) for word in line.split()))

    assert answer.code == 2, answer
    for word in ("VECTORS", "FOLDER"):
        message = message.replace(word, str(names[word]))
    assert message in answer.err
    assert answer.err.strip().splitlines()[-2].startswith("Error: ")  # and a hint


def test_doctor_looks_for_every_extra():
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")

    assert set(EXTRAS) == set(setup["options.extras_require"])
