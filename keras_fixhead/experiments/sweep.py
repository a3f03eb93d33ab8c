"""Plans of many runs: what a grid asks for, what of it is done, and doing the rest."""
import dataclasses
import itertools
import json
import logging
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from keras_fixhead.config import RESULT_ROLES, Resolved, TrainConfig, arm_name, check_names, resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.hardware import stored_step_seconds
from keras_fixhead.json_files import write_json
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import SCHEMA, Run, list_runs, make_folder

_log = logging.getLogger(__name__)

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

_TRAIN = """
import json, sys
from keras_fixhead.config import TrainConfig
from keras_fixhead.runs import open_run
from keras_fixhead.training import train
with open(sys.argv[1]) as file:
    train(TrainConfig(**json.load(file)), resume=open_run(sys.argv[2]) if sys.argv[2:] else None)
"""

Train = Callable[[Resolved, Run | None], Run]


@dataclass(frozen=True)
class PlannedRun:
    """A run that a grid asks for.

    Attributes:
        resolved: its configuration.
        state: 'complete', 'interrupted', 'failed', 'running' in another process, or 'new'.
        run: where it is; None for a new one.
        seconds: what it will take from its start, from steps timed on this machine; None where none were.
    """

    resolved: Resolved
    state: str
    run: Run | None
    seconds: float | None

    @property
    def config(self) -> TrainConfig:
        """The resolved fields."""
        return self.resolved.config


@dataclass(frozen=True)
class Outcome:
    """What became of a planned run: 'done' before, 'trained', 'resumed', 'failed' and why, or 'running' elsewhere."""

    planned: PlannedRun
    what: str
    run: Run | None
    reason: str | None = None


def parse_grid(axes: Sequence[str]) -> dict[str, list[Any]]:
    """Returns field -> values of axes like 'head=dot,cos'.

    Raises:
        ArgumentError: for an axis of another form, an unknown field, a value that is none of its kind, or an axis given
            twice.

    Example:
        >>> parse_grid(["head=dot,cos", "lr=0.1,0.01", "fixed=yes,no"])
        {'head': ['dot', 'cos'], 'lr': [0.1, 0.01], 'fixed': [True, False]}
    """
    grid: dict[str, list[Any]] = {}
    for axis in axes:
        name, equals, values = axis.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not values:
            raise ArgumentError(f"A grid axis is FIELD=VALUE,VALUE,..., got {axis!r}.", hint="--grid head=dot,cos")
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
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) < int(first):
            raise ArgumentError(f"Seeds are numbers and ranges with commas between them, got {text!r}.",
                                hint="--seeds 0-2")
        seeds += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(seeds))


def parse_value(name: str, text: str) -> Any:
    """Returns the value of a configuration field from text; 'default' and 'none' stand for None where it may be."""
    hint = get_type_hints(TrainConfig)[name]
    kinds = get_args(hint) or (hint,)
    if NoneType in kinds and text.lower() in ("none", "default", "null"):
        return None
    if bool in kinds:
        if text.lower() not in _WORDS:
            raise ArgumentError(f"{name} must be yes or no, got {text!r}.")
        return _WORDS[text.lower()]
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                if str not in kinds:
                    raise ArgumentError(f"{name} must be a number, got {text!r}.") from None
    return text


def plan_runs(explicit: Mapping[str, Any], grid: Mapping[str, Sequence[Any]], seeds: Sequence[int],
              file: Mapping[str, Any] | None = None) -> list[PlannedRun]:
    """Returns the runs that a grid asks for, seeds innermost, and how far each has come in its folder of runs.

    Args:
        explicit: fields that all runs share.
        grid: field -> values.
        seeds: of each point of the grid.
        file: fields from a configuration file.

    Raises:
        ArgumentError: for a value out of its range, a field that is given twice, or points that are one run.
    """
    twice = [name for name in grid if name in explicit] + (["seed"] if "seed" in grid or "seed" in explicit else [])
    if twice:
        raise ArgumentError(f"{twice[0]} is given in the grid and beside it.",
                            hint="Seeds are given by --seeds." if twice[0] == "seed" else "Give it once.")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    asked = [resolve(build_config({**explicit, **point, "seed": seed}, file)) for point in points for seed in seeds]
    if len({each.digest for each in asked}) < len(asked):
        raise ArgumentError("Two points of the grid are the same run.", hint="Look: fixhead sweep ... --dry-run")
    found = {folder: _by_digest(folder) for folder in {each.config.runs_dir for each in asked}}
    return [_planned(each, found[each.config.runs_dir].get(each.digest)) for each in asked]


def run_plan(plan: Sequence[PlannedRun], train: Train | None = None, *, then: Callable[[Run], None] | None = None,
             retry_failed: bool = False, discard_models: bool = False) -> Iterator[Outcome]:
    """Trains what a plan has left, one run after the other; yields what became of each.

    A run that fails is reported and the next one begun. Completed runs are never repeated.

    Args:
        plan: of `plan_runs`.
        train: trains a configuration, or resumes a run of it; None for a process of its own for each.
        then: called with each run that is complete, while its model is there.
        retry_failed: whether runs that failed before are begun anew.
        discard_models: whether models and checkpoints of complete runs are removed after that.
    """
    train = train or train_in_process
    for planned in plan:
        if planned.state in ("complete", "running") or (planned.state == "failed" and not retry_failed):
            yield Outcome(planned, "done" if planned.state == "complete" else planned.state, planned.run,
                          _reason(planned.run) if planned.state == "failed" else None)
            continue
        resumed = planned.run if planned.state == "interrupted" else None
        try:
            run = train(planned.resolved, resumed)
            if then is not None:
                then(run)
            if discard_models:
                discard_model(run)
        except Exception as error:  # whatever it is, the other runs are to be trained
            found = _by_digest(planned.config.runs_dir).get(planned.resolved.digest)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            yield Outcome(planned, "failed", found, (_reason(found) or reason) if found else reason)
            continue
        yield Outcome(planned, "resumed" if resumed else "trained", run)


def train_in_process(resolved: Resolved, resume: Run | None) -> Run:
    """Trains a configuration, or resumes a run, in a process of its own; returns its run directory.

    Raises:
        RunError: if that process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = write_asked(resolved, Path(folder), resume)
        arguments = [str(file), *([str(resume.path)] if resume else [])]
        return run_trained_by([sys.executable, "-c", _TRAIN, *arguments], resolved)


def write_asked(resolved: Resolved, folder: Path, resume: Run | None = None) -> Path:
    """Writes what a process is to train to a file, and returns that: as asked for, with this machine's precision."""
    asked = dataclasses.replace(resolved.asked, **resolved.config.values("machine"))
    file = folder / "config.json"
    file.write_text(json.dumps((resume.config() if resume else asked).as_dict()))
    return file


def run_trained_by(command: Sequence[str], resolved: Resolved) -> Run:
    """Returns the run of a configuration after a command that trains it, whose standard output is not shown.

    Raises:
        RunError: if the command fails.
    """
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    run = _by_digest(resolved.config.runs_dir).get(resolved.digest)
    if done.returncode or run is None:
        raise RunError((_reason(run) if run else None) or f"The training ended with status {done.returncode}.")
    return run


def discard_model(run: Run) -> None:
    """Removes the model and the checkpoints of a complete run; its numbers and figures stay."""
    run.model_path.unlink(missing_ok=True)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)


def result_content(run: Run) -> dict[str, Any]:
    """Returns the numbers of a complete run, ready for JSON; they name no path of this machine.

    They are configuration, digests, accuracies, curves, versions and device.

    Raises:
        RunError: if the run is not complete.
    """
    stored = run.stored()
    result = run.read("result")
    paths = {"data_dir", "runs_dir"}
    return {
        "config": {name: value for name, value in stored.config.as_dict().items() if name not in paths}
        | {"dataset": Path(stored.config.dataset).name},
        "extended_from": stored.extended_from,
        **result,
        "curves": run.metrics(),
        "robustness": {file.stem: run.read(f"robustness/{file.stem}")
                       for file in sorted((run.path / "robustness").glob("*.json"))},
    }


def export_result(run: Run, folder: Path) -> Path:
    """Writes the numbers of a complete run as one small JSON file; returns it.

    Raises:
        RunError: if the run is not complete, or the file cannot be written.
    """
    config, digest = run.config(), run.digest()
    content = result_content(run)
    make_folder(folder)
    path = folder / (f"{Path(config.dataset).name}-{config.model.replace('/', '-')}-{arm_name(config)}-s{config.seed}-"
                     f"{digest[:10]}.json")
    write_json(path, content, schema=SCHEMA)
    return path


def disk_bytes(run: Run) -> int:
    """Returns the size of a run directory's files, those with two names once."""
    files = {(info.st_dev, info.st_ino): info.st_size
             for info in (path.stat() for path in run.path.rglob("*") if path.is_file())}
    return sum(files.values())


def plan_summary(plan: Sequence[PlannedRun]) -> dict[str, Any]:
    """Returns how many runs a plan has in each state, and hours and disk of those that are left.

    Hours and bytes are None where a step like theirs has not been timed here, or no run like them is complete.
    """
    left = [each for each in plan if each.state in ("new", "interrupted")]
    seconds = [each.seconds for each in left]
    sizes = {_shape(each.config): disk_bytes(each.run) for each in plan if each.state == "complete" and each.run}
    known = [sizes.get(_shape(each.config)) for each in left]
    return {
        "runs": len(plan),
        "states": {state: sum(each.state == state for each in plan)
                   for state in ("complete", "interrupted", "failed", "running", "new")},
        "hours": None if None in seconds else sum(each for each in seconds if each is not None) / 3600,
        "disk_bytes": None if None in known else sum(each for each in known if each is not None),
    }


def _shape(config: TrainConfig) -> tuple[Any, ...]:
    return (config.model, config.width, config.pooling, Path(config.dataset).name, config.classes, config.selection)


def _planned(resolved: Resolved, run: Run | None) -> PlannedRun:
    epochs = resolved.config.epochs
    step_seconds = stored_step_seconds(resolved.step_time_key)
    total = None if step_seconds is None else step_seconds * epochs * resolved.steps_per_epoch
    if run is None:
        return PlannedRun(resolved, "new", None, total)
    state = run.read("status")["state"] if run.has("status") else "interrupted"
    if state in ("complete", "failed"):
        return PlannedRun(resolved, state, run, total)
    if run.is_locked():
        return PlannedRun(resolved, "running", run, total)
    done = len(run.metrics()) / epochs
    return PlannedRun(resolved, "interrupted", run, None if total is None else total * (1 - done))


def _by_digest(runs_dir: str) -> dict[str, Run]:
    """Digest -> run of a folder of runs; of several with one digest, a complete one, else the newest."""
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


def _reason(run: Run | None) -> str | None:
    if run is None or not run.has("status"):
        return None
    return run.read("status").get("reason")


def estimate_text(hours: float | None) -> str:
    """Returns hours in words.

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
