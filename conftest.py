"""Settings for tests and doctests: the home folder is never read or written, and doctests run in a temporary folder."""
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from keras_fixhead import errors

_home = tempfile.TemporaryDirectory(prefix="fixhead-tests-")
os.environ.update(KERAS_HOME=f"{_home.name}/keras", FIXHEAD_CACHE_DIR=f"{_home.name}/cache")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


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


@pytest.fixture
def fixhead(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Returns a function that runs a command in this process, including its entry point and error handling."""
    from fixhead_cli.main import main

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["fixhead", *map(str, arguments)])
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:
            signal.signal(signal.SIGTERM, before)
        out, err = capfd.readouterr()
        return Answer(int(stop.value.code or 0), out, err)

    return call
