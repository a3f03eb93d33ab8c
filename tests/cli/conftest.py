"""Fixtures of the tests with a server of known answers."""
import threading

import pytest
from colour_server import COLOURS, ColourServer, picture


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("FIXHEAD_TOKEN", raising=False)
    with ColourServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def folder(tmp_path):
    """Returns a folder of nine pictures, three of each colour."""
    (tmp_path / "photographs" / "more").mkdir(parents=True)
    for number in range(9):
        picture(tmp_path / "photographs" / ("more" if number > 5 else ".") / f"{number}.png", list(COLOURS)[number % 3])
    return tmp_path / "photographs"
