"""The documented commands on real CIFAR-10, which take minutes."""
import os
import subprocess
import sys

import pytest
from documented import fixhead


@pytest.mark.slow
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
