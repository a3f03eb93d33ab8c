"""What is said before a training on very many classes."""
import logging

import pytest

from keras_fixhead.config import TrainConfig
from keras_fixhead.training import announce


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
