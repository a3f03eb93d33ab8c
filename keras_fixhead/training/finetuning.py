"""Fine-tuning: the weights that a run starts from, and a backbone that is frozen for some or all epochs."""
import dataclasses
import logging
from typing import Any

import keras
import numpy as np

from keras_fixhead.catalog import find_model
from keras_fixhead.config import TrainConfig
from keras_fixhead.config.pretrained import IMAGENET, source_digest, weights_file
from keras_fixhead.data import Dataset
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.head import HypersphereHead
from keras_fixhead.models import load_model, pixel_normalization, start_from_model, start_from_weights
from keras_fixhead.runs import Run
from keras_fixhead.training.backend import to_numpy
from keras_fixhead.training.lookahead import start_slow
from keras_fixhead.training.optimizer import start_averages
from keras_fixhead.wording import count_text

START = "start"
"""Name of the run's file of what it started from: the digest of the weights, and how their pixels are normalized."""

_log = logging.getLogger(__name__)


def is_frozen(config: TrainConfig, epoch: int) -> bool:
    """Returns whether the backbone is frozen in an epoch, counted from 0.

    Example:
        >>> asked = TrainConfig(init_from="run", freeze="backbone", unfreeze_after=2, fixed=False)
        >>> [is_frozen(asked, epoch) for epoch in range(4)]
        [True, True, False, False]
    """
    return config.freeze == "backbone" and (config.unfreeze_after is None or epoch < config.unfreeze_after)


def freeze_backbone(model: keras.Model) -> None:
    """Makes everything but the head untrainable; normalisation then uses its running statistics. Before `compile`."""
    for layer in model.layers:
        if not isinstance(layer, HypersphereHead):
            layer.trainable = False


def start_weights(config: TrainConfig, model: keras.Model) -> None:
    """Gives a new run's model the weights that it starts from, if there are any.

    Raises:
        ArgumentError: (a ValueError) if they are those of another network.
        DataError: if published weights cannot be downloaded or read.
        RunError: if the file cannot be read, or has changed since the run was configured.
    """
    found = source_digest(config)
    if found is not None and found != config.pretrained:
        raise RunError(f"{weights_file(config) or config.model} is not what this configuration was made for: its "
                       f"SHA-256 is {found[:16]}..., not {str(config.pretrained)[:16]}....",
                       hint="Leave out --pretrained, or give the file with that digest.")
    if config.init_from is not None:
        start_from_model(model, load_model(str(weights_file(config))), config.init_from)
        _log.info("Starts from the weights of %s, except for the head.", config.init_from)
    elif config.weights != "none":
        start_from_weights(model, config.model, config.weights)
        _log.info("Starts from %s.", "published weights" if config.weights == IMAGENET else config.weights)


def with_normalization(run: Run, config: TrainConfig, dataset: Dataset, *, resumed: bool) -> Dataset:
    """Returns the data set with the mean and deviation by which the run's pixels are normalized.

    A backbone that was trained elsewhere keeps its own. They are written to the run, so that it can be resumed without
    the file that it started from.

    Raises:
        ArgumentError: (a ValueError) if it was trained on images with another number of channels.
        RunError: if that file, or the run's own, cannot be read.
    """
    if config.init_from is None or find_model(config.model).preprocessing != "normalize":
        return dataset
    if not (resumed and run.has(START)):
        found = pixel_normalization(load_model(str(weights_file(config))))
        mean, std = (dataset.mean, dataset.std) if found is None else found
        if len(mean) != len(dataset.mean):
            raise ArgumentError(f"{config.init_from} takes images of {count_text(len(mean), 'channel')}; these have "
                                f"{len(dataset.mean)}.", hint="Add --grey." if len(mean) == 1 else "Leave --grey out.")
        run.write(START, {"pretrained": config.pretrained, "mean": mean.tolist(), "std": std.tolist()})
        return dataclasses.replace(dataset, mean=mean, std=std)
    content = run.read(START)
    return dataclasses.replace(dataset, mean=np.array(content["mean"]), std=np.array(content["std"]))


def carry_over(before: keras.Model, after: keras.Model) -> None:
    """Gives a compiled model the weights and the optimizer's state of another one of the same run.

    What the optimizer keeps for weights that were not trained before starts afresh: at 0, or at the weight itself if it
    is an average.
    """
    for source, target in zip(before.weights, after.weights, strict=True):
        target.assign(to_numpy(source))
    if not after.optimizer.built:
        after.optimizer.build(after.trainable_variables)
    start_slow(after)
    start_averages(after)
    known = {_name(each): each for each in before.optimizer.variables}
    for target in after.optimizer.variables:
        found = known.get(_name(target))
        if found is not None and found.shape == target.shape:
            target.assign(to_numpy(found))


def _name(variable: Any) -> str:
    """The path of an optimizer's variable without the optimizer's own name, which may be numbered."""
    return str(variable.path.partition("/")[2])
