"""What a run is made from: one flat, frozen dataclass.

A field's name is the option on the command line (`--label-smoothing`), the key in config.json and the axis of a sweep.
Each default stands here and nowhere else.
"""
import contextlib
import dataclasses
import difflib
import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from keras_fixhead.catalog import LOSSES, MARGINS, MODELS, POOLINGS, feature_dim, look_up
from keras_fixhead.data.catalog import DATASETS, DatasetEntry
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.hardware import PRECISIONS, cpu_count, gpus, keras_backend, resolve_precision
from keras_fixhead.head_config import BIASES, HEADS, SCALE_WORDS
from keras_fixhead.vectors import KINDS, adacos_scale, class_vectors, kind_of, vectors_digest

SCHEDULES = ("cosine", "one_cycle", "constant", "plateau")
SELECTIONS = ("validation", "last", "test")
NORMALIZATIONS = ("dataset", "half")
LOGGERS = ("none", "mlflow", "wandb")


def _option(default: Any, help: str, *, choices: Iterable[str] = (), low: float | None = None,
            high: float | None = None, result: bool = True) -> Any:
    """A field with its text, its range, and whether its value changes what training gives (`result`)."""
    return field(default=default, metadata={
        "help": help, "choices": tuple(choices), "low": low, "high": high, "result": result})


_AUGMENTATION = 2  # how pixels are computed: 2 since it is in whole numbers
_INITIAL_WEIGHTS = 2  # how they are drawn: 2 since one seed gives the same ones on every backend


@dataclass(frozen=True)
class TrainConfig:
    """A training run, described.

    Fields that are None are filled in by `resolve`: from the data set, the machine, or other fields.

    Raises:
        ArgumentError: (a ValueError) if a value has the wrong type, is out of its range, or names nothing known.

    Example:
        >>> TrainConfig(dataset="cifar10", head="cos", fixed=True).scale
        1.0
        >>> TrainConfig(epochs=-1)
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: epochs must be at least 1, got -1.
    """

    dataset: str = _option("digits", "Data set, packed set, or folder of images with one subfolder a class.",
                           choices=DATASETS)
    data_dir: str | None = _option(None, "Folder of packed or prepared data sets (default: $TFDS_DATA_DIR, TFDS's "
                                   "own).",
                                   result=False)
    image_size: int | None = _option(None, "Side of the squares that a folder's pictures are made into (default: the "
                                     "side of its first one, which all must have).", low=8, high=4096)
    classes: str | None = _option(None, "Only these classes: names of classes or groups, with commas between them.")
    limit_train: int | None = _option(None, "Use so many training images, as many of each class.", low=1, high=10**12)
    imbalance: float = _option(1.0, "Long-tailed training images: largest to smallest class.", low=1, high=1e6)
    hold_out: bool = _option(True, "Hold a tenth of the training images out for validation.")
    normalization: str = _option("dataset", "Pixels become numbers by the mean and deviation of the training images, "
                                 "or by 0.5 and 0.5.", choices=NORMALIZATIONS)
    model: str = _option("resnet18", "Network.", choices=MODELS)
    width: float = _option(1.0, "Factor on the network's channels.", low=1 / 64, high=16)
    signed_features: bool | None = _option(None, "End without a ReLU, so that features can be negative (default: the "
                                           "network's usual form).")
    pooling: str = _option("global", "From feature map to features: its mean, or means of 4x4 positions.",
                           choices=POOLINGS)
    head: str = _option("cos", "Logits: dot products or cosines.", choices=HEADS)
    fixed: bool = _option(True, "Keep the class vectors as drawn, or learn them.")
    scale: float | str = _option(1.0, "Factor S on the logits: a number, auto (sqrt(2) ln(m - 1)) or learned.",
                                 choices=SCALE_WORDS, low=1e-3, high=1e4)
    bias: str = _option("none", "Bias of the logits; it starts at 0.01.", choices=BIASES)
    class_vectors: str = _option("uniform", "Kind of class vectors.", choices=KINDS)
    rotate: bool = _option(True, "Rotate simplex, orthoplex and hypercube at random.")
    vector_lr: float = _option(1.0, "Factor on the learning rate of learned class vectors.", low=0, high=1)
    vector_seed: int | None = _option(None, "Seed of the class vectors (default: --seed).", low=0, high=2**63 - 1)
    seed: int = _option(0, "Seed of initial weights, data order and augmentation.", low=0, high=2**63 - 1)
    loss: str = _option("cross_entropy", "Loss.", choices=LOSSES)
    margin: str = _option("none", "Margin of the true class's cosine in training.", choices=("none", *MARGINS))
    margin_size: float | None = _option(None, "Size of the margin (default: the published one).", low=0, high=3.1)
    label_smoothing: float = _option(0.0, "Share of the target spread over all classes.", low=0, high=0.999)
    epochs: int = _option(200, "Passes over the training images.", low=1, high=1_000_000)
    batch_size: int = _option(128, "Images a step.", low=1, high=1_000_000)
    partial_batch: bool = _option(False, "Show what is left over at the end of an epoch as a smaller batch.")
    lr: float = _option(0.1, "Peak learning rate.", low=0, high=1e4)
    momentum: float = _option(0.9, "Nesterov momentum of SGD.", low=0, high=0.9999)
    schedule: str = _option("cosine", "Learning rate after warm-up: cosine decay, or one_cycle's straight line, to 0; "
                            "constant; or cut on a plateau of accuracy.", choices=SCHEDULES)
    plateau_patience: int = _option(3, "Epochs without a gain before the plateau schedule cuts the rate.", low=0,
                                    high=1_000_000)
    plateau_factor: float = _option(0.2, "What the plateau schedule multiplies the rate by.", low=1e-6, high=1)
    warmup_fraction: float = _option(0.025, "Share of the steps in which the rate rises from 0.", low=0, high=1)
    weight_decay: float = _option(5e-4, "torch's c: an L2 penalty of c/2 on the backbone's kernels.", low=0, high=1e3)
    vector_weight_decay: float = _option(0.0, "The same on learned class vectors and a learned bias.", low=0, high=1e3)
    decay_norms: bool = _option(False, "The same penalty on gamma and beta of batch normalisation.")
    crop_padding: int | None = _option(None, "Pixels of black border to crop from (default: the data set's).",
                                       low=0, high=64)
    flip: bool | None = _option(None, "Mirror training images at random (default: the data set's).")
    rotation: float = _option(0.0, "Largest angle of random rotation, in degrees.", low=0, high=180)
    randaugment: int = _option(0, "Operations of RandAugment on each image.", low=0, high=14)
    randaugment_magnitude: float = _option(9.0, "Strength of RandAugment.", low=0, high=10)
    cutout: int = _option(0, "Side of Cutout's black square, in pixels.", low=0, high=4096)
    erasing: float = _option(0.0, "Probability of RandomErasing's rectangle of noise.", low=0, high=1)
    mixup: float = _option(0.0, "Alpha of MixUp; 0 for none.", low=0, high=100)
    cutmix: float = _option(0.0, "Alpha of CutMix; 0 for none.", low=0, high=100)
    augment_on: str = _option("auto", "Where training images are augmented, to the same bits: host, device (JAX), or "
                              "auto: on JAX's GPU what would take the host too long, else on the host.",
                              choices=("auto", "host", "device"), result=False)
    store_vectors: bool = _option(True, "Keep fixed class vectors in saved files; without, they are drawn again.",
                                  result=False)
    selection: str = _option("validation", "Which epoch's weights to keep: the best on validation, the last, or the "
                             "best on TEST, which makes test accuracy too high.", choices=SELECTIONS)
    patience: int | None = _option(None, "Stop after so many epochs without a better accuracy (default: never).",
                                   low=1, high=1_000_000)
    max_minutes: float | None = _option(None, "Stop at the end of an epoch after so many minutes (default: never).",
                                        low=0, high=1e6)
    checkpoint_minutes: float = _option(10.0, "Minutes between checkpoints inside an epoch.", low=0, high=1e6,
                                        result=False)
    precision: str = _option("auto", "Arithmetic of training; saved models are float32.", choices=PRECISIONS)
    threads: int | None = _option(None, "Threads of one operation (default: the cores at hand).", low=1, high=4096)
    devices: int = _option(1, "Devices of one kind that share each batch (TensorFlow, JAX).", low=1, high=1024)
    deterministic: bool = _option(False, "Use only operations that repeat to the bit.")
    class_vectors_digest: str | None = _option(None, "Digest of the class vectors drawn; checked where given.")
    recipe: str = _option("honest", "Named set of values for the fields that are not given.", result=False)
    extended_from: str | None = _option(None, "Epochs of the run when it was extended, with commas between them.")
    logger: str = _option("none", "Another logger beside TensorBoard and CSV files.", choices=LOGGERS, result=False)
    runs_dir: str = _option("runs", "Folder of run directories.", result=False)

    def __post_init__(self) -> None:
        for each in dataclasses.fields(self):
            object.__setattr__(self, each.name, _checked(each, getattr(self, each.name)))

    @classmethod
    def field(cls, name: str) -> dataclasses.Field[Any]:
        """Returns the field of a name, with its text and range."""
        return next(each for each in dataclasses.fields(cls) if each.name == name)

    @property
    def digest(self) -> str:
        """Name of the run among others: sha256 of the fields that change the result, as canonical JSON."""
        relevant = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.metadata["result"]}
        relevant["initial_weights"] = _INITIAL_WEIGHTS
        if any(relevant[name] for name in ("rotation", "randaugment", "erasing", "mixup", "cutmix")):
            relevant["augmentation"] = _AUGMENTATION
        return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Returns the fields as a dictionary that `from_dict` takes back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Returns the configuration of a dictionary; fields left out have their defaults.

        Raises:
            ArgumentError: for an unknown key; it names the nearest known one.
        """
        check_names(values)
        return cls(**values)


def check_names(values: Iterable[str]) -> None:
    """Raises an ArgumentError if a name is no field of `TrainConfig`."""
    known = [each.name for each in dataclasses.fields(TrainConfig)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ArgumentError(f"Unknown configuration field {name!r}.",
                                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.")


def read_config_file(path: Path) -> dict[str, Any]:
    """Returns the fields in a JSON file: a run's config.json, or what `fixhead train --dry-run` prints.

    Raises:
        ArgumentError: if the file cannot be read or holds no JSON object of known fields.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArgumentError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ArgumentError(f"{path} is no JSON: {error}.") from None
    if not isinstance(content, dict):
        raise ArgumentError(f"{path} holds no JSON object of configuration fields.")
    values = content.get("config", content)  # --dry-run prints the configuration among other things
    if not isinstance(values, dict):
        raise ArgumentError(f"{path} holds no JSON object of configuration fields.")
    values = {name: value for name, value in values.items() if name not in ("schema", "config_digest")}
    check_names(values)
    return values


def resolve(config: TrainConfig, *, gpu: bool | None = None) -> TrainConfig:
    """Returns the configuration with nothing left open: data set's augmentation, this machine's precision and threads.

    Args:
        config: what was asked for.
        gpu: whether the framework computes on a GPU; None, where none is loaded, for what nvidia-smi says.

    Raises:
        ArgumentError: for fields that contradict each other, or if `class_vectors_digest` is given and names other
            class vectors than those described.
        DataError: if the data set is a folder of images, and it is none.
    """
    entry = dataset_entry(config)
    _check_data(config, entry)
    _check_head(config)
    _check_training(config)
    scale = adacos_scale(entry.num_classes) if config.scale == "auto" else config.scale
    vector_seed = config.seed if config.vector_seed is None else config.vector_seed
    dim = feature_dim(config.model, config.width, entry.image_shape, config.pooling)
    digest = _class_vectors_digest(config.class_vectors, entry.num_classes, dim, vector_seed, config.rotate)
    if config.class_vectors_digest not in (None, digest):
        raise ArgumentError(
            f"class_vectors_digest is {config.class_vectors_digest}, but kind {config.class_vectors!r} with seed "
            f"{vector_seed} gives {digest}.",
            hint="Leave class_vectors_digest out of the configuration, or restore the other fields.",
        )
    return dataclasses.replace(
        config,
        dataset=str(Path(config.dataset).expanduser().absolute()) if is_folder(config.dataset) else config.dataset,
        signed_features=MODELS[config.model].signed_features if config.signed_features is None
        else config.signed_features,
        scale=scale,
        vector_seed=vector_seed,
        class_vectors_digest=digest,
        margin_size=MARGINS[config.margin].size if config.margin != "none" and config.margin_size is None
        else config.margin_size,
        crop_padding=entry.crop_padding if config.crop_padding is None else config.crop_padding,
        flip=entry.flip if config.flip is None else config.flip,
        precision=resolve_precision(config.precision, gpu=gpu),
        # PyTorch takes its threads from the environment
        threads=cpu_count() if config.threads is None and keras_backend() != "torch" else config.threads,
        data_dir=None if config.data_dir is None else str(Path(config.data_dir).expanduser().absolute()),
    )


def dataset_entry(config: TrainConfig) -> DatasetEntry:
    """Returns what is known of a run's data set before its images are read."""
    return describe(config.dataset, config.data_dir, image_size=config.image_size, classes=config.classes)


def _check_data(config: TrainConfig, entry: DatasetEntry) -> None:
    """What the fields of the data ask for together."""
    if entry.tests is not None:
        raise ArgumentError(f"{config.dataset} has no training images: it is a test set for models of {entry.tests}.",
                            hint=f"fixhead evaluate RUN --dataset {config.dataset}")
    if not config.hold_out and config.selection == "validation":
        raise ArgumentError("Without hold_out there are no validation images to select an epoch by.",
                            hint="Use --selection last (or test, which makes test accuracy too high).")
    if not config.hold_out and config.selection == "last" and (config.patience or config.schedule == "plateau"):
        raise ArgumentError("Without hold_out there are no validation images to see a plateau on.",
                            hint="Leave --no-hold-out out.")


def _check_training(config: TrainConfig) -> None:
    """What the fields of the training ask for together."""
    if config.schedule == "plateau" and config.warmup_fraction:
        raise ArgumentError("The plateau schedule has no warm-up.", hint="Use --warmup-fraction 0 with it.")
    if config.batch_size % config.devices:
        raise ArgumentError(f"batch_size must be a multiple of devices, got {config.batch_size} for {config.devices}.")
    if config.partial_batch and config.devices > 1:
        raise ArgumentError("A partial batch cannot be shared by several devices.", hint="Leave --partial-batch out.")
    if config.augment_on == "device" and keras_backend() != "jax":
        raise ArgumentError(f"augment_on is 'device', but only JAX takes batches that are there; this backend is "
                            f"{keras_backend()}.", hint="Use --augment-on auto, or KERAS_BACKEND=jax.")


def _check_head(config: TrainConfig) -> None:
    """What the fields of the head ask for together."""
    if not config.store_vectors and not (config.fixed and kind_of(config.class_vectors).by_class):
        able = ", ".join(name for name, kind in KINDS.items() if kind.by_class)
        raise ArgumentError(f"store_vectors is off for {'fixed' if config.fixed else 'learned'} class vectors of kind "
                            f"{config.class_vectors!r}, which cannot be drawn again everywhere.",
                            hint=f"Leave --no-store-vectors out, or use --fixed and one of {able}.")
    if config.margin == "none":
        if config.margin_size is not None:
            raise ArgumentError("margin_size is given, but no margin.", hint=f"--margin {'|'.join(MARGINS)}")
    elif config.head != "cos":
        raise ArgumentError(f"margin {config.margin!r} changes a cosine, but the logits are dot products.",
                            hint="Use --head cos with it.")
    elif config.bias != "none":
        raise ArgumentError(f"margin {config.margin!r} changes a cosine, and a bias is none.", hint="Use --bias none.")
    elif config.margin_size is not None and config.margin_size >= MARGINS[config.margin].largest:
        raise ArgumentError(f"margin_size must be below {MARGINS[config.margin].largest:g} for {config.margin}, got "
                            f"{config.margin_size:g}.")


def arm_name(config: TrainConfig) -> str:
    """Returns the arm of a run: 'cos-fixed', 'cos-learned', 'dot-fixed' or 'dot-learned'.

    Example:
        >>> arm_name(TrainConfig(head="dot", fixed=False))
        'dot-learned'
    """
    return f"{config.head}-{'fixed' if config.fixed else 'learned'}"


def scale_text(config: TrainConfig) -> str:
    """Returns the scale of a run in words: '30', 'auto' or 'learned'.

    Example:
        >>> scale_text(TrainConfig(scale=30)), scale_text(TrainConfig(scale="learned"))
        ('30', 'learned')
    """
    return config.scale if isinstance(config.scale, str) else f"{config.scale:g}"


def train_size(config: TrainConfig) -> int:
    """Returns the number of training images of a run; an estimate where classes of different sizes are chosen from."""
    entry = dataset_entry(config)
    size = entry.train + (0 if config.hold_out else entry.validation)
    size = size if config.limit_train is None else min(size, config.limit_train)
    if config.imbalance == 1:
        return size
    ranks = range(entry.num_classes)
    return sum(max(1, round(size / entry.num_classes * config.imbalance ** (-rank / max(1, len(ranks) - 1))))
               for rank in ranks)


def steps_of(images: int, batch_size: int, partial_batch: bool = False) -> int:
    """Returns the training steps of an epoch: whole batches only, or one smaller batch of all there is.

    Example:
        >>> steps_of(5_000, 32), steps_of(5_000, 32, partial_batch=True)
        (156, 157)
    """
    return max(1, -(-images // batch_size) if partial_batch else images // batch_size)


def steps_per_epoch(config: TrainConfig, images: int | None = None) -> int:
    """Returns the training steps of an epoch.

    Args:
        config: the configuration.
        images: training images; None for what is known without reading them.

    Example:
        >>> steps_per_epoch(TrainConfig(dataset="cifar10", limit_train=20_480, batch_size=128))
        160
    """
    return steps_of(train_size(config) if images is None else images, config.batch_size, config.partial_batch)


def step_time_key(config: TrainConfig) -> str:
    """Returns the name under which this machine remembers the time of such a training step."""
    parts = (keras_backend(), *(name for name, _ in gpus()), config.model, f"width{config.width:g}",
             f"{dataset_entry(config).image_shape[0]}px", f"batch{min(config.batch_size, train_size(config))}",
             config.precision, f"threads{config.threads}", *([f"devices{config.devices}"] * (config.devices > 1)))
    return " ".join(parts)


@functools.lru_cache(maxsize=16)
def _class_vectors_digest(kind: str, num_classes: int, dim: int, seed: int, rotate: bool) -> str:
    return vectors_digest(class_vectors(kind, num_classes, dim, seed, rotate=rotate))


@functools.cache
def _types() -> dict[str, tuple[type, ...]]:
    hints = get_type_hints(TrainConfig)
    return {name: get_args(hint) or (hint,) for name, hint in hints.items()}


def _checked(each: dataclasses.Field[Any], value: Any) -> Any:
    """The value of a field, an int widened to float where a float is meant; or an error."""
    types = _types()[each.name]
    either = float in types and str in types
    if isinstance(value, str) and either:  # a number or one of a few words; a command line has text only
        with contextlib.suppress(ValueError):
            value = float(value)
    if float in types and type(value) is int:
        value = float(value)
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
        look_up(dict.fromkeys(each.metadata["choices"]), value, each.name)
    if isinstance(value, str):
        return value
    low, high = each.metadata["low"], each.metadata["high"]
    if low is not None and value < low:
        raise ArgumentError(f"{each.name} must be at least {low:g}, got {value:g}.")
    if high is not None and value > high:
        raise ArgumentError(f"{each.name} must be at most {high:g}, got {value:g}.")
    return value
