"""The configuration as asked for: one flat, frozen dataclass without derived values.

A field's name is the option on the command line (`--label-smoothing`), the key in config.json and the axis of a sweep.
Defaults are defined here only, except for those of the head, which are defined in `HeadConfig`.
"""
import contextlib
import dataclasses
import difflib
import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import NoneType
from typing import Any, get_args, get_type_hints

from keras_fixhead.catalog import (
    LOSSES,
    MARGINS,
    MODELS,
    POOLINGS,
    VECTOR_MODELS,
    find_model,
    is_preset,
    look_up,
    short_name,
)
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.pictures import FITS, MAX_SIDE, MIN_SIDE, picture_sides
from keras_fixhead.data.reduced import DECODINGS
from keras_fixhead.data.sources import is_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.figures.classes import NUMBERED_CLASSES
from keras_fixhead.hardware import PRECISIONS
from keras_fixhead.head_config import BIASES, HEADS, MEMORY_BYTES, SCALE_WORDS, HeadConfig
from keras_fixhead.vectors import KINDS

ROLES = ("data", "augmentation", "model", "head", "optimisation", "seed", "machine", "place")
"""What a field of `TrainConfig` can be about."""
RESULT_ROLES = ROLES[:-1]
"""The roles of the fields that affect the result of training."""

SCHEDULES = ("cosine", "one_cycle", "triangular", "constant", "plateau")
SELECTIONS = ("validation", "last", "test")
NORMALIZATIONS = ("dataset", "half")
OPTIMIZERS = ("sgd", "adamw")
SAMPLINGS = ("random", "balanced")
LOGGERS = ("none", "mlflow", "wandb")
BORDERS = ("black", "reflect")
FREEZES = ("none", "backbone")
FLIP_MODES = ("random", "alternating")

_NEVER = object()


def _option(role: str, default: Any, help: str, *, choices: Iterable[str] = (), low: float | None = None,
            high: float | None = None, open: Any = _NEVER, identity: bool = False, newer: bool = False,
            resumable: bool = False) -> Any:
    """A field of `TrainConfig`.

    Args:
        role: one of `ROLES`.
        default: its default.
        help: its help text on the command line.
        choices: the words that it accepts.
        low, high: its range.
        open: the value that `resolve` replaces, if there is one.
        identity: whether every configuration ever written has it; others may be newer than a run.
        newer: whether it was added after runs had digests: at its default, a digest leaves it out, so that earlier runs
            keep theirs. Every added field with a role in `RESULT_ROLES` is newer, and its default is not open.
        resumable: whether it may change when a run is resumed.
    """
    return field(default=default, metadata={
        "role": role, "help": help, "choices": tuple(choices), "low": low, "high": high, "open": open,
        "identity": identity, "newer": newer, "resumable": resumable})


@dataclass(frozen=True)
class TrainConfig:
    """The configuration of a training run, as asked for.

    Fields that are left open (None or 'auto') are filled in by `resolve`: from the data set, the machine or other
    fields.

    Raises:
        ArgumentError: (a ValueError) if a value has the wrong type, is out of range, or is an unknown name.

    Example:
        >>> TrainConfig(dataset="cifar10", head="cos", fixed=True).scale
        1.0
        >>> TrainConfig(epochs=-1)
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: epochs must be at least 1, got -1.
    """

    dataset: str = _option("data", "digits", "Data set, packed set, folder of images with one subfolder per class, or "
                           "embedding set (.npz, or a folder of .npy).",
                           choices=DATASETS, identity=True)
    data_dir: str | None = _option("place", None, "Folder of packed or prepared data sets (default: $TFDS_DATA_DIR or "
                                   "TFDS's own).", resumable=True)
    image_size: int | str | None = _option("data", None, "Size that a folder's pictures get: 64 for squares, or "
                                           "WIDTHxHEIGHT (default: that of the first picture; all must have it).",
                                           low=MIN_SIDE, high=MAX_SIDE)
    fit: str = _option("data", FITS[0], "How a picture gets the size of the model's input: crop to the centre, squash, "
                       "or pad with black.", choices=FITS, newer=True)
    decoding: str = _option("data", DECODINGS[0], "Decode a folder's JPEG files in full, or large ones faster, at a "
                            "reduced size.", choices=DECODINGS, newer=True)
    grey: bool = _option("data", False, "Convert images to grey: one channel instead of three.", newer=True)
    skip_broken: bool = _option("data", False, "Skip a folder's unusable pictures instead of stopping.", newer=True)
    classes: str | None = _option("data", None, "Only these classes: names of classes or groups, separated by commas.")
    limit_train: int | None = _option("data", None, "Use at most this many training images, the same number per "
                                      "class (or all images of a class that has fewer).",
                                      low=1, high=10**12)
    imbalance: float = _option("data", 1.0, "Long-tailed training images: size ratio of largest to smallest class.",
                               low=1, high=1e6)
    hold_out: bool = _option("data", True, "Hold out a tenth of the training images for validation.")
    normalization: str = _option("data", "dataset", "Normalize pixels by mean and standard deviation of the "
                                 "training images, or by 0.5 and 0.5.", choices=NORMALIZATIONS)
    model: str = _option("model", "resnet18", "Network, keras_applications/NAME or keras_hub/PRESET; none or mlp "
                         "for an embedding set.", choices=(*MODELS, *VECTOR_MODELS), identity=True)
    init_from: str | None = _option("place", None, "Start from the weights of a finished run or a .keras file with the "
                                    "same network, except the head; a run also says which network it is.")
    weights: str = _option("place", "none", "Start a network of keras.applications or KerasHub from published weights: "
                           "imagenet (of a preset: its own), or a file of them without the classifier.")
    pretrained: str | None = _option("model", None, "What identifies these weights: imagenet, or the SHA-256 of their "
                                     "file or of a preset's files (default: computed when they are read).", newer=True)
    width: float = _option("model", 1.0, "Factor on the network's channels.", low=1 / 64, high=16, identity=True)
    signed_features: bool | None = _option("model", None, "End without a ReLU, so that features can be negative "
                                           "(default: the network's usual form).", open=None)
    pooling: str = _option("model", "global", "Feature map to features: its mean, or the means of 4x4 positions.",
                           choices=POOLINGS)
    feature_dim: int | None = _option("model", None, "Add a linear layer to this many features, such as 2 to draw them "
                                      "(default: the network's own).", low=2, high=65_536, newer=True)
    head: str = _option("head", HeadConfig.logits, "Logits: dot products or cosines.", choices=HEADS, identity=True)
    fixed: bool = _option("head", HeadConfig.fixed, "Keep the class vectors as drawn, or learn them.", identity=True)
    scale: float | str = _option("head", HeadConfig.scale, "Factor S on the logits: a number, auto (sqrt(2) ln(m - 1)) "
                                 "or learned.", choices=SCALE_WORDS, low=1e-3, high=1e4, open="auto",
                                 identity=True)
    bias: str = _option("head", HeadConfig.bias, "Bias of the logits, initially 0.01.", choices=BIASES)
    class_vectors: str = _option("head", HeadConfig.class_vectors, "Kind of class vectors.", choices=KINDS)
    rotate: bool = _option("head", HeadConfig.rotate, "Rotate simplex, orthoplex and hypercube at random.")
    vector_lr: float = _option("head", HeadConfig.vector_lr, "Factor on the learning rate of learned class vectors.",
                               low=0, high=1)
    vector_seed: int | None = _option("seed", None, "Seed of the class vectors (default: --seed).", low=0,
                                      high=2**63 - 1, open=None)
    seed: int = _option("seed", 0, "Seed of the initial weights, data order and augmentation.", low=0, high=2**63 - 1,
                        identity=True)
    loss: str = _option("head", "cross_entropy", "Loss.", choices=LOSSES)
    margin: str = _option("head", "none", "Margin on the true class's cosine in training.", choices=("none", *MARGINS))
    margin_size: float | None = _option("head", None, "Size of the margin (default: the published one).", low=0,
                                        high=3.1, open=None)
    class_weights: str | None = _option("optimisation", None, "Weights of the classes in the loss: balanced, or from a "
                                        "JSON file of class and weight (default: all 1).", newer=True)
    sampling: str = _option("optimisation", "random", "Images of an epoch: each once in random order, or the same "
                            "number of each class, with repeats in small classes.", choices=SAMPLINGS, newer=True)
    label_smoothing: float = _option("head", 0.0, "Share of the target spread over all classes.", low=0, high=0.999)
    epochs: int | float = _option("optimisation", 200, "Passes over the training images; with 9.9, the last has nine "
                                  "tenths of the steps.", low=1, high=1_000_000, identity=True)
    batch_size: int = _option("optimisation", 128, "Images per step.", low=1, high=1_000_000)
    partial_batch: bool = _option("optimisation", False, "Train on what is left of an epoch as a smaller batch.")
    lr: float = _option("optimisation", 0.1, "Peak learning rate.", low=0, high=1e4)
    backbone_lr: float = _option("optimisation", 1.0, "Factor on the learning rate of everything but the head.", low=0,
                                 high=1, newer=True)
    freeze: str = _option("optimisation", "none", "Keep the backbone as it is, with normalisation by its running "
                          "statistics.", choices=FREEZES, newer=True)
    unfreeze_after: int | None = _option("optimisation", None, "Epochs after which a frozen backbone is trained too "
                                         "(default: never).", low=1, high=1_000_000, newer=True)
    optimizer: str = _option("optimisation", "sgd", "SGD with Nesterov momentum, or AdamW with its own weight decay.",
                             choices=OPTIMIZERS, newer=True)
    momentum: float = _option("optimisation", 0.9, "Nesterov momentum of SGD; beta_1 of AdamW.", low=0, high=0.9999)
    schedule: str = _option("optimisation", "cosine", "Learning rate after warm-up: cosine decay, or one_cycle's "
                            "straight line, to 0; triangular, from one fraction of the peak to another; constant; or "
                            "cut on a plateau of accuracy.", choices=SCHEDULES)
    initial_lr_fraction: float = _option("optimisation", 0.2, "Share of the peak rate at which the triangular schedule "
                                         "starts.", low=0, high=1, newer=True)
    final_lr_fraction: float = _option("optimisation", 0.07, "Share of the peak rate at which the triangular schedule "
                                       "ends.", low=0, high=1, newer=True)
    plateau_patience: int = _option("optimisation", 3, "Epochs without improvement before the plateau schedule cuts "
                                    "the rate.", low=0, high=1_000_000)
    plateau_factor: float = _option("optimisation", 0.2, "Factor by which the plateau schedule cuts the rate.",
                                    low=1e-6, high=1)
    warmup_fraction: float = _option("optimisation", 0.025, "Share of the steps in which the rate rises from 0.",
                                     low=0, high=1)
    weight_decay: float = _option("optimisation", 5e-4, "torch's c: an L2 penalty of c/2 on the backbone's kernels.",
                                  low=0, high=1e3)
    vector_weight_decay: float = _option("head", HeadConfig.vector_weight_decay, "The same penalty on learned class "
                                         "vectors and a learned bias.", low=0, high=1e3)
    decoupled_decay: float = _option("optimisation", 0.05, "AdamW's decay of the backbone's kernels, times the "
                                     "learning rate in each step.", low=0, high=10, newer=True)
    decay_norms: bool = _option("optimisation", False, "Also penalise gamma and beta of batch normalisation.")
    norm_offset_lr: float = _option("optimisation", 1.0, "Factor on the learning rate of the offsets (beta) of batch "
                                    "normalisation.", low=0, high=1e4, newer=True)
    whitening_bias_epochs: int = _option("optimisation", 3, "Epochs in which the bias of a whitening layer learns "
                                         "(fast_cnn has one).", low=0, high=1_000_000, newer=True)
    lookahead_every: int = _option("optimisation", 0, "Steps after which Lookahead sets the weights back towards their "
                                   "slow copies; 0 for no Lookahead.", low=0, high=1_000_000, newer=True)
    lookahead_decay: float = _option("optimisation", 0.95, "Lookahead's decay d: of N steps, after step s, slow copies "
                                     "keep the share d^every (s / N)^3.", low=0, high=1, newer=True)
    ema: float = _option("optimisation", 0.0, "Momentum of an average of the weights over the steps, which is "
                         "evaluated and saved in their place; 0 for none.", low=0, high=0.99999, newer=True)
    accumulate: int = _option("optimisation", 1, "Steps whose gradients are averaged for one update of the weights.",
                              low=1, high=10_000, newer=True)
    crop_padding: int | None = _option("augmentation", None, "Pixels of border added before random crops (default: the "
                                       "data set's).", low=0, high=64, open=None)
    crop_border: str = _option("augmentation", "black", "What the border of random crops shows: black, or the image "
                               "reflected.", choices=BORDERS, newer=True)
    flip: bool | None = _option("augmentation", None, "Mirror training images at random (default: the data set's).",
                                open=None)
    flip_mode: str = _option("augmentation", "random", "Mirror each image at random in each epoch, or at random in the "
                             "first and alternately after that.", choices=FLIP_MODES, newer=True)
    rotation: float = _option("augmentation", 0.0, "Largest angle of random rotation, in degrees.", low=0, high=180)
    randaugment: int = _option("augmentation", 0, "Number of RandAugment operations per image.", low=0, high=14)
    randaugment_magnitude: float = _option("augmentation", 9.0, "Strength of RandAugment.", low=0, high=10)
    cutout: int = _option("augmentation", 0, "Side of Cutout's black square, in pixels.", low=0, high=4096)
    erasing: float = _option("augmentation", 0.0, "Probability of RandomErasing's rectangle of noise.", low=0, high=1)
    mixup: float = _option("augmentation", 0.0, "Alpha of MixUp; 0 for none.", low=0, high=100)
    cutmix: float = _option("augmentation", 0.0, "Alpha of CutMix; 0 for none.", low=0, high=100)
    augment_on: str = _option("place", "auto", "Where to augment training images (bit-identical): host, device (JAX), "
                              "or auto: on JAX's GPU if the host would be too slow, else on the host.",
                              choices=("auto", "host", "device"), resumable=True)
    store_vectors: bool = _option("place", HeadConfig.store_vectors, "Keep fixed class vectors in saved files; "
                                  "otherwise they are drawn again on loading.")
    selection: str = _option("optimisation", "validation", "Which epoch's weights to keep: the best on validation, the "
                             "last, or the best on TEST, which makes test accuracy too high.", choices=SELECTIONS)
    patience: int | None = _option("optimisation", None, "Stop after this many epochs without improvement "
                                   "(default: never).", low=1, high=1_000_000)
    max_minutes: float | None = _option("optimisation", None, "Stop at the end of an epoch after this many minutes "
                                        "(default: never).", low=0, high=1e6)
    checkpoint_minutes: float = _option("place", 10.0, "Minutes between checkpoints inside an epoch.", low=0, high=1e6,
                                        resumable=True)
    precision: str = _option("machine", "auto", "Precision of training; saved models are float32.",
                             choices=PRECISIONS, open="auto")
    threads: int | None = _option("machine", None, "Threads per operation (default: the number of cores).", low=1,
                                  high=4096, open=None)
    devices: int = _option("machine", 1, "Devices of one kind that share each batch (TensorFlow, JAX).", low=1,
                           high=1024)
    deterministic: bool = _option("machine", False, "Use only operations that are reproducible bit for bit.")
    streaming: str = _option("machine", "auto", "Compute the loss in chunks of classes, never all logits, for many "
                             f"fixed class vectors; auto: if a batch's logits take more than {MEMORY_BYTES >> 20} MB.",
                             choices=("auto", "yes", "no"), newer=True)
    recipe: str = _option("place", "honest", "Named set of values for fields that are not given.")
    logger: str = _option("place", "none", "Additional logger, besides TensorBoard and CSV files.", choices=LOGGERS,
                          resumable=True)
    confusion_counts: bool = _option("place", False, "Write numbers of images into the confusion matrix instead of "
                                     f"percentages, for up to {NUMBERED_CLASSES} classes.", resumable=True)
    runs_dir: str = _option("place", "runs", "Folder of run directories.")

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, _checked(each, getattr(self, each.name)))

    @classmethod
    def field(cls, name: str) -> dataclasses.Field[Any]:
        """Returns the field with this name, with its role, help text and range."""
        return next(each for each in dataclasses.fields(cls) if each.name == name)

    @classmethod
    def names(cls, *roles: str) -> tuple[str, ...]:
        """Returns the names of the fields with one of these roles; of all fields if no role is given.

        Example:
            >>> TrainConfig.names("seed", "machine")
            ('vector_seed', 'seed', 'precision', 'threads', 'devices', 'deterministic', 'streaming')
        """
        if unknown := set(roles) - set(ROLES):
            raise KeyError(f"unknown roles: {', '.join(sorted(unknown))}")
        return tuple(each.name for each in dataclasses.fields(cls) if not roles or each.metadata["role"] in roles)

    def values(self, *roles: str) -> dict[str, Any]:
        """Returns name -> value of the fields with one of these roles; of all fields if no role is given.

        Example:
            >>> TrainConfig(seed=3).values("seed")
            {'vector_seed': None, 'seed': 3}
        """
        return {name: getattr(self, name) for name in self.names(*roles)}

    @property
    def data_fields(self) -> dict[str, Any]:
        """The arguments of `data.run_dataset`."""
        return {**self.values("data"), "data_dir": self.data_dir}

    @property
    def reaches_everywhere(self) -> bool | None:
        """Whether features can be negative, and so reach every direction; None while that is open."""
        return True if self.feature_dim is not None else self.signed_features

    def is_open(self, name: str) -> bool:
        """Returns whether a field has a value that `resolve` replaces.

        Example:
            >>> TrainConfig().is_open("flip"), TrainConfig(flip=False).is_open("flip"), TrainConfig().is_open("classes")
            (True, False, False)
        """
        return bool(getattr(self, name) == self.field(name).metadata["open"])

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary, for `from_dict`."""
        return self.values()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Returns the configuration from a dictionary; missing fields have their defaults.

        Raises:
            ArgumentError: for an unknown key; the message names the closest known one.
        """
        check_names(values)
        return cls(**values)


def check_names(values: Iterable[str]) -> None:
    """Raises an ArgumentError if a name is not a field of `TrainConfig`."""
    known = TrainConfig.names()
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ArgumentError(f"Unknown configuration field {name!r}.",
                                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.")


def arm_name(config: TrainConfig) -> str:
    """Returns the arm of a run: 'cos-fixed', 'cos-learned', 'dot-fixed' or 'dot-learned'.

    Example:
        >>> arm_name(TrainConfig(head="dot", fixed=False))
        'dot-learned'
    """
    return f"{config.head}-{'fixed' if config.fixed else 'learned'}"


def file_stem(config: TrainConfig) -> str:
    """Returns the data set, network and arm of a run as the beginning of a file's name.

    Example:
        >>> file_stem(TrainConfig(dataset="photographs/birds", model="keras_hub/presets/tiny", head="dot", fixed=True))
        'birds-keras_hub-tiny-dot-fixed'
    """
    return f"{PurePath(config.dataset).name}-{short_name(config.model).replace('/', '-')}-{arm_name(config)}"


def scale_text(config: TrainConfig) -> str:
    """Returns the scale of a run in words: '30', 'auto' or 'learned'.

    Example:
        >>> scale_text(TrainConfig(scale=30)), scale_text(TrainConfig(scale="learned"))
        ('30', 'learned')
    """
    return config.scale if isinstance(config.scale, str) else f"{config.scale:g}"


@functools.cache
def _types() -> dict[str, tuple[type, ...]]:
    hints = get_type_hints(TrainConfig)
    return {name: get_args(hint) or (hint,) for name, hint in hints.items()}


def _checked(each: dataclasses.Field[Any], value: Any) -> Any:
    """The checked value of a field; an int becomes a float if a float is expected.

    Where both are allowed, whole numbers are ints, so that they look the same in files and digests however they came.
    """
    types = _types()[each.name]
    if type(value) is int and value.bit_length() > 64:
        raise ArgumentError(f"{each.name} must be a number of at most 64 bits, got one of {value.bit_length()} bits.")
    if each.name == "image_size" and isinstance(value, str):
        height, width = picture_sides(value)
        value = width if width == height else f"{width}x{height}"
    either = float in types and str in types
    if isinstance(value, str) and either:  # a number or a word; on the command line both are text
        with contextlib.suppress(ValueError):
            value = float(value)
    if float in types and type(value) in (int, float):
        whole = int in types and math.isfinite(value) and value == int(value)
        value = int(value) if whole else float(value)
    if type(value) not in types:
        expected = " or ".join("null" if kind is NoneType else kind.__name__ for kind in types)
        raise ArgumentError(f"{each.name} must be {expected}, got {value!r}.")
    if value is None:
        return value
    if isinstance(value, str) and either and value not in each.metadata["choices"]:
        raise ArgumentError(f"{each.name} must be a number or one of {', '.join(each.metadata['choices'])}, got "
                            f"{value!r}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ArgumentError(f"{each.name} must be a finite number, got {value}.")
    if each.metadata["choices"] and not isinstance(value, float) and not (each.name == "dataset" and is_folder(value)):
        if each.name == "model":
            if not is_preset(value):  # a stored run can be read without its preset
                find_model(value)
        else:
            look_up(dict.fromkeys(each.metadata["choices"]), value, each.name)
    if isinstance(value, str):
        return value
    low, high = each.metadata["low"], each.metadata["high"]
    if low is not None and value < low:
        raise ArgumentError(f"{each.name} must be at least {low:g}, got {value:g}.")
    if high is not None and value > high:
        raise ArgumentError(f"{each.name} must be at most {high:g}, got {value:g}.")
    return value
