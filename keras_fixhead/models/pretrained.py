"""Starts a model from trained weights: those of another model with the same network, or published ones."""
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_fixhead.catalog import APPLICATIONS_PREFIX, find_model, import_object
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import HypersphereHead

NORMALIZE = "normalize"
"""Name of the layer that normalizes pixels."""


def start_from_model(model: keras.Model, source: keras.Model, name: str) -> None:
    """Copies the weights of a trained model to a model with the same network, except those of the head.

    Args:
        model: the model to change.
        source: a trained model, from `load_model`; its images, classes and head may be others.
        name: what the source is called in messages.

    Raises:
        ArgumentError: (a ValueError) if its network is another one; nothing is copied then.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> source = build_model("resnet18", (32, 32, 3), 10, width=0.125, seed=1)
        >>> model = build_model("resnet18", (48, 48, 3), 4, width=0.125)
        >>> start_from_model(model, source, "the source")
        >>> bool((model.layers[2].kernel == source.layers[2].kernel).numpy().all())
        True
    """
    _copy(_weighted(source), _weighted(model), name,
          "Give the --model and --width that it was trained with, and --pooling and --signed-features.")


def start_from_weights(model: keras.Model, network: str, weights: str) -> None:
    """Gives the published weights of a network to a model that was built with it.

    Args:
        model: from `build_model(network, ...)`.
        network: 'keras_applications/NAME' or 'keras_hub/PRESET'.
        weights: 'imagenet', which are downloaded once and kept (of a preset, its own weights), or a file of weights
            without the classifier.

    Raises:
        ArgumentError: (a ValueError) for any other network.
        DataError: if the weights cannot be downloaded or read, or are those of another network.
        DependencyError: if KerasHub is needed and not installed.
        HubError: if a preset cannot be downloaded.
    """
    entry = find_model(network)
    if not entry.takes_weights:
        raise ArgumentError(f"There are no published weights of {network}.",
                            hint=f"Use --init-from RUN, or --model {APPLICATIONS_PREFIX}NAME.")
    images = keras.Input(model.input_shape[1:])
    module, _, name = entry.builder.partition(":")
    source = import_object(f"{module}:backbone")(name, images, weights)
    _copy(_weighted(source), _weighted(model), weights, "Give the weights of the same network.")


def pixel_normalization(model: keras.Model) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Returns the mean and standard deviation with which a model normalizes pixels; None if it does not.

    Example:
        >>> from keras_fixhead.models import build_model
        >>> model = build_model("resnet18", (32, 32, 3), 10, width=0.125, mean=(1, 2, 3), std=4)
        >>> [each.round(6).tolist() for each in pixel_normalization(model)]
        [[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]
    """
    layer = next((each for each in model.layers if each.name == NORMALIZE), None)
    if not isinstance(layer, keras.layers.Rescaling):
        return None
    std = 1 / np.asarray(layer.scale, np.float64)
    return -np.asarray(layer.offset, np.float64) * std, std


def _weighted(model: keras.Model) -> list[Any]:
    """The layers with weights, except the head, in the order in which they compute."""
    return [layer for layer in model.layers if layer.weights and not isinstance(layer, HypersphereHead)]


def _copy(sources: list[Any], targets: list[Any], name: str, hint: str) -> None:
    if len(sources) != len(targets):
        raise ArgumentError(f"{name} has another network: {len(sources)} layers with weights instead of "
                            f"{len(targets)}.", hint=hint)
    for source, target in zip(sources, targets, strict=True):
        found, expected = ([tuple(weight.shape) for weight in layer.weights] for layer in (source, target))
        if found != expected:
            raise ArgumentError(f"{name} has another network: the weights of its layer {source.name!r} have shapes "
                                f"{found} instead of {expected}.", hint=hint)
    for source, target in zip(sources, targets, strict=True):
        target.set_weights(source.get_weights())
