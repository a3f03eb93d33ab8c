"""Training on JAX in separate processes, since JAX reads devices, threads and flags when it starts."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_fixhead.runs import list_runs

OPTIONS = ["--dataset", "digits", "--recipe", "smoke", "--width", "0.0625", "--limit-train", "60", "--batch-size", "60",
           "--epochs", "1", "--precision", "float32", "--quiet"]


def fixhead(*arguments, backend="jax", code=0, **environment):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": backend, **environment})
    assert done.returncode == code, done.stderr[-3000:]
    return done


def weights(run):
    with np.load(run.newest_checkpoint) as file:
        return {name: file[name] for name in file.files if name.startswith("weight")}


@pytest.mark.long
def test_four_devices_train_like_one(tmp_path):
    """After one step the weights agree within 1e-5 (4e-7 observed), including batch normalization averages.

    If statistics were computed per device, the averages would differ by a few per cent.
    """
    four = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    fixhead("train", *OPTIONS, "--runs-dir", tmp_path / "1")
    fixhead("train", *OPTIONS, "--runs-dir", tmp_path / "4", "--devices", "4", **four)
    (one,), (several,) = list_runs(tmp_path / "1"), list_runs(tmp_path / "4")
    refused = fixhead("train", *OPTIONS, "--runs-dir", tmp_path / "5", "--devices", "5", code=2, **four)

    assert len(several.read("environment")["devices"]) == 4
    assert several.metrics()[0]["loss"] == pytest.approx(one.metrics()[0]["loss"], rel=1e-6)
    for name, expected in weights(one).items():
        np.testing.assert_allclose(weights(several)[name], expected, atol=1e-5, err_msg=name)
    assert "devices is 5, but JAX sees 4" in refused.stderr


@pytest.mark.slow
def test_a_jax_run_evaluates_resumes_and_exports_on_tensorflow(tmp_path):
    fixhead("train", *OPTIONS, "--runs-dir", tmp_path / "runs", "--threads", "1")
    (run,) = list_runs(tmp_path / "runs")
    assert run.read("environment")["threads"] == {"xla_cpu": 1}
    here = json.loads(fixhead("evaluate", run.path, "--tta", "flip", "--json").stdout)
    there = json.loads(fixhead("evaluate", run.path, "--tta", "flip", "--json", backend="tensorflow").stdout)
    assert here["tta"] == there["tta"] == "flip"
    for split, figures in here["evaluation"].items():
        assert there["evaluation"][split]["cross_entropy"] == pytest.approx(figures["cross_entropy"], rel=1e-5)

    fixhead("export", run.path, tmp_path / "served" / "digits", backend="tensorflow")
    assert (tmp_path / "served" / "digits" / "1" / "saved_model.pb").is_file()
    refused = fixhead("export", run.path, tmp_path / "served" / "digits", code=1)
    assert "needs the TensorFlow backend, not jax" in refused.stderr

    said = fixhead("train", "--resume", run.path, "--epochs", "2", backend="tensorflow").stderr
    assert "The run was trained on jax and continues on tensorflow" in said
    assert run.read("result")["environment"]["backends"] == ["jax", "tensorflow"]
    assert [row["epoch"] for row in run.metrics()] == [1, 2]


HEAVY = ["--flip", "--crop-padding", "2", "--rotation", "10", "--randaugment", "2", "--cutout", "8", "--erasing", "0.5",
         "--mixup", "0.4", "--cutmix", "1"]


@pytest.mark.long
def test_augmenting_on_one_or_four_devices_trains_bit_identically_to_the_host(tmp_path):
    several = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    fixhead("train", *OPTIONS, *HEAVY, "--runs-dir", tmp_path / "host", "--augment-on", "host")
    fixhead("train", *OPTIONS, *HEAVY, "--runs-dir", tmp_path / "device", "--augment-on", "device")
    fixhead("train", *OPTIONS, *HEAVY, "--runs-dir", tmp_path / "four", "--augment-on", "device", "--devices", "4",
            **several)
    host, device, four = (next(iter(list_runs(tmp_path / name))) for name in ("host", "device", "four"))

    assert [run.read("environment")["augmented_on"] for run in (host, device, four)] == ["host", "device", "device"]
    assert host.digest() == device.digest()
    for name, expected in weights(host).items():
        np.testing.assert_array_equal(weights(device)[name], expected, err_msg=name)
        np.testing.assert_allclose(weights(four)[name], expected, atol=1e-5, err_msg=name)
