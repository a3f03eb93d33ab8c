"""A local server in a process of its own, for as long as it is needed."""
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

from keras_fixhead.errors import ServingError

START_SECONDS = 180
STOP_SECONDS = 15


@contextlib.contextmanager
def local_server(base_path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the URL of a model that is served on a free loopback port until the block is left.

    Args:
        base_path: a folder of SavedModels in subfolders 1, 2, ...; its name is the model's.

    Raises:
        ServingError: if the server does not start.
    """
    options = ["--port", "0", "--drain-seconds", "0", "--quiet", "--json"]
    command = [sys.executable, "-m", "fixhead_cli", "serve", os.fspath(base_path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield _first_url(process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_url(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None and process.stderr is not None
    alarm = threading.Timer(START_SECONDS, process.kill)
    alarm.start()
    text = ""
    try:
        for line in process.stdout:  # ends when the server has said where it is, or has ended
            text += line
            with contextlib.suppress(ValueError):
                return str(json.loads(text)["url"])
    finally:
        alarm.cancel()
    raise ServingError(f"The local server did not start: {process.stderr.read().strip() or 'it said nothing'}")
