"""Terminal output contains only our own lines, whatever the names of classes and files."""
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

CLASSES = ("猫", "قطة", "🐈", "two words", "it's \"quoted\"", "100%s", "-dash", "$x$_{y}")
FOREIGN = re.compile(
    r"(?<!^)Warning:"  # ours start the line
    r"|site-packages|Traceback|\.py:\d+|^\s+warnings\.warn|\[Errno|^(INFO|WARNING|ERROR):"
    r"|^[IWEF]\d{4} |^\d{4}-\d\d-\d\d \d\d:|oneDNN|\bcuda|<string>|absl", re.MULTILINE)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Makes a folder of pictures in which files and classes have unusual names."""
    folder = tmp_path_factory.mktemp("my pictures 猫")
    colours = np.random.default_rng(0).integers(0, 255, (len(CLASSES), 3))
    for name, colour in zip(CLASSES, colours, strict=True):
        (folder / name).mkdir()
        for number in range(20):
            noise = np.random.default_rng(number).integers(-30, 30, (16, 16, 3))
            picture = Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))
            picture.save(folder / name / f"{name} {number}.png")
    return folder


def fixhead(*arguments, cwd):
    """Runs a command as a user would, and checks its output."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments)], capture_output=True, text=True,
                          cwd=cwd, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr
    for written in (done.stdout, done.stderr):
        assert not FOREIGN.search(written), f"{arguments}\n{written}"
    return done.stdout


def test_data_with_unusual_names_prints_only_our_lines(pictures, tmp_path):
    fixhead("data", "show", pictures, "--out", tmp_path / "sheet.png", cwd=tmp_path)


@pytest.mark.slow
def test_the_main_commands_print_only_our_lines(pictures, tmp_path):
    train = ("train", "--dataset", pictures, "--recipe", "smoke", "--width", "0.0625", "--epochs", "1",
             "--batch-size", "16", "--runs-dir", "my runs")
    runs = [fixhead(*train, *more, cwd=tmp_path).splitlines()[0].removeprefix("run: ")
            for more in ((), ("--learned", "--mixup", "1"))]
    for split in ((), ("--split", "train", "--tta", "flip")):
        fixhead("evaluate", runs[0], *split, cwd=tmp_path)
    fixhead("predict", runs[0], pictures, "--top-k", 3, "--sheet", "sheet.png", cwd=tmp_path)
    fixhead("data", "show", pictures, "--mixup", "1", "--out", "mixed.png", cwd=tmp_path)
    fixhead("data", "pack", pictures, "packed", "--name", "pictures", cwd=tmp_path)
    fixhead("robustness", runs[0], "--limit", 20, cwd=tmp_path)
    fixhead("export", runs[0], "served/my-model", cwd=tmp_path)
    fixhead("compare", *runs, cwd=tmp_path)
    fixhead("show", runs[1], cwd=tmp_path)
    fixhead("list", "runs", "--runs-dir", "my runs", cwd=tmp_path)
