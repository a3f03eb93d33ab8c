"""A local server in a process of its own, for as long as it is needed."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

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
    # its own token, if any, is for the server that the user starts
    environment = {name: value for name, value in os.environ.items() if name != "FIXHEAD_TOKEN"}
    # a file, for a pipe that nobody reads would stop the server once it is full
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment
    ) as process:
        try:
            yield _first_url(process, said)
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_url(process: "subprocess.Popen[str]", said: IO[str]) -> str:
    assert process.stdout is not None
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
    said.seek(0)
    raise ServingError(f"The local server did not start: {said.read().strip() or 'it said nothing'}")
