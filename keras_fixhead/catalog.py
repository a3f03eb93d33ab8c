"""Tables of models, losses and margins: their properties and the functions that build them.

A builder is given as 'module:function' and imported only when needed, so that the tables can be listed without
Keras.
"""
import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeGuard, TypeVar

from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class ModelEntry:
    """A network.

    Attributes:
        builder: function of (images, width=, layers=, signed_features=) that returns a feature map.
        channels: channels of the feature map at width 1.
        scales: whether these channels are multiplied by the width.
        widths: whether it supports widths other than 1.
        stride: image pixels per position of the feature map, along each side.
        drops_border: whether a last row or column of pixels that does not fill a position is left out.
        reduces_by: what pooling 'global' takes of the feature map: its 'mean' or its 'maximum'.
        signed_features: whether features can be negative in its usual form.
        lowest: the smallest value of a feature that is not signed: 0 after ReLU, -0.17 after GELU.
        extra: the optional extra of this package that it needs, if any.
        preprocessing: what it does to pixels: 'normalize', with the mean and deviation of the data; or its own.
        min_side: smallest side of its images.
        poolings: names of `POOLINGS` that it supports; empty for all.
        takes_weights: whether it can start from published weights.
        takes_vectors: whether it takes the vectors of an embedding set instead of pictures.
    """

    summary: str
    builder: str
    channels: int
    signed_features: bool
    citation: str
    scales: bool = True
    widths: bool = True
    stride: int = 8
    drops_border: bool = False
    reduces_by: str = "mean"
    lowest: float = 0.0
    extra: str | None = None
    preprocessing: str = "normalize"
    min_side: int = 8
    poolings: tuple[str, ...] = ()
    takes_weights: bool = False
    takes_vectors: bool = False

    def ends_signed(self, asked: bool | None) -> bool:
        """Returns whether features can be negative: as requested, or else as in the network's usual form."""
        return self.signed_features if asked is None else asked

    def positions(self, side: int) -> int:
        """Returns the positions of the feature map along a side, given its length in pixels.

        Example:
            >>> MODELS["resnet18"].positions(31), MODELS["fast_cnn"].positions(31)
            (4, 3)
        """
        return max(1, (side - 1) // self.stride) if self.drops_border else -(-side // self.stride)


@dataclass(frozen=True)
class LossEntry:
    """A loss: a function of (labels, logits) that returns one value per example."""

    summary: str
    function: str
    citation: str


@dataclass(frozen=True)
class MarginEntry:
    """A margin: a function of (labels, logits, scale, margin) that returns logits; `size` is its published default."""

    summary: str
    function: str
    size: float
    largest: float
    citation: str


MODELS: dict[str, ModelEntry] = {
    "resnet18": ModelEntry(
        summary="ResNet18 in its CIFAR form: 3x3 stem, no max-pooling, ends in ReLU",
        builder="keras_fixhead.models.resnet:resnet18",
        channels=512,
        signed_features=False,
        citation="He et al. (2016), Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    ),
    "preact_resnet18": ModelEntry(
        summary="PreActResNet18 in its common CIFAR form: ends on the last sum, so features are signed; with "
        "--no-signed-features in its authors' form, with a final BN-ReLU",
        builder="keras_fixhead.models.preact_resnet:preact_resnet18",
        channels=512,
        signed_features=True,
        citation="He et al. (2016), Identity Mappings in Deep Residual Networks, arXiv:1603.05027",
    ),
    "mobilenet_v2": ModelEntry(
        summary="MobileNetV2 in its CIFAR form: stride 8, projected shortcuts, ReLU; 1280 features at any width",
        builder="keras_fixhead.models.mobilenet:mobilenet_v2",
        channels=1280,
        scales=False,
        signed_features=False,
        citation="Sandler et al. (2018), MobileNetV2: Inverted Residuals and Linear Bottlenecks, arXiv:1801.04381",
    ),
    "fast_cnn": ModelEntry(
        summary="six convolutions after a whitened 2x2 patch, GELU and max-pooling: made to be trained in ten epochs; "
        "features are at least -0.17",
        builder="keras_fixhead.models.fast_cnn:fast_cnn",
        channels=256,
        drops_border=True,
        reduces_by="maximum",
        signed_features=False,
        lowest=-0.17,
        citation="Jordan (2024), 94 % on CIFAR-10 in 3.29 Seconds on a Single GPU, arXiv:2404.00498",
    ),
    "keras_cv/resnet18": ModelEntry(
        summary="keras-cv's ResNet18, built from numbers: ImageNet's stem, so 32 px shrink to 1x1; needs [cv]",
        builder="keras_fixhead.models.keras_cv_resnet:resnet18",
        channels=512,
        stride=32,
        widths=False,
        signed_features=False,
        extra="cv",
        citation="He et al. (2016), Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    ),
    "keras_cv/resnet18_v2": ModelEntry(
        summary="keras-cv's ResNet18 V2, built from numbers: ImageNet's stem, so 32 px shrink to 1x1; needs [cv]",
        builder="keras_fixhead.models.keras_cv_resnet:resnet18_v2",
        channels=512,
        stride=32,
        widths=False,
        signed_features=False,
        extra="cv",
        citation="He et al. (2016), Identity Mappings in Deep Residual Networks, arXiv:1603.05027",
    ),
}

VECTOR_MODELS: dict[str, ModelEntry] = {
    "none": ModelEntry(
        summary="the vectors of an embedding set go to the head as they are; with --feature-dim, through one linear "
        "layer",
        builder="keras_fixhead.models.vector_networks:no_network",
        channels=0,
        scales=False,
        widths=False,
        signed_features=True,
        citation="",
        takes_vectors=True,
    ),
    "mlp": ModelEntry(
        summary="for the vectors of an embedding set: a hidden layer of 1024 with normalisation and ReLU, then 512 "
        "features",
        builder="keras_fixhead.models.vector_networks:mlp",
        channels=512,
        signed_features=True,
        citation="",
        takes_vectors=True,
    ),
}
"""Networks that take vectors instead of pictures."""

APPLICATIONS_PREFIX = "keras_applications/"
HUB_PREFIX = "keras_hub/"

POOLINGS = ("global", "4x4")
"""How a feature map becomes features: its mean (fast_cnn: its maximum), or means of 4x4 positions side by side (the
paper's released code)."""

TOP_CLASSES = 10
"""Classes in an answer of a model that never has all logits."""

TTA = ("none", "flip", "flip-shift")
"""Kinds of test-time augmentation: `evaluation.test_time_views`."""

LOSSES: dict[str, LossEntry] = {
    "cross_entropy": LossEntry(
        summary="softmax cross-entropy on the logits, with optional label smoothing",
        function="keras_fixhead.losses:cross_entropy",
        citation="Szegedy et al. (2016), arXiv:1512.00567, for the smoothing",
    ),
}

MARGINS: dict[str, MarginEntry] = {
    "cosface": MarginEntry(
        summary="additive cosine margin (AM-Softmax): the true class gets S (cos - margin)",
        function="keras_fixhead.losses:cosface",
        size=0.35,
        largest=2.0,
        citation="Wang et al. (2018), CosFace, arXiv:1801.09414",
    ),
    "arcface": MarginEntry(
        summary="additive angular margin: the true class gets S cos(angle + margin)",
        function="keras_fixhead.losses:arcface",
        size=0.5,
        largest=3.1,
        citation="Deng et al. (2019), ArcFace, arXiv:1801.07698",
    ),
}



def size_without_margin(hint: str) -> ArgumentError:
    """Returns the error for a size of a margin without a margin."""
    return ArgumentError("margin_size is given without a margin.", hint=hint)


Entry = TypeVar("Entry")


def look_up(table: Mapping[str, Entry], name: object, what: str) -> Entry:
    """Returns the entry of a name.

    Args:
        table: one of this module's tables.
        name: a key of it.
        what: what an entry is called in the error message.

    Raises:
        ArgumentError: if the table has no such entry; the message lists the known ones.

    Example:
        >>> look_up(MARGINS, "arcfase", "margin")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: Unknown margin 'arcfase'. Expected one of cosface, arcface. \
Did you mean 'arcface'?
    """
    if isinstance(name, str) and name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, n=1)
    raise ArgumentError(
        f"Unknown {what} {name!r}. Expected one of {', '.join(table)}.",
        hint=f"Did you mean {near[0]!r}?" if near else None,
    )


def find_model(name: object) -> ModelEntry:
    """Returns the entry of a network: of `MODELS` or `VECTOR_MODELS`, 'keras_applications/NAME' or 'keras_hub/PRESET'.

    The files of a preset of KerasHub are read for this, and downloaded if it is not a local folder.

    Raises:
        ArgumentError: if there is no such network; the message lists the known ones.
        DataError: if the files of a preset are damaged.
        DependencyError: if a preset needs KerasHub, which is not installed.
        HubError: if a preset cannot be downloaded.

    Example:
        >>> find_model("keras_applications/ResNet50").channels
        2048
        >>> find_model("keras_applications/ResNet51")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: keras.applications has no network 'ResNet51'. Did you mean \
'keras_applications/ResNet50'?
    """
    if is_preset(name):
        entry: ModelEntry = import_object("keras_fixhead.hub_presets:preset_entry")(name.removeprefix(HUB_PREFIX))
        return entry
    if not (isinstance(name, str) and name.startswith(APPLICATIONS_PREFIX)):
        return look_up({**MODELS, **VECTOR_MODELS}, name, "model")
    table = vars(importlib.import_module("keras_fixhead.applications"))["APPLICATIONS"]
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1, cutoff=0.0)
        raise ArgumentError(f"keras.applications has no network {name.removeprefix(APPLICATIONS_PREFIX)!r}.",
                            hint=f"Did you mean {near[0]!r}?")
    found: ModelEntry = table[name]
    return found


def is_preset(name: object) -> TypeGuard[str]:
    """Returns whether a network is a preset of KerasHub, without looking for it.

    Example:
        >>> is_preset("keras_hub/resnet_50_imagenet"), is_preset("keras_hub/"), is_preset("resnet18")
        (True, False, False)
    """
    return isinstance(name, str) and name.startswith(HUB_PREFIX) and name != HUB_PREFIX


def short_name(model: str) -> str:
    """Returns the name of a network without the folder that a preset of KerasHub is in.

    Example:
        >>> short_name("resnet18"), short_name("keras_hub/presets/tiny")
        ('resnet18', 'keras_hub/tiny')
    """
    return HUB_PREFIX + PurePath(model).name if is_preset(model) else model


def scaled(channels: int, width: float) -> int:
    """Returns the number of channels of a layer at a width: rounded, at least 1.

    Raises:
        ArgumentError: if the width is not a positive number.

    Example:
        >>> scaled(64, 0.25)
        16
    """
    if isinstance(width, bool) or not (isinstance(width, (int, float)) and 0 < width < 1e9):
        raise ArgumentError(f"width must be a positive number below 1e9, got {width!r}.")
    return max(1, round(channels * width))


def feature_dim(model: str, width: float, image_shape: Sequence[Any] = (32, 32, 3), pooling: str = "global") -> int:
    """Returns the number of features d of a model.

    Args:
        model: a name that `find_model` knows.
        width: factor on its channels.
        image_shape: (H, W, C) of pictures; H and W None for any size; (D,) of vectors.
        pooling: one of `POOLINGS`.

    Raises:
        ArgumentError: for an unknown model or pooling, a width that is not a positive number, images that are too
            small or of unknown size for the pooling, or vectors for a model of pictures or pictures for one of vectors.

    Example:
        >>> feature_dim("resnet18", 0.25), feature_dim("resnet18", 1.0, (96, 96, 3), "4x4")
        (128, 4608)
    """
    entry = find_model(model)
    scaled(1, width)
    if width != 1 and not entry.widths:
        raise ArgumentError(f"{model} supports width 1 only, got {width:g}.",
                            hint="Use --width 1, or choose another --model.")
    channels = scaled(entry.channels or 1, width)
    if not entry.scales:
        channels = entry.channels
    look_up(dict.fromkeys(POOLINGS), pooling, "pooling")
    if entry.poolings and pooling not in entry.poolings:
        raise ArgumentError(f"{model} does not support pooling {pooling}.", hint=f"Use --pooling {entry.poolings[0]}.")
    if takes_other_inputs(model, image_shape):
        raise ArgumentError(f"Model {model} takes the vectors of an embedding set, but the data are pictures."
                            if entry.takes_vectors else
                            f"Model {model} takes pictures, but the data are vectors of {image_shape[0]} numbers.",
                            hint=f"Use --model {'resnet18' if entry.takes_vectors else 'mlp'}.")
    if entry.takes_vectors:
        if pooling != "global":
            raise ArgumentError(f"Pooling {pooling} applies to pictures, but the data are vectors.",
                                hint="Use --pooling global.")
        return channels or int(image_shape[0])
    if any(side is not None and side < entry.min_side for side in image_shape[:2]):
        raise ArgumentError(f"Images of {image_shape[0]}x{image_shape[1]} pixels are too small for {model}: it needs "
                            f"{entry.min_side} or more per side.",
                            hint=f"Use a folder of pictures with --image-size {entry.min_side} or more, or another "
                            "--model.")
    if pooling == "global":
        return channels
    if None in image_shape[:2]:
        raise ArgumentError("Pooling 4x4 needs images of known size: the number of features depends on it.",
                            hint="Pass H and W, or use pooling 'global'.")
    rows, columns = (entry.positions(side) // 4 for side in image_shape[:2])
    if not (rows and columns):
        needed = next(side for side in range(1, 5 * entry.stride) if entry.positions(side) >= 4)
        raise ArgumentError(f"Images of {image_shape[0]}x{image_shape[1]} pixels are too small for pooling 4x4 with "
                            f"{model}: it needs {needed} or more per side.", hint="Use --pooling global.")
    return channels * rows * columns


def takes_other_inputs(model: str, image_shape: Sequence[Any]) -> bool:
    """Returns whether a model takes vectors and the data are pictures, or the other way round.

    Example:
        >>> takes_other_inputs("mlp", (32, 32, 3)), takes_other_inputs("mlp", (768,))
        (True, False)
    """
    return find_model(model).takes_vectors != (len(image_shape) == 1)


def import_object(path: str) -> Callable[..., Any]:
    """Imports the module of 'module:name' and returns the object.

    Example:
        >>> import_object("keras_fixhead.catalog:feature_dim") is feature_dim
        True
    """
    module, name = path.split(":", 1)
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
