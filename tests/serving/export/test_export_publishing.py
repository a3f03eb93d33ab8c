"""Version folders: a number never refers to a partial version, and no number is used twice."""
import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from fixhead_serving.export.publishing import folder_aside, publish, versions


def write(folder, text="model"):
    (folder / "variables").mkdir()
    (folder / "saved_model.pb").write_text(text)


def test_versions_are_plain_numbers_and_prefixed_ones_are_separate(tmp_path):
    for name in ("1", "10", "2", "007", ".tmp-x", "3a", "onnx-4", "litert-9", "-5"):
        (tmp_path / name).mkdir()

    assert versions(tmp_path) == [1, 2, 7, 10]
    assert versions(tmp_path, "onnx-") == [4]
    assert versions(tmp_path / "missing") == []


def test_a_version_gets_the_next_number_and_is_readable_by_others(tmp_path):
    base = tmp_path / "deep" / "model"
    for expected in (1, 2):
        with folder_aside(base) as folder:
            write(folder)
            assert versions(base) == list(range(1, expected))  # not visible before it is published
            assert publish(folder, base) == expected
    with folder_aside(base) as folder:
        assert publish(folder, base, "onnx-") == 1

    assert sorted(path.name for path in base.iterdir()) == ["1", "2", "onnx-1"]
    assert [oct((base / "2" / name).stat().st_mode)[-3:] for name in (".", "variables", "saved_model.pb")] == [
        "755", "755", "644"]


def test_concurrent_exports_get_different_numbers(tmp_path):
    start, taken = threading.Barrier(8), []

    def export(number):
        with folder_aside(tmp_path) as folder:
            write(folder, str(number))
            start.wait()
            taken.append((publish(folder, tmp_path), number))

    threads = [threading.Thread(target=export, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(version for version, _ in taken) == list(range(1, 9))
    assert all((tmp_path / str(version) / "saved_model.pb").read_text() == str(number) for version, number in taken)
    assert versions(tmp_path) == list(range(1, 9)) and not list(tmp_path.glob(".tmp-*"))


def test_an_empty_folder_or_a_file_with_the_next_number_is_left_unchanged(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    (tmp_path / "2").write_text("somebody's")
    monkeypatch.setattr("fixhead_serving.export.publishing.versions", lambda *_: [])  # as if they had just appeared
    with folder_aside(tmp_path) as folder:
        write(folder)
        assert publish(folder, tmp_path) == 3

    assert not list((tmp_path / "1").iterdir()) and (tmp_path / "2").read_text() == "somebody's"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_export_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(type(error)), folder_aside(tmp_path) as folder:
        write(folder)
        raise error

    assert list(tmp_path.iterdir()) == []


KILLED = """
import sys, time
from pathlib import Path
from fixhead_serving.export.publishing import folder_aside
with folder_aside(Path(sys.argv[1])) as folder:
    (folder / "saved_model.pb").write_text("half")
    print(folder.name, flush=True)
    time.sleep(60)
"""


def test_a_killed_export_leaves_no_version_and_its_files_are_removed_after_a_day(tmp_path):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        left = tmp_path / process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    assert versions(tmp_path) == [] and (left / "saved_model.pb").is_file()

    with folder_aside(tmp_path):
        assert left.is_dir()  # it could be an export in progress
    yesterday = left.stat().st_mtime - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    with folder_aside(tmp_path) as folder:
        assert [path.name for path in tmp_path.iterdir()] == [folder.name]
