"""Checks between the fields of a configuration; `implied` resolves what can be resolved before."""
from typing import Any

from keras_fixhead.catalog import MARGINS, size_without_margin
from keras_fixhead.config.train_config import TrainConfig
from keras_fixhead.data.balance import check_weighed_classes, parse_class_weights
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.errors import ArgumentError
from keras_fixhead.hardware import keras_backend
from keras_fixhead.head_config import BYTES_PER_LOGIT, MEMORY_BYTES
from keras_fixhead.vectors import KINDS, kind_of

PICTURE_FIELDS = (*TrainConfig.names("augmentation"), "augment_on", "normalization", "fit", "decoding",
                  "skip_broken")
"""Fields that only make sense for pictures."""


def check_data(config: TrainConfig, entry: DatasetEntry) -> None:
    """Raises an ArgumentError for a data set that cannot be trained on as requested."""
    if entry.tests is not None:
        raise ArgumentError(f"{config.dataset} has no training images: it is a test set for models trained on "
                            f"{entry.tests}.",
                            hint=f"Measure a trained run on it: fixhead evaluate RUN --dataset {config.dataset}")
    if entry.label_names is not None:
        check_weighed_classes(config.class_weights, entry.label_names)
    if lacks_validation_to_select(config):
        raise ArgumentError("Without hold_out there are no validation images to select the best epoch on.",
                            hint="Use --selection last (or test, which makes test accuracy too high).")
    if lacks_validation_to_watch(config):
        raise ArgumentError("Without hold_out there are no validation images to detect a plateau on.",
                            hint="Leave out --no-hold-out.")


def check_vectors(config: TrainConfig, entry: DatasetEntry) -> None:
    """Raises an ArgumentError for options that only make sense for pictures, if the data are vectors."""
    if not entry.has_vectors:
        return
    if changed := [name for name in PICTURE_FIELDS if changes_pictures(config, name)]:
        raise ArgumentError(f"{changed[0]} applies to pictures, but {config.dataset} has vectors.",
                            hint=f"Leave out {option(changed[0], getattr(config, changed[0]))}.")
    if learns_nothing(config):
        raise ArgumentError("Nothing would be learned: the vectors go straight to fixed class vectors.",
                            hint="Use --model mlp, --feature-dim N for a linear layer, or --learned.")


def option(name: str, value: Any) -> str:
    """Returns the option that gives a field a value.

    Example:
        >>> option("augment_on", "host"), option("signed_features", False), option("fixed", False)
        ('--augment-on', '--no-signed-features', '--learned')
    """
    if name == "fixed" and value is False:
        return "--learned"
    return f"--{'no-' * (value is False)}{name.replace('_', '-')}"


def changes_pictures(config: TrainConfig, name: str) -> bool:
    """Returns whether a field asks for something that can be done with pictures only."""
    return bool(getattr(config, name)) if name in ("crop_padding", "flip") else is_changed(config, name)


def check_augmentation(config: TrainConfig) -> None:
    """Raises an ArgumentError for options of augmentation that contradict each other."""
    if fills_no_border(config):
        raise ArgumentError("crop_border is 'reflect', but crop_padding is 0, so there is no border.",
                            hint="Use --crop-padding 2, or --crop-border black.")
    if alternates_no_flips(config):
        raise ArgumentError("flip_mode is 'alternating', but flip is off.",
                            hint="Use --flip, or --flip-mode random.")


def check_training(config: TrainConfig) -> None:
    """Raises an ArgumentError for training options that contradict each other."""
    if warms_up_to_a_plateau(config):
        raise ArgumentError("The plateau schedule has no warm-up.", hint="Use --warmup-fraction 0.")
    for name in ("initial_lr_fraction", "final_lr_fraction"):
        if shapes_no_triangle(config, name):
            raise ArgumentError(f"{name} applies only to the triangular schedule, but schedule is {config.schedule!r}.",
                                hint="Use --schedule triangular.")
    if decays_twice(config):
        raise ArgumentError("AdamW has its own weight decay and takes no L2 penalty.",
                            hint="Use --decoupled-decay C, with --weight-decay 0 and --vector-weight-decay 0.")
    if decouples_nothing(config):
        raise ArgumentError(f"decoupled_decay applies only to AdamW, but optimizer is {config.optimizer!r}.",
                            hint="Use --optimizer adamw, or --weight-decay C.")
    if averages_twice(config):
        raise ArgumentError("Lookahead and ema both average the weights.",
                            hint="Use one of them: --ema 0, or --lookahead-every 0.")
    if config.class_weights is not None:
        parse_class_weights(config.class_weights)
    if config.batch_size % config.devices:
        raise ArgumentError(f"batch_size must be a multiple of devices, got {config.batch_size} for {config.devices}.")
    if config.partial_batch and config.devices > 1:
        raise ArgumentError("A partial batch cannot be split between devices.", hint="Leave out --partial-batch.")
    if accumulates_on_devices(config):
        raise ArgumentError(f"accumulate is {config.accumulate}, but TensorFlow does not accumulate gradients on "
                            f"several devices; devices is {config.devices}.",
                            hint="Use --accumulate 1, or --devices 1.")
    if config.augment_on == "device" and keras_backend() != "jax":
        raise ArgumentError(f"augment_on is 'device', but only JAX takes batches that are already on the device; the "
                            f"backend is {keras_backend()}.", hint="Use --augment-on auto, or KERAS_BACKEND=jax.")


def check_head(config: TrainConfig) -> None:
    """Raises an ArgumentError for head options that contradict each other."""
    if stores_too_little(config):
        able = ", ".join(name for name, kind in KINDS.items() if kind.by_class)
        raise ArgumentError(f"store_vectors is off for {'fixed' if config.fixed else 'learned'} class vectors of kind "
                            f"{config.class_vectors!r}, which cannot be drawn again on every machine.",
                            hint=f"Leave out --no-store-vectors, or use --fixed and one of {able}.")
    if config.margin == "none":
        if config.margin_size is not None:
            raise size_without_margin(f"Use --margin {' or '.join(MARGINS)}, or leave out --margin-size.")
    elif config.head != "cos":
        raise ArgumentError(f"margin {config.margin!r} needs cosines, but the logits are dot products.",
                            hint="Use --head cos.")
    elif config.bias != "none":
        raise ArgumentError(f"margin {config.margin!r} needs cosines, but a bias is added to them.",
                            hint="Use --bias none.")
    elif config.margin_size is not None and config.margin_size >= MARGINS[config.margin].largest:
        raise ArgumentError(f"margin_size must be below {MARGINS[config.margin].largest:g} for {config.margin}, got "
                            f"{config.margin_size:g}.")


def check_streaming(config: TrainConfig) -> None:
    """Raises an ArgumentError if a loss that streams is asked for with a head or data that it cannot have."""
    if config.streaming == "yes" and (reason := stops_streaming(config)):
        raise ArgumentError(f"streaming is 'yes', but {reason}.", hint="Use --streaming auto.")


def stops_streaming(config: TrainConfig) -> str | None:
    """Returns why a configuration cannot have a streaming head; None if it can.

    Example:
        >>> stops_streaming(TrainConfig(fixed=False))
        'learned class vectors need their whole gradient in memory'
    """
    if not config.fixed:
        return "learned class vectors need their whole gradient in memory"
    if config.bias != "none":
        return f"bias is {config.bias!r}, whose gradient needs another pass over all classes"
    if config.mixup or config.cutmix:
        return "MixUp and CutMix need the logits of two classes per image"
    return "several devices share a batch" if config.devices > 1 else None


def streams(config: TrainConfig, num_classes: int) -> bool:
    """Returns whether a run has a streaming head, and never all logits.

    Args:
        config: the configuration.
        num_classes: number of classes of its data.

    Example:
        >>> streams(TrainConfig(), 10), streams(TrainConfig(batch_size=128), 100_000)
        (False, True)
    """
    if config.streaming != "auto":
        return config.streaming == "yes"
    return stops_streaming(config) is None and logits_bytes(config, num_classes) > MEMORY_BYTES


def logits_bytes(config: TrainConfig, num_classes: int) -> int:
    """Returns the memory that all logits of a batch take in training, with what is computed from them."""
    return BYTES_PER_LOGIT * config.batch_size * num_classes


def lacks_validation_to_select(config: TrainConfig) -> bool:
    """Returns whether the best epoch is to be selected on validation images that are not held out."""
    return not config.hold_out and config.selection == "validation"


def lacks_validation_to_watch(config: TrainConfig) -> bool:
    """Returns whether a plateau is to be detected on validation images that are not held out."""
    watches = config.patience is not None or config.schedule == "plateau"
    return not config.hold_out and config.selection == "last" and watches


def warms_up_to_a_plateau(config: TrainConfig) -> bool:
    """Returns whether the plateau schedule, which has no warm-up, is combined with one."""
    return config.schedule == "plateau" and config.warmup_fraction > 0


def shapes_no_triangle(config: TrainConfig, *names: str) -> bool:
    """Returns whether fields of the triangular schedule are changed, while the schedule is another one."""
    return config.schedule != "triangular" and any(is_changed(config, name) for name in names)


def decays_twice(config: TrainConfig) -> bool:
    """Returns whether AdamW, which decays weights itself, is combined with an L2 penalty."""
    return config.optimizer == "adamw" and max(config.weight_decay, config.vector_weight_decay) > 0


def decouples_nothing(config: TrainConfig) -> bool:
    """Returns whether AdamW's decay is set, while the optimizer is another one."""
    return config.optimizer != "adamw" and is_changed(config, "decoupled_decay")


def averages_twice(config: TrainConfig) -> bool:
    """Returns whether weights are averaged by Lookahead and by a moving average."""
    return config.ema > 0 and config.lookahead_every > 0


def accumulates_on_devices(config: TrainConfig) -> bool:
    """Returns whether gradients are to be accumulated on several devices, which Keras on TensorFlow cannot."""
    return config.accumulate > 1 and config.devices > 1 and keras_backend() == "tensorflow"


def is_changed(config: TrainConfig, name: str) -> bool:
    """Returns whether a field does not have its default."""
    return bool(getattr(config, name) != TrainConfig.field(name).default)


def fills_no_border(config: TrainConfig) -> bool:
    """Returns whether the border of crops is to be reflected, but there is none."""
    return config.crop_border == "reflect" and config.crop_padding == 0


def alternates_no_flips(config: TrainConfig) -> bool:
    """Returns whether images are to be mirrored in alternation, but not at all."""
    return config.flip_mode == "alternating" and config.flip is False


def learns_nothing(config: TrainConfig) -> bool:
    """Returns whether no weight would be trained: vectors that go to fixed class vectors as they are."""
    return (config.model == "none" and config.feature_dim is None and config.fixed and config.scale != "learned"
            and config.bias != "learned")


def stores_too_little(config: TrainConfig) -> bool:
    """Returns whether class vectors that could not be drawn again are left out of saved files."""
    return not config.store_vectors and not (config.fixed and kind_of(config.class_vectors).by_class)
