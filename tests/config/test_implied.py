"""Values that yield to an explicit option, and explicit options that contradict each other."""
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.config.implied import IMPLICATIONS, with_implied
from keras_fixhead.errors import ArgumentError
from keras_fixhead.recipes import RECIPES, build_config

CV = "keras_cv/resnet18"
_folder = tempfile.TemporaryDirectory(prefix="fixhead-tests-")
SOURCE = _folder.name
"""A run to start from."""
(Path(SOURCE) / "model.keras").write_bytes(b"weights")
(Path(SOURCE) / "config.json").write_text(json.dumps({"resolved": {
    "model": "preact_resnet18", "width": 0.5, "pooling": "4x4", "signed_features": False, "feature_dim": 16}}))

VECTORS = f"{SOURCE}/vectors.npz"
np.savez(VECTORS, features=np.ones((4, 3), np.float32), labels=np.arange(4))
OF_PICTURES = {"crop_padding": 2, "crop_border": "reflect", "flip": True, "flip_mode": "alternating", "rotation": 10.0,
               "randaugment": 1, "randaugment_magnitude": 5.0, "cutout": 8, "erasing": 0.5, "mixup": 0.5, "cutmix": 0.5,
               "normalization": "half", "fit": "squash", "decoding": "reduced", "skip_broken": True,
               "augment_on": "host"}

RESNET50 = "keras_applications/ResNet50"
WEIGHTS = '{"cat": 2.0, "wolf": 1.0}'
FREEZING = {"init_from": SOURCE, "freeze": "backbone", "fixed": False, "model": "preact_resnet18", "width": 0.5,
            "pooling": "4x4", "signed_features": False, "feature_dim": 16}
"""A file that fine-tunes."""

# yielding field, options, file, implied value, a value that contradicts the options, and the refusal
CASES = [
    ("warmup_fraction", {"schedule": "plateau"}, {}, 0.0, 0.1, "has no warm-up"),
    ("warmup_fraction", {"schedule": "plateau", "recipe": "cpu"}, {}, 0.0, 0.1, "has no warm-up"),
    ("schedule", {"warmup_fraction": 0.1, "recipe": "paper-code"}, {}, "cosine", "plateau", "has no warm-up"),
    ("initial_lr_fraction", {"schedule": "cosine"}, {"schedule": "triangular", "initial_lr_fraction": 0.1}, 0.2, 0.1,
     "initial_lr_fraction applies only to the triangular schedule, but schedule is 'cosine'"),
    ("final_lr_fraction", {"schedule": "cosine"}, {"schedule": "triangular", "final_lr_fraction": 0.1}, 0.07, 0.1,
     "final_lr_fraction applies only to the triangular schedule"),
    ("schedule", {"final_lr_fraction": 0.1}, {}, "triangular", "constant", "applies only to the triangular schedule"),
    ("weight_decay", {"optimizer": "adamw"}, {}, 0.0, 1e-3, "AdamW has its own weight decay"),
    ("vector_weight_decay", {"optimizer": "adamw"}, {"vector_weight_decay": 1e-3}, 0.0, 1e-3,
     "AdamW has its own weight decay"),
    ("optimizer", {"vector_weight_decay": 1e-3}, {"optimizer": "adamw"}, "sgd", "adamw",
     "AdamW has its own weight decay"),
    ("decoupled_decay", {"optimizer": "sgd"}, {"decoupled_decay": 0.1}, 0.05, 0.1, "decoupled_decay applies only to"),
    ("decoupled_decay", {"weight_decay": 1e-3}, {"decoupled_decay": 0.1}, 0.05, None, None),
    ("optimizer", {"decoupled_decay": 0.1}, {}, "adamw", "sgd", "decoupled_decay applies only to AdamW"),
    ("weight_decay", {"decoupled_decay": 0.1}, {}, 0.0, None, None),
    ("vector_weight_decay", {"decoupled_decay": 0.1}, {"vector_weight_decay": 1e-3}, 0.0, None, None),
    ("lr", {"optimizer": "adamw"}, {}, 1e-3, None, None),
    ("lr", {"optimizer": "adamw"}, {"lr": 3e-3}, 3e-3, None, None),
    ("accumulate", {"devices": 2}, {"accumulate": 2}, 1, 2, "does not accumulate gradients on several devices"),
    ("devices", {"accumulate": 2}, {"devices": 2}, 1, 2, "does not accumulate gradients on several devices"),
    ("ema", {"lookahead_every": 5}, {"ema": 0.9}, 0.0, 0.9, "both average the weights"),
    ("lookahead_every", {"ema": 0.9}, {"lookahead_every": 5}, 0, 5, "both average the weights"),
    ("selection", {"hold_out": False}, {}, "last", "validation", "no validation images to select"),
    ("hold_out", {"selection": "validation", "recipe": "paper"}, {}, True, False, "no validation images to select"),
    ("hold_out", {"patience": 3, "recipe": "paper"}, {}, True, False, "to detect a plateau on"),
    ("hold_out", {"schedule": "plateau", "recipe": "paper"}, {}, True, False, "to detect a plateau on"),
    ("hold_out", {"selection": "last", "recipe": "paper-code"}, {}, True, None, None),
    ("patience", {"hold_out": False}, {"patience": 3}, None, 3, "to detect a plateau on"),
    ("schedule", {"hold_out": False, "selection": "last", "recipe": "paper-code"}, {}, "cosine", "plateau",
     "to detect a plateau on"),
    ("image_size", {"dataset": "cifar10"}, {"dataset": "/pictures", "image_size": 64}, None, 64,
     "an image size applies only to folders"),
    ("width", {"model": CV, "recipe": "cpu"}, {}, 1.0, 0.5, "supports width 1 only"),
    ("pooling", {"model": CV, "recipe": "paper-code"}, {}, "global", "4x4", "too small for pooling"),
    ("model", {"pooling": "4x4", "dataset": "cifar10", "recipe": "fast"}, {}, "resnet18", "fast_cnn",
     "too small for pooling"),
    ("width", {"class_vectors": "orthogonal", "dataset": "cifar100", "recipe": "smoke"}, {}, 1.0, 0.125,
     "at most 64 class vectors"),
    ("margin", {"head": "dot"}, {"margin": "arcface"}, "none", "arcface", "the logits are dot products"),
    ("bias", {"margin": "arcface", "recipe": "paper-code"}, {}, "none", "fixed", "a bias is added"),
    ("margin", {"bias": "learned"}, {"margin": "arcface"}, "none", "arcface", "a bias is added"),
    ("margin_size", {"margin": "none"}, {"margin": "arcface", "margin_size": 0.3}, None, 0.3,
     "margin_size is given without a margin"),
    ("margin_size", {"margin": "cosface"}, {"margin": "arcface", "margin_size": 2.5}, None, 2.5, "must be below 2"),
    ("store_vectors", {"fixed": False}, {"store_vectors": False}, True, False, "store_vectors is off"),
    ("store_vectors", {"class_vectors": "simplex"}, {"store_vectors": False}, True, False, "store_vectors is off"),
    ("batch_size", {"devices": 3}, {}, 129, 128, "must be a multiple of devices"),
    ("batch_size", {"devices": 1_000}, {}, 1_000, 128, "must be a multiple of devices"),
    ("devices", {"batch_size": 50}, {"devices": 4, "batch_size": 64}, 1, 4, "must be a multiple of devices"),
    ("partial_batch", {"devices": 2, "recipe": "paper-code"}, {}, False, True,
     "A partial batch cannot be split between devices"),
    ("crop_border", {"crop_padding": 0}, {"crop_border": "reflect"}, "black", "reflect", "so there is no border"),
    ("crop_padding", {"crop_border": "reflect"}, {"crop_padding": 0}, None, 0, "so there is no border"),
    ("flip_mode", {"flip": False}, {"flip_mode": "alternating"}, "random", "alternating", "but flip is off"),
    ("flip", {"flip_mode": "alternating"}, {"flip": False}, True, False, "but flip is off"),
    ("devices", {"partial_batch": True}, {"devices": 2}, 1, 2, "A partial batch cannot be split between devices"),
    ("model", {"init_from": SOURCE, "recipe": "smoke"}, {}, "preact_resnet18", "resnet18", "was trained with model"),
    ("width", {"init_from": SOURCE, "recipe": "cpu"}, {}, 0.5, 0.25, "was trained with width 0.5, not 0.25"),
    ("pooling", {"init_from": SOURCE}, {}, "4x4", "global", "was trained with pooling"),
    ("feature_dim", {"init_from": SOURCE}, {}, 16, 32, "was trained with feature_dim 16, not 32"),
    ("model", {"dataset": VECTORS}, {"model": "mobilenet_v2"}, "mlp", "mobilenet_v2", "but the data are vectors of 3"),
    *((name, {"dataset": VECTORS}, {name: value}, TrainConfig.field(name).default, value,
       f"{name} applies to pictures, but .* has vectors") for name, value in OF_PICTURES.items()),
    ("bias", {"streaming": "yes"}, {"bias": "learned"}, "none", "learned", "streaming is 'yes', but bias is 'learned'"),
    ("mixup", {"streaming": "yes"}, {"mixup": 0.2}, 0.0, 0.2, "MixUp and CutMix need the logits of two classes"),
    ("cutmix", {"streaming": "yes"}, {"cutmix": 0.2}, 0.0, 0.2, "MixUp and CutMix need the logits of two classes"),
    ("streaming", {"fixed": False}, {"streaming": "yes"}, "auto", "yes", "learned class vectors need their whole"),
    ("classes", {"dataset": "cifar10"}, {"dataset": "cifar100", "classes": "whale,shark"}, None, "whale,shark",
     "Unknown class .whale."),
    ("class_weights", {"dataset": "cifar10"}, {"class_weights": WEIGHTS}, None, None, None),
    ("class_weights", {"dataset": "cifar10", "classes": "cat,frog"},
     {"class_weights": WEIGHTS.replace("wolf", "frog")}, WEIGHTS.replace("wolf", "frog"), None, None),
    ("class_weights", {"dataset": "cifar10", "classes": "cat,dog"}, {"class_weights": WEIGHTS}, None, None, None),
    ("init_from", {"model": "mobilenet_v2"}, {"init_from": SOURCE}, None, SOURCE, "was trained with model"),
    ("init_from", {"width": 0.25}, {"init_from": SOURCE}, None, SOURCE, "was trained with"),
    ("init_from", {"model": RESNET50, "weights": "imagenet"}, {"init_from": f"{SOURCE}/model.keras"}, None,
     f"{SOURCE}/model.keras", "both say where to start"),
    ("weights", {"init_from": f"{SOURCE}/model.keras"}, {"model": RESNET50, "weights": "imagenet"}, "none", "imagenet",
     None),
    ("weights", {"model": "mobilenet_v2"}, {"model": RESNET50, "weights": "imagenet"}, "none", "imagenet",
     "no published weights of mobilenet_v2"),
    ("pretrained", {"model": RESNET50, "weights": "imagenet"}, {"pretrained": "0" * 64}, None, None, None),
    ("freeze", {"init_from": SOURCE, "fixed": False, "unfreeze_after": 2}, {}, "backbone", "none", "nothing is frozen"),
    ("freeze", {"model": "mobilenet_v2"}, FREEZING, "none", "backbone", "must already be trained"),
    ("freeze", {"fixed": True}, FREEZING, "none", None, None),
    ("freeze", {"bias": "none"}, {**FREEZING, "fixed": True, "bias": "learned"}, "none", None, None),
    ("unfreeze_after", {"freeze": "none"}, {**FREEZING, "unfreeze_after": 2}, None, 2, "nothing is frozen"),
    ("unfreeze_after", {"fixed": True}, {**FREEZING, "unfreeze_after": 2}, None, None, None),
    ("unfreeze_after", {"model": "mobilenet_v2"}, {**FREEZING, "unfreeze_after": 2}, None, None, None),
    ("unfreeze_after", {"epochs": 2}, {**FREEZING, "unfreeze_after": 3}, None, None, None),
    ("rotate", {"class_vectors": "uniform"}, {"class_vectors": "simplex", "rotate": False}, True, False,
     "which is never rotated"),
    ("signed_features", {"init_from": SOURCE}, {}, False, True, "was trained with signed_features False, not True"),
]


@pytest.mark.parametrize("field, explicit, file, implied", [case[:4] for case in CASES])
def test_values_that_were_not_asked_for_yield_to_an_explicit_option(field, explicit, file, implied):
    config = build_config(explicit, file)

    assert getattr(config, field) == implied
    assert {name: getattr(config, name) for name in explicit} == explicit
    resolve(config)


@pytest.mark.parametrize("field, explicit, value, message", [
    (field, explicit, value, message) for field, explicit, _, _, value, message in CASES if message],
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES) if case[-1]])  # values contain a random folder
def test_contradictory_explicit_options_are_refused(field, explicit, value, message):
    with pytest.raises(ArgumentError, match=message):
        resolve(build_config({**explicit, field: value}))


def test_every_implication_has_a_case():
    assert {case[0] for case in CASES} == {each.field for each in IMPLICATIONS}
    for each in IMPLICATIONS:
        assert any(case[0] == each.field and set(each.to) & case[1].keys() for case in CASES), each


@pytest.mark.parametrize("values, message", [
    ({"hold_out": False, "schedule": "plateau"}, "to detect a plateau on"),
    ({"hold_out": False, "patience": 2}, "to detect a plateau on"),
    ({"margin_size": 0.3}, "margin_size is given without a margin"),
    ({"image_size": 48}, "an image size applies only to folders"),
    ({"dataset": "cifar10_1"}, "has no training images"),
    ({"augment_on": "device"}, "only JAX takes batches"),
    ({"dataset": VECTORS, "model": "none"}, "Nothing would be learned"),
    ({"dataset": "cifar10", "model": "mlp"}, "takes the vectors of an embedding set, but the data are pictures"),
    ({"dataset": VECTORS, "image_size": 32}, "an image size does not apply"),
])
def test_values_that_cannot_yield_are_refused(values, message):
    with pytest.raises(ArgumentError, match=message):
        resolve(build_config(values))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("explicit", [
    {"schedule": "plateau"}, {"schedule": "cosine"}, {"warmup_fraction": 0.0}, {"warmup_fraction": 0.5},
    {"selection": "last"}, {"selection": "validation"}, {"selection": "test"}, {"hold_out": False}, {"hold_out": True},
    {"patience": 2}, {"model": CV}, {"model": "mobilenet_v2"}, {"pooling": "4x4"}, {"margin": "cosface"},
    {"bias": "fixed"}, {"head": "dot", "fixed": False}, {"devices": 2}, {"devices": 7}, {"partial_batch": True},
    {"batch_size": 7}, {"store_vectors": False}, {"class_vectors": "simplex"}, {"dataset": "cifar100"},
    {"width": 0.25}, {"scale": "auto"}, {"limit_train": 10}, {"imbalance": 10.0}, {"normalization": "half"},
    {"dataset": VECTORS}, {"dataset": VECTORS, "model": "none", "feature_dim": 8}, {"streaming": "yes"},
])
def test_a_single_explicit_option_never_contradicts_a_recipe(recipe, explicit):
    config = build_config({"recipe": recipe, **explicit})

    assert {name: getattr(config, name) for name in explicit} == explicit
    resolve(config)


def test_the_digest_of_a_fine_tuned_run_names_the_weights_and_not_their_place(tmp_path):
    (tmp_path / "a.keras").write_bytes(b"weights")
    (tmp_path / "b.keras").write_bytes(b"weights")
    a, b = (resolve(TrainConfig(init_from=str(tmp_path / name))) for name in ("a.keras", "b.keras"))
    (tmp_path / "b.keras").write_bytes(b"others")
    c = resolve(TrainConfig(init_from=str(tmp_path / "b.keras")))

    assert a.config.pretrained == hashlib.sha256(b"weights").hexdigest()
    assert a.digest == b.digest and c.digest != a.digest
    (tmp_path / "a.keras").unlink()
    assert resolve(a.config).digest == a.digest  # as when it is resumed


def test_imagenet_weights_are_named_without_a_network():
    found = resolve(TrainConfig(model="keras_applications/ResNet50", weights="imagenet"))

    assert (found.config.pretrained, found.dim) == ("imagenet", 2048)


def test_nothing_yields_without_a_contradiction():
    values = {"schedule": "cosine", "warmup_fraction": 0.1}

    assert with_implied(values, {"schedule"}) == values


def test_a_file_counts_as_explicit_over_the_recipe():
    assert build_config({}, {"schedule": "plateau"}).warmup_fraction == 0.0
    with pytest.raises(ArgumentError, match="has no warm-up"):
        resolve(build_config({}, {"schedule": "plateau", "warmup_fraction": 0.1}))


def test_resolving_shows_implied_values():
    assert resolve(build_config({"schedule": "plateau"})).config.warmup_fraction == 0.0
    assert TrainConfig.warmup_fraction > 0
