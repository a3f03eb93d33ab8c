"""`sweep`, `compare`, `data show`, `completion` and extending runs, from the command line."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fixhead_cli import sweeping
from keras_fixhead import hardware
from keras_fixhead.errors import RunError

ROOT = Path(__file__).parents[2]
SMALL = ["--dataset", "digits", "--recipe", "smoke", "--width", 0.0625, "--limit-train", 100, "--batch-size", 50,
         "--epochs", 1, "--precision", "float32"]


def test_a_sweep_shows_its_plan_without_training(fixhead, tmp_path):
    answer = fixhead("sweep", *SMALL, "--grid", "fixed=yes,no", "--grid", "lr=0.1,0.2", "--seeds", "0-1", "--runs-dir",
                     tmp_path / "runs", "--dry-run", "--json").json

    assert answer["runs"] == 8 and answer["states"]["new"] == 8
    assert [(each["config"]["fixed"], each["config"]["lr"], each["config"]["seed"]) for each in answer["plan"]][:3] == [
        (True, 0.1, 0), (True, 0.1, 1), (True, 0.2, 0)]
    text = fixhead("sweep", *SMALL, "--grid", "fixed=yes,no", "--runs-dir", tmp_path / "runs", "--dry-run").out
    assert "2 runs: 2 new" in text and "fixed=no seed=0" in text
    assert len(answer["warnings"]) == 1 and "fall behind for 10 classes" in answer["warnings"][0]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("options, message", [
    (["--grid", "head"], "A grid axis has the form FIELD=VALUE"), (["--grid", "hed=dot"], "Did you mean 'head'"),
    (["--seeds", "x"], "Seeds must be numbers"),
    (["--lr", "0.1", "--grid", "lr=0.2"], "both in the grid and as an option"),
    (["--then", "rm -rf /"], "--then runs evaluate, robustness, export"),
    (["--then", "robustness 'x"], "--then runs evaluate, robustness, export"),
])
def test_an_invalid_sweep_is_a_one_line_error_and_a_hint(fixhead, options, message):
    answer = fixhead("sweep", *options)

    assert answer.code == 2 and message in answer.err and not answer.out and answer.err.count("\n") <= 2


@pytest.mark.slow
def test_a_sweep_trains_and_exports_missing_runs_and_compare_pairs_them(fixhead, tmp_path):
    command = ["sweep", *SMALL, "--grid", "fixed=yes,no", "--seeds", "0-1", "--runs-dir", tmp_path / "runs",
               "--export-results", tmp_path / "results", "--then", "evaluate", "--discard-models", "--json"]
    first = fixhead(*command)
    again = fixhead(*command)

    assert first.code == again.code == 0
    assert (first.err + again.err).count("are known to fall behind") == 1  # from the plan, not from its processes
    assert [each["outcome"] for each in first.json["runs"]] == ["trained"] * 4
    assert [each["outcome"] for each in again.json["runs"]] == ["done"] * 4
    files = sorted((tmp_path / "results").glob("*.json"))
    assert len(files) == 4 and all(file.with_suffix(".npz").exists() for file in files)
    for file, run in zip(files, sorted(first.json["runs"], key=lambda each: each["arm"]), strict=True):
        assert run["accuracy"].keys() == {"validation", "test"}
        assert str(tmp_path) not in file.read_text()
    assert not list((tmp_path / "runs").glob("*/model.keras"))

    compared = fixhead("compare", tmp_path / "runs", "--figure", tmp_path / "c.png", "--json").json
    accuracy = {(run["arm"], run["name"][-1]): run["accuracy"]["test"] for run in first.json["runs"]}
    (difference,) = compared["differences"]
    expected = [100 * (accuracy["cos-learned", seed] - accuracy["cos-fixed", seed]) for seed in "01"]
    assert [difference["values"][seed] for seed in "01"] == pytest.approx(expected)
    assert difference["n"] == 2 and difference["mean"] == pytest.approx(np.mean(expected))
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.size[0] > 800


def test_a_sweep_has_the_seed_of_its_configuration_file_unless_seeds_are_given(fixhead, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"seed": 7}))
    command = ["sweep", *SMALL, "--config", tmp_path / "config.json", "--runs-dir", tmp_path / "runs", "--dry-run",
               "--json"]

    assert [each["config"]["seed"] for each in fixhead(*command).json["plan"]] == [7]
    assert [each["config"]["seed"] for each in fixhead(*command, "--seeds", "0,2").json["plan"]] == [0, 2]


@pytest.mark.slow
def test_a_sweep_of_two_runs_at_once_finds_its_runs_again(fixhead, tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "cpu_count", lambda: 2)
    command = ["sweep", *SMALL, "--seeds", "0-1", "--jobs", 2, "--runs-dir", tmp_path / "runs", "--json"]
    first, again = fixhead(*command), fixhead(*command)

    assert first.code == again.code == 0, first.err
    assert [each["outcome"] for each in first.json["runs"]] == ["trained"] * 2
    assert [each["outcome"] for each in again.json["runs"]] == ["done"] * 2


def test_several_runs_of_a_sweep_at_once_share_the_cores_unless_their_configuration_says_otherwise(
        fixhead, tmp_path, monkeypatch):
    called = []

    def train(command, resolved):
        asked = json.loads(Path(command[command.index("--config") + 1]).read_text())
        called.append((command[-2:], asked["threads"], resolved.config.threads))
        raise RunError("not trained")

    monkeypatch.setattr(sweeping, "run_trained_by", train)
    monkeypatch.setattr(hardware, "cpu_count", lambda: 6)
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    answer = fixhead("sweep", *SMALL, "--seeds", "0-1", "--jobs", 2, "--runs-dir", tmp_path / "runs")
    fixhead("sweep", *SMALL, "--threads", 1, "--jobs", 2, "--runs-dir", tmp_path / "runs")

    assert called == 2 * [(["--quiet", "--json"], 3, 3)] + [(["--quiet", "--json"], 1, 1)]
    assert answer.code == 1 and "[2/2] seed=" in answer.err and "2 of 2 runs failed" in answer.err
    too_many = fixhead("sweep", *SMALL, "--jobs", 7).err
    assert too_many.startswith("Error: 7 runs at once need as many cores; there are 6.")


def test_a_failing_run_of_a_sweep_is_reported_and_sets_the_exit_status(fixhead, tmp_path):
    (tmp_path / "folder" / "a").mkdir(parents=True)
    (tmp_path / "folder" / "b").mkdir()
    for name in ("a", "b"):
        for number in range(6):
            Image.new("RGB", (32, 32), (number, 0, 0)).save(tmp_path / "folder" / name / f"{number}.png")
    (tmp_path / "folder" / "a" / "broken.png").write_bytes(b"")
    answer = fixhead("sweep", "--dataset", tmp_path / "folder", "--recipe", "smoke", "--width", 0.0625, "--runs-dir",
                     tmp_path / "runs")

    assert answer.code == 1 and "1 of 1 runs failed" in answer.err and "broken.png" in answer.err
    assert "failed" in answer.out


def test_compare_names_a_path_that_does_not_exist(fixhead, tmp_path):
    answer = fixhead("compare", tmp_path / "nothing")
    assert answer.code == 1 and "does not exist" in answer.err


def test_data_show_writes_a_sheet_and_describes_the_set(fixhead, tmp_path):
    answer = fixhead("data", "show", "digits", "--images", 10, "--cutmix", 1, "--out", tmp_path / "sheet.png",
                     "--json").json

    assert (answer["train"], answer["validation"], answer["test"], answer["classes"]) == (1257, 180, 360, 10)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size[0] > 1000
    text = fixhead("data", "show", "digits", "--out", tmp_path / "sheet.png").out
    assert "1,257 training, 180 validation and 360 test images of 10 classes" in text and "mean 0.3" in text


def test_data_show_of_a_missing_set_is_a_one_line_error(fixhead, tmp_path):
    answer = fixhead("data", "show", tmp_path / "nothing")
    assert answer.code == 1 and "does not exist" in answer.err and answer.err.count("\n") <= 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(fixhead, shell):
    answer = fixhead("completion", shell)
    assert answer.code == 0 and "_FIXHEAD_COMPLETE" in answer.out


def test_completion_suggests_commands_and_options():
    def complete(words, position):
        environment = {**os.environ, "_FIXHEAD_COMPLETE": "bash_complete", "COMP_WORDS": words,
                       "COMP_CWORD": str(position)}
        code = "import sys; sys.argv = ['fixhead']; from fixhead_cli.main import main; main()"
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout

    assert "plain,train" in complete("fixhead tr", 1)
    assert "plain,--label-smoothing" in complete("fixhead train --label", 2)


@pytest.mark.slow
def test_a_finished_run_is_extended_and_a_complete_one_is_reported(fixhead, tmp_path):
    run = fixhead("train", *SMALL, "--runs-dir", tmp_path, "--json").json["run"]
    complete = fixhead("train", "--resume", run)
    longer = fixhead("train", "--resume", run, "--epochs", 2)

    assert complete.code == 0 and "is complete: there is nothing to resume. Extend it: --epochs N" in complete.err
    assert longer.code == 0 and "epochs 2 to 2 follow a new one_cycle schedule without warm-up" in longer.err
    assert fixhead("show", run, "--json").json["extended_from"] == "1"
    assert json.loads((tmp_path / run / "status.json").read_text())["epoch"] == 2


def test_a_full_file_system_is_a_one_line_error_and_loses_nothing(fixhead, tmp_path):
    """Uses a file system of one megabyte if this process may mount one, otherwise a limit on the file size."""
    full = tmp_path / "full"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(full)], capture_output=True)
    limit = [] if mounted.returncode == 0 else ["bash", "-c", 'ulimit -f 100; exec "$@"', "limited"]
    try:
        command = [sys.executable, "-m", "fixhead_cli", "train", *map(str, SMALL), "--width", "0.125"]
        done = subprocess.run([*limit, *command, "--runs-dir", str(full / "runs")], capture_output=True, text=True)
        assert done.returncode == 1
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
        assert len(errors) == 1 and "cannot be written" in errors[0] and "Traceback" not in done.stderr
        (run,) = (full / "runs").iterdir()
        assert json.loads((run / "config.json").read_text())["resolved"]["dataset"] == "digits"
        assert not [path for path in run.rglob(".*-*") if path.is_file()]  # no partial file is left
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(full)], check=True)


@pytest.mark.slow
def test_a_run_on_some_classes_is_measured_on_these_classes(fixhead, tmp_path):
    run = fixhead("train", *SMALL, "--classes", "1,4,7", "--runs-dir", tmp_path, "--json").json
    robustness = fixhead("robustness", run["run"], "--limit", 30, "--json")
    evaluated = fixhead("evaluate", run["run"], "--json").json

    assert evaluated["accuracy"] == run["accuracy"]
    assert robustness.code == 0 and robustness.json["n"] == 30
    assert fixhead("show", run["run"], "--json").json["result"]["label_names"] == ["1", "4", "7"]


def test_exported_results_are_compared_like_runs(fixhead, tmp_path):
    files = sorted((ROOT / "results" / "first_runs").glob("cifar10-resnet18-*.json"))
    answer = fixhead("compare", *files, "--figure", tmp_path / "compare.png", "--json").json

    fixed, learned = (json.loads(file.read_text())["accuracy"]["test"] for file in files)
    assert [group["name"] for group in answer["groups"]] == ["fixed=yes", "fixed=no"]
    assert answer["differences"][0]["mean"] == pytest.approx(100 * (learned - fixed))
    assert (tmp_path / "compare.png").exists()


def test_a_result_that_failed_to_converge_is_reported_and_excluded(fixhead, tmp_path):
    files = sorted((ROOT / "results" / "first_runs").glob("cifar10-resnet18-*.json"))
    content = json.loads(files[0].read_text())
    failed = tmp_path / "failed.json"
    failed.write_text(json.dumps({
        **{name: content[name] for name in ("schema", "config", "curves")}, "state": "failed to converge",
        "reason": "The training failed to converge in epoch 3: its loss is nan."}))
    answer = fixhead("compare", failed, *files, "--figure", tmp_path / "compare.png", "--json")

    assert answer.code == 0 and len(answer.json["groups"]) == 2
    assert answer.err.count("\n") == 1 and f"Left out: {failed} has no accuracy: The training failed" in answer.err
    alone = fixhead("compare", failed, files[0])
    assert alone.code == 2 and "two or more complete runs" in alone.err and "got 1" in alone.err


def test_a_file_that_is_not_an_exported_result_is_a_one_line_error_and_a_hint(fixhead):
    answer = fixhead("compare", ROOT / "results" / "data.json", ROOT / "results" / "data.json")

    assert answer.code == 1 and "data.json is not an exported result" in answer.err and "--export-results" in answer.err
