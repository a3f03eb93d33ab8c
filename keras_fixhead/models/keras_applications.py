"""The networks of keras.applications, without their classifiers and with their own preprocessing.

The module has a builder under the name of each of them, such as `ResNet50`.
"""
import functools
from typing import Any

import keras

from keras_fixhead.applications import APPLICATIONS
from keras_fixhead.catalog import APPLICATIONS_PREFIX
from keras_fixhead.errors import DataError
from keras_fixhead.models.layers import Layers, Tensor
from keras_fixhead.models.published import check_channels, check_form, draw_kernels, rescaled

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
    if weights is not None:
        check_channels(name, images)
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
    check_form(APPLICATIONS_PREFIX + name, entry, signed_features=signed_features)
    built = backbone(name, images, None)
    draw_kernels(built.layers, name, layers)
    return built.outputs[0]


def _preprocessed(images: Tensor, kind: str) -> Tensor:
    """What the network's `preprocess_input` does to pixels, as layers."""
    if kind == "inside":
        return images
    if kind == "caffe":
        means = tuple(-each for each in _CAFFE_MEAN)
        if images.shape[-1] != 3:
            return rescaled(images, 1.0, sum(means) / 3)
        return rescaled(keras.ops.flip(images, axis=-1), (1.0, 1.0, 1.0), means)
    if kind == "torch" and images.shape[-1] == 3:
        scales = tuple(1 / (255 * each) for each in _TORCH_STD)
        offsets = tuple(-mean / std for mean, std in zip(_TORCH_MEAN, _TORCH_STD, strict=True))
        return rescaled(images, scales, offsets)
    return rescaled(images, 1 / 127.5, -1.0)


def _unusable(name: str, weights: str, error: Exception) -> DataError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if weights == "imagenet":
        return DataError(f"The ImageNet weights of {name} cannot be downloaded here: {lines[0]}",
                         hint="On a machine with a network, Keras keeps them in ~/.keras/models; give that file: "
                         "--weights FILE. Or start without: --weights none.")
    return DataError(f"{weights} does not have the weights of {name} without its classifier: {lines[0]}",
                     hint="Files of Keras have 'notop' or 'no_top' in their names. Or start without: --weights none.")
