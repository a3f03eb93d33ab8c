"""Several processes on one shared folder: no result is made twice."""
import errno
import fcntl
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import write_result

from keras_fixhead.errors import RunError
from keras_fixhead.reproduction import read_results
from keras_fixhead.reproduction.running import choosing
from keras_fixhead.reproduction.running.alarm import Alarm
from keras_fixhead.reproduction.running.choosing import Chooser
from keras_fixhead.reproduction.running.in_progress import InProgress
from keras_fixhead.reproduction.running.run import Options
from keras_fixhead.runs import list_runs
from keras_fixhead.runs.locking import locked_file

PAGE = Path(__file__).parents[2] / "docs" / "reproduction.md"


@pytest.fixture
def asked(tmp_path):
    (tmp_path / "out").mkdir()
    return Options(out=tmp_path / "out", runs_dir=tmp_path / "runs", blocks=("1",), seeds=(0,))


def chooser(asked, lines):
    return Chooser(asked, Alarm(None), lambda line, err=False: lines.append(line))


def test_a_run_in_progress_is_left_to_its_process(asked):
    lines, others = [], []
    with chooser(asked, lines) as here, chooser(asked, others) as elsewhere:
        first, second = here.next(), elsewhere.next()
        third, fourth = here.next(), elsewhere.next()
        assert here.next() is elsewhere.next() is None
        here.say_done()

    assert len({(each.cell.id, each.seed) for each in (first, second, third, fourth)}) == 4
    assert others[0] == f"block 1: {first.label}, seed 0: another process is training it."
    assert "Nothing is left to start in blocks 1; runs of other processes: 2." in lines[-1]


def test_a_run_that_ended_without_a_result_or_with_its_process_is_free_again(asked):
    with chooser(asked, []) as here, chooser(asked, []) as elsewhere:
        first = here.next()
        here.end(first)
        assert elsewhere.next().label == first.label
    with chooser(asked, []) as later:
        assert later.next().label == first.label


def test_a_result_that_another_process_has_just_written_is_not_made_again(asked, monkeypatch):
    class Late(InProgress):
        """Another process writes its result and ends its run between the look at the results and the lock."""

        def begin(self, name):
            if not list(asked.out.iterdir()):
                write_result(asked.out, first.cell, 0)
            return super().begin(name)

    first, _, _ = choosing.next_run(asked, set())
    monkeypatch.setattr(choosing, "InProgress", Late)
    with chooser(asked, []) as here, chooser(asked, []) as elsewhere:
        assert here.next().label != first.label
        assert elsewhere.next().label != first.label


@pytest.mark.filterwarnings("ignore::keras_fixhead.errors.FixheadWarning")
def test_two_processes_on_one_folder_share_the_plan(helpers, tmp_path):
    """The runs of the first pair end only if they run at once: neither process may take the other's."""
    (tmp_path / "runs").mkdir()
    asked = Options(out=tmp_path / "out", runs_dir=tmp_path / "runs", blocks=("1",), rehearsal=True,
                    rehearsal_dataset="digits", seeds=(0,), most_runs=1, threads=1)
    (tmp_path / "options").write_bytes(pickle.dumps(asked))
    code = ("import pickle, sys, stand_in_work; from keras_fixhead.reproduction.running.serial import run_all; "
            "sys.exit(run_all(pickle.load(open(sys.argv[1], 'rb')), stand_in_work.make()))")
    both = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "options")], stdout=subprocess.DEVNULL)
            for _ in range(2)]

    assert [each.wait(120) for each in both] == [0, 0]
    found = list(read_results(asked.out, rehearsal=True))
    assert sorted(each.config.fixed for each in found) == [False, True]
    assert {each.content["process"] for each in found} == {each.pid for each in both}
    assert len(list(list_runs(str(asked.runs_dir)))) == 2


def test_a_file_system_without_locks_is_reported_and_not_taken_for_another_process(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(RunError, match=r"run\.lock cannot be locked: Function not implemented"):
        locked_file(tmp_path / "run.lock")


def test_the_jobs_of_a_cluster_are_described_with_commands_that_exist(fixhead, tmp_path):
    """sbatch itself is not available here: what it would run is."""
    lines = [shlex.split(line) for line in PAGE.read_text().splitlines() if line.strip().startswith("sbatch ")]
    assert len(lines) == 2
    for words in lines:
        (command,) = [word.removeprefix("--wrap=") for word in words if word.startswith("--wrap=")]
        assert re.search(r"--array=\d+-\d+", " ".join(words))
        program, *arguments = shlex.split(command.replace("$SLURM_ARRAY_TASK_ID", "1").replace("DATA", str(tmp_path)))
        answer = fixhead(*arguments, "--dry-run", "--out", tmp_path / "out", "--runs-dir", tmp_path / "runs")
        assert program == "fixhead" and answer.code == 0, answer.err
    assert "never run here" in PAGE.read_text()
