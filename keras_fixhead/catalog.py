"""What can be named: models, data sets, losses and corruptions, with their facts and what builds them.

Tables only: a builder is given as 'module:function' and imported when it is called for, so that the tables can be
listed without Keras.
"""
import difflib
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from keras_fixhead import label_names
from keras_fixhead.errors import ArgumentError


@dataclass(frozen=True)
class ModelEntry:
    """A network.

    Attributes:
        builder: function of (images, width=, layers=, signed_features=) that gives a feature map.
        channels: channels of the feature map at width 1.
        scales: whether those channels are multiplied by the width.
        widths: whether it can have another width than 1.
        stride: pixels of the image for one position of the feature map, along each side.
        signed_features: whether features can be negative in its usual form.
        extra: the extra of this package that it needs, if any.
    """

    summary: str
    builder: str
    channels: int
    signed_features: bool
    citation: str
    scales: bool = True
    widths: bool = True
    stride: int = 8
    extra: str | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """A data set.

    Attributes:
        loader: function of (entry, data_dir) that gives whole splits and label names.
        source: its name and major version in TensorFlow Datasets, or the folder of a folder of images; None where it
            is embedded.
        image_shape: (H, W, 3) of the images as the network sees them.
        train, validation, test: images in each split; validation is held out of the original training set.
        crop_padding: pixels of black border from which training images are cropped, 0 for none.
        flip: whether training images are mirrored at random.
        probe_url: where a download would begin; None where there is nothing to download.
        label_names: names of the classes in the order of their labels; None where they are in the files only.
        groups: group -> names of its classes, where the set has coarse labels.
        builder: its own builder for TensorFlow Datasets, 'module:class', where those have none.
        archive: the file that this builder looks for in the folder downloads/manual.
        resize: whether images of another size than `image_shape` are made into it; a folder of images only.
        tests: the data set for whose models it is a test set; it has no training images.
        terms: under which its owners offer it, in words.
        packed: the folder of the packed set that it is read from.
        subset: what those files say that they are a subset of, in words.
    """

    summary: str
    loader: str
    source: str | None
    image_shape: tuple[int, int, int]
    num_classes: int
    train: int
    validation: int
    test: int
    crop_padding: int
    flip: bool
    probe_url: str | None
    citation: str
    label_names: tuple[str, ...] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    builder: str | None = None
    archive: str | None = None
    resize: bool = False
    tests: str | None = None
    terms: str = ""
    packed: str | None = None
    subset: str | None = None

    @property
    def tfds_name(self) -> str | None:
        """Its name in TensorFlow Datasets, and its configuration there, without the version."""
        return None if self.source is None else self.source.partition(":")[0]


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

POOLINGS = ("global", "4x4")
"""How a feature map becomes features: its mean, or means of 4x4 positions side by side (the paper's released code)."""

TTA = ("none", "flip", "flip-shift")
"""Kinds of test-time augmentation: `evaluation.test_time_views`."""

DATASETS: dict[str, DatasetEntry] = {
    "digits": DatasetEntry(
        summary="handwritten digits that come with scikit-learn: 8x8 pixels, enlarged to 32x32; nothing to download",
        loader="keras_fixhead.data.digits:load_digits",
        source=None,
        image_shape=(32, 32, 3),
        num_classes=10,
        train=1_257,
        validation=180,
        test=360,
        crop_padding=4,
        flip=False,
        probe_url=None,
        label_names=tuple("0123456789"),
        citation="Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi:10.24432/C50P49",
        terms="CC BY 4.0 (UCI Machine Learning Repository)",
    ),
    "cifar10": DatasetEntry(
        summary="photographs of 10 kinds of things, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="cifar10:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        label_names=label_names.CIFAR10,
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
        terms="offered for research by its authors, who ask for the citation and state no licence; the "
        "photographs belong to their photographers",
    ),
    "cifar100": DatasetEntry(
        summary="photographs of 100 kinds of things in 20 groups, 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="cifar100:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=100,
        train=45_000,
        validation=5_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="https://www.cs.toronto.edu/",
        label_names=label_names.CIFAR100,
        groups=label_names.CIFAR100_GROUPS,
        citation="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
        terms="offered for research by its authors, who ask for the citation and state no licence; the "
        "photographs belong to their photographers",
    ),
    "stl10": DatasetEntry(
        summary="photographs of 10 kinds of things, 96x96; its unlabelled images are not used",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="stl10:1.*.*",
        image_shape=(96, 96, 3),
        num_classes=10,
        train=4_500,
        validation=500,
        test=8_000,
        crop_padding=10,
        flip=True,
        probe_url="https://ai.stanford.edu/",
        label_names=label_names.STL10,
        citation="Coates, Ng and Lee (2011), An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
        terms="offered for research by its authors, who ask for the citation and state no licence; its "
        "images come from ImageNet, whose terms allow non-commercial research and education only",
    ),
    "tiny_imagenet": DatasetEntry(
        summary="photographs of 200 kinds of things, 64x64; its validation images are the test set",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="tiny_imagenet:1.*.*",
        image_shape=(64, 64, 3),
        num_classes=200,
        train=90_000,
        validation=10_000,
        test=10_000,
        crop_padding=8,
        flip=True,
        probe_url="http://cs231n.stanford.edu/",
        builder="keras_fixhead.data.tiny_imagenet:TinyImagenet",
        archive="tiny-imagenet-200.zip",
        citation="Le and Yang (2015), Tiny ImageNet Visual Recognition Challenge",
        terms="ImageNet's terms: non-commercial research and education only; the images belong to their "
        "photographers",
    ),
    "fashion_mnist": DatasetEntry(
        summary="pieces of clothing, grey, 28x28, with a black border of 2 pixels: 32x32",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="fashion_mnist:3.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=54_000,
        validation=6_000,
        test=10_000,
        crop_padding=4,
        flip=True,
        probe_url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        label_names=label_names.FASHION_MNIST,
        citation="Xiao, Rasul and Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747",
        terms="MIT licence",
    ),
    "cifar10_1": DatasetEntry(
        summary="a second test set for cifar10 (version v4 of CIFAR-10.1), 32x32; no training images",
        loader="keras_fixhead.data.tfds:load_tfds",
        source="cifar10_1/v4:1.*.*",
        image_shape=(32, 32, 3),
        num_classes=10,
        train=0,
        validation=0,
        test=2_021,
        crop_padding=0,
        flip=False,
        probe_url="https://github.com/",
        label_names=label_names.CIFAR10,
        tests="cifar10",
        citation="Recht, Roelofs, Schmidt and Shankar (2018), Do CIFAR-10 Classifiers Generalize to CIFAR-10?, "
        "arXiv:1806.00451",
        terms="MIT licence; the photographs belong to their photographers",
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


def scaled(channels: int, width: float) -> int:
    """Returns a layer's channels at a width: rounded, at least 1.

    Raises:
        ArgumentError: if the width is no positive number.

    Example:
        >>> scaled(64, 0.25)
        16
    """
    if not (math.isfinite(width) and width > 0):
        raise ArgumentError(f"width must be a positive number, got {width!r}.")
    return max(1, round(channels * width))


def feature_dim(model: str, width: float, image_shape: Sequence[int] = (32, 32, 3), pooling: str = "global") -> int:
    """Returns the number of features d of a model.

    Args:
        model: a name in `MODELS`.
        width: factor on its channels.
        image_shape: (H, W, 3).
        pooling: one of `POOLINGS`.

    Raises:
        ArgumentError: for an unknown model or pooling, a width that is no positive number, or images too small for the
            pooling.

    Example:
        >>> feature_dim("resnet18", 0.25), feature_dim("resnet18", 1.0, (96, 96, 3), "4x4")
        (128, 4608)
    """
    entry = look_up(MODELS, model, "model")
    if width != 1 and not entry.widths:
        raise ArgumentError(f"{model} has one width, 1; got {width:g}.",
                            hint="Give --width 1 (a recipe may have another), or choose another --model.")
    channels = scaled(entry.channels, width)
    if not entry.scales:
        channels = entry.channels
    look_up(dict.fromkeys(POOLINGS), pooling, "pooling")
    if pooling == "global":
        return channels
    rows, columns = (-(-side // entry.stride) // 4 for side in image_shape[:2])
    if not (rows and columns):
        raise ArgumentError(f"{model} makes images of {image_shape[0]}x{image_shape[1]} pixels too small for pooling "
                            f"4x4: it needs {3 * entry.stride + 1} or more.", hint="Use --pooling global.")
    return channels * rows * columns


def import_object(path: str) -> Callable[..., Any]:
    """Returns what 'module:name' names, importing the module.

    Example:
        >>> import_object("keras_fixhead.catalog:feature_dim") is feature_dim
        True
    """
    module, name = path.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
