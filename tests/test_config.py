import dataclasses
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_fixhead import config as config_module
from keras_fixhead import hardware
from keras_fixhead.catalog import feature_dim
from keras_fixhead.config import (
    TrainConfig,
    arm_name,
    read_config_file,
    resolve,
    step_time_key,
    steps_per_epoch,
    train_size,
)
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import class_vectors, vectors_digest

FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
RANGED = [(name, bound) for name, field in FIELDS.items() for bound in ("low", "high")
          if field.metadata[bound] is not None]
FLOATS = [name for name, field in FIELDS.items() if field.type in ("float", float)]


def refusal(**values):
    """The message with which TrainConfig refuses these values, checked to be one line."""
    with pytest.raises(ArgumentError) as caught:
        TrainConfig(**values)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name, bound", RANGED)
def test_a_value_at_its_bound_is_taken_and_one_beyond_is_refused_in_one_line(name, bound):
    limit = FIELDS[name].metadata[bound]
    number = int if type(FIELDS[name].default) is int or name in ("vector_seed", "limit_train", "crop_padding",
                                                                  "threads", "image_size", "patience") else float
    step = 1 if number is int else max(abs(limit) * 1e-6, 1e-6)
    beyond = number(limit) - step if bound == "low" else number(limit) + step

    assert getattr(TrainConfig(**{name: number(limit)}), name) == limit
    assert re.fullmatch(rf"{name} must be at {'least' if bound == 'low' else 'most'} \S+, got \S+\.",
                        refusal(**{name: beyond}))


def test_ranges_are_there_for_all_numbers():
    numbers = {name for name, field in FIELDS.items() if type(field.default) in (int, float)}

    assert numbers <= {name for name, _ in RANGED}
    assert {"vector_seed", "limit_train", "crop_padding", "threads"} <= {name for name, _ in RANGED}


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(name, value):
    assert refusal(**{name: value}) == f"{name} must be a finite number, got {value}."


@pytest.mark.parametrize("values, message", [
    ({"epochs": 2.0}, "epochs must be int, got 2.0."),
    ({"epochs": True}, "epochs must be int, got True."),
    ({"epochs": "3"}, "epochs must be int, got '3'."),
    ({"lr": "0.1"}, "lr must be float, got '0.1'."),
    ({"lr": True}, "lr must be float, got True."),
    ({"lr": None}, "lr must be float, got None."),
    ({"fixed": 1}, "fixed must be bool, got 1."),
    ({"flip": "yes"}, "flip must be bool or null, got 'yes'."),
    ({"threads": 1.5}, "threads must be int or null, got 1.5."),
    ({"dataset": 10}, "dataset must be str, got 10."),
    ({"runs_dir": None}, "runs_dir must be str, got None."),
])
def test_a_value_of_another_type_is_refused(values, message):
    assert refusal(**values) == message


@pytest.mark.parametrize("name, value, near", [
    ("dataset", "cifar01", "cifar10"), ("model", "resnet19", "resnet18"), ("head", "cosine", "cos"),
    ("class_vectors", "unifrm", "uniform"), ("loss", "crossentropy", "cross_entropy"),
    ("schedule", "cosin", "cosine"), ("selection", "lst", "last"), ("precision", "float23", "float32"),
])
def test_an_unknown_name_is_answered_with_the_known_ones_and_the_nearest(name, value, near):
    message = refusal(**{name: value})

    assert repr(value) in message and "Expected one of" in message
    assert message.endswith(f"Did you mean {near!r}?")


def test_an_unknown_field_is_answered_with_the_nearest():
    with pytest.raises(ArgumentError, match=r"Unknown configuration field 'epoch'\. Did you mean 'epochs'\?"):
        TrainConfig.from_dict({"epoch": 3})
    with pytest.raises(ArgumentError, match=r"'zzzz'\. Known: dataset, "):
        TrainConfig.from_dict({"zzzz": 3})


def test_an_integer_is_a_float_where_one_is_meant():
    config = TrainConfig(lr=1, width=2)

    assert (type(config.lr), type(config.width)) == (float, float)
    assert config.digest == TrainConfig(lr=1.0, width=2.0).digest


CHANGES = {
    "dataset": "cifar10", "data_dir": "/data", "model": "preact_resnet18", "width": 0.5, "head": "dot", "fixed": False,
    "scale": 2.0, "class_vectors": "cube", "vector_seed": 5, "seed": 1, "loss": None, "signed_features": True,
    "margin": "cosface", "margin_size": 0.1, "label_smoothing": 0.1, "bias": "fixed", "rotate": False, "vector_lr": 0.5,
    "store_vectors": False,
    "epochs": 3, "batch_size": 64, "lr": 0.2, "momentum": 0.5, "schedule": "one_cycle", "warmup_fraction": 0.1,
    "weight_decay": 1e-3, "vector_weight_decay": 1e-3, "limit_train": 100, "crop_padding": 0, "flip": True,
    "selection": "last", "precision": "float32", "threads": 1, "deterministic": True,
    "class_vectors_digest": "0" * 64, "recipe": "cpu", "runs_dir": "elsewhere", "image_size": 32, "classes": "1,2",
    "imbalance": 10.0, "hold_out": False, "normalization": "half", "pooling": "4x4", "partial_batch": True,
    "plateau_patience": 5, "plateau_factor": 0.5, "decay_norms": True, "rotation": 5.0, "randaugment": 2,
    "randaugment_magnitude": 5.0, "cutout": 8, "erasing": 0.5, "mixup": 0.2, "cutmix": 1.0, "patience": 3,
    "max_minutes": 5.0, "checkpoint_minutes": 1.0, "devices": 2, "extended_from": "3", "logger": "mlflow",
    "augment_on": "device",
}


def test_the_digest_changes_with_just_the_fields_that_change_the_result():
    assert CHANGES.keys() == FIELDS.keys()
    indifferent = {"data_dir", "recipe", "runs_dir", "store_vectors", "checkpoint_minutes", "logger",
                   "augment_on"}
    for name, value in CHANGES.items():
        if value is None:  # one choice only, so far
            continue
        changed = dataclasses.replace(TrainConfig(), **{name: value})
        assert (changed.digest != TrainConfig().digest) == (name not in indifferent), name
        assert FIELDS[name].metadata["result"] == (name not in indifferent)


def test_the_digest_does_not_depend_on_the_order_of_fields():
    values = TrainConfig(lr=0.3, epochs=7).as_dict()

    assert TrainConfig.from_dict(dict(reversed(values.items()))).digest == TrainConfig(lr=0.3, epochs=7).digest


@given(epochs=st.integers(1, 10**6), lr=st.floats(0, 1e4), width=st.floats(1 / 64, 16), seed=st.integers(0, 2**63 - 1),
       fixed=st.booleans(), limit=st.none() | st.integers(1, 10**12))
@settings(max_examples=50, deadline=None)
def test_a_configuration_comes_back_whole_from_its_dictionary_and_from_json(epochs, lr, width, seed, fixed, limit):
    config = TrainConfig(epochs=epochs, lr=lr, width=width, seed=seed, fixed=fixed, limit_train=limit)

    assert TrainConfig.from_dict(config.as_dict()) == config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().epochs = 3


def test_resolving_leaves_nothing_open(monkeypatch):
    monkeypatch.setattr(config_module, "resolve_precision", lambda precision, gpu: "bfloat16")
    monkeypatch.setattr(config_module, "cpu_count", lambda: 3)
    resolved = resolve(TrainConfig(dataset="cifar10", seed=4))

    assert {name for name, value in resolved.as_dict().items() if value is None} == {
        "data_dir", "limit_train", "margin_size", "classes", "image_size", "patience", "max_minutes",
        "extended_from"}  # each of these has a meaning of its own
    assert resolved.signed_features is False
    assert (resolved.vector_seed, resolved.crop_padding, resolved.flip) == (4, 4, True)
    assert (resolved.precision, resolved.threads) == ("bfloat16", 3)
    assert resolved.class_vectors_digest == vectors_digest(class_vectors("uniform", 10, 512, 4))
    assert resolve(resolved) == resolved


def test_what_the_framework_says_of_a_gpu_wins_over_nvidia_smi(monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: (("T4", 7.5),))
    monkeypatch.setattr(hardware, "cpu_has_bfloat16", lambda: False)

    assert resolve(TrainConfig()).precision == resolve(TrainConfig(), gpu=True).precision == "float16"
    assert resolve(TrainConfig(), gpu=False).precision == "float32"


@pytest.mark.parametrize("backend, threads", [("tensorflow", 3), ("jax", 3), ("torch", None)])
def test_threads_are_the_cores_where_the_backend_can_be_told(monkeypatch, backend, threads):
    monkeypatch.setattr(config_module, "cpu_count", lambda: 3)
    monkeypatch.setattr(config_module, "keras_backend", lambda: backend)

    assert resolve(TrainConfig(precision="float32")).threads == threads


def test_the_folder_of_the_data_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")

    assert resolve(TrainConfig(data_dir="here")).data_dir == str(tmp_path / "here")
    assert resolve(TrainConfig(data_dir="~/data")).data_dir == "/home/someone/data"


def test_resolving_keeps_what_was_given():
    given = TrainConfig(dataset="cifar10", seed=4, vector_seed=0, crop_padding=0, flip=False, precision="float32",
                        threads=1)
    resolved = resolve(given)

    for name in ("vector_seed", "crop_padding", "flip", "precision", "threads"):
        assert getattr(resolved, name) == getattr(given, name)


@pytest.mark.parametrize("dataset", [name for name, entry in DATASETS.items() if entry.tests is None])
def test_the_digest_is_of_the_vectors_that_the_data_set_and_the_width_ask_for(dataset):
    resolved = resolve(TrainConfig(dataset=dataset, width=0.25, class_vectors="cube", vector_seed=9))
    expected = class_vectors("cube", DATASETS[dataset].num_classes, feature_dim("resnet18", 0.25), 9)

    assert resolved.class_vectors_digest == vectors_digest(expected)
    assert (resolved.crop_padding, resolved.flip) == (DATASETS[dataset].crop_padding, DATASETS[dataset].flip)


def test_a_digest_of_other_vectors_is_refused():
    resolved = resolve(TrainConfig(seed=1))

    with pytest.raises(ArgumentError, match="Leave class_vectors_digest out"):
        resolve(dataclasses.replace(resolved, vector_seed=2))


def test_a_configuration_file_may_be_a_runs_or_a_dry_runs(tmp_path):
    file = tmp_path / "plan.json"
    for content in ({"epochs": 3}, {"schema": 1, "epochs": 3, "config_digest": "0"}, {"config": {"epochs": 3}, "x": 1}):
        file.write_text(json.dumps(content))
        assert read_config_file(file) == {"epochs": 3}


@pytest.mark.parametrize("content, message", [
    ("{", "is no JSON"),
    ("[1]", "holds no JSON object"),
    ('{"config": [1]}', "holds no JSON object"),
    ('{"epoch": 3}', "Did you mean 'epochs'"),
    ("\xff", "is no JSON"),
])
def test_a_configuration_file_that_is_none_is_refused(tmp_path, content, message):
    file = tmp_path / "plan.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(ArgumentError, match=message):
        read_config_file(file)


def test_a_configuration_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read: No such file"):
        read_config_file(tmp_path / "none.json")
    with pytest.raises(ArgumentError, match="cannot be read: Is a directory"):
        read_config_file(tmp_path)


@pytest.mark.parametrize("limit, batch_size, size, steps", [
    (None, 128, 45_000, 351), (20_480, 128, 20_480, 160), (10**9, 128, 45_000, 351), (100, 128, 100, 1),
    (100, 50, 100, 2), (149, 50, 149, 2),
])
def test_an_epoch_has_whole_batches_or_one_of_all_there_is(limit, batch_size, size, steps):
    config = TrainConfig(dataset="cifar10", limit_train=limit, batch_size=batch_size)

    assert (train_size(config), steps_per_epoch(config)) == (size, steps)


def test_arms_are_named_by_head_and_whether_it_is_fixed():
    assert {arm_name(TrainConfig(head=head, fixed=fixed)) for head in ("cos", "dot") for fixed in (True, False)} == {
        "cos-fixed", "cos-learned", "dot-fixed", "dot-learned"}


def test_a_step_time_is_remembered_by_what_it_depends_on(monkeypatch):
    monkeypatch.setattr(config_module, "gpus", lambda: (("NVIDIA H200", 9.0),))
    base = resolve(TrainConfig(precision="float32", threads=2))
    keys = {step_time_key(dataclasses.replace(base, **change)) for change in (
        {}, {"width": 0.5}, {"batch_size": 64}, {"precision": "bfloat16"}, {"threads": 1})}

    assert len(keys) == 5 and "NVIDIA H200" in step_time_key(base)
    assert step_time_key(dataclasses.replace(base, lr=0.3, epochs=1, seed=8)) == step_time_key(base)


@pytest.mark.parametrize("values, message", [
    ({"dataset": "cifar10_1"}, "cifar10_1 has no training images: .* fixhead evaluate RUN --dataset cifar10_1"),
    ({"hold_out": False}, "no validation images to select an epoch by.* --selection last"),
    ({"hold_out": False, "selection": "last", "patience": 2}, "no validation images to see a plateau on"),
    ({"schedule": "plateau"}, "The plateau schedule has no warm-up.* --warmup-fraction 0"),
    ({"devices": 3}, "batch_size must be a multiple of devices, got 128 for 3"),
    ({"devices": 2, "partial_batch": True}, "A partial batch cannot be shared"),
    ({"augment_on": "device"}, "only JAX takes batches that are there; this backend is tensorflow.* --augment-on auto"),
    ({"image_size": 48}, "digits has images of 32x32 pixels; an image size is for folders"),
    ({"classes": "3"}, "classes must name at least 2 classes, got '3'"),
    ({"classes": "3,seven"}, "Unknown class 'seven'"),
    ({"model": "keras_cv/resnet18", "width": 0.5}, "keras_cv/resnet18 has one width, 1"),
    ({"pooling": "4x4", "model": "keras_cv/resnet18"}, "too small for pooling 4x4"),
])
def test_what_contradicts_itself_is_refused_with_a_way_out(values, message):
    with pytest.raises(ArgumentError, match=message):
        resolve(TrainConfig(**values))


@pytest.mark.parametrize("model, signed", [("resnet18", False), ("preact_resnet18", True), ("mobilenet_v2", False)])
def test_features_have_the_networks_usual_form_unless_told_otherwise(model, signed):
    assert resolve(TrainConfig(model=model)).signed_features is signed
    assert resolve(TrainConfig(model=model, signed_features=not signed)).signed_features is not signed


def test_class_vectors_fit_the_classes_and_the_pooling():
    some = resolve(TrainConfig(dataset="cifar100", classes="fish,people"))
    flat = resolve(TrainConfig(dataset="stl10", pooling="4x4"))

    assert some.class_vectors_digest == vectors_digest(class_vectors("uniform", 10, 512, 0))
    assert flat.class_vectors_digest == vectors_digest(class_vectors("uniform", 10, 4608, 0))


@pytest.mark.parametrize("values, steps", [
    ({"dataset": "cifar10"}, 351), ({"dataset": "cifar10", "hold_out": False, "selection": "last"}, 390),
    ({"dataset": "cifar10", "partial_batch": True}, 352), ({"dataset": "cifar100", "classes": "fish,people"}, 35),
    ({"dataset": "cifar10", "imbalance": 100.0}, 87),  # 4500 sum of 100^(-c/9) = 11,170 images
])
def test_steps_are_known_before_the_images_are_read(values, steps, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    assert steps_per_epoch(TrainConfig(**values)) == steps
