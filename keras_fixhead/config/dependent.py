"""Explicit options that would do nothing, because of what else was chosen, as a table.

Only what a user types is refused. The same value in a file or a recipe is harmless: it waits for another option.
"""
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_fixhead.catalog import is_preset
from keras_fixhead.config.checks import option
from keras_fixhead.config.resolved import Resolved
from keras_fixhead.data.sources import is_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.figures.classes import NUMBERED_CLASSES
from keras_fixhead.vectors import KINDS

_NOTHING = object()


@dataclass(frozen=True)
class Dependent:
    """A field that has no effect in some runs.

    Attributes:
        field: its name.
        works: function that returns whether it has an effect.
        why: what makes it useless, after "has no effect"; "without" comes with what to type.
        off: the value that asks for nothing, which is never refused.
    """

    field: str
    works: Callable[[Resolved], bool]
    why: str
    off: Any = _NOTHING

    @property
    def hint(self) -> str:
        """What to do about it, before the option."""
        return "Add it, or leave out" if self.why.startswith("without --") else "Leave out"


def _on_plateau(run: Resolved) -> bool:
    return run.config.schedule == "plateau"


def _learns_head(run: Resolved) -> bool:
    return not run.config.fixed or run.config.bias == "learned"


def _learns_backbone(run: Resolved) -> bool:
    return run.config.freeze == "none" or run.config.unfreeze_after is not None


def _reads_pictures(run: Resolved) -> bool:
    return is_folder(run.config.dataset) and not run.data.has_vectors and run.data.packed is None


def _has_a_named_set(run: Resolved) -> bool:
    return not is_folder(run.config.dataset)


def _starts_trained(run: Resolved) -> bool:
    return run.config.init_from is not None or run.config.weights != "none" or is_preset(run.config.model)


def _draws_at_random(run: Resolved) -> bool:
    return run.config.rotate or not KINDS[run.config.class_vectors].rotates


def _writes_into_cells(run: Resolved) -> bool:
    return run.data.num_classes <= NUMBERED_CLASSES


DEPENDENT = (
    Dependent("plateau_patience", _on_plateau, "without --schedule plateau"),
    Dependent("plateau_factor", _on_plateau, "without --schedule plateau"),
    Dependent("lookahead_decay", lambda run: run.config.lookahead_every > 0, "without --lookahead-every N"),
    Dependent("vector_lr", lambda run: not run.config.fixed, "without --learned", off=1.0),
    Dependent("vector_weight_decay", _learns_head, "without --learned or --bias learned", off=0.0),
    Dependent("vector_seed", _draws_at_random, "without --rotate"),
    Dependent("rotate", lambda run: KINDS[run.config.class_vectors].rotates,
              f"without --class-vectors {', '.join(name for name, kind in KINDS.items() if kind.rotates)}"),
    Dependent("decay_norms", lambda run: run.config.weight_decay > 0, "without --weight-decay C", off=False),
    *(Dependent(name, _learns_backbone, "without --unfreeze-after N", off=off) for name, off in (
        ("backbone_lr", 1.0), ("norm_offset_lr", 1.0), ("weight_decay", 0.0), ("decay_norms", False))),
    Dependent("whitening_bias_epochs", lambda run: run.config.model == "fast_cnn", "without --model fast_cnn"),
    Dependent("pretrained", _starts_trained, "without --init-from RUN or --weights FILE"),
    Dependent("randaugment_magnitude", lambda run: run.config.randaugment > 0, "without --randaugment N"),
    Dependent("crop_border", lambda run: bool(run.config.crop_padding), "without --crop-padding N", off="black"),
    Dependent("flip_mode", lambda run: bool(run.config.flip), "without --flip", off="random"),
    Dependent("skip_broken", _reads_pictures, "without --dataset FOLDER", off=False),
    Dependent("decoding", _reads_pictures, "without --dataset FOLDER", off="full"),
    Dependent("confusion_counts", _writes_into_cells, f"with more than {NUMBERED_CLASSES} classes", off=False),
    Dependent("data_dir", _has_a_named_set, "on a data set that is given by its path"),
)


def refuse_without_effect(explicit: Mapping[str, Any], runs: Sequence[Resolved]) -> None:
    """Raises an ArgumentError for an explicit option that has no effect in any of these runs.

    Args:
        explicit: the fields that were given explicitly, with their values.
        runs: the resolved configurations; those of a grid may differ in what an option depends on.

    Example:
        >>> from keras_fixhead.config import TrainConfig, resolve
        >>> refuse_without_effect({"lookahead_decay": 0.9}, [resolve(TrainConfig(lookahead_decay=0.9))])
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: --lookahead-decay has no effect without --lookahead-every N. Add it, or \
leave out --lookahead-decay.
    """
    for each in DEPENDENT:
        asked = each.field in explicit and explicit[each.field] != each.off
        if asked and not any(each.works(run) for run in runs):
            typed = option(each.field, explicit[each.field])
            raise ArgumentError(f"{typed} has no effect {each.why}.", hint=f"{each.hint} {typed}.")
