"""What is said before a training on very many classes."""
import logging

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.config import TrainConfig
from keras_fixhead.recipes import build_config
from keras_fixhead.training import announce, train


@pytest.mark.parametrize(("values", "num_classes", "says"), [
    ({}, 100_000, "The loss streams over the classes: all logits of a batch would take 195 MB (--streaming auto)."),
    ({"streaming": "yes"}, 10, "The loss streams over the classes: all logits of a batch would take 0 MB (--streaming "
     "yes)."),
    ({"streaming": "no"}, 100_000, "All logits of a batch take 195 MB. They are not streamed: --streaming no."),
    ({"fixed": False}, 100_000, "All logits of a batch take 195 MB. They are not streamed: "),
    ({}, 10, ""),
])
def test_it_is_said_that_the_loss_streams_or_why_not(values, num_classes, says, caplog):
    with caplog.at_level(logging.INFO):
        announce._announce_logits(TrainConfig(**values), num_classes)
    assert says in caplog.text and bool(caplog.text) == bool(says)


def test_without_validation_images_it_is_said_that_training_images_choose_the_epoch(tmp_path, caplog):
    """Of eight pictures, one in ten is none. The best epoch was chosen on training images without a word."""
    for number in range(8):
        folder = tmp_path / "pets" / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng(number)
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    run = train(build_config({"recipe": "smoke", "dataset": str(tmp_path / "pets"), "epochs": 1, "width": 1 / 16,
                              "selection": "validation", "runs_dir": str(tmp_path / "runs")}))

    assert "There are no validation images: the epoch with the best accuracy on TRAINING images is kept." in caplog.text
    assert run.read("result")["selection"] == "training"
