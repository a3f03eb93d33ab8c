"""Every hint about a configuration: printed by `fixhead train` in its situation, and followed."""
import hashlib
import json
import re
import shlex
import shutil

import numpy as np
import pytest
from hints import check_way_out, hint_of, leads_out, refused

from keras_fixhead.config import checks, resolve
from keras_fixhead.recipes import build_config

# what is wrong, the hint, and each way out; of `fixhead train --dry-run`
WAYS_OUT = [
    ("--no-hold-out --selection validation", "Use --selection last (or test, which makes test accuracy too high).",
     "--no-hold-out --selection last", "--no-hold-out --selection test"),
    ("--no-hold-out --selection last --patience 3", "Leave out --no-hold-out.", "--selection last --patience 3"),
    ("--no-hold-out --selection last --schedule plateau", "Leave out --no-hold-out.",
     "--selection last --schedule plateau"),
    ("--dataset VECTORS --model none", "Use --model mlp, --feature-dim N for a linear layer, or --learned.",
     "--dataset VECTORS --model mlp", "--dataset VECTORS --model none --feature-dim 8",
     "--dataset VECTORS --model none --learned"),
    ("--dataset VECTORS --grey", "Leave --grey out.", "--dataset VECTORS"),
    ("--crop-border reflect --crop-padding 0", "Use --crop-padding 2, or --crop-border black.",
     "--crop-border reflect --crop-padding 2", "--crop-border black --crop-padding 0"),
    ("--flip-mode alternating --no-flip", "Use --flip, or --flip-mode random.", "--flip-mode alternating --flip",
     "--flip-mode random --no-flip"),
    ("--schedule plateau --warmup-fraction 0.1", "Use --warmup-fraction 0.", "--schedule plateau --warmup-fraction 0"),
    ("--schedule cosine --initial-lr-fraction 0.1", "Use --schedule triangular.",
     "--schedule triangular --initial-lr-fraction 0.1"),
    ("--optimizer adamw --weight-decay 1e-3 --vector-weight-decay 1e-3",
     "Use --decoupled-decay C, with --weight-decay 0 and --vector-weight-decay 0.",
     "--optimizer adamw --decoupled-decay 1e-3 --weight-decay 0 --vector-weight-decay 0"),
    ("--optimizer sgd --decoupled-decay 0.1", "Use --optimizer adamw, or --weight-decay C.",
     "--optimizer adamw --decoupled-decay 0.1", "--optimizer sgd --weight-decay 0.1"),
    ("--ema 0.9 --lookahead-every 5", "Use one of them: --ema 0, or --lookahead-every 0.",
     "--ema 0 --lookahead-every 5", "--ema 0.9 --lookahead-every 0"),
    ("--partial-batch --devices 2", "Leave out --partial-batch.", "--devices 2"),
    ("--accumulate 2 --devices 2", "Use --accumulate 1, or --devices 1.", "--accumulate 1 --devices 2",
     "--accumulate 2 --devices 1"),
    *((f"{option} --no-store-vectors", "Leave out --no-store-vectors, or use --fixed and one of ", option,
       "--fixed --no-store-vectors --class-vectors uniform", "--fixed --no-store-vectors --class-vectors rademacher")
      for option in ("--learned", "--class-vectors simplex")),
    ("--margin arcface --head dot", "Use --head cos.", "--margin arcface --head cos"),
    ("--margin arcface --bias fixed", "Use --bias none.", "--margin arcface --bias none"),
    *((f"--streaming yes {option}", "Use --streaming auto.", f"--streaming auto {option}")
      for option in ("--learned", "--bias learned", "--mixup 0.2", "--devices 2")),
    # fine-tuning
    ("--init-from RUN --weights imagenet", "Leave out --weights.", "--init-from RUN"),
    ("--weights imagenet", "Use --init-from RUN, or --model keras_applications/NAME.", "--init-from RUN",
     "--weights imagenet --model keras_applications/ResNet50"),
    ("--model keras_applications/ResNet50 --weights imagenet --pretrained SHA256",
     "Leave out --pretrained, or use --weights FILE.", "--model keras_applications/ResNet50 --weights imagenet",
     "--model keras_applications/ResNet50 --weights FILE --pretrained SHA256"),
    ("--init-from RUN --width 0.25", "Leave out --width.", "--init-from RUN"),
    ("--init-from RUN --no-signed-features", "Leave out --no-signed-features.", "--init-from RUN"),
    ("--init-from RUN --freeze none --unfreeze-after 2",
     "Leave out --unfreeze-after, or use --freeze backbone and --learned.", "--init-from RUN --freeze none",
     "--init-from RUN --learned --freeze backbone --unfreeze-after 2"),
    ("--freeze backbone --learned", "Add --init-from RUN.", "--freeze backbone --learned --init-from RUN"),
    ("--freeze backbone --learned --model keras_applications/ResNet50", "Add --init-from RUN or --weights FILE.",
     "--freeze backbone --learned --init-from RUN",
     "--freeze backbone --learned --model keras_applications/ResNet50 --weights FILE"),
    ("--init-from RUN --freeze backbone --fixed", "Use --learned, or leave out --freeze.",
     "--init-from RUN --freeze backbone --learned", "--init-from RUN --fixed"),
    ("--init-from RUN --freeze backbone --learned --epochs 3 --unfreeze-after 3",
     "Leave it out to keep the backbone frozen.", "--init-from RUN --freeze backbone --learned --epochs 3"),
]
FILLED = ("Use --init-from", "Leave out --width", "Leave out --no-signed")
"""What hints begin with whose text in the source has a place for a value."""


@pytest.fixture
def train(fixhead, tmp_path):
    """Returns a function that calls `fixhead train --dry-run`, with the names of files filled in."""
    np.savez(tmp_path / "v.npz", features=np.ones((20, 3), np.float32), labels=np.arange(20) % 4)
    (tmp_path / "notop.h5").write_bytes(b"weights")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").write_bytes(b"weights")
    (tmp_path / "run" / "config.json").write_text(json.dumps({"resolved": {
        "model": "preact_resnet18", "width": 0.5, "pooling": "global", "signed_features": True, "feature_dim": None}}))
    names = {"VECTORS": tmp_path / "v.npz", "FILE": tmp_path / "notop.h5", "RUN": tmp_path / "run",
             "SHA256": hashlib.sha256(b"weights").hexdigest()}
    return lambda *options: fixhead("train", "--dry-run", *(names.get(each, each) for each in options))


@leads_out(*(hint for _, hint, *_ in WAYS_OUT if not hint.startswith(FILLED)),
           "Use --init-from RUN, or --model ...NAME.", "Leave out ....")
@pytest.mark.parametrize("wrong, hint, ways_out", [(wrong, hint, ways) for wrong, hint, *ways in WAYS_OUT],
                         ids=[wrong for wrong, *_ in WAYS_OUT])
def test_options_that_contradict_each_other_are_accepted_as_the_hint_says(train, wrong, hint, ways_out):
    for way_out in ways_out:
        check_way_out(train, wrong, hint, way_out)


@pytest.mark.parametrize("options", ["--flip", "--crop-padding 2", "--cutmix 1", "--augment-on host", "--fit pad",
                                     "--normalization half", "--skip-broken", "--randaugment 1"])
def test_options_for_pictures_are_left_out_on_vectors(train, options):
    hint = f"Leave out {options.split()[0]}."
    check_way_out(train, f"--dataset VECTORS {options}", hint, "--dataset VECTORS")


@leads_out("Use --augment-on auto, or KERAS_BACKEND=jax.")
def test_images_are_augmented_on_the_device_with_jax_only(train, monkeypatch):
    check_way_out(train, "--augment-on device", "Use --augment-on auto, or KERAS_BACKEND=jax.", "--augment-on auto")
    monkeypatch.setattr(checks, "keras_backend", lambda: "jax")
    assert train("--augment-on", "device").code == 0


@leads_out("Use a run's config.json, or the output of fixhead train --dry-run.", "Did you mean ...?", "Known: ....")
def test_a_configuration_file_is_one_that_was_written(train, tmp_path, digits_run):
    file = tmp_path / "config.json"
    config = ("--config", file)
    file.write_text("[1]")
    assert hint_of(train(*config)).startswith("Use a run's config.json, or the output of fixhead train --dry-run.")
    file.write_text(train("--epochs", 3).out)
    assert train(*config).json["config"]["epochs"] == 3
    assert train("--config", digits_run.path / "config.json").code == 0

    file.write_text('{"epoch": 3}')
    near = re.fullmatch(r"Did you mean '(.*)'\?", hint_of(train(*config)))[1]
    file.write_text('{"zzz": 3}')
    known = hint_of(train(*config)).removeprefix("Known: ").removesuffix(".").split(", ")
    file.write_text(json.dumps({near: 3}))
    assert near in known and train(*config).json["config"]["epochs"] == 3


@leads_out("Give a finished run, or its model.keras with --model and --width.",
           "Give a finished run, a .keras file or a file of weights.")
def test_training_starts_from_a_finished_run(train, tmp_path, digits_run):
    damaged = shutil.copytree(digits_run.path, tmp_path / "damaged")
    (damaged / "config.json").write_text("{}")
    for right in (str(digits_run.path), f"{damaged}/model.keras --model resnet18 --width 0.0625"):
        check_way_out(train, f"--init-from {damaged}", "Give a finished run, or its model.keras with --model and",
                      f"--init-from {right}")

    (damaged / "model.keras").unlink()
    resnet50 = {"model": "keras_applications/ResNet50"}
    for wrong in ({"init_from": str(damaged / "model.keras")}, {"weights": str(tmp_path / "none.h5"), **resnet50}):
        with refused("Give a finished run, a .keras file or a file of weights."):
            resolve(build_config(wrong))
    for right in ({"init_from": str(digits_run.path)}, {"init_from": str(digits_run.path / "model.keras")},
                  {"weights": str(tmp_path / "notop.h5"), **resnet50}):
        resolve(build_config(right))


@leads_out("Measure a trained run on it: fixhead evaluate RUN --dataset ")
def test_a_run_is_measured_on_a_set_without_training_images(fixhead, train, tmp_path, digits_run):
    """The run has the names of CIFAR-10's classes, and images of its size; CIFAR-10.1 is five random images."""
    hint = hint_of(train("--dataset", "cifar10_1"))
    run = shutil.copytree(digits_run.path, tmp_path / "cifar10-run")
    result = json.loads((run / "result.json").read_text())
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    (run / "result.json").write_text(json.dumps({**result, "label_names": names}))
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype("uint8")
    np.save(tmp_path / "cifar10.1_v6_data.npy", images)
    np.save(tmp_path / "cifar10.1_v6_labels.npy", np.arange(5))

    command = hint.partition("fixhead ")[2].replace("RUN", str(run))
    measured = fixhead(*shlex.split(command), "--data-dir", tmp_path, "--json")
    assert measured.code == 0 and measured.json["dataset"] == "cifar10_1", measured.err
