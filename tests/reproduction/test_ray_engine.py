"""Runs of the plan on Ray. The engine's own part is in `.ci/long ray`, with Ray installed and two workers."""
import re
import shutil
import subprocess
import sys

import pytest
import tiny_work
from pairs import numbers, run_pair, stop_pair

from keras_fixhead.reproduction import read_results
from keras_fixhead.reproduction.running.ray_engine import Ray
from keras_fixhead.reproduction.running.workers import Processes
from keras_fixhead.runs import list_runs


def test_a_missing_ray_and_an_address_without_it_are_one_line(fixhead, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = fixhead("reproduce", "E0", "--engine", "ray", "--out", tmp_path)
    assert answer.code == 1 and answer.err.splitlines() == [
        "Error: --engine ray needs the package ray, which is not installed.",
        "Install it: pip install 'keras-fixhead[ray]'"]

    answer = fixhead("reproduce", "E0", "--address", "auto")
    assert answer.code == 2 and answer.err.startswith("Error: --address is for a Ray cluster.\nAdd --engine ray")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_two_workers_give_the_bits_of_one_run_after_the_other_though_one_is_killed(helpers, tmp_path):
    """The worker of the first run is killed in its second epoch, and another one resumes that run after the first."""
    assert run_pair(tmp_path / "serial", Processes(1, tiny_work.make))[0] == 0
    (tmp_path / "ray" / "runs").mkdir(parents=True)
    (tmp_path / "ray" / "runs" / "kill").touch()
    status, lines = run_pair(tmp_path / "ray", Ray(2, 1, None, tiny_work.make))
    said = "\n".join(lines)

    assert status == 0 and not (tmp_path / "ray" / "runs" / "kill").exists(), said
    assert len(re.findall(r"cos-fixed, seed 0: its worker was lost \(\w+\); resuming\.", said)) == 1, said
    assert len(numbers(tmp_path / "serial")) == 2
    assert numbers(tmp_path / "ray") == numbers(tmp_path / "serial")
    resumed = {each.config.fixed: each.content["resumed"] for each in read_results(
        tmp_path / "ray" / "out", rehearsal=True)}
    assert resumed == {True: True, False: False}
    assert len(list(list_runs(str(tmp_path / "ray" / "runs")))) == 2


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_ctrl_c_leaves_runs_that_the_next_call_resumes_and_a_run_can_be_repeated_alone(helpers, tmp_path):
    assert stop_pair(tmp_path / "ray", Ray(2, 1, None, tiny_work.make)) == 130
    assert run_pair(tmp_path / "ray", Ray(2, 1, None, tiny_work.make))[0] == 0
    before = numbers(tmp_path / "ray")
    for path in (tmp_path / "ray" / "out").glob("*cos-learned*"):
        path.unlink()
    for path in (tmp_path / "ray" / "runs").glob("*cos-learned*"):
        shutil.rmtree(path)
    status, lines = run_pair(tmp_path / "ray", Ray(1, 1, None, tiny_work.make), most_runs=1)

    assert status == 0 and "cos-fixed" not in "".join(lines)
    assert len(before) == 2 and numbers(tmp_path / "ray") == before


@pytest.mark.long
def test_a_cluster_that_is_too_small_or_not_there_is_one_line(tmp_path):
    for words, expected in ((("--jobs", "999"), r"Error: 999 runs at once, each with 1 of the cores, do not fit"),
                            (("--address", "127.0.0.1:9"), r"Error: Ray at 127\.0\.0\.1:9 cannot be used: ")):
        done = subprocess.run([sys.executable, "-m", "fixhead_cli", "reproduce", "E0", "--engine", "ray", "--threads",
                               "1", "--out", str(tmp_path), *words], capture_output=True, text=True, timeout=300)
        out = done.stderr
        errors = [line for line in out.splitlines() if line.startswith("Error: ")]
        assert done.returncode in (1, 2) and re.match(expected, errors[0]) and len(errors) == 1, out
