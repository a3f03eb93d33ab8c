"""Commands in processes of their own, and the answers of a run next to those of its served export."""
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import keras
import numpy as np

from fixhead_serving.client import Client
from fixhead_serving.local import local_server
from keras_fixhead.data import load_dataset
from keras_fixhead.data.pictures import PictureForm, fit_picture


def digits(count):
    """The first test images of the digits, as (count, 32, 32, 3) pixels."""
    images = [fit_picture(image, PictureForm(32, 32)) for image in load_dataset("digits").test.images[:count]]
    return np.stack(images).astype("float32")


def take_statistics(network, preprocess):
    """Gives a network with random weights the moving statistics of digits and noise.

    Its features then tell digits apart, and stay small for the noise with which an export is checked.
    """
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype("float32")
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    network(preprocess(np.concatenate([digits(64), noise])), training=True)


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
    labels = {each["file"]: each["label"] for each in in_process}
    assert {each["file"]: each["label"] for each in over_rest} == labels
    assert len(labels) == len([each for each in pictures.rglob("*.*") if each.is_file()])
    assert answer["label"] == labels[file] and len(set(labels.values())) > 1
    return form
