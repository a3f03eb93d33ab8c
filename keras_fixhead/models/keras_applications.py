"""The networks of keras.applications, without their classifiers and with their own preprocessing.

The module has a builder under the name of each of them, such as `ResNet50`.
"""
import functools
import math
from typing import Any

import keras

from keras_fixhead.applications import APPLICATIONS
from keras_fixhead.catalog import APPLICATIONS_PREFIX
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.head import full_precision
from keras_fixhead.models.initializers import HashedUniform
from keras_fixhead.models.layers import Layers, Tensor, name_seed

_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red


def __getattr__(name: str) -> Any:
    if APPLICATIONS_PREFIX + name not in APPLICATIONS:
        raise AttributeError(name)
    return functools.partial(_feature_map, name)


def backbone(name: str, images: Tensor, weights: str | None) -> keras.Model:
    """Returns a network of keras.applications from images to its feature map.

    Args:
        name: its name there, such as 'ResNet50'.
        images: pixels in [0, 255], (N, H, W, 3).
        weights: 'imagenet', which are downloaded once; a file of weights without the classifier; or None.

    Raises:
        ArgumentError: (a ValueError) if published weights do not fit the images' channels.
        DataError: if the weights cannot be downloaded or read, or are those of another network.
    """
    entry = APPLICATIONS[APPLICATIONS_PREFIX + name]
    if weights is not None and images.shape[-1] != 3:
        raise ArgumentError(f"The weights of {name} are for images with 3 channels, got {images.shape[-1]}.",
                            hint="Use --weights none, or pictures in colour.")
    pixels = _preprocessed(images, entry.preprocessing)
    try:
        built: keras.Model = getattr(keras.applications, name)(
            include_top=False, weights=None if weights is None else str(weights), input_tensor=pixels)
    except Exception as error:  # a network error, or whatever a file of weights raises
        if weights is None:
            raise
        raise _unusable(name, weights, error) from None
    return built


def _feature_map(name: str, images: Tensor, *, width: float, layers: Layers, signed_features: bool) -> Tensor:
    """The feature map of a network; its kernels are drawn from the seed, and have the L2 penalty."""
    entry = APPLICATIONS[APPLICATIONS_PREFIX + name]
    if signed_features != entry.signed_features:
        raise ArgumentError(f"{APPLICATIONS_PREFIX}{name} has one form only, with features that are "
                            f"{'' if entry.signed_features else 'not '}signed.", hint="Leave --signed-features out.")
    built = backbone(name, images, None)
    for number, layer in enumerate(built.layers):
        for weight in layer.trainable_weights:
            if len(weight.shape) > 1:
                _start(weight, name_seed(layers.seed, f"{name}/{number}/{weight.name}"))
                weight.regularizer = layers.penalty()
    return built.outputs[0]


def _start(kernel: Any, seed: int) -> None:
    """Draws a kernel as these networks do (Glorot's uniform), but from our hash: the same on every backend.

    A depthwise kernel counts the positions of one channel; Keras also counts the channels.
    """
    *positions, inputs, outputs = kernel.shape
    depthwise = len(kernel.shape) == 4 and outputs == 1
    fans = 2 if depthwise else inputs + outputs
    kernel.assign(HashedUniform(math.sqrt(6 / (math.prod(positions) * fans)), seed=seed)(tuple(kernel.shape)))


def _preprocessed(images: Tensor, kind: str) -> Tensor:
    """What the network's `preprocess_input` does to pixels, as layers."""
    if kind == "inside":
        return images
    if kind == "caffe":
        means = tuple(-each for each in _CAFFE_MEAN)
        if images.shape[-1] != 3:
            return _rescaled(images, 1.0, sum(means) / 3)
        return _rescaled(keras.ops.flip(images, axis=-1), (1.0, 1.0, 1.0), means)
    if kind == "torch" and images.shape[-1] == 3:
        scales = tuple(1 / (255 * each) for each in _TORCH_STD)
        offsets = tuple(-mean / std for mean, std in zip(_TORCH_MEAN, _TORCH_STD, strict=True))
        return _rescaled(images, scales, offsets)
    return _rescaled(images, 1 / 127.5, -1.0)


def _rescaled(images: Tensor, scale: Any, offset: Any) -> Tensor:
    return keras.layers.Rescaling(scale, offset, dtype=full_precision(), name="preprocess")(images)


def _unusable(name: str, weights: str, error: Exception) -> DataError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if weights == "imagenet":
        return DataError(f"The ImageNet weights of {name} cannot be downloaded here: {lines[0]}",
                         hint="On a machine with a network, Keras keeps them in ~/.keras/models; give that file: "
                         "--weights FILE. Or start without: --weights none.")
    return DataError(f"{weights} does not have the weights of {name} without its classifier: {lines[0]}",
                     hint="Files of Keras have 'notop' in their names. Or start without: --weights none.")
