import os

import keras
import pytest
import tensorflow as tf

from keras_fixhead.config import TrainConfig
from keras_fixhead.data import Augmentation
from keras_fixhead.hardware import cpu_count
from keras_fixhead.training import backend
from keras_fixhead.training.backend import describe_environment, jit_compile, start_backend


def threads_in_use():
    keras.ops.convert_to_numpy(keras.ops.ones(1))  # starts TensorFlow; its threads can no longer be changed
    return tf.config.threading.get_intra_op_parallelism_threads() or cpu_count()


@pytest.mark.parametrize("deterministic", [True, False])
def test_determinism_is_enabled_on_request(monkeypatch, deterministic):
    calls = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: calls.append(True))
    start_backend(TrainConfig(threads=threads_in_use(), deterministic=deterministic))

    assert calls == [True] * deterministic


def test_xla_is_off_for_tensorflow_on_a_cpu_and_up_to_keras_elsewhere(monkeypatch):
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    assert jit_compile() is False
    monkeypatch.setattr(backend, "on_gpu", lambda: True)
    assert jit_compile() == "auto"
    monkeypatch.setattr(backend, "on_gpu", lambda: False)
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: "jax")
    assert jit_compile() == "auto"


@pytest.mark.parametrize("devices, expected", [(["cpu:0"], False), (["gpu:0", "gpu:1"], True), (["cuda:0"], True),
                                               (["CPU:0", "GPU:0"], True)])
def test_a_gpu_is_detected_from_the_devices_of_the_backend(monkeypatch, devices, expected):
    monkeypatch.setattr(backend.keras.distribution, "list_devices", lambda: devices)
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: "jax")

    assert backend.on_gpu() is expected


@pytest.mark.parametrize("choice, name, gpu, what, expected", [
    ("auto", "jax", True, {"randaugment": 1}, True), ("auto", "jax", True, {"mixup": 0.2}, True),
    ("auto", "jax", True, {"crop_padding": 4, "flip": True, "cutout": 8}, False),
    ("auto", "jax", False, {"randaugment": 1}, False), ("auto", "tensorflow", True, {"randaugment": 1}, False),
    ("host", "jax", True, {"randaugment": 1}, False), ("device", "jax", False, {}, True)])
def test_pixel_augmentation_runs_on_a_jax_gpu_unless_told_otherwise(monkeypatch, choice, name, gpu, what,
                                                                                expected):
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: name)
    monkeypatch.setattr(backend, "on_gpu", lambda: gpu)

    assert backend.augments_on_device(TrainConfig(augment_on=choice), Augmentation(**what)) is expected


@pytest.mark.parametrize("found", [[], ["GPU:0"]])
def test_tensorflow_reports_its_physical_devices(monkeypatch, found):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found if kind == "GPU" else ["CPU:0"])

    assert backend.on_gpu() is bool(found)


def test_the_environment_outside_a_repository_has_no_commit(monkeypatch, tmp_path):
    inside = describe_environment()["git"]
    assert inside is None or set(inside) == {"commit", "modified"}
    monkeypatch.setattr(backend, "__file__", str(tmp_path / "a" / "b.py"))

    assert describe_environment()["git"] is None


def test_threads_and_determinism_are_set_before_jax_starts(monkeypatch, jax_backend):
    jax_backend(started=False)
    monkeypatch.setenv("XLA_FLAGS", "--mine=1")
    start_backend(TrainConfig(threads=3, deterministic=True))

    assert os.environ["NPROC"] == "3"
    assert os.environ["XLA_FLAGS"] == (
        "--mine=1 --xla_gpu_deterministic_ops=true --xla_gpu_exclude_nondeterministic_ops=true")


def test_nothing_has_to_be_enabled_on_a_cpu_once_jax_has_started(monkeypatch, jax_backend):
    jax_backend(started=True)
    monkeypatch.setenv("NPROC", "3")
    start_backend(TrainConfig(threads=3, deterministic=True))
