"""`docs/client.md`: its examples run against a server, and its table is measured."""

import re
import socket
import threading
from base64 import b64encode
from pathlib import Path

import numpy as np
import orjson
import pytest
import uvicorn
from PIL import Image

from fixhead_serving.client import encode_png
from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
URL = "http://127.0.0.1:8501/v1/models/digits"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def url(served):
    """Returns the URL of the tiny model, served by a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(create_app(ModelServer([served])), port=0, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/models/{served.name}"
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Makes the files used on the page, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIXHEAD_TOKEN", raising=False)
    draw = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    for name in ("picture.png", "photographs/a.png", "photographs/b.png"):
        Image.fromarray(draw.integers(0, 256, (12, 9, 3)).astype(np.uint8)).save(name)
    np.save("images.npy", draw.integers(0, 256, (3, 10, 10, 3)).astype(np.uint8))
    (tmp_path / "labels.txt").write_text("cat\ndog\nowl\n")


@pytest.mark.parametrize("example", blocks("python"))
def test_every_python_example_runs(example, url, files, capsys):
    assert URL in example
    exec(compile(example.replace(URL, url), "docs/client.md", "exec"), {})

    assert capsys.readouterr().out


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_every_command_runs(line, url, files, fixhead):
    program, *words = line.replace(URL, url).split()
    answer = fixhead(*words)

    assert program == "fixhead" and answer.code == 0 and answer.out


def test_the_table_of_sizes_matches_the_requests():
    table = PAGE.partition("<!-- bytes of an image -->")[2].partition("<!-- end")[0]
    rows = re.findall(r"^\| (\d+)x\d+ \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", table, flags=re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        side, *said = (int(each.replace(",", "")) for each in row)
        image = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
        numbers = [orjson.dumps(each, option=orjson.OPT_SERIALIZE_NUMPY) for each in (image, image.astype(np.float32))]
        measured = [len(b64encode(encode_png(image))), *map(len, numbers)]
        # random numbers and compression may change slightly between versions of NumPy and zlib
        np.testing.assert_allclose(measured, said, rtol=0.03, atol=20)
