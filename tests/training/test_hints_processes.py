"""Hints about devices, threads and several processes: each is printed in its situation, and leads out."""
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from hints import ROOT, command_in, follow, leads_out, refused
from test_backend import threads_in_use

from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError, TrainingError
from keras_fixhead.training import backend, processes
from keras_fixhead.training.backend import device_scope, start_backend

NAME = "KERAS_DISTRIBUTION_NUM_PROCESSES"


def in_a_new_process(*options):
    """Plans a training with options, with this package and a backend that has not started."""
    return subprocess.run([sys.executable, "-m", "fixhead_cli", "train", "--recipe", "smoke", *options, "--dry-run"],
                          capture_output=True, text=True).returncode


@leads_out("Train in a new process, or use --threads ....", "Train in a new process, or with --deterministic.")
def test_settings_of_the_process_are_kept_or_a_new_one_is_started(monkeypatch):
    from tensorflow.python.framework import config

    there = threads_in_use()
    message = f"uses {there + 1} threads, but TensorFlow has already started with {there} in"
    with pytest.raises(TrainingError, match=message) as caught:
        start_backend(TrainConfig(threads=there + 1))
    start_backend(TrainConfig(threads=int(re.search(r"--threads (\d+)", caught.value.hint)[1])))
    assert in_a_new_process("--threads", str(there + 1)) == 0

    monkeypatch.setattr(config, "is_op_determinism_enabled", lambda: True)
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    with refused("Train in a new process, or with --deterministic."):
        start_backend(TrainConfig(threads=there, deterministic=False))
    start_backend(TrainConfig(threads=there, deterministic=True))


@leads_out("Train in a new process, or set XLA_FLAGS='...'.")
def test_the_flags_in_the_hint_make_jax_deterministic(monkeypatch, jax_backend):
    jax_backend(started=True, gpu=True)
    monkeypatch.setenv("NPROC", "3")
    asked = TrainConfig(threads=3, deterministic=True)
    with pytest.raises(TrainingError, match="uses 4 threads, but JAX has already started with 3 in"):
        start_backend(TrainConfig(threads=4))
    with pytest.raises(TrainingError, match="without XLA's deterministic operations") as caught:
        start_backend(asked)
    monkeypatch.setenv("XLA_FLAGS", re.search(r"XLA_FLAGS='(.*)'", caught.value.hint)[1])
    start_backend(asked)
    monkeypatch.setenv("XLA_FLAGS", "")
    jax_backend(started=False, gpu=True)  # a new process
    start_backend(asked)


@leads_out("Use --devices 1, or check: fixhead doctor", "Use --devices ...", "Use --devices 1.")
def test_devices_that_are_there_are_used(monkeypatch):
    with pytest.raises(ArgumentError, match="devices is 99, but TensorFlow sees 1") as caught, device_scope(99):
        pass
    assert command_in(caught.value.hint) == "fixhead doctor"  # followed in tests/cli/test_hints_commands.py
    with device_scope(1):
        pass

    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(ArgumentError) as caught:
        backend._enough(2, ["a", "b", "c", "d"])
    number = int(caught.value.hint.removeprefix("Use --devices ").rstrip("."))
    assert len(backend._enough(number, ["a", "b", "c", "d"])) == number

    monkeypatch.setattr(processes, "count", lambda: 1)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with refused("Use --devices 1."), device_scope(2):
        pass
    with device_scope(1):
        pass


@leads_out("Set KERAS_BACKEND=jax, or train in one process: unset ...",
           "Call keras.distribution.initialize() before anything else.",
           "Set ... in each process: docs/backends.md")
def test_processes_join_with_jax_and_before_it_starts(monkeypatch, jax_backend):
    joined = []
    monkeypatch.setattr(keras.distribution, "initialize", lambda: joined.append(os.environ[NAME]))
    monkeypatch.setenv(NAME, "2")
    monkeypatch.setenv("NPROC", "3")
    with monkeypatch.context() as patched, pytest.raises(
            ArgumentError, match=r"NUM_PROCESSES=2: .* only JAX trains in several .* tensorflow") as caught:
        patched.setattr(keras.backend, "backend", lambda: "tensorflow")
        start_backend(TrainConfig(threads=threads_in_use()))
    processes.join_processes(started=False)  # the backend is JAX now
    assert joined == ["2"]
    jax_backend(started=True)
    with refused("Call keras.distribution.initialize() before anything else."):
        start_backend(TrainConfig(threads=3))
    with monkeypatch.context() as patched:
        patched.setattr(processes, "_have_joined", lambda: True)  # as after that call
        processes.join_processes(started=True)
    for name in re.search(r"unset (.*)", caught.value.hint)[1].split():
        monkeypatch.delenv(name)
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    processes.join_processes(started=False)

    def initialize():
        raise ValueError("invalid literal for int(): 'two'")

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "initialize", initialize)
    monkeypatch.setenv(NAME, "two")
    with pytest.raises(ArgumentError, match="NUM_PROCESSES=two do not describe processes that train") as caught:
        processes.join_processes(started=False)
    variables, page = re.fullmatch(r"Set (.*) in each process: (\S+)", caught.value.hint).groups()
    assert all(name in (ROOT / page).read_text() for name in variables.split(", "))


@leads_out("Set --batch-size to a multiple of ..., no larger than the training set.",
           "Give each process the same number: CUDA_VISIBLE_DEVICES.")
def test_batches_and_devices_are_shared_equally(monkeypatch, jax_backend):
    jax_backend(started=True)
    with pytest.raises(ArgumentError, match="Batches of 61 images cannot be split equally between 2") as caught:
        processes.check_shares(61, 2)
    factor = int(re.search(r"multiple of (\d+)", caught.value.hint)[1])
    processes.check_shares(30 * factor, 2)

    def devices(local):
        monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(local_device_count=lambda: local,
                                                                device_count=lambda: 4))

    monkeypatch.setattr(processes, "count", lambda: 2)
    devices(local=3)
    with refused("Give each process the same number: CUDA_VISIBLE_DEVICES."):
        processes.check_shares(60, 4)
    devices(local=2)
    processes.check_shares(60, 4)


@leads_out("See the output of each process...")
@pytest.mark.parametrize("command", [None, "fixhead train --resume RUN"])
def test_a_run_of_several_processes_is_resumed_in_each(monkeypatch, command, fixhead, digits_run):
    monkeypatch.setattr(processes, "count", lambda: 2)
    with pytest.raises(TrainingError) as caught, processes.failing_together(command):
        raise ConnectionError("heartbeat")
    assert "one of the 2 processes has failed: heartbeat" in caught.value.what.lower()
    assert caught.value.hint.startswith("See the output of each process")
    if command:
        assert follow(fixhead, caught.value.hint, RUN=digits_run.path)
