"""The script that runs the cells: its plan, its rehearsals, and how it stops."""
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_result

from keras_fixhead.catalog import MODELS
from keras_fixhead.config import resolve
from keras_fixhead.errors import RunError
from keras_fixhead.experiments.sweep import PlannedRun
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import cell, read_result, read_results
from keras_fixhead.runs import create_run
from keras_fixhead.vectors import ceiling

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "full_size.py"
sys.path.insert(0, str(SCRIPT.parent))


@pytest.fixture
def full_size():
    import full_size

    return full_size


def options(full_size, tmp_path, **changes):
    values = {"out": tmp_path / "out", "runs_dir": tmp_path / "runs", "data_dir": None, "blocks": ("1",),
              "deadline": None, "most_runs": None, "rehearsal": False, "rehearsal_dataset": None}
    return full_size.Options(**values | changes)


def test_the_list_says_what_is_done_what_is_left_and_where_its_seconds_come_from(full_size, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    write_result(tmp_path / "out", cell(dataset="cifar100", head="cos", fixed=True, epochs=30), 0, 74.4)
    status = full_size.main(["--list", "--blocks", "1,4", "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out

    assert status == 0
    assert "cifar100 resnet18 cos-fixed, seed 0: done: test 74.4 %, 60 s on NVIDIA H100" in out
    assert re.search(r"cos-learned, seed 0: to do: about \d+ s \(arithmetic\)", out)
    assert "cifar100 resnet18 cos-learned at its best S, seed 4: waits for blocks 1 and 3" in out
    assert "seconds to 94 %" in out and "not measured here" in out


def test_a_block_that_there_is_not_is_refused(full_size):
    with pytest.raises(SystemExit, match="There is no block 'x'"):
        full_size.main(["--list", "--blocks", "1,x"])


def test_the_next_run_is_the_first_without_a_result_that_was_not_tried(full_size, tmp_path):
    asked = options(full_size, tmp_path)
    first, _ = full_size.next_run(asked, set())
    (tmp_path / "out").mkdir()
    write_result(tmp_path / "out", first.cell, first.seed, state="failed to converge")
    second, found = full_size.next_run(asked, set())
    third, _ = full_size.next_run(asked, {(second.cell.id, second.seed)})

    assert (first.cell.config.fixed, second.cell.config.fixed, third.seed) == (True, False, 1) and len(found) == 1


class Call:
    """A call in which so many seconds are left."""

    def __init__(self, left):
        self.left = left

    def seconds_left(self):
        return self.left


def test_a_run_that_the_next_call_can_finish_and_this_one_cannot_is_left_to_it(full_size, tmp_path, monkeypatch,
                                                                               capsys):
    monkeypatch.setattr(full_size, "run_one", lambda *_: pytest.fail("began it"))
    left = iter([580.0, 580.0])  # as the call begins
    monkeypatch.setattr(full_size.Alarm, "seconds_left", lambda _: next(left, 300.0))
    monkeypatch.setattr(full_size, "seconds_of", lambda *_: 400.0)
    status = full_size.run_all(options(full_size, tmp_path, deadline=time.monotonic() + 600))

    assert status == 0 and "Stopped in time: cifar100 resnet18 cos-fixed, seed 0, takes about 400 s, and 300 s are " \
        "left." in capsys.readouterr().out


@pytest.mark.parametrize("seconds, left, begun", [
    (500.0, 580.0, True), (500.0, 300.0, False), (900.0, 580.0, True), (900.0, 300.0, True), (None, 300.0, True),
    (None, -1.0, False), (900.0, -1.0, False),
])
def test_what_takes_longer_than_any_call_is_begun_in_what_is_left(full_size, tmp_path, monkeypatch, seconds, left,
                                                                  begun):
    monkeypatch.setattr(full_size, "seconds_of", lambda *_: seconds)
    reason = full_size.why_not_now(None, options(full_size, tmp_path), None, Call(left), 580.0)

    assert (reason is None) == begun


def test_of_an_interrupted_run_what_is_left_counts(full_size, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    asked = options(full_size, tmp_path)
    first, _ = full_size.next_run(asked, set())
    write_result(tmp_path / "out", first.cell, 0, seconds=400.0, wall_seconds=420.0)
    second = dataclasses.replace(first, seed=1)
    found = read_results(tmp_path / "out")
    monkeypatch.setattr(full_size.hardware, "gpus", lambda: [("NVIDIA H100", 9)])
    whole = full_size.seconds_of(second, asked, found)
    run = create_run(resolve(build_config(full_size.explicit_fields(second.cell, asked) | {"seed": 1})))
    run.write_metrics([{"epoch": epoch} for epoch in range(1, 25)])
    monkeypatch.setattr(full_size, "state_of", lambda *_: PlannedRun(resolve(run.config()), "interrupted", run, None))

    assert whole == pytest.approx(1.1 * 420)
    assert full_size.seconds_of(second, asked, found) == pytest.approx(1.1 * (0.2 * 400 + 20))


def test_a_run_that_is_still_going_at_the_limit_is_interrupted_as_by_ctrl_c(full_size, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(full_size, "GRACE_SECONDS", 0.0)
    monkeypatch.setattr(full_size, "run_one", lambda *_: time.sleep(30))
    before = time.monotonic()
    status = full_size.run_all(options(full_size, tmp_path, deadline=before + 0.3))

    assert status == 0 and time.monotonic() - before < 10
    assert "Stopped at the limit" in capsys.readouterr().out


def test_a_run_without_a_result_does_not_stop_the_others_and_is_told_by_the_status(full_size, tmp_path, monkeypatch):
    tried = []

    def state_of(planned, asked):
        tried.append(planned.seed)
        raise OSError("no data")

    monkeypatch.setattr(full_size, "state_of", state_of)
    assert full_size.run_all(options(full_size, tmp_path, most_runs=3)) == 1
    assert tried == [0, 0, 1] and not list((tmp_path / "out").iterdir())


def test_no_time_is_spent_on_a_part_of_a_set_that_is_to_be_whole(full_size, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(full_size, "subset_note", lambda name, entry: f"a subset of {name}")
    monkeypatch.setattr(full_size, "train_and_measure", lambda *_: pytest.fail("trained"))
    status = full_size.run_all(options(full_size, tmp_path, most_runs=1))

    assert status == 1 and "no result: The data at hand are a subset of cifar100" in capsys.readouterr().err
    full_size.check_whole(cell(dataset="stl10", recipe="paper-code", epochs=80).config)


def test_every_cell_can_be_rehearsed(full_size, tmp_path):
    from keras_fixhead.reproduction import plan

    for dataset in (None, "digits"):
        asked = options(full_size, tmp_path, rehearsal=True, rehearsal_dataset=dataset)
        for planned in plan({True: 1.0, False: 20.0}):
            config = resolve(build_config(full_size.explicit_fields(planned.cell, asked)), gpu=False).config
            assert config.epochs == 2 and config.limit_train == 2_000 and config.width <= 0.25
            assert not planned.cell.agrees(config)


@pytest.fixture
def tiny_network(monkeypatch):
    """Puts a network of one convolution in the place of ResNet18."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "training"))
    monkeypatch.setitem(MODELS, "resnet18", dataclasses.replace(MODELS["resnet18"], builder="tiny_network:build"))


@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_a_pair_is_trained_measured_written_and_not_done_again(full_size, tmp_path, tiny_network, fixhead, capfd,
                                                               monkeypatch):
    monkeypatch.setattr(full_size, "REHEARSAL_CORRUPTED", 20)
    asked = options(full_size, tmp_path, rehearsal=True, rehearsal_dataset="digits", most_runs=1)
    assert full_size.run_all(asked) == 0
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert full_size.run_all(asked) == 0
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    found = read_results(tmp_path / "out", rehearsal=True)

    assert len(first) == 2 and len(after) == 4 and first.items() <= after.items()
    assert {(each.seed, each.config.fixed) for each in found} == {(0, True), (0, False)}
    with pytest.raises(RunError, match="no evidence"):
        read_results(tmp_path / "out")
    fixed = next(each for each in found if each.config.fixed)
    cosines, confusion = fixed.matrices()["cosines"], fixed.matrices()["confusion"]
    assert abs(cosines - cosines.T).max() == 0 and cosines.diagonal() == pytest.approx(1)
    assert confusion.diagonal().sum() / confusion.sum() == pytest.approx(fixed.accuracy() / 100)
    assert fixed.content["class_vectors_max_cosine"] == pytest.approx(
        (cosines - 2 * np.eye(10)).max(), abs=1e-5)
    assert fixed.content["largest_probability"] <= ceiling(10, 1.0)[0]
    augmented, plain = fixed.content["tta"]["flip-shift"], fixed.content["evaluation"]["test"]
    assert augmented["n"] == plain["n"] and augmented["own_cosine"] == pytest.approx(plain["own_cosine"], abs=1e-5)
    assert augmented["cross_entropy"] != plain["cross_entropy"]  # of mean logits

    capfd.readouterr()
    files = (path for path in (tmp_path / "out").glob("*-s0-*.json"))
    compared = fixhead("compare", *sorted(files), "--figure", tmp_path / "c.png", "--json").json
    assert [group["name"] for group in compared["groups"]] == ["fixed=yes", "fixed=no"]


def test_a_run_that_fails_to_converge_is_a_result_and_is_not_tried_again(full_size, tmp_path, tiny_network, capsys,
                                                                         monkeypatch):
    whole = full_size.explicit_fields
    monkeypatch.setattr(full_size, "explicit_fields", lambda *given: whole(*given) | {
        "lr": 1e4, "weight_decay": 1e3, "epochs": 5})
    asked = options(full_size, tmp_path, rehearsal=True, rehearsal_dataset="digits", most_runs=1)
    assert full_size.run_all(asked) == 0
    (result,) = read_results(tmp_path / "out", rehearsal=True)

    assert not result.converged and "failed to converge" in result.content["reason"]
    assert result.content["config"]["lr"] == 1e4 and not list((tmp_path / "out").glob("*.npz"))
    assert "failed to converge" in capsys.readouterr().out
    assert full_size.next_run(asked, set())[0].cell.config.fixed is False
    assert "done: failed to converge" in "\n".join(full_size.listed(asked))


def run_script(tmp_path, *arguments, **environment):
    command = [sys.executable, str(SCRIPT), "--rehearse", "digits", "--out", str(tmp_path / "out"), "--runs-dir",
               str(tmp_path / "runs"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={
        **os.environ, "FIXHEAD_CACHE_DIR": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3", **environment})


@pytest.mark.slow
def test_a_rehearsal_that_is_stopped_goes_on_skips_what_is_done_and_leaves_everything_that_is_asked_for(tmp_path):
    process = run_script(tmp_path, "--runs", 1)
    for line in process.stderr:
        if line.startswith("epoch 1/2"):
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and not list((tmp_path / "out").glob("*.json")), out

    out, err = run_script(tmp_path, "--runs", 2).communicate(timeout=240)
    assert "Resumed after epoch 1" in err and "Stopped after 2 runs" in out, err
    fixed, learned = sorted((tmp_path / "out").glob("rehearsal-*.json"))
    written = fixed.stat().st_mtime_ns
    out, _ = run_script(tmp_path, "--runs", 0, "--list").communicate(timeout=60)
    assert out.count("done: test") == 2 and fixed.stat().st_mtime_ns == written

    content = json.loads(fixed.read_text())
    assert content["rehearsal"] and content["resumed"] and not json.loads(learned.read_text())["resumed"]
    assert [row["epoch"] for row in content["curves"]] == [1, 2]
    assert {"class_vectors_mean_cosine", "class_vectors_max_cosine", "validation_accuracy"} <= set(content["curves"][0])
    assert {"accuracy", "own_cosine", "predicted_cosine", "nearest_wrong_cosine", "feature_norm"} <= set(
        content["evaluation"]["test"])
    assert {len(values) for values in content["robustness"]["paper"]["accuracy"].values()} == {5}
    assert sum(content["histograms"]["own"]) == content["evaluation"]["test"]["n"] == 360
    assert {"config_digest", "images_per_second", "seconds", "device", "environment", "backend", "largest_probability",
            "separation", "reachable_cosine"} <= set(content)
    assert content["robustness"]["paper"]["clean"] == pytest.approx(content["accuracy"]["test"], abs=0.01)
    assert str(tmp_path) not in fixed.read_text()

    found = read_result(fixed, rehearsal=True)
    assert found.matrices()["confusion"].sum() == 360 and found.matrices()["cosines"].shape == (10, 10)
    assert fixed.stat().st_size + fixed.with_suffix(".npz").stat().st_size < 40_000
    assert not list((tmp_path / "runs").glob("*/model.keras"))
    assert len(read_results(tmp_path / "out", rehearsal=True)) == 2


@pytest.mark.slow
def test_a_rehearsal_runs_on_jax_and_finds_the_compiled_step_of_another_seed(tmp_path):
    pytest.importorskip("jax")
    process = run_script(tmp_path, "--runs", 3, KERAS_BACKEND="jax", JAX_DEBUG_LOG_MODULES="jax._src.compiler")
    out, err = process.communicate(timeout=400)

    assert "Stopped after 3 runs" in out, err
    found = read_results(tmp_path / "out", rehearsal=True)
    assert len(found) == 3 and {each.content["backend"] for each in found} == {"jax"}
    assert "Persistent compilation cache hit for 'jit_train_step'" in err
