"""What can be named: models, data sets, losses and corruptions, with their facts and what builds them.

Tables only: a builder is given as 'module:function' and imported when it is called for, so that the tables can be
listed without Keras.
"""
import difflib
import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class ModelEntry:
    """A network.

    Attributes:
        builder: function of (inputs, stem_channels=, layers=, signed_features=) that gives a feature map.
        stem_channels: channels after the first convolution at width 1.
        features_per_stem_channel: features d, divided by the stem's channels.
        multiply_adds: multiply-adds of one 32x32 image, forward, at width 1.
        signed_features: whether features can be negative in its usual form.
    """

    summary: str
    builder: str
    stem_channels: int
    features_per_stem_channel: int
    multiply_adds: int
    signed_features: bool
    citation: str


@dataclass(frozen=True)
class DatasetEntry:
    """A data set.

    Attributes:
        loader: function of (entry, data_dir) that gives whole splits.
        tfds_name: its name and major version in TensorFlow Datasets; None where it comes from elsewhere.
        image_shape: (H, W, 3) of the images as the network sees them.
        train, validation, test: images in each split; validation is held out of the original training set.
        crop_padding: pixels of black border from which training images are cropped, 0 for none.
        flip: whether training images are mirrored at random.
        probe_url: where a download would begin; None for embedded data.
    """

    summary: str
    loader: str
    tfds_name: str | None
    image_shape: tuple[int, int, int]
    num_classes: int
    train: int
    validation: int
    test: int
    crop_padding: int
    flip: bool
    probe_url: str | None
    citation: str


@dataclass(frozen=True)
class LossEntry:
    """A loss: a function of (labels, logits) that gives one value an example."""

    summary: str
    function: str
    citation: str


@dataclass(frozen=True)
class MarginEntry:
    """A margin: a function of (labels, logits, scale, margin) that gives logits; `size` is its published default."""

    summary: str
    function: str
    size: float
    largest: float
    citation: str


@dataclass(frozen=True)
class CorruptionEntry:
    """A corruption: a function of (images, seed=, severity=, indices=, **strength) on uint8 batches."""

    summary: str
    function: str
    random: bool


MODELS: dict[str, ModelEntry] = {
    "resnet18": ModelEntry(
        summary="ResNet18 in its CIFAR form: 3x3 stem, no max-pooling, ends in ReLU",
        builder="keras_fixhead.models.resnet:resnet18",
        stem_channels=64,
        features_per_stem_channel=8,
        multiply_adds=555_400_000,
        signed_features=False,
        citation="He et al. (2016), Deep Residual Learning for Image Recognition, arXiv:1512.03385",
    ),
}

DATASETS: dict[str, DatasetEntry] = {
    "digits": DatasetEntry(
        summary="handwritten digits that come with scikit-learn: 8x8 pixels, enlarged to 32x32; nothing to download",
        loader="keras_fixhead.data.digits:load_digits",
        tfds_name=None,
        image_shape=(32, 32, 3),
        num_classes=10,
        train=1_257,
        validation=180,
        test=360,
        crop_padding=4,
        flip=False,
        probe_url=None,
        citation="Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49",
    ),
    "cifar10": DatasetEntry(
        summary="photographs of 10 kinds of things, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        tfds_name="cifar10:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
    ),
    "cifar100": DatasetEntry(
        summary="photographs of 100 kinds of things in 20 groups, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        tfds_name="cifar100:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=100,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
    ),
}

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

CORRUPTIONS: dict[str, CorruptionEntry] = {
    "impulse_noise": CorruptionEntry(
        summary="salt and pepper on single channel values",
        function="keras_fixhead.robustness.corruptions:impulse_noise",
        random=True,
    ),
    "jpeg_compression": CorruptionEntry(
        summary="JPEG at low quality",
        function="keras_fixhead.robustness.corruptions:jpeg_compression",
        random=False,
    ),
    "defocus_blur": CorruptionEntry(
        summary="blur by a disk",
        function="keras_fixhead.robustness.corruptions:defocus_blur",
        random=False,
    ),
}

Entry = TypeVar("Entry")


def look_up(table: Mapping[str, Entry], name: object, what: str) -> Entry:
    """Returns the entry of a name.

    Args:
        table: one of this module's tables.
        name: a key of it.
        what: what the table holds, in the singular, for the message.

    Raises:
        ArgumentError: if there is no such entry; it lists what there is.

    Example:
        >>> look_up(DATASETS, "cifar01", "data set")
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: Unknown data set 'cifar01'. Expected one of digits, cifar10, cifar100. \
Did you mean 'cifar10'?
    """
    if isinstance(name, str) and name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, n=1)
    raise ArgumentError(
        f"Unknown {what} {name!r}. Expected one of {', '.join(table)}.",
        hint=f"Did you mean {near[0]!r}?" if near else None,
    )


def stem_channels(model: str, width: float) -> int:
    """Returns the channels after the first convolution of a model at a width.

    Raises:
        ArgumentError: for an unknown model, or a width that is no positive number.

    Example:
        >>> stem_channels("resnet18", 0.25)
        16
    """
    if not (math.isfinite(width) and width > 0):
        raise ArgumentError(f"width must be a positive number, got {width!r}.")
    return max(1, round(look_up(MODELS, model, "model").stem_channels * width))


def feature_dim(model: str, width: float) -> int:
    """Returns the number of features d of a model at a width.

    Example:
        >>> feature_dim("resnet18", 0.25)
        128
    """
    return stem_channels(model, width) * look_up(MODELS, model, "model").features_per_stem_channel


def import_object(path: str) -> Callable[..., Any]:
    """Returns what 'module:name' names, importing the module.

    Example:
        >>> import_object("keras_fixhead.catalog:feature_dim") is feature_dim
        True
    """
    module, name = path.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
