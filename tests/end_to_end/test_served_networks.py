"""Other networks through export and server: of one channel, and of keras.applications from a file of weights."""
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import httpx
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from mixed_pictures import write_pictures

from fixhead_serving.client import Client
from fixhead_serving.local import local_server
from keras_fixhead.data import Split, load_dataset
from keras_fixhead.data.pictures import PictureForm, fit_picture
from keras_fixhead.models import load_model

pytestmark = pytest.mark.long

CLASSES = ("3", "7", "8")


def fixhead(*arguments, environment=None):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments), "--json"], capture_output=True,
                          text=True, env={**os.environ, **(environment or {})})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of digits in colours, at the sizes of photographs and of all kinds."""
    folder = tmp_path_factory.mktemp("digits") / "pictures"
    digits = load_dataset("digits").test
    tint = np.random.default_rng(0).uniform(0.4, 1, (len(digits), 1, 1, 3))
    split = Split((digits.images * tint).astype(np.uint8), digits.labels)
    assert write_pictures(folder, split, tuple(map(str, range(10))), CLASSES, 30) == 90
    return folder


def check_served(trained, pictures, served, suite_of="impulse_noise"):
    """The same classes in the run, over REST for files and for corrupted images, and for one picture as it is."""
    run = trained["run"]
    fixhead("export", run, served)
    in_process = fixhead("predict", run, pictures)["predictions"]
    by_run = fixhead("robustness", run, "--dataset", pictures, "--corruption", suite_of, "--severities", 2, "--quiet",
                     "--out", served.parent / "out")
    with local_server(served) as url:
        over_rest = fixhead("predict", url, pictures)["predictions"]
        corrupted = fixhead("robustness", url, "--dataset", pictures, "--corruption", suite_of, "--severities", 2,
                            "--labels", served / "1" / "assets.extra" / "labels.txt", "--quiet")
        assert fixhead("check", "parity", run, url, "--limit", 10, "--quiet")["equal"]
        file = next(each["file"] for each in in_process if each["file"].endswith(".jpg"))
        answer = httpx.post(f"{url}:classify-picture", content=Path(file).read_bytes(), timeout=60).json()
        with Client(url) as client:
            form = client.picture_form()
    assert [each["label"] for each in over_rest] == [each["label"] for each in in_process] and len(over_rest) == 90
    assert answer["label"] == {each["file"]: each["label"] for each in in_process}[file]
    assert (corrupted["clean"], corrupted["accuracy"]) == (by_run["clean"], by_run["accuracy"])
    return form


def test_a_network_of_one_channel_is_trained_exported_and_served(pictures, tmp_path):
    trained = fixhead("train", "--dataset", pictures, "--image-size", "32x24", "--fit", "pad", "--grey", "--recipe",
                      "smoke", "--epochs", 4, "--batch-size", 16, "--scale", 10, "--runs-dir",
                      tmp_path / "runs", "--quiet")
    card = check_served(trained, pictures, tmp_path / "served" / "grey")

    assert card == PictureForm(24, 32, "pad", channels=1)
    assert load_model(trained["run"]).input_shape == (None, 24, 32, 1)
    assert fixhead("evaluate", trained["run"])["accuracy"] == trained["accuracy"]
    text = (tmp_path / "served" / "grey" / "1" / "assets.extra" / "model_card.md").read_text()
    assert "levels of grey; whole levels from 0 to 255 in 1 channel," in text


@pytest.mark.parametrize("name, preprocess", [
    ("MobileNetV2", keras.applications.mobilenet_v2.preprocess_input),
    ("EfficientNetB0", keras.applications.efficientnet.preprocess_input)])
def test_a_published_network_starts_from_a_file_of_weights_and_is_served(pictures, tmp_path, name, preprocess):
    """The file is made here, in the form of Keras' own; a frozen backbone keeps the features of its network."""
    keras.utils.set_random_seed(1)
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(64, 64, 3))
    with h5py.File(tmp_path / f"{name}_notop.h5", "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, network)
    trained = fixhead("train", "--dataset", pictures, "--image-size", 64, "--model", f"keras_applications/{name}",
                      "--weights", tmp_path / f"{name}_notop.h5", "--freeze", "backbone", "--learned", "--scale",
                      "auto", "--epochs", 1, "--batch-size", 16, "--lr", 0.01, "--precision", "float32", "--runs-dir",
                      tmp_path / "runs", "--quiet")
    model = load_model(trained["run"])
    images = np.stack([fit_picture(image, PictureForm(64, 64)) for image in load_dataset("digits").test.images[:4]])
    features = keras.Model(model.input, model.get_layer("features").output)(images.astype("float32"))
    expected = network(preprocess(images.astype("float32"))).numpy().mean(axis=(1, 2))

    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)
    assert check_served(trained, pictures, tmp_path / "served" / name) == PictureForm(64, 64)
