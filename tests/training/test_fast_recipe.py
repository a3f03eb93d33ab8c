"""The recipe `fast` from its options to a finished run, in small."""
import numpy as np
import pytest

from keras_fixhead import train
from keras_fixhead.config import resolve
from keras_fixhead.data import run_dataset
from keras_fixhead.models import load_model
from keras_fixhead.models.whitening import second_moment, whitening_kernel
from keras_fixhead.recipes import RECIPES, build_config


def test_its_rates_are_the_published_ones_for_the_mean_of_the_losses():
    """Published: 11.5 / kilo on the sum of 1,024 losses and decay 0.0153 x 1024 / kilo, kilo = 1024 (1 + 1 / 0.15).

    On the mean the rate is 1,024 times as large, and the penalty is the decay divided by this rate.
    """
    kilo = 1024 * (1 + 1 / (1 - 0.85))
    config = build_config({"recipe": "fast", "dataset": "cifar10"})

    assert config.lr == pytest.approx(1024 * 11.5 / kilo)
    assert config.weight_decay == config.vector_weight_decay == pytest.approx(0.0153 * 1024 / kilo / config.lr)
    assert (config.batch_size, config.momentum, config.norm_offset_lr) == (1024, 0.85, 64)
    assert resolve(config).train_size == 50_000  # nothing is held out


def test_the_short_recipe_differs_in_its_length_only():
    long, short = (RECIPES[name].values for name in ("fast", "fast-90"))

    assert {name for name in long if long[name] != short[name]} == {"epochs", "whitening_bias_epochs"}


def test_a_run_starts_from_whitened_patches_of_its_training_images(tmp_path):
    config = build_config({"recipe": "fast", "dataset": "digits", "width": 1 / 32, "limit_train": 120, "batch_size": 40,
                           "epochs": 1.5, "head": "dot", "precision": "float32", "runs_dir": str(tmp_path)})
    run = train(config)
    layer = load_model(run.path).get_layer("whitening")
    data = run_dataset(**run.config().data_fields)

    expected = whitening_kernel(second_moment(data.train.images, 1 / data.std, -data.mean / data.std))
    np.testing.assert_allclose(layer.kernel, expected, atol=1e-5)
    assert np.abs(np.asarray(layer.bias)).max() > 0
    assert [row["step"] for row in run.metrics()] == [3, 5]
    assert 0 <= run.read("result")["accuracy"]["test"] <= 1
