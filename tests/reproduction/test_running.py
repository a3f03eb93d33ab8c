"""Running the cells of the paper: the plan, rehearsals, and stopping."""
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import pytest
from synthetic import CHOSEN, write_result

from fixhead_cli.reproducing import keras_work
from keras_fixhead.catalog import MODELS
from keras_fixhead.config import resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.plan import PlannedRun
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import Decisions, cell, plan, read_evidence, read_results
from keras_fixhead.reproduction.planning.gpu_blocks import GPU_BLOCKS
from keras_fixhead.reproduction.planning.listing import listed
from keras_fixhead.reproduction.planning.plans import blocks_named
from keras_fixhead.reproduction.running import choosing, serial
from keras_fixhead.reproduction.running import run as running
from keras_fixhead.reproduction.running.alarm import GRACE_SECONDS, Alarm
from keras_fixhead.runs import create_run
from keras_fixhead.vectors import ceiling

ROOT = Path(__file__).parents[2]


def options(tmp_path, **changes):
    return running.Options(**{"out": tmp_path / "out", "runs_dir": tmp_path / "runs", "blocks": ("1",)} | changes)


@pytest.fixture
def work():
    """Returns work that does nothing and prints its lines to standard output."""
    return running.Work(train=lambda *_: pytest.fail("trained"), measure=lambda *_: pytest.fail("measured"),
                        device=lambda: "a device", forget=lambda: None, say=click.echo)


def test_a_dry_run_shows_finished_runs_remaining_runs_and_the_source_of_estimates(tmp_path, fixhead):
    (tmp_path / "out" / "gpu").mkdir(parents=True)
    write_result(tmp_path / "out" / "gpu", cell(dataset="cifar100", head="cos", fixed=True, epochs=30), 0, 74.4)
    answer = fixhead("reproduce", "1", "4", "--recipe", "honest", "--dry-run", "--out", tmp_path / "out")
    out = answer.out

    assert answer.code == 0
    assert "cifar100 resnet18 cos-fixed, seed 0: done: test 74.4 %, 60 s on NVIDIA H100" in out
    assert re.search(r"cos-learned, seed 0: to do: about \d+ s \(arithmetic\)", out)
    assert re.search(r"cifar100 resnet18 cos-learned, at its best S, seed 4: waits for the runs that choose its scale: "
                     r"about \d+ s", out)
    assert "\nRuns: 42, of which 1 is done, 31 are to do, 10 wait.\n" in out
    assert "seconds to 94 %" in out and "not measured here" in out


def test_an_unknown_block_is_refused(fixhead):
    for unknown, message in (("x", "'x'"), ("E1", "E1 is a block of --recipe fast, not of --recipe honest")):
        answer = fixhead("reproduce", "1", unknown, "--recipe", "honest", "--dry-run")
        assert answer.code == 2 and message in answer.err
        with pytest.raises(ArgumentError, match=f"There is no block {unknown!r} in the plan 'gpu'"):
            blocks_named(["1", unknown])


def test_only_a_rehearsal_takes_another_data_set(fixhead):
    answer = fixhead("reproduce", "all", "--dataset", "digits", "--dry-run")
    assert answer.code == 2 and "--dataset is the data set of a rehearsal" in answer.err

    assert fixhead("reproduce", "E1", "--dataset", "digits", "--dry-run", "--rehearse").code == 0  # the hint's way out


def test_the_next_run_is_the_first_one_without_a_result_and_not_yet_tried(tmp_path):
    asked = options(tmp_path)
    first, _, _ = choosing.next_run(asked, set())
    (tmp_path / "out").mkdir()
    write_result(tmp_path / "out", first.cell, first.seed, state="failed to converge")
    second, _, found = choosing.next_run(asked, set())
    third, _, _ = choosing.next_run(asked, {(second.cell.id, second.seed)})

    assert (first.cell.config.fixed, second.cell.config.fixed, third.seed) == (True, False, 1) and len(found) == 1


class Call:
    """A call with this many seconds left."""

    def __init__(self, left):
        self.left = left

    def seconds_left(self):
        return self.left


def test_a_run_that_only_the_next_call_can_finish_is_not_started(work, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serial, "run_one", lambda *_: pytest.fail("started it"))
    left = iter([580.0, 580.0])  # at the start of the call
    monkeypatch.setattr(Alarm, "seconds_left", lambda _: next(left, 300.0))
    monkeypatch.setattr(choosing, "seconds_of", lambda *_: 400.0)
    status = serial.run_all(options(tmp_path, deadline=time.monotonic() + 600), work)

    assert status == 0 and "Stopped in time: cifar100 resnet18 cos-fixed, seed 0, takes about 400 s, and 300 s are " \
        "left." in capsys.readouterr().out


@pytest.mark.parametrize("seconds, left, begun", [
    (500.0, 580.0, True), (500.0, 300.0, False), (900.0, 580.0, True), (900.0, 300.0, True), (None, 300.0, True),
    (None, -1.0, False), (900.0, -1.0, False),
])
def test_a_run_longer_than_any_call_is_started_in_the_remaining_time(tmp_path, monkeypatch, seconds, left,
                                                                           begun):
    monkeypatch.setattr(choosing, "seconds_of", lambda *_: seconds)
    reason = choosing.why_not_now(None, options(tmp_path), None, Call(left), 580.0)

    assert (reason is None) == begun


def test_only_the_remaining_part_of_an_interrupted_run_counts(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    asked = options(tmp_path)
    first, _, _ = choosing.next_run(asked, set())
    write_result(tmp_path / "out", first.cell, 0, seconds=400.0, wall_seconds=420.0)
    second = dataclasses.replace(first, seed=1)
    found = read_results(tmp_path / "out")
    monkeypatch.setattr(choosing.hardware, "gpus", lambda: [("NVIDIA H100", 9)])
    whole = choosing.seconds_of(second, asked, found)
    run = create_run(resolve(build_config(running.explicit_fields(second.cell, asked) | {"seed": 1})))
    run.write_metrics([{"epoch": epoch} for epoch in range(1, 25)])
    monkeypatch.setattr(choosing, "state_of", lambda *_: PlannedRun(resolve(run.config()), "interrupted", run, None))

    assert whole == pytest.approx(1.1 * 420)
    assert choosing.seconds_of(second, asked, found) == pytest.approx(1.1 * (0.2 * 400 + 20))


@pytest.fixture
def sigint(request):
    """SIGINT as a process has it that is started as usual, or in the background of a script or by nohup."""
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("sigint", [signal.default_int_handler, signal.SIG_IGN], indirect=True,
                         ids=["foreground", "background"])
@pytest.mark.parametrize("seconds", [-5.0, 0.2])
def test_the_alarm_interrupts_like_ctrl_c_even_after_its_deadline(seconds, sigint):
    before = signal.getsignal(signal.SIGALRM)
    alarm = Alarm(time.monotonic() + GRACE_SECONDS + seconds)
    with pytest.raises(KeyboardInterrupt), alarm:
        time.sleep(30)

    assert signal.getsignal(signal.SIGINT) == sigint
    assert alarm.rung and signal.getsignal(signal.SIGALRM) == before and signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_run_still_going_at_the_limit_is_interrupted_like_by_ctrl_c(work, tmp_path, monkeypatch, capsys):
    """The alarm is real. The limit is far away until the run has started, however slow the machine is."""
    begun = []

    def run_one(*_):
        begun.append(time.monotonic())
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        time.sleep(30)

    monkeypatch.setattr(serial, "run_one", run_one)
    status = serial.run_all(options(tmp_path, deadline=time.monotonic() + 3_600), work)

    assert status == 0 and len(begun) == 1 and time.monotonic() - begun[0] < 25
    assert "Stopped at the limit" in capsys.readouterr().out
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_ctrl_c_before_the_limit_has_its_own_exit_status(work, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serial, "run_one", lambda *_: signal.raise_signal(signal.SIGINT))
    status = serial.run_all(options(tmp_path, deadline=time.monotonic() + 3_600), work)

    assert status == 130 and "Start again to continue" in capsys.readouterr().err


def test_sigterm_stops_like_ctrl_c_with_or_without_a_limit(work, tmp_path, monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(serial, "run_one", lambda *_: signal.raise_signal(signal.SIGTERM))

    assert serial.run_all(options(tmp_path), work) == 143
    assert "Start again to continue" in capsys.readouterr().err and signal.getsignal(signal.SIGTERM) == before


def test_a_run_without_a_result_does_not_stop_the_others_and_sets_the_exit_status(work, tmp_path, monkeypatch):
    tried = []

    def state_of(planned, asked):
        tried.append(planned.seed)
        raise OSError("no data")

    monkeypatch.setattr(running, "state_of", state_of)
    assert serial.run_all(options(tmp_path, most_runs=3), work) == 1
    assert tried == [0, 0, 1] and not list((tmp_path / "out").iterdir())


def test_a_partial_data_set_is_refused_before_training(work, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(running, "subset_note", lambda name, entry: f"a subset of {name}")
    monkeypatch.setattr(running, "train_and_measure", lambda *_: pytest.fail("trained"))
    status = serial.run_all(options(tmp_path, most_runs=1), work)

    assert status == 1 and "no result: The available data are a subset of cifar100" in capsys.readouterr().err
    running.check_whole(cell(dataset="stl10", recipe="paper-code", epochs=80).config)


def test_every_cell_can_be_rehearsed(tmp_path):
    for dataset in (None, "digits"):
        asked = options(tmp_path, rehearsal=True, rehearsal_dataset=dataset)
        for planned in plan(GPU_BLOCKS, CHOSEN):
            config = resolve(build_config(running.explicit_fields(planned.cell, asked)), gpu=False).config
            assert config.epochs == 2 and config.limit_train == 2_000 and config.width <= 0.25
            assert not planned.cell.agrees(config)


@pytest.fixture
def tiny_network(monkeypatch):
    """Replaces ResNet18 with a network of one convolution."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "training"))
    monkeypatch.setitem(MODELS, "resnet18", dataclasses.replace(MODELS["resnet18"], builder="tiny_network:build"))


@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_a_pair_is_trained_measured_and_written_once(tmp_path, tiny_network, fixhead, capfd, monkeypatch):
    monkeypatch.setattr(running, "REHEARSAL_CORRUPTED", 20)
    asked = options(tmp_path, rehearsal=True, rehearsal_dataset="digits", most_runs=1)
    assert serial.run_all(asked, keras_work()) == 0
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert not list((tmp_path / "runs").glob("*/model.keras"))
    assert serial.run_all(dataclasses.replace(asked, keep_models=True), keras_work()) == 0
    assert len(list((tmp_path / "runs").glob("*/model.keras"))) == 1
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    found = read_results(tmp_path / "out", rehearsal=True)

    assert len(first) == 2 and len(after) == 4 and first.items() <= after.items()
    assert {(each.seed, each.config.fixed) for each in found} == {(0, True), (0, False)}
    with pytest.raises(RunError, match="not evidence"):
        read_results(tmp_path / "out")
    fixed = next(each for each in found if each.config.fixed)
    cosines, confusion = fixed.matrices()["cosines"], fixed.matrices()["confusion"]
    assert abs(cosines - cosines.T).max() == 0 and cosines.diagonal() == pytest.approx(1)
    assert confusion.diagonal().sum() / confusion.sum() == pytest.approx(fixed.accuracy())
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


def test_a_run_that_fails_to_converge_is_a_result_and_not_retried(tmp_path, tiny_network, capsys,
                                                                         monkeypatch):
    whole = running.explicit_fields
    monkeypatch.setattr(running, "explicit_fields", lambda *given: whole(*given) | {
        "lr": 1e4, "weight_decay": 1e3, "epochs": 5})
    asked = options(tmp_path, rehearsal=True, rehearsal_dataset="digits", most_runs=1)
    assert serial.run_all(asked, keras_work()) == 0
    (result,) = read_results(tmp_path / "out", rehearsal=True)

    assert not result.converged and "failed to converge" in result.content["reason"]
    assert result.content["config"]["lr"] == 1e4 and not list((tmp_path / "out").glob("*.npz"))
    assert "failed to converge" in capsys.readouterr().out
    assert choosing.next_run(asked, set())[0].cell.config.fixed is False
    assert "done: failed to converge" in "\n".join(listed(asked))

    again = dataclasses.replace(asked, only_failed=True)
    (line,) = [line for line in listed(again) if line.startswith("  ")][:1]
    assert "cos-fixed, seed 0: to do again: about" in line
    assert "Runs: 1, of which 0 are done, 1 is to do." in listed(again)
    planned, *_ = choosing.next_run(again, set())
    assert planned.seed == 0 and planned.cell.config.fixed is True
    monkeypatch.setattr(running, "explicit_fields", whole)
    assert serial.run_all(again, keras_work()) == 0
    (result,) = read_results(tmp_path / "out", rehearsal=True)
    assert result.converged and "\nRuns: 0, " in "\n" + "\n".join(listed(again))


def test_a_dry_run_leaves_runs_beyond_the_number_asked_to_a_later_call(tmp_path):
    lines = listed(options(tmp_path, rehearsal=True, rehearsal_dataset="digits", most_runs=1))

    assert "images of digits; the results are not evidence." in lines[0]
    assert sum(": to do: about" in line for line in lines) == 1
    assert any(line.endswith("0 are done, 1 is to do, 11 are left to a later call.") for line in lines)


def test_hours_come_from_steps_timed_on_this_machine_if_no_run_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path))
    (planned, *_), found = plan(blocks_named(["1"]), Decisions()), read_results(tmp_path)
    whole = resolve(build_config(planned.cell.explicit(planned.seed)), gpu=False)
    choosing.hardware.store_step_seconds(whole.step_time_key, 0.5)
    estimate = choosing.estimated(planned, options(tmp_path), found)

    assert estimate.source == "steps timed on this machine" and estimate.training == 0.5 * 351 * 30


def rehearse(tmp_path, *arguments, **environment):
    words = [sys.executable, "-m", "fixhead_cli", "reproduce", "all", "--recipe", "honest", "--rehearse", "--dataset",
             "digits", "--out", str(tmp_path), "--runs-dir", str(tmp_path / "runs"), *map(str, arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={
        **os.environ, "FIXHEAD_CACHE_DIR": str(tmp_path / "cache"), "TF_CPP_MIN_LOG_LEVEL": "3", **environment})


@pytest.mark.slow
def test_a_stopped_rehearsal_resumes_skips_finished_runs_and_writes_every_number(tmp_path):
    process = rehearse(tmp_path, "--runs", 1)
    for line in process.stderr:
        if line.startswith("epoch 1/2"):
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and not list((tmp_path / "gpu").glob("*.json")), out

    out, err = rehearse(tmp_path, "--runs", 2).communicate(timeout=240)
    assert "Resumed after epoch 1" in err and "No more than 2 runs are started" in out, err
    fixed, learned = sorted((tmp_path / "gpu").glob("rehearsal-*.json"))
    written = fixed.stat().st_mtime_ns
    out, _ = rehearse(tmp_path, "--dry-run").communicate(timeout=60)
    assert out.count("done: test") == 2 and fixed.stat().st_mtime_ns == written

    content = json.loads(fixed.read_text())
    assert content["rehearsal"] and content["resumed"] and not json.loads(learned.read_text())["resumed"]
    assert [row["epoch"] for row in content["curves"]] == [1, 2]
    assert {"class_vectors_mean_cosine", "class_vectors_max_cosine", "validation_accuracy"} <= set(content["curves"][0])
    assert {"accuracy", "own_cosine", "predicted_cosine", "nearest_wrong_cosine", "feature_norm"} <= set(
        content["evaluation"]["test"])
    assert {len(values) for values in content["robustness"]["paper"]["accuracy"].values()} == {5}
    assert {each["n"] for each in content["robustness"].values()} == {360} and "paper-plain" in content["robustness"]
    assert sum(content["histograms"]["own"]) == content["evaluation"]["test"]["n"] == 360
    assert {"config_digest", "images_per_second", "seconds", "device", "environment", "backend", "largest_probability",
            "separation", "reachable_cosine"} <= set(content)
    assert content["robustness"]["paper"]["clean"] == pytest.approx(content["accuracy"]["test"], abs=0.01)
    assert str(tmp_path) not in fixed.read_text()

    found = read_evidence(fixed, rehearsal=True)
    assert found.matrices()["confusion"].sum() == 360 and found.matrices()["cosines"].shape == (10, 10)
    assert fixed.stat().st_size + fixed.with_suffix(".npz").stat().st_size < 40_000
    assert not list((tmp_path / "runs").glob("*/model.keras"))
    assert len(read_results(tmp_path / "gpu", rehearsal=True)) == 2


@pytest.mark.long
def test_a_rehearsal_on_jax_reuses_the_compiled_step_of_another_seed(tmp_path):
    pytest.importorskip("jax")
    process = rehearse(tmp_path, "--runs", 3, KERAS_BACKEND="jax", JAX_DEBUG_LOG_MODULES="jax._src.compiler")
    out, err = process.communicate(timeout=400)

    assert "No more than 3 runs are started" in out, err
    found = read_results(tmp_path / "gpu", rehearsal=True)
    assert len(found) == 3 and {each.content["backend"] for each in found} == {"jax"}
    assert "Persistent compilation cache hit for 'jit_train_step'" in err
