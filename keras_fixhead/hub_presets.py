"""Presets of KerasHub: folders with the architecture, the preprocessing and the weights of a network.

Their files are read here, before Keras is loaded; `models.keras_hub` builds the network. KerasHub is asked only for the
place of one of its own presets.
"""
import difflib
import functools
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import HUB_PREFIX, ModelEntry
from keras_fixhead.errors import ArgumentError, DataError, DependencyError, HubError
from keras_fixhead.hubs import Target, download, is_target, parse_target

_CONFIG, _CONVERTER, _WEIGHTS = "config.json", "image_converter.json", "model.weights.h5"


@dataclass(frozen=True)
class _Family:
    """A class of KerasHub, made of Keras' own layers alone: channels of its feature map; whether it ends in a ReLU."""

    channels: Callable[[Mapping[str, Any]], int]
    ends_in_relu: bool
    citation: str


def _resnet_channels(config: Mapping[str, Any]) -> int:
    return int(config["stackwise_num_filters"][-1] * (4 if config["block_type"].startswith("bottleneck") else 1))


def _densenet_channels(config: Mapping[str, Any]) -> int:
    *repeats, last = config["stackwise_num_repeats"]
    channels = 64
    for number in repeats:
        channels = int((channels + number * config["growth_rate"]) * config["compression_ratio"])
    return int(channels + last * config["growth_rate"])


FAMILIES = {
    "ResNetBackbone": _Family(_resnet_channels, True, "He et al. (2016), Deep Residual Learning for Image Recognition, "
                              "arXiv:1512.03385"),
    "DenseNetBackbone": _Family(_densenet_channels, True, "Huang et al. (2017), Densely Connected Convolutional "
                                "Networks, arXiv:1608.06993"),
    "VGGBackbone": _Family(lambda config: config["stackwise_num_filters"][-1], True, "Simonyan and Zisserman (2015), "
                           "Very Deep Convolutional Networks, arXiv:1409.1556"),
    "XceptionBackbone": _Family(lambda config: config["stackwise_conv_filters"][-1][-1], True, "Chollet (2017), "
                                "Xception, arXiv:1610.02357"),
    "CSPNetBackbone": _Family(lambda config: config["stackwise_num_filters"][-1], False, "Wang et al. (2020), CSPNet, "
                              "arXiv:1911.11929"),
}
"""Name of a class of KerasHub -> what is known of it before Keras is loaded."""


def preset_entry(preset: str) -> ModelEntry:
    """Returns the entry of the network of a preset, read from its files.

    Args:
        preset: a folder that KerasHub's `save_to_preset` has written, the name of one of KerasHub's own presets, or
            'hf://NAMESPACE/NAME' or 'kaggle://OWNER/MODEL/keras/VARIATION'. The last three are downloaded once.

    Raises:
        ArgumentError: (a ValueError) if there is no such preset, or its network has no known feature map.
        DataError: if its files are damaged.
        DependencyError: if KerasHub is needed to find it, and not installed.
        HubError: if it cannot be downloaded.
    """
    _, family, config = _network(preset)
    try:
        channels = family.channels(config)
    except (KeyError, TypeError, IndexError, ValueError, AttributeError):
        raise DataError(f"{preset_folder(preset) / _CONFIG} is damaged: the network's sizes are missing.") from None
    return ModelEntry(
        summary=f"{Path(preset).name}, a preset of KerasHub; --weights imagenet starts from its weights",
        builder=f"keras_fixhead.models.keras_hub:{BUILDER}{preset}", channels=channels, stride=32, widths=False,
        poolings=("global",), signed_features=not family.ends_in_relu, extra="keras-hub", citation=family.citation,
        preprocessing="inside" if has_preprocessing(preset) else "normalize", min_side=32, takes_weights=True)


BUILDER = "preset:"
"""Prefix of the names of builders of presets in `models.keras_hub`."""


def preset_class(preset: str) -> str:
    """Returns the name of the class of KerasHub that builds the network of a preset, such as 'ResNetBackbone'."""
    return _network(preset)[0]


def has_preprocessing(preset: str) -> bool:
    """Returns whether a preset says how its pixels are scaled."""
    return (preset_folder(preset) / _CONVERTER).is_file()


def described_by(preset: str) -> list[Path]:
    """Returns the files of a preset that describe its architecture and its preprocessing."""
    return [file for name in (_CONFIG, _CONVERTER) if (file := preset_folder(preset) / name).is_file()]


def preset_weights(preset: str) -> Path:
    """Returns the file of a preset's own weights.

    Raises:
        ArgumentError: (a ValueError) if it has none.
    """
    file = preset_folder(preset) / _WEIGHTS
    if not file.is_file():
        raise ArgumentError(f"The preset {preset} has no weights: {file} does not exist.",
                            hint="Use --weights FILE or --weights none.")
    return file


def check_preprocessing(preset: str) -> None:
    """Raises an ArgumentError if trained weights of a preset would see pixels that are scaled in an unknown way."""
    if not has_preprocessing(preset):
        raise ArgumentError(f"The preset {preset} does not say how its pixels are scaled: it has no {_CONVERTER}.",
                            hint="Write it with KerasHub: ImageConverter(scale=..., offset=...)"
                            ".save_to_preset(FOLDER); or use --weights none.")


def absolute_name(model: str) -> str:
    """Returns the name of a network with an absolute path, if it is the local folder of a preset.

    Example:
        >>> absolute_name("resnet18"), absolute_name("keras_hub/resnet_50_imagenet")
        ('resnet18', 'keras_hub/resnet_50_imagenet')
    """
    folder = Path(model.removeprefix(HUB_PREFIX)).expanduser()
    return f"{HUB_PREFIX}{folder.absolute()}" if model.startswith(HUB_PREFIX) and folder.is_dir() else model


def preset_folder(preset: str) -> Path:
    """Returns the folder of a preset, which is downloaded unless it is local or in the hub's cache."""
    folder = Path(preset).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if is_target(preset):
        return _downloaded(preset, parse_target(preset))
    if "/" in preset or "\\" in preset:
        raise ArgumentError(f"{preset} is not a folder. Expected a preset that KerasHub has saved.",
                            hint="Save one: backbone.save_to_preset(FOLDER); or name one of KerasHub's.")
    return _downloaded(preset, _own_preset(preset))


def _own_preset(preset: str) -> Target:
    try:
        presets = importlib.import_module("keras_hub").models.Backbone.presets
    except ImportError:
        raise DependencyError(f"The network {HUB_PREFIX}{preset} needs KerasHub, which is not installed.",
                              hint="Install it: pip install 'keras-fixhead[keras-hub]'") from None
    if preset not in presets:
        near = difflib.get_close_matches(preset, presets, n=1, cutoff=0.0)
        raise ArgumentError(f"KerasHub has no preset {preset!r}, and there is no such folder.",
                            hint=f"Did you mean {near[0]!r}?" if near else None)
    return parse_target(presets[preset]["kaggle_handle"])


@functools.lru_cache(maxsize=16)
def _downloaded(preset: str, target: Target) -> Path:
    try:
        return download(target)
    except HubError as error:
        if error.hint is None:  # the hub was reached, and refused
            raise
        raise HubError(error.what, hint="On a machine with a network, save it: keras_hub.models.Backbone.from_preset("
                       f"{preset!r}).save_to_preset(FOLDER), and its ImageConverter too; then --model "
                       f"{HUB_PREFIX}FOLDER.") from error


def _network(preset: str) -> tuple[str, _Family, Mapping[str, Any]]:
    """The class of a preset's network, what is known of it, and its configuration."""
    file = preset_folder(preset) / _CONFIG
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        name, config = content["class_name"], content["config"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{file.parent} is not a preset of KerasHub: its {_CONFIG} is missing or damaged.",
                        hint="Save one with KerasHub: backbone.save_to_preset(FOLDER)") from None
    if name not in FAMILIES:
        raise ArgumentError(f"The preset {preset} is a {name}, which cannot be chosen by name. Expected one of "
                            f"{', '.join(FAMILIES)}.",
                            hint="In Python, attach_head takes any model that ends in a feature map (docs/head.md).")
    return name, FAMILIES[name], config
