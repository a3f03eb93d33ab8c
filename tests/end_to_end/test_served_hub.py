"""A preset of KerasHub on the command line: fine-tuned, then measured, exported and served without the preset."""
import subprocess
import sys

import keras
import numpy as np
import pytest
from served import check_served, digits, fixhead, take_statistics

from keras_fixhead.data.pictures import PictureForm
from keras_fixhead.models import load_model

pytestmark = pytest.mark.long

WITHOUT = "import sys; sys.modules['keras_hub'] = None; from fixhead_cli.main import main; main()"


@pytest.fixture(scope="module")
def network():
    import keras_hub

    keras.utils.set_random_seed(1)
    found = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[3], stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block")
    take_statistics(found, digits(64) / 128 - 1)
    return found


@pytest.fixture
def preset(network, tmp_path):
    import keras_hub

    network.save_to_preset(str(tmp_path / "tiny"))
    keras_hub.layers.ResNetImageConverter(scale=1 / 128, offset=-1.0).save_to_preset(str(tmp_path / "tiny"))
    return tmp_path / "tiny"


def train(pictures, preset, *options):
    return fixhead("train", "--dataset", pictures, "--image-size", 32, "--model", f"keras_hub/{preset}", "--batch-size",
                   16, "--lr", 0.1, "--precision", "float32", "--learned", "--scale", 10, "--runs-dir",
                   preset.parent / "runs", "--quiet", *options)


def kernels(run):
    return np.asarray(load_model(run).get_layer("conv1_conv").kernel)


def test_a_frozen_preset_is_served_and_needs_no_keras_hub_any_more(coloured_digits, network, preset, tmp_path):
    trained = train(coloured_digits, preset, "--weights", "imagenet", "--freeze", "backbone", "--epochs", 4)
    preset.rename(tmp_path / "gone")
    alone = subprocess.run([sys.executable, "-c", WITHOUT, "evaluate", trained["run"]], capture_output=True, text=True)

    np.testing.assert_array_equal(kernels(trained["run"]), network.get_layer("conv1_conv").kernel)
    assert alone.returncode == 0, alone.stderr
    assert f"test: {100 * trained['accuracy']['test']:.2f} % of " in alone.stdout
    assert check_served(trained, coloured_digits, tmp_path / "served" / "tiny") == PictureForm(32, 32)
    card = (tmp_path / "served" / "tiny" / "1" / "assets.extra" / "model_card.md").read_text()
    assert "keras_hub/tiny" in card and str(tmp_path) not in card


def test_it_is_trained_too_after_some_epochs(coloured_digits, network, preset):
    tuned = train(coloured_digits, preset, "--weights", preset / "model.weights.h5", "--freeze", "backbone",
                  "--unfreeze-after", 1, "--epochs", 2, "--backbone-lr", 0.1, "--selection", "last")
    moved = np.abs(kernels(tuned["run"]) - network.get_layer("conv1_conv").kernel).max()

    assert 0 < moved < 0.1 * np.abs(network.get_layer("conv1_conv").kernel).max()
