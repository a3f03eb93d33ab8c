"""The networks of KerasHub's presets, with their own preprocessing.

The module has a builder for each of them, under the name 'preset:PRESET'. The layers are Keras' own, flat in the model,
so that a saved model needs neither KerasHub nor the preset.
"""
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_fixhead.catalog import HUB_PREFIX
from keras_fixhead.errors import ArgumentError, DataError, DependencyError
from keras_fixhead.hub_presets import (
    BUILDER,
    check_preprocessing,
    has_preprocessing,
    preset_class,
    preset_entry,
    preset_folder,
    preset_weights,
)
from keras_fixhead.models.layers import Layers, Tensor
from keras_fixhead.models.published import check_channels, check_form, draw_kernels, rescaled


def __getattr__(name: str) -> Any:
    if not name.startswith(BUILDER):
        raise AttributeError(name)
    return functools.partial(_feature_map, name.removeprefix(BUILDER))


def backbone(name: str, images: Tensor, weights: str) -> keras.Model:
    """Returns the trained network of a preset, from images to its feature map.

    Args:
        name: 'preset:PRESET'.
        images: pixels in [0, 255], (N, H, W, 3).
        weights: 'imagenet' for the preset's own weights, or a file of weights that KerasHub has saved.

    Raises:
        ArgumentError: (a ValueError) if there is no such preset, it has no weights, it does not say how pixels are
            scaled, or images have another number of channels.
        DataError: if the weights cannot be read, or are those of another network.
        DependencyError: if KerasHub is not installed.
        HubError: if the preset cannot be downloaded.
    """
    preset = name.removeprefix(BUILDER)
    check_channels(preset, images)
    check_preprocessing(preset)
    network = _network(preset, images.shape[1:])
    file = preset_weights(preset) if weights == "imagenet" else Path(weights)
    try:
        network.load_weights(file)
    except Exception as error:  # whatever a file of weights raises
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{file} does not have the weights of {Path(preset).name}: {lines[0]}",
                        hint="Give the model.weights.h5 of a preset with the same network; or start without: --weights "
                        "none.") from None
    return keras.Model(images, _joined(network, preset, images))


def _feature_map(preset: str, images: Tensor, *, width: float, layers: Layers, signed_features: bool) -> Tensor:
    """The feature map of a preset's network; its kernels are drawn from the seed, and have the L2 penalty."""
    check_form(f"{HUB_PREFIX}{Path(preset).name}", preset_entry(preset), signed_features=signed_features)
    network = _network(preset, images.shape[1:])
    draw_kernels(network.layers, preset_class(preset), layers)
    return _joined(network, preset, images)


def _network(preset: str, shape: Sequence[int | None]) -> keras.Model:
    """KerasHub's network of a preset, for images of a shape, without its weights."""
    try:
        network: keras.Model = _keras_hub().models.Backbone.from_preset(
            str(preset_folder(preset)), load_weights=False, image_shape=tuple(shape))
    except (ValueError, TypeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ArgumentError(f"KerasHub cannot build {Path(preset).name} for images of shape {tuple(shape)}: "
                            f"{lines[0]}") from None
    return network


def _joined(network: keras.Model, preset: str, images: Tensor) -> Tensor:
    # `call` instead of `__call__`, so that its layers become layers of our model instead of a nested model
    return network.call(_preprocessed(preset, images))


def _preprocessed(preset: str, images: Tensor) -> Tensor:
    """What the preset's image converter does to the values of pixels; their size is the data's."""
    if not has_preprocessing(preset):
        return images  # normalized before
    converter = _keras_hub().layers.ImageConverter.from_preset(str(preset_folder(preset)))
    channels = images.shape[-1]
    return rescaled(images, _per_channel(converter.scale, 1.0, channels), _per_channel(converter.offset, 0.0, channels))


def _per_channel(values: Any, default: float, channels: int) -> Any:
    if values is None:
        return default
    return values if np.ndim(values) == 0 or len(values) == channels else float(np.mean(values))


def _keras_hub() -> Any:
    try:
        import keras_hub
    except ImportError:
        raise DependencyError("Networks of KerasHub need the package keras-hub, which is not installed.",
                              hint="Install it: pip install 'keras-fixhead[keras-hub]'") from None
    return keras_hub
