"""What networks that were published elsewhere share: initial weights from the seed, scaled pixels, one form."""
import math
from collections.abc import Iterable
from typing import Any

import keras

from keras_fixhead.catalog import ModelEntry
from keras_fixhead.errors import ArgumentError
from keras_fixhead.head import full_precision
from keras_fixhead.models.initializers import HashedUniform
from keras_fixhead.models.layers import Layers, Tensor, name_seed


def check_form(name: str, entry: ModelEntry, *, signed_features: bool) -> None:
    """Raises an ArgumentError if a network is asked for in another form than its own."""
    if signed_features != entry.signed_features:
        raise ArgumentError(f"{name} has one form only, with features that are "
                            f"{'' if entry.signed_features else 'not '}signed.",
                            hint=f"Leave --{'' if signed_features else 'no-'}signed-features out.")


def check_channels(name: str, images: Tensor) -> None:
    """Raises an ArgumentError if images do not have the channels of published weights."""
    if images.shape[-1] != 3:
        raise ArgumentError(f"The weights of {name} are for images with 3 channels, got {images.shape[-1]}.",
                            hint="Use --weights none, or pictures in colour.")


def draw_kernels(network_layers: Iterable[Any], name: str, layers: Layers) -> None:
    """Draws the kernels of a network from the seed, and gives them the L2 penalty.

    Args:
        network_layers: the network's layers, in their order.
        name: of the network; with the number of a layer, it makes the draws of layers independent.
        layers: seed and penalty.
    """
    for number, layer in enumerate(network_layers):
        for weight in layer.trainable_weights:
            if len(weight.shape) > 1:
                _start(weight, name_seed(layers.seed, f"{name}/{number}/{weight.name}"))
                weight.regularizer = layers.penalty()


def rescaled(images: Tensor, scale: Any, offset: Any) -> Tensor:
    """Returns pixels times a scale, plus an offset: numbers, or one per channel. At least in float32."""
    return keras.layers.Rescaling(scale, offset, dtype=full_precision(), name="preprocess")(images)


def _start(kernel: Any, seed: int) -> None:
    """Draws a kernel as these networks do (Glorot's uniform), but from our hash: the same on every backend.

    A depthwise kernel counts the positions of one channel; Keras also counts the channels.
    """
    *positions, inputs, outputs = kernel.shape
    depthwise = len(kernel.shape) == 4 and outputs == 1
    fans = 2 if depthwise else inputs + outputs
    kernel.assign(HashedUniform(math.sqrt(6 / (math.prod(positions) * fans)), seed=seed)(tuple(kernel.shape)))
