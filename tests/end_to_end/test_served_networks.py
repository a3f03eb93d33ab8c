"""Other networks through export and server: of one channel, and of keras.applications from a file of weights."""
import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format
from served import check_served, digits, fixhead, take_statistics

from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.models import load_model

pytestmark = pytest.mark.long


def test_a_network_of_one_channel_is_trained_exported_and_served(coloured_digits, tmp_path):
    trained = fixhead("train", "--dataset", coloured_digits, "--image-size", "32x24", "--fit", "pad", "--grey",
                      "--recipe", "smoke", "--epochs", 4, "--batch-size", 16, "--scale", 10, "--runs-dir",
                      tmp_path / "runs", "--quiet")
    served = tmp_path / "served" / "grey"
    noise = ("--dataset", coloured_digits, "--corruption", "impulse_noise", "--severities", 2, "--quiet")
    by_run = fixhead("robustness", trained["run"], *noise, "--out", tmp_path / "out")

    def agrees(url):
        labels = served / "1" / "assets.extra" / "labels.txt"
        corrupted = fixhead("robustness", url, *noise, "--labels", labels)
        assert (corrupted["clean"], corrupted["accuracy"]) == (by_run["clean"], by_run["accuracy"])
        assert fixhead("check", "parity", trained["run"], url, "--limit", 10, "--quiet")["equal"]

    assert check_served(trained, coloured_digits, served, agrees) == PictureForm(24, 32, "pad", channels=1)
    assert load_model(trained["run"]).input_shape == (None, 24, 32, 1)
    assert fixhead("evaluate", trained["run"])["accuracy"] == trained["accuracy"]
    text = (served / "1" / "assets.extra" / "model_card.md").read_text()
    assert "levels of grey; whole levels from 0 to 255 in 1 channel," in text


@pytest.mark.parametrize("name, preprocess", [
    ("MobileNetV2", keras.applications.mobilenet_v2.preprocess_input),
    ("EfficientNetB0", keras.applications.efficientnet.preprocess_input)])
def test_a_published_network_starts_from_a_file_of_weights_and_is_served(coloured_digits, tmp_path, name, preprocess):
    """The file is made here, in the form of Keras' own; a frozen backbone keeps the features of its network."""
    images = digits(64)
    keras.utils.set_random_seed(1)
    network = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(32, 32, 3))
    take_statistics(network, preprocess(images.copy()))
    with h5py.File(tmp_path / f"{name}_notop.h5", "w") as content:
        legacy_h5_format.save_weights_to_hdf5_group(content, network)
    trained = fixhead("train", "--dataset", coloured_digits, "--image-size", 32, "--model",
                      f"keras_applications/{name}", "--weights", tmp_path / f"{name}_notop.h5", "--freeze", "backbone",
                      "--learned", "--scale", 10, "--epochs", 4, "--batch-size", 16, "--lr", 0.1, "--precision",
                      "float32", "--runs-dir", tmp_path / "runs", "--quiet")
    model = load_model(trained["run"])
    features = keras.Model(model.input, model.get_layer("features").output)(images)
    expected = network(preprocess(images.copy())).numpy().mean(axis=(1, 2))

    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)
    assert check_served(trained, coloured_digits, tmp_path / "served" / name) == PictureForm(32, 32)
