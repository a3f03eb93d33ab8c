"""Exports as processes: killed, stopped, two at once, on a full disk."""
import resource
import signal
import subprocess
import sys

import pytest

from fixhead_serving.export import versions

pytestmark = pytest.mark.slow


@pytest.fixture
def start(digits_run, tmp_path):
    """Returns a function that starts an export to one base path."""
    def begin(**options):
        command = [sys.executable, "-m", "fixhead_cli", "export", str(digits_run.path), str(tmp_path / "m")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    return begin


def test_two_concurrent_exports_get_two_numbers(start, tmp_path):
    both = [start(), start()]
    said = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    assert versions(tmp_path / "m") == [1, 2] and not list((tmp_path / "m").glob(".tmp-*"))
    for version in ("1", "2"):
        assert (tmp_path / "m" / version / "assets.extra" / "model_card.json").is_file()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_export_stopped_during_its_check_leaves_no_version(start, tmp_path, number):
    # Background processes of a shell ignore SIGINT, and so do tests run there and the processes they start.
    with start(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)) as process:
        for line in process.stderr:
            if line.startswith("Written"):
                break
        process.send_signal(number)
        said = process.stderr.read()
    left = [path.name for path in (tmp_path / "m").iterdir()]

    assert versions(tmp_path / "m") == []
    if number == signal.SIGKILL:
        assert process.returncode == -9 and [name[:5] for name in left] == [".tmp-"]
    else:
        assert process.returncode == (143 if number == signal.SIGTERM else 130)
        assert left == [] and "Traceback" not in said


def test_a_full_disk_during_an_export_is_a_one_line_error(start, tmp_path):
    """Simulated by a file size limit below the size of the weights, which fails in the same calls."""
    process = start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    out, said = process.communicate(timeout=300)

    assert process.returncode == 1 and out == ""
    assert "cannot be written" in said and "Traceback" not in said
    assert len(said.strip().splitlines()) == 2  # what happened and what to do
    assert list((tmp_path / "m").iterdir()) == []
