import dataclasses
import json
import time
from pathlib import Path

import pytest

from keras_fixhead import hardware
from keras_fixhead.catalog import feature_dim
from keras_fixhead.config import TrainConfig, earlier_digest, resolve, resolved, run_digest
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction import cell
from keras_fixhead.vectors import draw_digest

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}

CHANGES = {
    "dataset": "cifar10", "data_dir": "/data", "model": "preact_resnet18", "width": 0.5, "head": "dot", "fixed": False,
    "scale": 2.0, "class_vectors": "cube", "vector_seed": 5, "seed": 1, "loss": None, "signed_features": True,
    "margin": "cosface", "margin_size": 0.1, "label_smoothing": 0.1, "bias": "fixed", "rotate": False, "vector_lr": 0.5,
    "store_vectors": False,
    "epochs": 3, "batch_size": 64, "lr": 0.2, "momentum": 0.5, "schedule": "one_cycle", "warmup_fraction": 0.1,
    "weight_decay": 1e-3, "vector_weight_decay": 1e-3, "limit_train": 100, "crop_padding": 0, "flip": True,
    "selection": "last", "precision": "float32", "threads": 1, "deterministic": True,
    "recipe": "cpu", "runs_dir": "elsewhere", "image_size": 32, "fit": "pad", "decoding": "reduced",
    "skip_broken": True, "grey": True,
    "classes": "1,2", "imbalance": 10.0, "hold_out": False, "normalization": "half", "pooling": "4x4", "feature_dim": 2,
    "partial_batch": True,
    "plateau_patience": 5, "plateau_factor": 0.5, "decay_norms": True, "rotation": 5.0, "randaugment": 2,
    "randaugment_magnitude": 5.0, "cutout": 8, "erasing": 0.5, "mixup": 0.2, "cutmix": 1.0, "patience": 3,
    "max_minutes": 5.0, "checkpoint_minutes": 1.0, "devices": 2, "logger": "mlflow", "confusion_counts": True,
    "init_from": "/run", "weights": "imagenet", "pretrained": "imagenet", "freeze": "backbone", "unfreeze_after": 2,
    "backbone_lr": 0.1,
    "augment_on": "device", "crop_border": "reflect", "flip_mode": "alternating",
    "initial_lr_fraction": 0.1, "final_lr_fraction": 0.0, "norm_offset_lr": 64.0, "whitening_bias_epochs": 2,
    "lookahead_every": 5, "lookahead_decay": 0.9, "ema": 0.9, "accumulate": 2, "optimizer": "adamw",
    "decoupled_decay": 0.01, "class_weights": "balanced", "sampling": "balanced", "streaming": "yes",
}


def digest(config, **more):
    return run_digest(config, more.pop("vectors", "0" * 64), **more)


def test_the_digest_depends_on_exactly_the_fields_that_affect_the_result():
    assert CHANGES.keys() == FIELDS.keys()
    indifferent = {"data_dir", "recipe", "runs_dir", "store_vectors", "checkpoint_minutes", "logger",
                   "augment_on", "init_from", "weights", "confusion_counts"}
    assert set(TrainConfig.names("place")) == indifferent
    for name, value in CHANGES.items():
        if value is None:  # only one choice so far
            continue
        changed = dataclasses.replace(TrainConfig(), **{name: value})
        assert (digest(changed) != digest(TrainConfig())) == (name not in indifferent), name


def test_the_digest_depends_on_class_vectors_and_extension():
    digests = {digest(TrainConfig()), digest(TrainConfig(), vectors="1" * 64), digest(TrainConfig(), extended_from="2")}

    assert len(digests) == 3


def test_digests_of_earlier_versions_are_still_recognized():
    """Version 0.1 computed these digests of resolved configurations; its runs must still be found."""
    found = resolve(TrainConfig(precision="float32", threads=2))

    assert earlier_digest(found) == "fd56bd687899b70b5519bde6025108d024c99fc3e06e9e1ffe4a67834d7b8592"


def test_a_field_of_a_later_version_does_not_change_the_digest_of_runs_trained_as_before():
    """Version 0.2 computed this digest of the defaults, which had no `fit`: pictures were cropped."""
    expected = "9c15894ab3e7948e2437f6bfd1c4340959d9f76c8983b14063569908ceb14fde"

    assert {digest(TrainConfig()), digest(TrainConfig(fit="crop"))} == {expected}


def test_results_in_the_repository_are_recognized_as_those_of_their_configurations():
    """The evidence is found by these names and digests: a change of either would have it computed again."""
    files = sorted((Path(__file__).parents[2] / "results" / "evidence").glob("*.json"))
    for file in files:
        content = json.loads(file.read_text())
        config = TrainConfig.from_dict(content["config"])
        dim = feature_dim(config.model, config.width, (32, 32, 3), config.pooling)
        drawn = draw_digest(config.class_vectors, len(content["label_names"]), dim, config.vector_seed,
                            rotate=config.rotate)

        assert run_digest(config, drawn, content["extended_from"]) == content["config_digest"], file
        assert cell(**content["cell"]).file_name(content["seed"]) == file.stem
    assert len(files) >= 36


def test_the_digest_does_not_depend_on_field_order():
    values = TrainConfig(lr=0.3, epochs=7).as_dict()

    assert digest(TrainConfig.from_dict(dict(reversed(values.items())))) == digest(TrainConfig(lr=0.3, epochs=7))


def test_resolving_leaves_nothing_open(monkeypatch):
    monkeypatch.setattr(resolved, "resolve_precision", lambda precision, gpu: "bfloat16")
    monkeypatch.setattr(resolved, "cpu_count", lambda: 3)
    asked = TrainConfig(dataset="cifar10", seed=4, scale="auto", margin="arcface")
    found = resolve(asked)
    config = found.config

    assert not [name for name in FIELDS if config.is_open(name)]
    assert {name for name, value in config.as_dict().items() if value is None} == {
        "data_dir", "limit_train", "classes", "image_size", "class_weights", "patience", "max_minutes", "feature_dim",
        "init_from", "pretrained", "unfreeze_after"}  # None has a meaning here
    assert config.signed_features is False
    assert (config.vector_seed, config.crop_padding, config.flip) == (4, 4, True)
    assert (config.precision, config.threads, config.margin_size) == ("bfloat16", 3, 0.5)
    assert config.scale == pytest.approx(2**0.5 * 2.1972245773362196)  # ln 9
    assert found.class_vectors_digest == draw_digest("uniform", 10, 512, 4)
    assert (found.asked, found.data, found.dim) == (asked, DATASETS["cifar10"], 512)
    assert resolve(config).config == config and resolve(config).digest == found.digest


def test_the_precision_follows_the_device_once_known(monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: (("T4", 7.5),))
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: False)
    before = resolve(TrainConfig())

    assert before.for_device(gpu=True) == before
    assert before.for_device(gpu=False) == resolve(TrainConfig(), gpu=False)
    assert resolve(TrainConfig(precision="bfloat16")).for_device(gpu=False).config.precision == "bfloat16"


def test_the_framework_overrides_nvidia_smi(monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: (("T4", 7.5),))
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: False)

    assert resolve(TrainConfig()).config.precision == resolve(TrainConfig(), gpu=True).config.precision == "float16"
    assert resolve(TrainConfig(), gpu=False).config.precision == "float32"


@pytest.mark.parametrize("backend, threads", [("tensorflow", 3), ("jax", 3), ("torch", None)])
def test_threads_default_to_the_cores_if_the_backend_can_set_them(monkeypatch, backend, threads):
    monkeypatch.setattr(resolved, "cpu_count", lambda: 3)
    monkeypatch.setattr(resolved, "keras_backend", lambda: backend)

    assert resolve(TrainConfig(precision="float32")).config.threads == threads


def test_the_data_folder_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")

    assert resolve(TrainConfig(data_dir="here")).config.data_dir == str(tmp_path / "here")
    assert resolve(TrainConfig(data_dir="~/data")).config.data_dir == "/home/someone/data"


def test_resolving_keeps_given_values():
    given = TrainConfig(dataset="cifar10", seed=4, vector_seed=0, crop_padding=0, flip=False, precision="float32",
                        threads=1)
    config = resolve(given).config

    for name in ("vector_seed", "crop_padding", "flip", "precision", "threads"):
        assert getattr(config, name) == getattr(given, name)


@pytest.mark.parametrize("dataset", [name for name, entry in DATASETS.items() if entry.tests is None])
def test_the_class_vector_digest_follows_data_set_and_width(dataset):
    found = resolve(TrainConfig(dataset=dataset, width=0.25, class_vectors="cube", vector_seed=9))

    assert found.class_vectors_digest == draw_digest("cube", DATASETS[dataset].num_classes,
                                                     feature_dim("resnet18", 0.25), 9)
    assert (found.config.crop_padding, found.config.flip) == (DATASETS[dataset].crop_padding, DATASETS[dataset].flip)


@pytest.mark.parametrize("limit, batch_size, size, steps", [
    (None, 128, 45_000, 351), (20_480, 128, 20_480, 160), (10**9, 128, 45_000, 351), (100, 128, 100, 1),
    (100, 50, 100, 2), (149, 50, 149, 2),
])
def test_an_epoch_has_whole_batches_or_a_single_smaller_one(limit, batch_size, size, steps):
    found = resolve(TrainConfig(dataset="cifar10", limit_train=limit, batch_size=batch_size))

    assert (found.train_size, found.steps_per_epoch) == (size, steps)


def test_the_key_of_a_step_time_has_everything_it_depends_on(monkeypatch):
    monkeypatch.setattr(resolved, "gpus", lambda: (("NVIDIA H200", 9.0),))

    def key(**change):
        return resolve(TrainConfig(**{"precision": "float32", "threads": 2} | change)).step_time_key

    keys = {key(**change) for change in (
        {}, {"width": 0.5}, {"batch_size": 64}, {"precision": "bfloat16"}, {"threads": 1})}

    assert len(keys) == 5 and "NVIDIA H200" in key()
    assert key(lr=0.3, epochs=1, seed=8) == key()


@pytest.mark.parametrize("values, message", [
    ({"dataset": "cifar10_1"}, "cifar10_1 has no training images: .* fixhead evaluate RUN --dataset cifar10_1"),
    ({"hold_out": False}, "no validation images to select the best epoch on.* --selection last"),
    ({"hold_out": False, "selection": "last", "patience": 2}, "no validation images to detect a plateau on"),
    ({"schedule": "plateau"}, "The plateau schedule has no warm-up.* --warmup-fraction 0"),
    ({"devices": 3}, "batch_size must be a multiple of devices, got 128 for 3"),
    ({"devices": 2, "partial_batch": True}, "A partial batch cannot be split between devices"),
    ({"augment_on": "device"}, "only JAX takes batches that are already on the device; the backend is tensorflow.* "
     "--augment-on auto"),
    ({"image_size": 48}, "digits has images of 32x32 pixels; an image size applies only to folders"),
    ({"classes": "3"}, "classes must name at least 2 classes, got '3'"),
    ({"classes": "3,seven"}, "Unknown class 'seven'"),
    ({"model": "keras_cv/resnet18", "width": 0.5}, "keras_cv/resnet18 supports width 1 only"),
    ({"pooling": "4x4", "model": "keras_cv/resnet18"}, "too small for pooling 4x4"),
])
def test_contradictions_are_refused_with_a_way_out(values, message):
    with pytest.raises(ArgumentError, match=message):
        resolve(TrainConfig(**values))


@pytest.mark.parametrize("model, signed", [("resnet18", False), ("preact_resnet18", True), ("mobilenet_v2", False)])
def test_features_have_the_usual_form_of_the_network_by_default(model, signed):
    assert resolve(TrainConfig(model=model)).config.signed_features is signed
    assert resolve(TrainConfig(model=model, signed_features=not signed)).config.signed_features is not signed


def test_class_vectors_match_the_classes_and_the_pooling():
    some = resolve(TrainConfig(dataset="cifar100", classes="fish,people"))
    flat = resolve(TrainConfig(dataset="stl10", pooling="4x4"))

    assert some.class_vectors_digest == draw_digest("uniform", 10, 512, 0)
    assert flat.class_vectors_digest == draw_digest("uniform", 10, 4608, 0)


@pytest.mark.parametrize("values, steps", [
    ({"dataset": "cifar10"}, 351), ({"dataset": "cifar10", "hold_out": False, "selection": "last"}, 390),
    ({"dataset": "cifar10", "partial_batch": True}, 352), ({"dataset": "cifar100", "classes": "fish,people"}, 35),
    ({"dataset": "cifar10", "imbalance": 100.0}, 87),  # the sum of 4500 x 100^(-c/9) is 11,170 images
])
def test_the_number_of_steps_is_known_before_reading_images(values, steps, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    assert resolve(TrainConfig(**values)).steps_per_epoch == steps


def test_very_many_class_vectors_are_identified_by_recipe_without_drawing(monkeypatch):
    entry = dataclasses.replace(DATASETS["cifar10"], num_classes=1_000_000)
    monkeypatch.setattr("keras_fixhead.config.resolved.describe", lambda *arguments, **options: entry)
    start = time.perf_counter()
    found = resolve(TrainConfig(dataset="cifar10", seed=3))

    assert time.perf_counter() - start < 2  # drawing 512 million numbers would take half a minute
    assert found.class_vectors_digest == draw_digest("uniform", 1_000_000, 512, 3)


def test_weights_of_other_classes_are_reported_before_the_data_are_read():
    for weights, what in (('{"1": 2, "one": 1}', "has a weight for 'one', which is not a class of the data set"),
                          ('{"1": 2}', "has no weight for 0, 2, 3, 4, 5, ...")):
        with pytest.raises(ArgumentError, match=what):
            resolve(TrainConfig(dataset="digits", class_weights=weights))
