"""Settings for tests and doctests: the home folder is never read or written, and doctests run in a temporary folder."""
import contextlib
import gc
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from keras_fixhead import errors

_home = tempfile.TemporaryDirectory(prefix="fixhead-tests-")
os.environ.update(KERAS_HOME=f"{_home.name}/keras", FIXHEAD_CACHE_DIR=f"{_home.name}/cache")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
gc.set_threshold(50_000, 50, 100)  # Keras and TensorFlow leave many objects, which a collection would look through
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script; tests send this signal
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _doctests_run_in_a_temporary_folder(request: pytest.FixtureRequest) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture(autouse=True)
def _every_test_is_warned_again() -> None:
    errors._said.clear()


@dataclass(frozen=True)
class Answer:
    """Exit status and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


@contextlib.contextmanager
def _process_state_restored() -> Iterator[None]:
    """Restores what a command sets for its process: the handler of SIGTERM, and where our messages go."""
    handler = signal.getsignal(signal.SIGTERM)
    loggers = [logging.getLogger(name) for name in ("keras_fixhead", "fixhead_serving")]
    settings = [(list(logger.handlers), logger.propagate, logger.level) for logger in loggers]
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        for logger, (logger.handlers, logger.propagate, level) in zip(loggers, settings, strict=True):
            logger.setLevel(level)


@pytest.fixture
def fixhead(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Returns a function that runs a command in this process, including its entry point and error handling."""
    from fixhead_cli.main import main

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fixhead", *map(str, arguments)])
        with _process_state_restored(), pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return Answer(int(stop.value.code or 0), out, err)

    return call
