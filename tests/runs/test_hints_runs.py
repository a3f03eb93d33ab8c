"""Hints of run directories and their results: each is printed in its situation, and leads out."""
import dataclasses
import fcntl
import json
import shutil
import subprocess
import sys

import pytest
from hints import check_way_out, follow, leads_out, refused

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import RunError
from keras_fixhead.run_analysis import RunOutputs
from keras_fixhead.runs import continued, create_run, extended, make_folder, open_run
from keras_fixhead.runs.locking import locked_file
from keras_fixhead.runs.result import read_result

LOCK = "import sys; from keras_fixhead.runs import Run; from pathlib import Path\n" \
       "with Run(Path(sys.argv[1])).lock():\n    print('locked', flush=True); sys.stdin.read()"


@pytest.fixture
def resolved(tmp_path):
    return resolve(TrainConfig(runs_dir=str(tmp_path / "runs"), precision="float32", threads=2))


@pytest.fixture
def run(resolved):
    return create_run(resolved)


@leads_out("List the runs: fixhead list runs")
def test_a_run_is_opened_by_a_listed_path(run, fixhead, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError) as caught:
        open_run("runs/none")
    listed = follow(fixhead, f"{caught.value.hint} --json").json["runs"]
    assert [open_run(each["run"]).path for each in listed] == [run.path]


@leads_out("Leave out ..., or start a new run.", "Train again with more epochs.")
def test_a_run_is_resumed_as_it_was_or_trained_again(run, fixhead):
    resume, again = f"train --resume {run.path} --dry-run", f"train --config {run.path}/config.json --dry-run"
    for right in (resume, f"{again} --lr 0.3"):
        check_way_out(fixhead, f"{resume} --lr 0.3", "Leave out --lr, or start a new run.", right)

    for typed in ("--no-flip", "--learned"):
        check_way_out(fixhead, f"{resume} {typed}", f"Leave out {typed}, or start a new run.", resume)

    run.write_status("complete", epoch=run.config().epochs)
    check_way_out(fixhead, f"{resume} --epochs 99", "Train again with more epochs.", f"{again} --epochs 99")


@leads_out("Continue it: ...")
def test_a_run_that_was_stopped_before_its_result_is_continued(digits_run, fixhead, tmp_path):
    run = open_run(shutil.copytree(digits_run.path, tmp_path / "a run"))
    run.write_status("interrupted", epoch=2)
    for name in ("model.keras", "result.json"):
        (run.path / name).unlink()
    hints = set()
    for ask in (lambda: extended(run, 9), lambda: read_result(run.path), lambda: RunOutputs(run)):
        with refused("Continue it: fixhead train --resume ") as caught:
            ask()
        hints.add(caught.value.hint)
    (hint,) = hints
    follow(fixhead, f"{hint} --quiet")
    assert extended(run, 9).epochs == 9 and read_result(run.path).accuracy() and RunOutputs(run).digest


@leads_out("Resume with the run's own configuration: train(run.config(), resume=run)",
           "Resume it with the version of keras_fixhead, and on the type of machine, that started it.")
def test_a_run_is_continued_with_what_started_it(run, resolved):
    with refused("Resume with the run's own configuration: train(run.config(), resume=run)"):
        continued(run, resolve(dataclasses.replace(run.config(), lr=0.3)))
    continued(run, resolve(run.config()))

    stored = run.stored()
    run.write_config(dataclasses.replace(stored, class_vectors_digest="0" * 64))
    with refused("Resume it with the version of keras_fixhead, and on the type of machine, that started it."):
        continued(run, resolved)
    run.write_config(stored)  # of this version and machine
    continued(run, resolved)


@leads_out("Wait until it is finished, or stop it.")
def test_a_run_is_trained_once_its_other_process_has_stopped(run):
    with subprocess.Popen([sys.executable, "-c", LOCK, run.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with refused("Wait until it is finished, or stop it."), run.lock():
            pass
        other.communicate()
    with run.lock():
        assert run.is_locked()


@leads_out("Choose a writable folder.", "Choose another --runs-dir.",
           "Use a folder on a disk with locks (Lustre: mounted with -o flock).")
def test_another_folder_is_written_and_locked(resolved, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with refused("Choose a writable folder."):
        make_folder(tmp_path / "file" / "runs")
    make_folder(tmp_path / "runs")

    with monkeypatch.context() as patched, refused("Choose another --runs-dir."):
        patched.setattr("keras_fixhead.runs.directory.file_stem", lambda config: "x" * 300)  # as on a full disk
        create_run(resolved)
    elsewhere = dataclasses.replace(resolved.config, runs_dir=str(tmp_path / "elsewhere"))
    assert create_run(resolve(elsewhere)).path.parent == tmp_path / "elsewhere"

    def no_locks(file, operation):
        raise OSError(38, "Function not implemented")

    with monkeypatch.context() as patched, refused("Use a folder on a disk with locks (Lustre: mounted with -o flock)"):
        patched.setattr(fcntl, "flock", no_locks)
        locked_file(tmp_path / ".lock")
    with locked_file(tmp_path / ".lock") as held:
        assert held is not None


@leads_out("`fixhead sweep ... --export-results DIR` writes such files.")
def test_an_exported_result_is_read(digits_run, fixhead, tmp_path):
    (tmp_path / "other.json").write_text('{"schema": 1}')
    with refused("`fixhead sweep ... --export-results DIR` writes such files."):
        read_result(tmp_path / "other.json")

    shutil.copytree(digits_run.path, tmp_path / "runs" / digits_run.path.name)
    file = tmp_path / "asked.json"
    asked = json.loads((digits_run.path / "config.json").read_text())["asked"]
    file.write_text(json.dumps({**asked, "runs_dir": str(tmp_path / "runs")}))
    assert fixhead("sweep", "--config", file, "--export-results", tmp_path / "results").code == 0  # it is complete
    (exported,) = (tmp_path / "results").glob("*.json")
    assert read_result(exported).accuracy() == read_result(digits_run.path).accuracy()
