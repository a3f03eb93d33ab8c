"""The documented commands that take minutes: the demo and real CIFAR-10."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def fixhead(*arguments, cwd, environment=None):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments), "--json"], capture_output=True,
                          text=True, cwd=cwd, env={**os.environ, **(environment or {})}, timeout=900)
    assert done.returncode == 0, done.stderr
    warned = [line for line in done.stderr.splitlines() if line.startswith("Warning:")]
    assert len(warned) == len(set(warned)), done.stderr  # each warning once, whatever processes it starts
    return json.loads(done.stdout)


def test_the_demo_trains_serves_and_reports(tmp_path):
    first = fixhead("demo", cwd=tmp_path)

    assert first["served"]["answers_equal"]
    assert set(first["accuracy_by_arm"]) == {"fixed", "learned"}
    assert first["accuracy"] == first["accuracy_by_arm"][first["exported"]["arm"]]
    validation = {arm: each["validation"] for arm, each in first["accuracy_by_arm"].items()}
    assert validation[first["exported"]["arm"]] == max(validation.values())
    assert Path(first["figure"]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "fixhead-demo" / "summary.json").is_file()


def test_the_readme_commands_work_on_real_cifar10(tmp_path):
    """Runs the README commands with less training; $FIXHEAD_TEST_CIFAR is the folder with cifar10 prepared."""
    data = {"TFDS_DATA_DIR": os.environ["FIXHEAD_TEST_CIFAR"]}
    trained = fixhead("train", "--dataset", "cifar10", "--data-dir", data["TFDS_DATA_DIR"], "--head", "cos", "--fixed",
                      "--recipe", "cpu", "--width", "0.125", "--limit-train", 5_120, "--epochs", 3, cwd=tmp_path)
    run = trained["run"]
    # 1/8 of the width, 1/4 of the recipe's images, three epochs; chance is 0.1
    assert trained["accuracy"]["test"] > 0.25
    assert fixhead("evaluate", run, cwd=tmp_path, environment=data)["accuracy"] == trained["accuracy"]
    exported = fixhead("export", run, "served/cifar10", cwd=tmp_path)
    assert (exported["name"], exported["version"]) == ("cifar10", 1)

    picture = _first_test_picture(data["TFDS_DATA_DIR"], tmp_path)
    in_process = fixhead("predict", run, picture, cwd=tmp_path)["predictions"]
    command = [sys.executable, "-m", "fixhead_cli", "serve", "served/cifar10", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        url = server.stdout.readline().split()[-1]
        over_rest = fixhead("predict", url, picture, cwd=tmp_path)["predictions"]
        corrupted = fixhead("robustness", url, "--dataset", "cifar10", "--suite", "paper", "--limit", 100,
                            cwd=tmp_path, environment=data)
        server.terminate()
        assert server.wait(timeout=10) == 0
    by_run = fixhead("robustness", run, "--suite", "paper", "--limit", 100, cwd=tmp_path, environment=data)

    assert over_rest[0]["label"] == in_process[0]["label"]
    assert over_rest[0]["probability"] == pytest.approx(in_process[0]["probability"], abs=1e-4)
    assert corrupted["accuracy"] == by_run["accuracy"]


def _first_test_picture(data_dir, folder):
    import tensorflow_datasets as tfds
    from PIL import Image

    example = next(iter(tfds.as_numpy(tfds.load("cifar10", split="test[:1]", data_dir=data_dir))))
    path = folder / "picture.png"
    Image.fromarray(example["image"]).save(path)
    return path
