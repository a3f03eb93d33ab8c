"""Runs of the plan on Ray. The engine's own part is in `.ci/long ray`, with Ray installed and two workers."""
import os
import re
import shutil
import signal
import sys

import pytest
from test_parallel import numbers, rehearse, wait_until

from keras_fixhead.reproduction import read_results
from keras_fixhead.runs import Run


def test_a_missing_ray_and_an_address_without_it_are_one_line(fixhead, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = fixhead("reproduce", "E0", "--engine", "ray", "--out", tmp_path)
    assert answer.code == 1 and answer.err.splitlines() == [
        "Error: --engine ray needs the package ray, which is not installed.",
        "Install it: pip install 'keras-fixhead[ray]'"]

    answer = fixhead("reproduce", "E0", "--address", "auto")
    assert answer.code == 2 and answer.err.startswith("Error: --address is that of a Ray cluster.\nAdd --engine ray")


@pytest.mark.long
def test_two_workers_give_the_bits_of_one_run_after_the_other_though_one_is_killed(tmp_path):
    """The worker of the first run is killed after its first epoch, and another one resumes that run."""
    serial = rehearse(tmp_path / "serial")
    assert serial.wait(600) == 0, serial.stdout.read()
    cluster = rehearse(tmp_path / "ray", "--engine", "ray", "--jobs", "2")
    (run,) = wait_until(lambda: [path.parent for path in (tmp_path / "ray" / "runs").glob("*cos-fixed*/metrics.jsonl")],
                        seconds=300)
    os.kill(Run(run).read("status")["process"], signal.SIGKILL)
    out, _ = cluster.communicate(timeout=600)

    assert cluster.returncode == 0, out
    assert len(re.findall(r"cos-fixed, seed 0: its worker was lost \(\w+\); resuming\.", out)) == 1, out
    assert len(numbers(tmp_path / "serial")) == 2
    assert numbers(tmp_path / "ray") == numbers(tmp_path / "serial")
    resumed = {each.config.fixed: each.content["resumed"] for each in read_results(
        tmp_path / "ray" / "gpu", rehearsal=True)}
    assert resumed == {True: True, False: False}
    assert len(list((tmp_path / "ray" / "runs").glob("*/status.json"))) == 2


@pytest.mark.long
def test_ctrl_c_leaves_runs_that_the_next_call_resumes_and_a_run_can_be_repeated_alone(tmp_path):
    cluster = rehearse(tmp_path, "--engine", "ray", "--jobs", "2")
    runs = tmp_path / "runs"
    wait_until(lambda: len(list(runs.glob("*/metrics.jsonl"))) == 2, seconds=300)
    cluster.send_signal(signal.SIGINT)
    assert cluster.wait(180) == 130, cluster.stdout.read()
    assert {Run(path.parent).read("status")["state"] for path in runs.glob("*/status.json")} == {"interrupted"}

    again = rehearse(tmp_path, "--engine", "ray", "--jobs", "2")
    out, _ = again.communicate(timeout=600)
    assert again.returncode == 0, out
    before = numbers(tmp_path)
    assert len(before) == 2
    for path in (tmp_path / "gpu").glob("*cos-learned*"):
        path.unlink()
    for path in runs.glob("*cos-learned*"):
        shutil.rmtree(path)
    alone = rehearse(tmp_path, "--engine", "ray", "--jobs", "1", "--runs", "1")
    out, _ = alone.communicate(timeout=600)
    assert alone.returncode == 0 and "cos-fixed" not in out, out
    assert numbers(tmp_path) == before


@pytest.mark.long
def test_a_cluster_that_is_too_small_or_not_there_is_one_line(tmp_path):
    for words, expected in ((("--jobs", "999"), r"Error: 999 runs at once, each with 1 of the cores, do not fit"),
                            (("--address", "127.0.0.1:9"), r"Error: Ray at 127\.0\.0\.1:9 cannot be used: ")):
        process = rehearse(tmp_path, "--engine", "ray", *words)
        out, _ = process.communicate(timeout=300)
        errors = [line for line in out.splitlines() if line.startswith("Error: ")]
        assert process.returncode in (1, 2) and re.match(expected, errors[0]) and len(errors) == 1, out
