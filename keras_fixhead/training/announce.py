"""Messages to the user before a training starts."""
import logging

import keras

from keras_fixhead.catalog import find_model
from keras_fixhead.config import Resolved, TrainConfig, logits_bytes, scale_text, stops_streaming, streams
from keras_fixhead.data import Dataset
from keras_fixhead.head_config import MEMORY_BYTES
from keras_fixhead.models import head_of
from keras_fixhead.training.backend import to_numpy
from keras_fixhead.vectors import auto_scale_reason, reachable_cosine

_log = logging.getLogger(__name__)

_LIMITS_CLASSES = 250  # with more classes, finding the smallest loss takes too long


def announce_scale(resolved: Resolved) -> None:
    """Logs how the scale 'auto' was chosen."""
    if resolved.asked.scale == "auto":
        _log.info(auto_scale_reason(resolved.data.num_classes))


def announce_training(config: TrainConfig, dataset: Dataset, model: keras.Model, steps: int) -> None:
    """Logs what is trained on which data, and what its features can reach.

    Args:
        config: the resolved configuration.
        dataset: the data set of the run.
        model: the model of the run.
        steps: steps per whole epoch.
    """
    head = head_of(model)
    num_classes, dim = head.num_classes, head.dim
    _log.info("%s on %s, %d images of %d classes; %d features; %s, %s class vectors, S = %s; %s; %s epochs of %d steps",
              config.model, config.dataset, len(dataset.train), num_classes, dim, config.head,
              "fixed" if config.fixed else "learned", scale_text(config), config.precision, config.epochs, steps)
    _announce_logits(config, num_classes)
    if config.selection == "test":
        _log.warning("Epochs are selected on TEST images: the test accuracy of this run is too high and comparable "
                     "only with runs of this protocol.")
    if config.selection == "validation" and not len(dataset.validation):
        _log.warning("There are no validation images: the epoch with the best accuracy on TRAINING images is kept. To "
                     "keep the last one: --selection last.")
    if config.margin != "none":
        _log.info("Margin: %s %g. It affects the training loss, but not accuracy or validation.", config.margin,
                  config.margin_size)
    if config.head == "cos" and not config.reaches_everywhere and not streams(config, num_classes):
        _announce_reach(model, find_model(config.model).lowest)


def _announce_logits(config: TrainConfig, num_classes: int) -> None:
    """Says whether the loss streams over the classes, if it does or if all logits take much memory."""
    size = f"{logits_bytes(config, num_classes) / 2**20:,.0f} MB"
    if streams(config, num_classes):
        _log.info("The loss streams over the classes: all logits of a batch would take %s (--streaming %s).", size,
                  config.streaming)
    elif logits_bytes(config, num_classes) > MEMORY_BYTES:
        _log.warning("All logits of a batch take %s. They are not streamed: %s.", size,
                     "--streaming no" if config.streaming == "no" else stops_streaming(config))


def _announce_reach(model: keras.Model, lowest: float) -> None:
    head = head_of(model)
    reach = reachable_cosine(to_numpy(head.class_vectors))
    if lowest:
        _log.info("Features are at least %g. Without negative entries they would reach cosines of %.3f to %.3f (mean "
                  "%.3f) to these class vectors; the shorter they are, the more.", lowest, reach.min(), reach.max(),
                  reach.mean())
        return
    at_best = ""
    if head.class_vectors.shape[0] <= _LIMITS_CLASSES:
        limits = head.limits(signed_features=False)
        at_best = (f"; the smallest possible cross-entropy is {limits.smallest_loss:.4g}, at a mean cosine of "
                   f"{limits.cosine:.3f}")
    _log.info("Features have no negative entries: they can reach cosines of %.3f to %.3f (mean %.3f) to these class "
              "vectors%s.", reach.min(), reach.max(), reach.mean(), at_best)


def announce_extension(config: TrainConfig, epoch: int) -> None:
    """Logs the schedule of a run that was extended after an epoch."""
    if config.schedule in ("constant", "plateau"):
        _log.info("Extended to %s epochs, at the same rate (%s schedule).", config.epochs, config.schedule)
    else:
        lowest = config.lr * config.final_lr_fraction if config.schedule == "triangular" else 0.0
        _log.info("Extended to %s epochs: epochs %d to %s follow a new %s schedule without warm-up, from a rate of %g "
                  "down to %g.", config.epochs, epoch + 1, config.epochs, config.schedule, config.lr, lowest)
