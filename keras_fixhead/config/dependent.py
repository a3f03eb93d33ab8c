"""Explicit options that would do nothing, because what they depend on was not chosen, as a table.

Only what a user types is refused. The same value in a file or a recipe is harmless: it waits for another option.
"""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_fixhead.config.resolved import Resolved
from keras_fixhead.config.train_config import TrainConfig
from keras_fixhead.data.sources import has_vectors, is_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.vectors import KINDS

_NOTHING = object()


@dataclass(frozen=True)
class Dependent:
    """A field that has no effect without another one.

    Attributes:
        field: its name.
        works: function that returns whether it has an effect.
        without: what it needs, as it is typed.
        off: the value that asks for nothing, which is never refused.
    """

    field: str
    works: Callable[[TrainConfig], bool]
    without: str
    off: Any = _NOTHING


def _on_plateau(config: TrainConfig) -> bool:
    return config.schedule == "plateau"


def _learns_head(config: TrainConfig) -> bool:
    return not config.fixed or config.bias == "learned"


def _is_a_folder_of_pictures(config: TrainConfig) -> bool:
    return is_folder(config.dataset) and not has_vectors(config.dataset)


DEPENDENT = (
    Dependent("plateau_patience", _on_plateau, "--schedule plateau"),
    Dependent("plateau_factor", _on_plateau, "--schedule plateau"),
    Dependent("lookahead_decay", lambda config: config.lookahead_every > 0, "--lookahead-every N"),
    Dependent("vector_lr", lambda config: not config.fixed, "--learned", off=1.0),
    Dependent("vector_weight_decay", _learns_head, "--learned or --bias learned", off=0.0),
    Dependent("rotate", lambda config: KINDS[config.class_vectors].rotates,
              f"--class-vectors {', '.join(name for name, kind in KINDS.items() if kind.rotates)}"),
    Dependent("decay_norms", lambda config: config.weight_decay > 0, "--weight-decay C", off=False),
    Dependent("whitening_bias_epochs", lambda config: config.model == "fast_cnn", "--model fast_cnn"),
    Dependent("backbone_lr", lambda config: config.freeze == "none" or config.unfreeze_after is not None,
              "--unfreeze-after N", off=1.0),
    Dependent("randaugment_magnitude", lambda config: config.randaugment > 0, "--randaugment N"),
    Dependent("crop_border", lambda config: bool(config.crop_padding), "--crop-padding N", off="black"),
    Dependent("flip_mode", lambda config: bool(config.flip), "--flip", off="random"),
    Dependent("skip_broken", _is_a_folder_of_pictures, "--dataset FOLDER", off=False),
)


def refuse_without_effect(explicit: Mapping[str, Any], runs: Sequence[Resolved]) -> None:
    """Raises an ArgumentError for an explicit option that has no effect in any of these runs.

    Args:
        explicit: the fields that were given explicitly, with their values.
        runs: the resolved configurations; those of a grid may differ in what an option depends on.

    Example:
        >>> from keras_fixhead.config import resolve
        >>> refuse_without_effect({"lookahead_decay": 0.9}, [resolve(TrainConfig(lookahead_decay=0.9))])
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: --lookahead-decay has no effect without --lookahead-every N. Add it, or \
leave out --lookahead-decay.
    """
    for each in DEPENDENT:
        asked = each.field in explicit and explicit[each.field] != each.off
        if asked and not any(each.works(run.config) for run in runs):
            option = f"--{each.field.replace('_', '-')}"
            option = option if explicit[each.field] is not False else f"--no-{each.field.replace('_', '-')}"
            raise ArgumentError(f"{option} has no effect without {each.without}.",
                                hint=f"Add it, or leave out {option}.")
