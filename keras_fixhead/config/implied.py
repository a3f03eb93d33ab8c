"""What explicit options imply for fields that were not given explicitly, as a table.

Values from a recipe, a file or a default yield to what an explicit option implies. Explicit options that contradict
each other are rejected by `checks`.
"""
import dataclasses
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from keras_fixhead.catalog import MARGINS, feature_dim, find_model, takes_other_inputs
from keras_fixhead.config import checks
from keras_fixhead.config.pretrained import NETWORK, source_network
from keras_fixhead.config.resolved import dataset_entry
from keras_fixhead.config.train_config import TrainConfig
from keras_fixhead.data.balance import BALANCED, parse_class_weights
from keras_fixhead.data.catalog import DatasetEntry
from keras_fixhead.data.sources import has_vectors, is_folder, packed_folder
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.vectors import KINDS


@dataclass(frozen=True)
class Implication:
    """A field that yields.

    Attributes:
        field: the field that yields, unless it is explicit itself.
        to: the fields that it yields to, if at least one of them is explicit.
        conflict: function that returns whether a configuration contradicts itself here.
        value: function that returns the new value of the field.
    """

    field: str
    to: tuple[str, ...]
    conflict: Callable[[TrainConfig], bool]
    value: Callable[[TrainConfig], Any]


def _default(name: str) -> Callable[[TrainConfig], Any]:
    return lambda config: TrainConfig.field(name).default


def _always(value: Any) -> Callable[[TrainConfig], Any]:
    return lambda config: value


def _has_one_width(config: TrainConfig) -> bool:
    return config.width != 1 and not find_model(config.model).widths


def _has_its_own_size(config: TrainConfig) -> bool:
    own = (not is_folder(config.dataset) or has_vectors(config.dataset)
           or packed_folder(config.dataset, config.data_dir) is not None)
    return own and config.image_size is not None


def _takes_other_inputs(config: TrainConfig) -> bool:
    entry = _entry(config)
    return entry is not None and takes_other_inputs(config.model, entry.image_shape)


def _usual_network(config: TrainConfig) -> str:
    return "mlp" if has_vectors(config.dataset) else TrainConfig.model


def _is_for_pictures(name: str) -> Callable[[TrainConfig], bool]:
    return lambda config: has_vectors(config.dataset) and checks.changes_pictures(config, name)


def _is_too_small_to_pool(config: TrainConfig) -> bool:
    entry = None if config.pooling == "global" else _entry(config)
    if entry is None:
        return False
    try:
        feature_dim(config.model, 1.0, entry.image_shape, config.pooling)
    except ArgumentError:
        return True
    return False


def _is_too_narrow(config: TrainConfig) -> bool:
    """Whether the network has too few features for the class vectors, but would have enough at width 1."""
    largest = KINDS[config.class_vectors].largest
    entry = None if largest is None or config.width == 1 or config.feature_dim is not None else _entry(config)
    if largest is None or entry is None:
        return False
    dim, usual = (feature_dim(config.model, width, entry.image_shape, config.pooling) for width in (config.width, 1.0))
    return largest(dim) < entry.num_classes <= largest(usual)


def _entry(config: TrainConfig) -> DatasetEntry | None:
    """The entry of the data set; None in case of an error, which is raised when the configuration is resolved."""
    try:
        return dataset_entry(config)
    except (ArgumentError, DataError):
        return None


def _starts_no_triangle(config: TrainConfig) -> bool:
    return checks.shapes_no_triangle(config, "initial_lr_fraction")


def _ends_no_triangle(config: TrainConfig) -> bool:
    return checks.shapes_no_triangle(config, "final_lr_fraction")


def _shapes_no_triangle(config: TrainConfig) -> bool:
    return checks.shapes_no_triangle(config, "initial_lr_fraction", "final_lr_fraction")


def _has_a_rate_of_sgd(config: TrainConfig) -> bool:
    """Whether AdamW has a rate that is too high for it, but common for SGD."""
    return config.optimizer == "adamw" and config.lr >= 0.02


def _streams_in_vain(config: TrainConfig) -> bool:
    return config.streaming == "yes" and checks.stops_streaming(config) is not None


def _shares_unequally(config: TrainConfig) -> bool:
    return config.batch_size % config.devices != 0


def _shares_a_partial_batch(config: TrainConfig) -> bool:
    return config.partial_batch and config.devices > 1


def _biases_a_margin(config: TrainConfig) -> bool:
    return config.margin != "none" and config.bias != "none"


def _has_a_size_without_margin(config: TrainConfig) -> bool:
    return config.margin == "none" and config.margin_size is not None


def _has_too_large_a_margin(config: TrainConfig) -> bool:
    return (config.margin != "none" and config.margin_size is not None
            and config.margin_size >= MARGINS[config.margin].largest)


def _has_a_margin_without_cosine(config: TrainConfig) -> bool:
    return config.margin != "none" and config.head != "cos"


def _of_source(name: str) -> Callable[[TrainConfig], Any]:
    return lambda config: source_network(config.init_from)[name]


def _differs_from_source(name: str) -> Callable[[TrainConfig], bool]:
    return lambda config: source_network(config.init_from).get(name, getattr(config, name)) != getattr(config, name)


def _starts_elsewhere(config: TrainConfig) -> bool:
    """Whether a run to start from has another network."""
    return any(_differs_from_source(name)(config) and getattr(config, name) is not None for name in NETWORK)


def _starts_twice(config: TrainConfig) -> bool:
    return config.init_from is not None and config.weights != "none"


def _has_no_published_weights(config: TrainConfig) -> bool:
    return config.weights != "none" and not find_model(config.model).takes_weights


def _is_of_other_weights(config: TrainConfig) -> bool:
    """Whether a file names the weights of another start."""
    return config.pretrained is not None


def _freezes_nothing_trained(config: TrainConfig) -> bool:
    return config.freeze != "none" and config.init_from is None and config.weights == "none"


def _freezes_all(config: TrainConfig) -> bool:
    learns = not config.fixed or config.scale == "learned" or config.bias == "learned"
    return config.freeze != "none" and not learns


def _unfreezes_nothing(config: TrainConfig) -> bool:
    return config.freeze == "none" and config.unfreeze_after is not None


def _unfreezes_too_late(config: TrainConfig) -> bool:
    return config.unfreeze_after is not None and config.unfreeze_after >= config.epochs


def _rotates_in_vain(config: TrainConfig) -> bool:
    return not config.rotate and not KINDS[config.class_vectors].rotates


def _has_other_classes(config: TrainConfig) -> bool:
    """Whether the data set lacks the classes that were chosen, and is usable otherwise."""
    whole = None if config.classes is None else _entry(dataclasses.replace(config, classes=None))
    return whole is not None and _entry(config) is None


def _weighs_other_classes(config: TrainConfig) -> bool:
    """Whether weights are given by name, for other classes than those of the data set, as far as these are known."""
    entry = None if config.class_weights in (None, BALANCED) else _entry(config)
    if entry is None or entry.label_names is None:
        return False
    return parse_class_weights(str(config.class_weights)).keys() != set(entry.label_names)  # type: ignore[union-attr]


# The arm (head, fixed) never yields: it is the subject of a run.
IMPLICATIONS = (
    Implication("warmup_fraction", ("schedule",), checks.warms_up_to_a_plateau, _always(0.0)),
    Implication("schedule", ("warmup_fraction",), checks.warms_up_to_a_plateau, _default("schedule")),
    Implication("initial_lr_fraction", ("schedule",), _starts_no_triangle, _default("initial_lr_fraction")),
    Implication("final_lr_fraction", ("schedule",), _ends_no_triangle, _default("final_lr_fraction")),
    Implication("schedule", ("initial_lr_fraction", "final_lr_fraction"), _shapes_no_triangle, _always("triangular")),
    Implication("selection", ("hold_out",), checks.lacks_validation_to_select, _always("last")),
    Implication("hold_out", ("selection",), checks.lacks_validation_to_select, _always(True)),
    Implication("hold_out", ("patience", "schedule", "selection"), checks.lacks_validation_to_watch, _always(True)),
    Implication("patience", ("hold_out", "selection"), checks.lacks_validation_to_watch, _always(None)),
    Implication("schedule", ("hold_out", "selection"), checks.lacks_validation_to_watch, _default("schedule")),
    Implication("image_size", ("dataset",), _has_its_own_size, _always(None)),
    Implication("classes", ("dataset",), _has_other_classes, _always(None)),
    Implication("class_weights", ("dataset", "classes"), _weighs_other_classes, _always(None)),
    *(Implication(name, ("init_from",), _differs_from_source(name), _of_source(name)) for name in NETWORK),
    Implication("init_from", NETWORK, _starts_elsewhere, _always(None)),
    Implication("init_from", ("weights",), _starts_twice, _always(None)),
    Implication("weights", ("init_from",), _starts_twice, _always("none")),
    Implication("model", ("dataset",), _takes_other_inputs, _usual_network),
    *(Implication(name, ("dataset",), _is_for_pictures(name), _default(name)) for name in checks.PICTURE_FIELDS),
    Implication("width", ("model", "dataset"), _has_one_width, _always(1.0)),
    Implication("model", ("pooling",), _is_too_small_to_pool, _default("model")),
    Implication("pooling", ("model", "dataset", "image_size"), _is_too_small_to_pool, _always("global")),
    Implication("width", ("class_vectors", "dataset", "model", "pooling"), _is_too_narrow, _always(1.0)),
    Implication("weights", ("model", "dataset"), _has_no_published_weights, _always("none")),
    Implication("pretrained", ("init_from", "weights", "model"), _is_of_other_weights, _always(None)),
    Implication("freeze", ("unfreeze_after",), _unfreezes_nothing, _always("backbone")),
    Implication("freeze", ("init_from", "weights", "dataset", *NETWORK), _freezes_nothing_trained, _always("none")),
    Implication("freeze", ("fixed", "scale", "bias"), _freezes_all, _always("none")),
    Implication("unfreeze_after", ("freeze", "fixed", "scale", "bias", "init_from", "weights", "dataset", *NETWORK),
                _unfreezes_nothing, _always(None)),
    Implication("unfreeze_after", ("epochs",), _unfreezes_too_late, _always(None)),
    Implication("rotate", ("class_vectors",), _rotates_in_vain, _always(True)),
    Implication("margin", ("head",), _has_a_margin_without_cosine, _always("none")),
    Implication("bias", ("margin",), _biases_a_margin, _always("none")),
    Implication("margin", ("bias",), _biases_a_margin, _always("none")),
    Implication("margin_size", ("margin", "head", "bias"), _has_a_size_without_margin, _always(None)),
    Implication("margin_size", ("margin",), _has_too_large_a_margin, _always(None)),
    Implication("store_vectors", ("fixed", "class_vectors"), checks.stores_too_little, _always(True)),
    Implication("crop_border", ("crop_padding",), checks.fills_no_border, _default("crop_border")),
    Implication("crop_padding", ("crop_border",), checks.fills_no_border, _always(None)),
    Implication("flip_mode", ("flip",), checks.alternates_no_flips, _default("flip_mode")),
    Implication("flip", ("flip_mode",), checks.alternates_no_flips, _always(True)),
    Implication("weight_decay", ("optimizer",), checks.decays_twice, _always(0.0)),
    Implication("vector_weight_decay", ("optimizer",), checks.decays_twice, _always(0.0)),
    Implication("optimizer", ("weight_decay", "vector_weight_decay"), checks.decays_twice, _default("optimizer")),
    Implication("decoupled_decay", ("optimizer", "weight_decay", "vector_weight_decay"), checks.decouples_nothing,
                _default("decoupled_decay")),
    Implication("optimizer", ("decoupled_decay",), checks.decouples_nothing, _always("adamw")),
    Implication("weight_decay", ("decoupled_decay",), checks.decays_twice, _always(0.0)),
    Implication("vector_weight_decay", ("decoupled_decay",), checks.decays_twice, _always(0.0)),
    Implication("lr", ("optimizer", "decoupled_decay"), _has_a_rate_of_sgd, _always(1e-3)),
    Implication("ema", ("lookahead_every",), checks.averages_twice, _default("ema")),
    Implication("lookahead_every", ("ema",), checks.averages_twice, _default("lookahead_every")),
    Implication("batch_size", ("devices",), _shares_unequally,
                lambda config: config.devices * max(1, round(config.batch_size / config.devices))),
    Implication("devices", ("batch_size",), _shares_unequally, _always(1)),
    Implication("accumulate", ("devices",), checks.accumulates_on_devices, _always(1)),
    Implication("devices", ("accumulate",), checks.accumulates_on_devices, _always(1)),
    Implication("partial_batch", ("devices",), _shares_a_partial_batch, _always(False)),
    Implication("devices", ("partial_batch",), _shares_a_partial_batch, _always(1)),
    *(Implication(name, ("streaming",), _streams_in_vain, _default(name)) for name in ("bias", "mixup", "cutmix")),
    Implication("streaming", ("fixed", "bias", "mixup", "cutmix", "devices"), _streams_in_vain, _always("auto")),
)


def with_implied(values: Mapping[str, Any], explicit: Set[str]) -> dict[str, Any]:
    """Returns values of fields, after those that are not explicit have yielded to those that are.

    Raises:
        ArgumentError: for an unknown field, or a value of the wrong type or out of range.

    Example:
        >>> with_implied({"schedule": "plateau", "warmup_fraction": 0.1}, {"schedule"})
        {'schedule': 'plateau', 'warmup_fraction': 0.0}
    """
    config, yielded = TrainConfig.from_dict(values), {}
    for each in IMPLICATIONS:
        if each.field not in explicit and not explicit.isdisjoint(each.to) and each.conflict(config):
            yielded[each.field] = each.value(config)
            config = dataclasses.replace(config, **yielded)
    return {**values, **yielded}
