"""The model of a run depends on its data: here, on their mean and standard deviation."""
import numpy as np
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import load_dataset, run_dataset
from keras_fixhead.training.compiled import built_model


@pytest.mark.parametrize("normalization", ["dataset", "half"])
def test_pixels_are_normalized_as_configured(normalization):
    config = resolve(TrainConfig(normalization=normalization, width=1 / 32)).config
    model = built_model(config, run_dataset(**config.data_fields))
    digits = load_dataset("digits")
    mean, std = (127.5, 127.5) if normalization == "half" else (digits.mean, digits.std)
    pixels = np.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3) % 256

    np.testing.assert_allclose(model.get_layer("normalize")(pixels), (pixels - mean) / std, atol=1e-5)
