"""Several runs of the plan at once, in real processes, with stand-ins for training."""
import dataclasses
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import stand_in_work
import tiny_work
from pairs import Said, numbers, run_pair, stop_pair, wait_until

from keras_fixhead import hardware
from keras_fixhead.config import resolve
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.disk import (
    SMALL_FILES,
    computed_bytes,
    copies,
    disk_bytes,
    disk_text,
    free_bytes,
    total_bytes,
)
from keras_fixhead.reproduction import read_results
from keras_fixhead.reproduction.planning.listing import listed
from keras_fixhead.reproduction.running import run as running
from keras_fixhead.reproduction.running.parallel import run_at_once
from keras_fixhead.reproduction.running.workers import Processes
from keras_fixhead.runs import list_runs


@pytest.fixture
def asked(helpers, tmp_path):
    """Options for the first pairs of a rehearsal, two at once."""
    (tmp_path / "runs").mkdir()
    return running.Options(out=tmp_path / "out", runs_dir=tmp_path / "runs", blocks=("1",), rehearsal=True,
                           rehearsal_dataset="digits", jobs=2, threads=1, most_runs=6)


@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_a_killed_worker_loses_no_result_and_a_failed_run_stops_nothing(asked, monkeypatch):
    """Six runs of three seeds: those of seed 0 end only if they run at once, and workers of seed 1 are killed once."""
    said, commits = Said(), []
    monkeypatch.setattr(running, "commit", lambda paths, message: commits.append(message))
    status = run_at_once(dataclasses.replace(asked, commit=True), Processes(2, stand_in_work.make), said)
    found = read_results(asked.out, rehearsal=True)

    assert status == 1  # two runs have no result
    assert sorted((each.seed, each.config.fixed) for each in found) == [(0, False), (0, True), (1, False), (1, True)]
    for each in found:
        assert each.content["resumed"] is (each.seed == 1) and each.content["resumed_after"] == each.seed
        assert each.content["threads"] == 1 and len(each.content["curves"]) == 2
        np.testing.assert_array_equal(each.matrices()["confusion"], np.eye(2))
    assert len({each.content["process"] for each in found}) >= 2 and len(commits) == 4
    assert sum("was ended by SIGKILL; resuming" in line for line in said.lines) == 2
    assert sum("no result: broken" in line for line in said.lines) == 2
    assert not list(asked.runs_dir.glob("*/model.keras"))
    assert len(list(list_runs(str(asked.runs_dir)))) == 6  # resumed runs have no second directory


@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_ctrl_c_stops_all_runs_which_can_be_resumed(asked):
    (asked.runs_dir / "slow").touch()
    said, engine = Said(), Processes(2, stand_in_work.make)

    def interrupt():
        while len(list(asked.runs_dir.glob("begun-*"))) < 2:
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    assert run_at_once(asked, engine, said) == 130
    runs = list(list_runs(str(asked.runs_dir)))

    assert len(runs) == 2 and {each.read("status")["state"] for each in runs} == {"interrupted"}
    assert said.lines[-1] == "Stopped. Start again to continue." and not list(asked.out.iterdir())


def test_workers_end_with_their_coordinator(asked, tmp_path):
    """The coordinator is killed without any chance to tell them."""
    (asked.runs_dir / "slow").touch()
    code = ("import pickle, sys, stand_in_work; from keras_fixhead.reproduction.running.workers import Processes; "
            "from keras_fixhead.reproduction.running.parallel import run_at_once; "
            "run_at_once(pickle.load(open(sys.argv[1], 'rb')), Processes(1, stand_in_work.make), print)")
    (tmp_path / "options").write_bytes(pickle.dumps(asked))
    coordinator = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "options")], stdout=subprocess.DEVNULL)
    wait_until(lambda: list(asked.runs_dir.glob("begun-*")))
    (run,) = list_runs(str(asked.runs_dir))
    coordinator.kill()
    coordinator.wait()

    wait_until(lambda: run.has("status") and run.read("status")["state"] == "interrupted")


def test_cores_are_divided_and_too_many_runs_are_refused(monkeypatch):
    monkeypatch.setattr(hardware, "gpus", lambda: ())
    monkeypatch.setattr(hardware, "cpu_count", lambda: 7)
    assert [hardware.threads_each(jobs) for jobs in (1, 2, 3, 7)] == [None, 3, 2, 1]
    with pytest.raises(ArgumentError, match=r"8 runs at once need as many cores; there are 7\. Use --jobs 7\."):
        hardware.threads_each(8)
    monkeypatch.setattr(hardware, "gpus", lambda: (("NVIDIA H100", 9.0),))
    with pytest.raises(ArgumentError, match="this one has NVIDIA H100"):
        hardware.threads_each(2)


def test_a_dry_run_says_what_the_disk_needs_and_whether_it_fits(asked, monkeypatch):
    lines = listed(dataclasses.replace(asked, rehearsal=False))
    (disk,) = [line for line in lines if line.startswith("disk: about ")]
    monkeypatch.setattr("keras_fixhead.experiments.disk.free_bytes", lambda folder: 10)
    (missing,) = [line for line in listed(asked) if line.startswith("The plan does not fit: ")]

    assert str(asked.runs_dir) in disk and "are free" in disk
    assert "are missing. Free some space, or choose another --runs-dir." in missing


def test_disk_space_counts_checkpoints_and_what_is_kept():
    assert total_bytes([5, None], discarded=False) is None and total_bytes([], discarded=True) == 0
    assert total_bytes([5, 7, 9], discarded=False) == 21
    assert total_bytes([5_000_000, 7_000_000, 9_000_000], discarded=True, at_once=2) == 16_000_000 + 600_000
    assert free_bytes("/nowhere/at/all") == free_bytes("/")
    assert disk_text(None, "runs", "", free=1)[0].startswith("disk: not measured yet; ")


def test_a_run_has_the_files_and_a_checkpoint_the_numbers_that_its_computed_size_counts(digits_run):
    config = digits_run.stored().asked
    with np.load(digits_run.newest_checkpoint) as file:
        kept = sum(file[name].nbytes for name in file.files if name != "meta")
    resolved = resolve(config)
    checkpoints = len(list((digits_run.path / "checkpoints").iterdir()))
    weights = (computed_bytes(resolved) - SMALL_FILES) / (1 + checkpoints * copies(resolved.config))

    assert kept == pytest.approx(copies(resolved.config) * weights, rel=0.15)  # widths are rounded to whole channels
    assert checkpoints == 2 + (resolved.config.selection != "last")
    assert SMALL_FILES / 4 < disk_bytes(digits_run) - sum(
        path.stat().st_size for path in digits_run.path.rglob("*")
        if path.name == "model.keras" or path.parent.name == "checkpoints") < 2 * SMALL_FILES


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_runs_at_once_stopped_and_resumed_give_the_bits_of_runs_one_after_the_other(helpers, tmp_path):
    """With the same number of threads: sums in another order round differently."""
    assert run_pair(tmp_path / "serial", Processes(1, tiny_work.make))[0] == 0
    assert stop_pair(tmp_path / "jobs", Processes(2, tiny_work.make)) == 130
    assert run_pair(tmp_path / "jobs", Processes(2, tiny_work.make))[0] == 0

    assert len(numbers(tmp_path / "serial")) == 2
    assert numbers(tmp_path / "jobs") == numbers(tmp_path / "serial")
    assert {each.content["resumed"] for each in read_results(tmp_path / "jobs" / "out", rehearsal=True)} == {True}
