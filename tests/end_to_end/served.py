"""Commands in processes of their own, and the answers of a run beside those of its export at a server."""
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

from fixhead_serving.client import Client
from fixhead_serving.local import local_server


def fixhead(*arguments, environment=None):
    """What a command prints with --json."""
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments), "--json"], capture_output=True,
                          text=True, env={**os.environ, **(environment or {})})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_served(trained, pictures, served, more=None):
    """The same classes in the run, over REST for files, and for one picture as it is; returns the server's form.

    Args:
        trained: what `fixhead train` printed.
        pictures: a folder of pictures with the run's classes.
        served: folder for the export.
        more: function of the server's URL, for other checks.
    """
    run = trained["run"]
    fixhead("export", run, served)
    in_process = fixhead("predict", run, pictures)["predictions"]
    with local_server(served) as url:
        over_rest = fixhead("predict", url, pictures)["predictions"]
        file = next(each["file"] for each in in_process if each["file"].endswith(".jpg"))
        answer = httpx.post(f"{url}:classify-picture", content=Path(file).read_bytes(), timeout=60).json()
        with Client(url) as client:
            form = client.picture_form()
        if more is not None:
            more(url)
    assert [each["label"] for each in over_rest] == [each["label"] for each in in_process]
    assert len(over_rest) == len([each for each in pictures.rglob("*.*") if each.is_file()])
    assert answer["label"] == {each["file"]: each["label"] for each in in_process}[file]
    return form
