"""A local server in a separate process, for as long as it is needed."""
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
"""How long a server may take to start."""
STOP_SECONDS = 15
"""How long it may take to exit before it is killed."""
SERVE = ("-m", "fixhead_cli", "serve", "--port", "0", "--json")
"""Python's arguments for `fixhead serve` on a free port."""


@contextlib.contextmanager
def local_server(base_path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the URL of a model that is served on a free loopback port until the block exits.

    Args:
        base_path: a folder of SavedModels in subfolders 1, 2, ...; its name is the model's name.

    Raises:
        ServingError: if the server does not start.
    """
    with served_by(*SERVE, base_path, "--drain-seconds", "0", "--quiet") as (_, url):
        yield url


@contextlib.contextmanager
def served_by(*arguments: str | os.PathLike[str], stop_seconds: float = STOP_SECONDS) -> Iterator[
        tuple["subprocess.Popen[str]", str]]:
    """Yields a Python process that serves until the block exits, and the URL that it prints as JSON when it starts.

    Args:
        arguments: Python's arguments: what to run, and its options.
        stop_seconds: how long it may take to exit after SIGTERM before it is killed.

    Raises:
        ServingError: if the process does not start.
    """
    # FIXHEAD_TOKEN, if set, is for the server that the user starts
    environment = {name: value for name, value in os.environ.items() if name != "FIXHEAD_TOKEN"}
    # a file: a pipe that nobody reads would block the server once it is full
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=said, text=True, env=environment
    ) as process:
        try:
            yield process, _first_url(process, said)
        finally:
            process.terminate()
            try:
                process.wait(timeout=stop_seconds)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_url(process: "subprocess.Popen[str]", said: IO[str]) -> str:
    assert process.stdout is not None
    alarm = threading.Timer(START_SECONDS, process.kill)
    alarm.start()
    text = ""
    try:
        for line in process.stdout:  # ends when the server has printed its URL or has exited
            text += line
            with contextlib.suppress(ValueError):
                return str(json.loads(text)["url"])
    finally:
        alarm.cancel()
    said.seek(0)
    raise ServingError(f"The local server did not start: {said.read().strip() or 'it printed no error'}")
