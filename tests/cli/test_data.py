"""`fixhead data show`, `pack`, `verify` and `cache`: options reach the call, output, exit codes."""
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from fixhead_cli.commands.data.show import show
from keras_fixhead.config import TrainConfig
from keras_fixhead.data import cache, limit_train, load_dataset
from keras_fixhead.runs import open_run

WITHOUT = """
import sys
class Absent:  # None in sys.modules would not do: Keras takes the name there for TensorFlow itself
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from fixhead_cli.main import main
sys.argv = ["fixhead", *sys.argv[1:]]
main()
"""


def test_show_has_only_options_that_have_an_effect():
    """Each option changes the images, their number or the file; none is for the network or for training."""
    names = {each.name for each in show.params}

    assert names == {"out", "images", "epoch", "as_json", "data_dir", "seed", "recipe"} | set(
        TrainConfig.names("data", "augmentation"))
    assert not names & {"epochs", "lr", "model", "head", "vector_seed", "batch_size", "threads", "runs_dir"}


def test_show_needs_no_framework_and_prints_only_its_result(tmp_path):
    program = WITHOUT % (("keras", "tensorflow", "jax", "torch", "tensorflow_datasets"),)
    command = [sys.executable, "-c", program, "data", "show", "digits", "--mixup", "1", "--out", "sheet.png"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "pixels are normalized with mean 0.3" in done.stdout
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_show_limits_and_normalizes_as_training_would(fixhead, tmp_path):
    answer = fixhead("data", "show", "digits", "--limit-train", 100, "--normalization", "half", "--out",
                     tmp_path / "sheet.png", "--json").json

    assert answer["train"] == 100 and answer["mean"] == answer["std"] == [127.5] * 3


def test_pack_then_verify(fixhead, tmp_path):
    packed = fixhead("data", "pack", "digits", tmp_path / "out", "--part-mb", "0.1", "--json").json
    said = fixhead("data", "pack", "digits", tmp_path / "other")
    verified = fixhead("data", "verify", tmp_path, "--json").json
    table = fixhead("data", "verify", tmp_path / "out")

    assert packed["path"] == str(tmp_path / "out" / "digits.packed")
    assert packed["digest"] == load_dataset("digits").digest()
    assert f"--dataset digits --data-dir {tmp_path / 'other'}" in said.out and "CC BY 4.0" in said.out
    assert verified["ok"] and [each["name"] for each in verified["sets"]] == ["digits", "digits"]
    assert verified["sets"][1]["files"] == packed["files"] > verified["sets"][0]["files"]
    assert table.code == 0 and "yes" in table.out.splitlines()[1] and packed["digest"][:12] in table.out


def test_pictures_that_are_not_square_are_packed_at_the_given_size(fixhead, tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(20):
            Image.new("RGB", (30, 20), (number, 0, 0)).save(tmp_path / "pets" / name / f"{number}.png")
    packed = fixhead("data", "pack", tmp_path / "pets", tmp_path / "out", "--image-size", "16", "--json")

    assert packed.code == 0, packed.err
    dataset = load_dataset(str(tmp_path / "out" / "pets.packed"))
    assert dataset.train.images.shape[1:] == (16, 16, 3)


def test_verify_prints_the_table_names_the_damaged_file_and_fails(fixhead, tmp_path):
    fixhead("data", "pack", "digits", tmp_path)
    path = tmp_path / "digits.packed" / "train-images-000.zlib"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    answer = fixhead("data", "verify", tmp_path)
    as_json = fixhead("data", "verify", tmp_path, "--json")

    assert answer.code == 1 and "NO" in answer.out and "train-images-000.zlib is damaged" in answer.err
    assert "Copy train-images-000.zlib again" in answer.err and "Traceback" not in answer.err
    assert as_json.code == 1 and not as_json.json["ok"]
    again = fixhead("data", "pack", "digits", tmp_path)
    assert again.code == 2 and "already exists" in again.err
    train = fixhead("train", "--dataset", "digits", "--data-dir", tmp_path, "--recipe", "smoke", "--runs-dir", tmp_path)
    assert train.code == 1 and "train-images-000.zlib is damaged" in train.err


def test_the_cache_is_listed_and_cleared(fixhead, tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path))
    kept = tmp_path / "data" / "cifar10-0-0.packed"
    kept.mkdir(parents=True)
    (kept / "index.json").write_bytes(b"x" * 2_000_000)

    assert "1 data sets, 2.0 MB" in fixhead("data", "cache").out
    assert fixhead("data", "cache", "--clear", "--json").json["sets"] == {str(kept): 2_000_000}
    assert cache.sets() == []
    monkeypatch.setenv(cache.SWITCH, "off")
    assert "switched off by FIXHEAD_DATA_CACHE" in fixhead("data", "cache").out


def test_doctor_reports_where_a_packed_set_is_and_whether_it_is_damaged(fixhead, tmp_path):
    fixhead("data", "pack", "digits", tmp_path)
    (tmp_path / "cifar10.packed").mkdir()
    datasets = fixhead("doctor", "--data-dir", tmp_path, "--json").json["datasets"]

    assert datasets["digits"] == f"packed in {tmp_path / 'digits.packed'}"
    assert "cifar10.packed/index.json is missing" in datasets["cifar10"]
    assert datasets["cifar100"] == f"not prepared in {tmp_path}"


@pytest.mark.slow
def test_training_on_packed_data_with_jax_needs_no_tensorflow_or_scikit_learn(fixhead, tmp_path):
    fixhead("data", "pack", "digits", tmp_path)
    program = WITHOUT % (("tensorflow", "tensorflow_datasets", "sklearn"),)
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "--dataset", "digits", "--data-dir", tmp_path, "--recipe",
         "smoke", "--width", "0.0625", "--limit-train", "200", "--runs-dir", tmp_path / "runs", "--json"],
        capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"})

    assert done.returncode == 0, done.stderr
    result = open_run(json.loads(done.stdout)["run"]).read("result")
    assert result["data_digest"] == limit_train(load_dataset("digits"), 200).digest()
