"""Processes that end with this one: those that train runs of a plan, one for each run."""
import contextlib
import subprocess
import threading
from collections.abc import Sequence

from keras_fixhead.errors import silenced

PATIENCE_SECONDS = 5.0
"""Ctrl-C reaches the processes too, which stop after their step; this long they are left alone before SIGTERM."""
STOP_SECONDS = 60.0
"""After SIGTERM, time for a checkpoint."""

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


def status_of(command: Sequence[str]) -> int:
    """Runs a command without showing its standard output; returns its exit status, or minus the signal that ended it.

    In the main thread Ctrl-C stops the process. In other threads `stop_processes` does.
    """
    with _lock:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=silenced())
        _running.add(process)
    try:
        return process.wait()
    except BaseException:
        stop_processes()
        raise
    finally:
        _running.discard(process)


def stop_processes() -> None:
    """Waits for all processes to stop, as Ctrl-C asks them to; then asks them by SIGTERM; and ends them at last."""
    with _lock:
        processes = list(_running)
    try:
        for seconds, ask in ((PATIENCE_SECONDS, subprocess.Popen.terminate), (STOP_SECONDS, subprocess.Popen.kill)):
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
            for process in processes:
                if process.poll() is None:
                    ask(process)
    finally:  # also if Ctrl-C is pressed again
        for process in processes:
            if process.poll() is None:
                process.kill()
