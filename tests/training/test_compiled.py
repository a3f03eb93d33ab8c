"""The model of a run depends on its data: here, on their mean and standard deviation."""
import numpy as np
import pytest

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.data import load_dataset, run_dataset
from keras_fixhead.losses import cross_entropy, mixed
from keras_fixhead.models import build_model
from keras_fixhead.training.compiled import built_model, training_loss


@pytest.mark.parametrize("normalization", ["dataset", "half"])
def test_pixels_are_normalized_as_configured(normalization):
    config = resolve(TrainConfig(normalization=normalization, width=1 / 32)).config
    model = built_model(config, run_dataset(**config.data_fields))
    digits = load_dataset("digits")
    mean, std = (127.5, 127.5) if normalization == "half" else (digits.mean, digits.std)
    pixels = np.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3) % 256

    np.testing.assert_allclose(model.get_layer("normalize")(pixels), (pixels - mean) / std, atol=1e-5)


def test_weights_of_classes_multiply_the_losses_of_their_images():
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(6, 3)).astype("float32"), np.array([0, 1, 2, 2, 1, 0])
    weights = np.array([2.0, 0.0, 0.5], np.float32)
    model = build_model("resnet18", (8, 8, 3), 3, width=1 / 64)
    loss = training_loss(TrainConfig(label_smoothing=0.1), model, weights)
    smoothed = np.asarray(cross_entropy(labels, logits, label_smoothing=0.1))

    np.testing.assert_allclose(loss(labels, logits), weights[labels] * smoothed, rtol=1e-6)
    partners, shares = labels[::-1], np.linspace(0, 1, 6)
    found = mixed(loss)(np.stack([labels, partners, shares], axis=1).astype("float32"), logits)
    other = np.asarray(cross_entropy(partners, logits, label_smoothing=0.1))
    np.testing.assert_allclose(found, shares * weights[labels] * smoothed + (1 - shares) * weights[partners] * other,
                               rtol=1e-5)
