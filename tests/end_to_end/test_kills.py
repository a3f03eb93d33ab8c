"""Training processes that are killed and resumed from the command line give bit-identical results."""
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_fixhead.runs import open_run

OPTIONS = {"dataset": "digits", "recipe": "smoke", "width": 1 / 16, "epochs": 3, "batch_size": 100,
           "selection": "validation", "deterministic": True, "threads": 1, "precision": "float32",
           "mixup": 0.2, "checkpoint_minutes": 0.0}
CLOCKS = {"seconds", "train_seconds", "epoch_seconds", "images_per_second"}

TRAIN = """
import json, os, signal, sys
from keras_fixhead import json_files, training
from keras_fixhead.recipes import build_config

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def after(function, when):
    # kills right after the call with that number
    calls = []
    def wrapped(*arguments, **more):
        found = function(*arguments, **more)
        calls.append(found)
        if len(calls) == when:
            kill()
        return found
    return wrapped

where, values = sys.argv[1], json.loads(sys.argv[2])
if where == "within an epoch":  # 12 steps per epoch
    training.loop.StepTimer.on_train_batch_end = after(training.loop.StepTimer.on_train_batch_end, 17)
elif where == "at an epoch's end":  # the checkpoint is written, but not yet the best one
    training.loop.Loop._keep_best = lambda self, progress: kill()
elif where == "in the last step":
    training.loop.StepGuard.on_train_batch_end = after(training.loop.StepGuard.on_train_batch_end, 36)
elif where == "while a checkpoint is written":
    fsync = os.fsync
    def half(descriptor):
        size = os.fstat(descriptor).st_size
        if size > 100_000 and os.path.exists(os.path.join(values["runs_dir"], "armed")):
            os.truncate(descriptor, size // 2)
            kill()
        if size > 100_000 and "previous" in str(list(os.walk(values["runs_dir"]))):
            open(os.path.join(values["runs_dir"], "armed"), "w").close()
        fsync(descriptor)
    json_files.os.fsync = half
run = training.train(build_config(values))
print(run.path)
"""


def train(folder, where="nowhere", **values):
    values = {**OPTIONS, **values, "runs_dir": str(folder)}
    done = subprocess.run([sys.executable, "-c", TRAIN, where, json.dumps(values)], capture_output=True, text=True)
    assert done.returncode == (0 if where == "nowhere" else -signal.SIGKILL), done.stderr[-2000:]
    (path,) = [each for each in folder.iterdir() if each.is_dir()]
    return open_run(path)


def resume(run):
    return [sys.executable, "-m", "fixhead_cli", "train", "--resume", str(run.path), "--quiet"]


def state(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    return arrays, {name: value for name, value in meta.items() if name not in CLOCKS}


def assert_bit_identical(straight, resumed):
    for one, other in ((straight.newest_checkpoint, resumed.newest_checkpoint),
                       (straight.best_checkpoint, resumed.best_checkpoint)):
        (expected, expected_meta), (found, found_meta) = state(one), state(other)
        assert found.keys() == expected.keys() and found_meta == expected_meta
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    rows = [[{name: value for name, value in row.items() if name not in CLOCKS} for row in run.metrics()]
            for run in (straight, resumed)]
    assert rows[0] == rows[1]
    assert resumed.read("result")["evaluation"] == straight.read("result")["evaluation"]
    assert resumed.read("status")["state"] == "complete"


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    return train(tmp_path_factory.mktemp("straight"))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["within an epoch", "at an epoch's end", "in the last step",
                                   "while a checkpoint is written"])
def test_a_killed_run_resumes_to_the_same_result(straight, tmp_path, where):
    run = train(tmp_path, where)
    assert not run.has("result")
    if where == "while a checkpoint is written":
        assert list((run.path / "checkpoints").glob(".newest.npz-*"))  # a half-written temporary file

    done = subprocess.run(resume(run), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_bit_identical(straight, run)


@pytest.mark.long
def test_fifty_random_stops_change_nothing(tmp_path):
    """SIGKILL, SIGTERM and SIGINT at random moments of one training, each after at least one new checkpoint."""
    straight = train(tmp_path / "straight", epochs=100)
    draw = random.Random(0)
    (tmp_path / "stopped").mkdir()
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**straight.config().as_dict(), "runs_dir": str(tmp_path / "stopped")}))
    command = [sys.executable, "-m", "fixhead_cli", "train", "--config", str(file), "--quiet"]
    codes = []
    for _ in range(50):
        worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        newest = next(iter((tmp_path / "stopped").glob("*/checkpoints/newest.npz")), None)
        before = newest.stat().st_mtime_ns if newest else 0
        while worker.poll() is None:
            newest = next(iter((tmp_path / "stopped").glob("*/checkpoints/newest.npz")), None)
            if newest and newest.stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.6))
        number = draw.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        os.kill(worker.pid, number)
        codes.append((number, worker.wait(timeout=120)))
        (path,) = [each for each in (tmp_path / "stopped").iterdir() if each.is_dir()]
        run = open_run(path)
        command = resume(run)
        assert not run.has("result"), "the training is too short for 50 stops"
    assert {code for number, code in codes if number == signal.SIGKILL} == {-9}
    assert {code for number, code in codes if number == signal.SIGTERM} == {143}
    assert {code for number, code in codes if number == signal.SIGINT} == {130}

    assert subprocess.run(command, capture_output=True).returncode == 0
    assert_bit_identical(straight, run)
    rows = len(run.metrics())
    print(f"50 stops: {len(codes)} ({sum(number == signal.SIGKILL for number, _ in codes)} by SIGKILL), {rows} epochs")
