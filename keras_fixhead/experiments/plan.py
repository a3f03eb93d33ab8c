"""Plans many runs: the runs of a grid, what is already done, and the cost of the rest."""
import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from keras_fixhead.config import (
    RESULT_ROLES,
    Resolved,
    TrainConfig,
    check_names,
    earlier_digest,
    epoch_count,
    resolve,
)
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.disk import computed_bytes, disk_bytes, free_bytes, total_bytes
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import Run, list_runs
from keras_fixhead.vectors import scale_warning

_DRAWN_QUICKLY = 2**24  # class vectors of up to this many numbers are drawn to find runs of earlier versions
_MOST_SEEDS = 100_000  # of a range; more are a typing error
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a grid.

    Attributes:
        resolved: its configuration.
        state: 'complete', 'interrupted', 'failed', 'running' in another process, or 'new'.
        run: its directory; None for a new run.
        seconds: estimated remaining time, from steps timed on this machine; None if none were timed.
    """

    resolved: Resolved
    state: str
    run: Run | None
    seconds: float | None

    @property
    def config(self) -> TrainConfig:
        """The resolved fields."""
        return self.resolved.config


def parse_grid(axes: Sequence[str]) -> dict[str, list[Any]]:
    """Returns field -> values of axes like 'head=dot,cos'.

    Raises:
        ArgumentError: for a malformed axis, an unknown field, a value of the wrong type, or a repeated axis.

    Example:
        >>> parse_grid(["head=dot,cos", "lr=0.1,0.01", "fixed=yes,no"])
        {'head': ['dot', 'cos'], 'lr': [0.1, 0.01], 'fixed': [True, False]}
    """
    grid: dict[str, list[Any]] = {}
    for axis in axes:
        name, equals, values = axis.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values:
            raise ArgumentError(f"A grid axis has the form FIELD=VALUE,VALUE,..., got {axis!r}.",
                                hint="--grid head=dot,cos")
        check_names([name])
        if name in grid:
            raise ArgumentError(f"The grid axis {name} is given twice.", hint=f"Give it once: --grid {name}=A,B")
        grid[name] = [parse_value(name, value.strip()) for value in values.split(",")]
    return grid


def parse_seeds(text: str) -> list[int]:
    """Returns the seeds of a list like '0-2,7'.

    Raises:
        ArgumentError: for anything else.

    Example:
        >>> parse_seeds("0-2,7")
        [0, 1, 2, 7]
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [each for each in (first, last if dash else first) if each.isdecimal() and len(each) < 20]
        if len(numbers) < 2 or not 0 <= int(numbers[1]) - int(numbers[0]) < _MOST_SEEDS:
            shown = text if len(text) < 80 else f"{text[:77]}..."
            raise ArgumentError("Seeds must be numbers and ranges separated by commas, of at most "
                                f"{_MOST_SEEDS:,} seeds, got {shown!r}.",
                                hint="--seeds 0-2")
        seeds += range(int(numbers[0]), int(numbers[1]) + 1)
    return list(dict.fromkeys(seeds))


def parse_value(name: str, text: str) -> Any:
    """Parses the value of a configuration field; 'default' and 'none' mean None where that is allowed."""
    hint = get_type_hints(TrainConfig)[name]
    kinds = get_args(hint) or (hint,)
    if NoneType in kinds and text.lower() in ("none", "default", "null"):
        return None
    if bool in kinds:
        if text.lower() not in _WORDS:
            raise ArgumentError(f"{name} must be yes or no, got {text!r}.")
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            if kind in kinds:
                return kind(text)
    if str not in kinds:
        raise ArgumentError(f"{name} must be a number, got {text!r}.")
    return text


def plan_runs(explicit: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], seeds: Sequence[int],
              file: Mapping[str, Any] | None = None) -> list[PlannedRun]:
    """Returns the runs of a grid, with the state of each in its folder of runs; seeds vary fastest.

    Args:
        explicit: fields that all runs share.
        grid: field -> values.
        seeds: seeds of each point of the grid.
        file: fields from a configuration file; explicit ones and the grid override them.

    Raises:
        ArgumentError: for a value out of range, a field that is given twice, or two points that are the same run.
    """
    twice = [name for name in grid if name in explicit] + (["seed"] if "seed" in grid or "seed" in explicit else [])
    if twice:
        raise ArgumentError(f"{twice[0]} is given both in the grid and as an option.",
                            hint="Set seeds with --seeds." if twice[0] == "seed" else "Give it once.")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    runs = [resolve(build_config({**explicit, **point, "seed": seed}, file)) for point in points for seed in seeds]
    if len({each.digest for each in runs}) < len(runs):
        raise ArgumentError("Two points of the grid are the same run.",
                            hint="Remove repeated values, and fields that change nothing, from --grid.")
    found = {folder: runs_by_digest(folder) for folder in {each.config.runs_dir for each in runs}}
    return [_planned(each, _found(found[each.config.runs_dir], each)) for each in runs]


def _found(runs: Mapping[str, Run], resolved: Resolved) -> Run | None:
    """Returns the run of a configuration, even if an earlier version trained it."""
    if not runs or resolved.digest in runs:
        return runs.get(resolved.digest)
    return runs.get(earlier_digest(resolved)) if resolved.data.num_classes * resolved.dim <= _DRAWN_QUICKLY else None


def plan_warnings(plan: Sequence[PlannedRun]) -> list[str]:
    """Returns warnings about the scales of the remaining runs, each text once."""
    left = [(each.config, each.resolved.data.num_classes) for each in plan if each.state != "complete"]
    texts = [scale_warning(num_classes, config.scale, fixed=config.fixed)
             for config, num_classes in left if config.head == "cos" and isinstance(config.scale, float)]
    return list(dict.fromkeys(text for text in texts if text is not None))


def plan_summary(plan: Sequence[PlannedRun], *, discard_models: bool = False, jobs: int = 1) -> dict[str, Any]:
    """Returns how many runs of a plan are in each state, and the hours and disk space that the rest will need.

    Hours are None if steps of some remaining run have not been timed here. Bytes come from complete runs of the same
    shape, or else from the number of parameters; None if that is unknown too.

    Args:
        plan: from `plan_runs`.
        discard_models: whether models and checkpoints of complete runs are removed.
        jobs: number of runs at once.
    """
    left = [each for each in plan if each.state in ("new", "interrupted")]
    seconds = [each.seconds for each in left]
    sizes = {_shape(each.config): disk_bytes(each.run) for each in plan
             if each.state == "complete" and each.run and each.run.model_path.exists()}
    known = [sizes.get(_shape(each.config)) or computed_bytes(each.resolved) for each in left]
    return {
        "runs": len(plan),
        "states": {state: sum(each.state == state for each in plan)
                   for state in ("complete", "interrupted", "failed", "running", "new")},
        "hours": None if None in seconds else sum(each for each in seconds if each is not None) / 3600,
        "disk_bytes": total_bytes(known, discarded=discard_models, at_once=jobs),
        "free_bytes": free_bytes(plan[0].config.runs_dir),
    }


def _shape(config: TrainConfig) -> tuple[Any, ...]:
    return (config.model, config.width, config.pooling, config.feature_dim, Path(config.dataset).name, config.classes,
            config.selection)


def _planned(resolved: Resolved, run: Run | None) -> PlannedRun:
    total = resolved.timed_seconds
    if run is None:
        return PlannedRun(resolved, "new", None, total)
    state = run.read("status")["state"] if run.has("status") else "interrupted"
    if state in ("complete", "failed"):
        return PlannedRun(resolved, state, run, total)
    if run.is_locked():
        return PlannedRun(resolved, "running", run, total)
    done = len(run.metrics()) / epoch_count(resolved.config.epochs)
    return PlannedRun(resolved, "interrupted", run, None if total is None else total * (1 - done))


def runs_by_digest(runs_dir: str) -> dict[str, Run]:
    """Returns digest -> run of a folder of runs; among runs with the same digest, a complete one, or the newest."""
    found: dict[str, Run] = {}
    for run in list_runs(runs_dir):
        try:
            digest = run.digest()
            state = run.read("status")["state"] if run.has("status") else ""
        except RunError:
            continue
        if state == "complete" or digest not in found or not found[digest].has("result"):
            found[digest] = run
    return found


def estimate_text(hours: float | None) -> str:
    """Returns hours as text.

    Example:
        >>> estimate_text(None), estimate_text(0.5)
        ('not measured yet', '0.5 hours')
    """
    return "not measured yet" if hours is None or not math.isfinite(hours) else f"{hours:.1f} hours"


def shared_and_varied(configs: Sequence[TrainConfig]) -> tuple[dict[str, Any], list[str]]:
    """Returns the fields that all configurations share, and the names of those in which they differ, seeds aside.

    Example:
        >>> _, varied = shared_and_varied([TrainConfig(head="dot", seed=1), TrainConfig(head="cos", seed=2)])
        >>> varied
        ['head']
    """
    names = TrainConfig.names(*(role for role in RESULT_ROLES if role != "seed"))
    varied = [name for name in names if len({repr(getattr(config, name)) for config in configs}) > 1]
    return {name: getattr(configs[0], name) for name in names if name not in varied}, varied


def value_text(value: Any) -> str:
    """Returns the value of a configuration field as text.

    Example:
        >>> value_text(True), value_text(0.10), value_text("cos")
        ('yes', '0.1', 'cos')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
