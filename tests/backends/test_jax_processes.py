"""Training by two JAX processes connected over loopback, each with one CPU device."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_fixhead.runs import list_runs

SECONDS = 150  # time limit for everything, on a busy machine
OPTIONS = ["--dataset", "digits", "--recipe", "smoke", "--width", "0.0625", "--batch-size", "60", "--precision",
           "float32", "--threads", "1", "--limit-train"]


def command(*arguments):
    return [sys.executable, "-m", "fixhead_cli", "train", *map(str, arguments)]


@contextlib.contextmanager
def two_processes(*arguments):
    """Yields both processes of a training, and kills them at the end if they still run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    both = [subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={
        **os.environ, "KERAS_BACKEND": "jax", "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2", "KERAS_DISTRIBUTION_PROCESS_ID": str(number)}) for number in (0, 1)]
    try:
        yield both
    finally:
        for each in both:
            each.kill()
            each.communicate()


def ends(process):
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def trained_by_two(*arguments):
    with two_processes(*arguments) as both:
        (code, out, err), (other_code, other_out, other_err) = map(ends, both)
    assert code == 0, err[-3000:]
    assert other_code == 0, other_err[-3000:]
    assert other_out == ""
    return json.loads(out)


def arrays(run):
    with np.load(run.newest_checkpoint) as file:
        return {name: file[name] for name in file.files if name != "meta"}


def wait_for_an_epoch(folder):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if found := [run for run in list_runs(folder) if run.metrics()]:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("no epoch was trained")


@pytest.mark.long
def test_two_processes_train_like_one(tmp_path):
    """After one step the weights agree within 1e-6 (6e-8 observed); there is one run directory, result and output."""
    options = [*OPTIONS, "60", "--epochs", "1", "--json", "--quiet"]
    subprocess.run(command(*options, "--runs-dir", tmp_path / "1"), env={**os.environ, "KERAS_BACKEND": "jax"},
                   stdout=subprocess.DEVNULL, check=True, timeout=SECONDS)
    result = trained_by_two(*options, "--devices", "2", "--runs-dir", tmp_path / "2")
    (one,), (two,) = list_runs(tmp_path / "1"), list_runs(tmp_path / "2")

    assert result["run"] == str(two.path)
    assert len(two.read("environment")["devices"]) == 2
    assert two.read("status")["state"] == "complete"
    assert two.metrics()[0]["loss"] == pytest.approx(one.metrics()[0]["loss"], rel=1e-6)
    for name, expected in arrays(one).items():
        np.testing.assert_allclose(arrays(two)[name], expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.long
def test_a_signal_to_one_process_stops_both_and_they_resume_bit_identically(tmp_path):
    options = [*OPTIONS, "300", "--epochs", "3", "--devices", "2"]
    trained_by_two(*options, "--json", "--quiet", "--runs-dir", tmp_path / "whole")
    with two_processes(*options, "--runs-dir", tmp_path / "stopped") as both:
        run = wait_for_an_epoch(tmp_path / "stopped")
        both[1].send_signal(signal.SIGTERM)
        (code, _, err), (other_code, _, other_err) = map(ends, both)
    assert (code, other_code) == (130, 143)
    assert run.resume_command in err
    assert "Stopped by SIGTERM." in other_err
    assert run.read("status")["state"] == "interrupted"
    assert len(run.metrics()) < 3

    trained_by_two("--resume", run.path, "--json", "--quiet")
    (whole,) = list_runs(tmp_path / "whole")
    assert [row["epoch"] for row in run.metrics()] == [1, 2, 3]
    for name, expected in arrays(whole).items():
        np.testing.assert_array_equal(arrays(run)[name], expected, err_msg=name)


@pytest.mark.long
def test_killing_one_process_ends_the_other(tmp_path):
    with two_processes(*OPTIONS, "300", "--epochs", "50", "--devices", "2", "--runs-dir", tmp_path) as both:
        run = wait_for_an_epoch(tmp_path)
        both[1].kill()
        code, _, err = ends(both[0])
    assert code == 1, err[-3000:]
    assert "Error: One of the 2 processes has failed: " in err
    assert run.resume_command in err
    assert run.read("status")["state"] == "failed"


@pytest.mark.long
def test_a_single_process_trains(tmp_path):
    """For instance when a command line for several processes starts only one, as under Slurm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    subprocess.run(command(*OPTIONS, "60", "--epochs", "1", "--runs-dir", tmp_path), check=True, timeout=SECONDS, env={
        **os.environ, "KERAS_BACKEND": "jax", "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "1", "KERAS_DISTRIBUTION_PROCESS_ID": "0"})
    (run,) = list_runs(tmp_path)
    assert run.read("status")["state"] == "complete"


@pytest.mark.long
def test_every_process_must_have_a_share_of_the_devices(tmp_path):
    with two_processes(*OPTIONS, "60", "--epochs", "1", "--runs-dir", tmp_path) as both:
        for code, _, err in map(ends, both):
            assert code == 2, err[-3000:]
            assert "the 2 processes that train together have 2" in err
            assert "Use --devices 2" in err
