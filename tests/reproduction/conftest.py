"""A fixture for tests of several runs at once."""
import os
from pathlib import Path

import pytest


@pytest.fixture
def helpers(monkeypatch):
    """Lets workers find the helpers of these tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
