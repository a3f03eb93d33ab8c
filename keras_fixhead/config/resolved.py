"""Resolving a configuration: filling in all open fields, and describing its data set."""
import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead.catalog import MARGINS, feature_dim, find_model
from keras_fixhead.config.checks import (
    check_augmentation,
    check_data,
    check_head,
    check_streaming,
    check_training,
    check_vectors,
)
from keras_fixhead.config.length import Length, steps_of
from keras_fixhead.config.pretrained import IMAGENET, pretrained_of
from keras_fixhead.config.train_config import RESULT_ROLES, TrainConfig
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.hardware import cpu_count, gpus, keras_backend, resolve_precision, stored_step_seconds
from keras_fixhead.hub_presets import absolute_name
from keras_fixhead.vectors import adacos_scale, draw_digest

_AUGMENTATION = 2  # version of pixel computation: 2 since it uses integers
_LIMIT = 2  # version of `limit_train`: 2 since it takes the same number from each class
_INITIAL_WEIGHTS = 2  # version of the draw: 2 since a seed gives the same weights on every backend


@dataclass(frozen=True)
class Resolved:
    """A configuration with all open fields filled in.

    Attributes:
        asked: the configuration as asked for.
        config: the same fields, with every open one filled in.
        data: what is known about the data set before its images are read.
        dim: number of features d.
        class_vectors_digest: digest of the draw of the class vectors, from `vectors.draw_digest`.
    """

    asked: TrainConfig
    config: TrainConfig
    data: DatasetEntry
    dim: int
    class_vectors_digest: str

    @property
    def digest(self) -> str:
        """The digest that identifies a run of this configuration."""
        return run_digest(self.config, self.class_vectors_digest)

    @property
    def train_size(self) -> int:
        """Number of training images; an estimate if they are chosen from classes of different sizes."""
        return train_size(self.config, self.data)

    @property
    def steps_per_epoch(self) -> int:
        """Training steps per whole epoch, as far as known before the images are read."""
        return self.length(self.train_size).steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Training steps of all epochs, as far as known before the images are read."""
        return self.length(self.train_size).total

    def length(self, images: int, extended_from: tuple[float, ...] = ()) -> Length:
        """Returns the epochs and steps of the training for a number of training images.

        Args:
            images: number of training images.
            extended_from: numbers of epochs at which the run was extended.
        """
        return length_of(self.config, images, extended_from)

    @property
    def step_time_key(self) -> str:
        """Key under which this machine stores the time of such a training step."""
        config = self.config
        if self.data.has_vectors:
            size = f"{self.data.image_shape[0]}numbers {self.data.num_classes}classes"
        else:
            height, width = self.data.image_shape[:2]
            size = f"{height}px" if height == width else f"{width}x{height}px"
        parts = (keras_backend(), *(name for name, _ in gpus()), config.model, f"width{config.width:g}",
                 size, f"batch{min(config.batch_size, self.train_size)}",
                 config.precision, f"threads{config.threads}", *([f"devices{config.devices}"] * (config.devices > 1)))
        return " ".join(parts)

    @property
    def timed_seconds(self) -> float | None:
        """Seconds of the whole training, from a step timed on this machine before; None if none was."""
        step_seconds = stored_step_seconds(self.step_time_key)
        return None if step_seconds is None else step_seconds * self.total_steps

    def for_device(self, *, gpu: bool) -> "Resolved":
        """Returns the same configuration for the device that the framework computes on, once that is known."""
        precision = resolve_precision(self.asked.precision, gpu=gpu)
        return dataclasses.replace(self, config=dataclasses.replace(self.config, precision=precision))


def resolve(asked: TrainConfig, *, gpu: bool | None = None) -> Resolved:
    """Returns a configuration with all open fields filled in, from the data set, this machine or other fields.

    Args:
        asked: the configuration as asked for.
        gpu: whether the framework computes on a GPU; None to ask nvidia-smi, as long as no framework is loaded.

    Raises:
        ArgumentError: for fields that contradict each other.
        DataError: if the data set is a folder of images that cannot be used.

    Example:
        >>> resolved = resolve(TrainConfig(dataset="cifar10", seed=3))
        >>> resolved.config.vector_seed, resolved.config.flip, resolved.dim, resolved.steps_per_epoch
        (3, True, 512, 351)
    """
    entry = dataset_entry(asked)
    check_data(asked, entry)
    check_vectors(asked, entry)
    check_augmentation(asked)
    check_head(asked)
    check_training(asked)
    check_streaming(asked)
    config = dataclasses.replace(
        asked,
        dataset=_absolute(asked.dataset) if is_folder(asked.dataset) else asked.dataset,
        data_dir=None if asked.data_dir is None else _absolute(asked.data_dir),
        model=absolute_name(asked.model),
        signed_features=find_model(asked.model).ends_signed(asked.signed_features),
        pretrained=pretrained_of(asked),
        init_from=None if asked.init_from is None else _absolute(asked.init_from),
        weights=asked.weights if asked.weights in ("none", IMAGENET) else _absolute(asked.weights),
        scale=adacos_scale(entry.num_classes) if asked.scale == "auto" else asked.scale,
        vector_seed=asked.seed if asked.vector_seed is None else asked.vector_seed,
        margin_size=MARGINS[asked.margin].size if asked.margin != "none" and asked.margin_size is None
        else asked.margin_size,
        crop_padding=entry.crop_padding if asked.crop_padding is None else asked.crop_padding,
        fit=entry.fit,
        decoding=entry.decoding,
        flip=entry.flip if asked.flip is None else asked.flip,
        flip_mode=asked.flip_mode if asked.flip or (asked.flip is None and entry.flip) else "random",
        precision=resolve_precision(asked.precision, gpu=gpu),
        # PyTorch takes its number of threads from the environment
        threads=cpu_count() if asked.threads is None and keras_backend() != "torch" else asked.threads,
    )
    own_dim = feature_dim(config.model, config.width, entry.image_shape, config.pooling)
    dim = own_dim if config.feature_dim is None else config.feature_dim
    digest = _draw_digest(config.class_vectors, entry.num_classes, dim, config.vector_seed or 0, config.rotate)
    return Resolved(asked, config, entry, dim, digest)


def dataset_entry(config: TrainConfig) -> DatasetEntry:
    """Returns what is known about a run's data set before its images are read."""
    entry = describe(config.dataset, config.data_dir, image_size=config.image_size, fit=config.fit,
                     decoding=config.decoding, classes=config.classes)
    if not config.grey:
        return entry
    if len(entry.image_shape) != 3:
        raise ArgumentError(f"{config.dataset} has vectors, not pictures.", hint="Leave --grey out.")
    return dataclasses.replace(entry, image_shape=(*entry.image_shape[:2], 1))


def run_digest(config: TrainConfig, class_vectors_digest: str, extended_from: str | None = None) -> str:
    """Returns the digest that identifies a run: the sha256 of all that affects its result, as canonical JSON.

    Args:
        config: the resolved configuration.
        class_vectors_digest: digest of the draw of the class vectors.
        extended_from: numbers of epochs at which the run was extended, separated by commas.
    """
    relevant = _distinguishing(config) | {
        "class_vectors_digest": class_vectors_digest, "extended_from": extended_from,
        "initial_weights": _INITIAL_WEIGHTS}
    if any((config.rotation, config.randaugment, config.erasing, config.mixup, config.cutmix)):
        relevant["augmentation"] = _AUGMENTATION
    if config.limit_train is not None:
        relevant["limit"] = _LIMIT
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _distinguishing(config: TrainConfig) -> dict[str, Any]:
    """The fields that affect the result, without newer ones at their defaults."""
    return {name: value for name, value in config.values(*RESULT_ROLES).items()
            if not (found := TrainConfig.field(name)).metadata["newer"] or value != found.default}


def length_of(config: TrainConfig, images: int, extended_from: tuple[float, ...] = ()) -> Length:
    """Returns the epochs and steps of a training for a number of training images; see `Resolved.length`."""
    return Length(config.epochs, steps_of(images, config.batch_size, config.partial_batch), extended_from)


def train_size(config: TrainConfig, data: DatasetEntry) -> int:
    """Returns the number of training images; an estimate if they are chosen from classes of different sizes."""
    size = data.train + (0 if config.hold_out else data.validation)
    size = size if config.limit_train is None else min(size, config.limit_train)
    if config.imbalance == 1:
        return size
    ranks = range(data.num_classes)
    return sum(max(1, round(size / data.num_classes * config.imbalance ** (-rank / max(1, len(ranks) - 1))))
               for rank in ranks)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


@functools.lru_cache(maxsize=16)
def _draw_digest(kind: str, num_classes: int, dim: int, seed: int, rotate: bool) -> str:
    return draw_digest(kind, num_classes, dim, seed, rotate=rotate)
