"""One run of a plan: trains or resumes it, measures it, and writes its result.

Functions that need Keras are passed in (`Work`).
"""
import datetime
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_fixhead import hardware
from keras_fixhead.config import Resolved, TrainConfig, dataset_entry
from keras_fixhead.data.sources import subset_note
from keras_fixhead.errors import DataError, TrainingError
from keras_fixhead.experiments.plan import PlannedRun, plan_runs
from keras_fixhead.experiments.run import discard_model
from keras_fixhead.reproduction.planning.cells import Cell, Planned
from keras_fixhead.reproduction.results import MAY_BE_PARTS
from keras_fixhead.reproduction.running.committing import commit
from keras_fixhead.runs import Run
from keras_fixhead.runs.result import (
    COMPLETE,
    FAILED_TO_CONVERGE,
    Matrices,
    portable_config,
    result_content,
    write_result,
)

_log = logging.getLogger(__name__)

REHEARSAL_CORRUPTED = 1_000  # number of test images that a rehearsal measures under corruptions
NEEDS_WIDTH = ("simplex", "orthogonal", "hadamard")  # kinds that need one dimension per class


@dataclass(frozen=True)
class Work:
    """Functions from outside this package: those that need Keras, and output.

    Attributes:
        train: trains a configuration, or resumes a run of it.
        measure: returns measurements of a trained run beyond its result.json, and its matrices; corruptions are
            measured on the given number of test images, on all for None, and left out for 0.
        device: returns the name of the device.
        forget: frees memory that models still use.
        say: prints a line, with `err=True` on standard error.
    """

    train: Callable[[Resolved, Run | None], Run]
    measure: Callable[[Run, int | None], tuple[dict[str, Any], Matrices]]
    device: Callable[[], str]
    forget: Callable[[], None]
    say: Callable[..., None]


@dataclass(frozen=True)
class Options:
    """Which cells to run, and where.

    Attributes:
        out: folder of results.
        runs_dir: folder of run directories.
        data_dir: folder of data sets; None for the usual ones.
        plan: name of the plan.
        blocks: names of blocks; empty for all.
        deadline: in seconds of `time.monotonic`; None for no limit.
        most_runs: stop after this many runs; None for no limit.
        rehearsal: whether to run small networks for two epochs, with results marked as not evidence.
        rehearsal_dataset: data set of all cells of a rehearsal; None for their own.
        commit: whether to commit each result to Git as soon as it is written.
        seeds: only runs with these seeds, and those that choose a scale; empty for all of the plan.
        heads: only runs with these logits; empty for all.
        only_failed: whether to repeat the runs that failed to converge, and no others.
        jobs: number of runs at once; 0 for as many as an engine takes.
        threads: of each run; None for all cores.
        keep_models: whether runs keep their model and checkpoints when they have a result.
    """

    out: Path
    runs_dir: Path
    data_dir: Path | None = None
    plan: str = "gpu"
    blocks: tuple[str, ...] = ()
    deadline: float | None = None
    most_runs: int | None = None
    rehearsal: bool = False
    rehearsal_dataset: str | None = None
    commit: bool = False
    seeds: tuple[int, ...] = ()
    heads: tuple[str, ...] = ()
    only_failed: bool = False
    jobs: int = 1
    threads: int | None = None
    keep_models: bool = False


def run_one(planned: Planned, options: Options, work: Work) -> bool:
    """Trains or resumes one run and writes its result; returns False if it has none."""
    work.say(f"{run_name(planned, options)} ...")
    made = make_result(planned, options, work)
    written = store(made, planned, options, work.say)
    work.forget()
    return written


def run_name(planned: Planned, options: Options) -> str:
    """Returns what a run of the plan is called in messages."""
    return f"{'rehearsal of ' * options.rehearsal}block {planned.block}: {planned.label}, seed {planned.seed}"


def result_name(planned: Planned, options: Options) -> str:
    """Returns the name of the file with a run's result, without its ending."""
    return f"{'rehearsal-' * options.rehearsal}{cell_of(planned).file_name(planned.seed)}"


@dataclass(frozen=True)
class Made:
    """What became of one run; it can be sent between processes.

    Attributes:
        content, matrices: its result; None without one.
        run: its directory, if it has a result.
        reason: why it has no result; None if another process is training it.
    """

    content: dict[str, Any] | None = None
    matrices: Matrices = field(default_factory=dict)
    run: Run | None = None
    reason: str | None = None


def make_result(planned: Planned, options: Options, work: Work) -> Made:
    """Trains or resumes one run, and measures it; whatever goes wrong is a reason, so that the other runs follow."""
    start = time.monotonic()
    try:
        ready = state_of(planned, options)
        if ready.state == "running":
            return Made()
        if not options.rehearsal:
            check_whole(ready.config)
        try:
            corrupted = planned.corrupted if not options.rehearsal else planned.corrupted and REHEARSAL_CORRUPTED
            content, matrices, run = train_and_measure(ready, work, corrupted)
        except TrainingError as error:
            failed = state_of(planned, options).run
            if FAILED_TO_CONVERGE not in str(error) or failed is None:
                raise
            content, matrices, run = failure(failed, error.what), {}, failed  # a result like any other
    except Exception as error:
        _log.debug("", exc_info=error)
        return Made(reason=(str(error).strip().splitlines() or [type(error).__name__])[0])
    content |= {
        "cell": dict(cell_of(planned).fields), "seed": planned.seed, "rehearsal": options.rehearsal,
        "device": work.device(), "backend": hardware.keras_backend(), "resumed": ready.state != "new",
        "wall_seconds": time.monotonic() - start,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    return Made(content, matrices, run)


def store(made: Made, planned: Planned, options: Options, say: Callable[..., None]) -> bool:
    """Writes what was made of a run, commits it if requested, and says so; returns False for a run without a result."""
    name = run_name(planned, options)
    if made.content is None or made.run is None:
        say(f"{name}: another process is training it." if made.reason is None else
            f"{name}: no result: {made.reason}", err=made.reason is not None)
        return made.reason is None
    path = options.out / f"{result_name(planned, options)}.json"
    write_result(made.content, made.matrices, path)
    if not options.keep_models:
        discard_model(made.run)
    say(f"{name}: {summary(made.content)}")
    if options.commit:
        written = [path, *([path.with_suffix(".npz")] if made.matrices else [])]
        if (why_not := commit(written, f"Result: {planned.label}, seed {planned.seed}")) is not None:
            say(f"{path} is not committed: {why_not}", err=True)
    return True


def cell_of(planned: Planned) -> Cell:
    """Returns the cell of a run whose scale is chosen."""
    assert planned.cell is not None
    return planned.cell


def state_of(planned: Planned, options: Options) -> PlannedRun:
    """Returns the state of a run of the plan in the folder of runs."""
    (found,) = plan_runs(explicit_fields(cell_of(planned), options), {}, [planned.seed])
    return found


def train_and_measure(ready: PlannedRun, work: Work, corrupted: int | None) -> tuple[dict[str, Any], Matrices, Run]:
    """Trains the rest of a run; returns its numbers and matrices, and the run."""
    run = ready.run if ready.state == "complete" and ready.run else work.train(
        ready.resolved, ready.run if ready.state == "interrupted" else None)
    before = time.monotonic()
    measured, matrices = work.measure(run, corrupted)
    content = result_content(run)
    robustness = content["robustness"] | measured.get("robustness", {})
    return {"state": COMPLETE, **content, **measured, "robustness": robustness,
            "measuring_seconds": time.monotonic() - before}, matrices, run


def check_whole(config: TrainConfig) -> None:
    """Refuses a part of a data set that must be whole, before any time is spent on it.

    Raises:
        DataError: if only a part is available.
    """
    note = subset_note(config.dataset, dataset_entry(config))
    if note and config.dataset not in MAY_BE_PARTS:
        raise DataError(f"The available data are {note}.")


def failure(run: Run, reason: str) -> dict[str, Any]:
    """Returns the numbers of a run that failed to converge."""
    rows, config = run.metrics(), run.config()
    return {"state": FAILED_TO_CONVERGE, "reason": reason, "config_digest": run.digest(),
            "config": portable_config(config), "subset": subset_note(config.dataset, dataset_entry(config)),
            "environment": run.read("environment"), "curves": rows, "seconds": sum(row["seconds"] for row in rows)}


def explicit_fields(cell: Cell, options: Options) -> dict[str, Any]:
    """Returns the fields of a cell's configuration on this machine, reduced for a rehearsal."""
    fields = dict(cell.fields) | {"runs_dir": str(options.runs_dir)}
    if options.data_dir is not None:
        fields["data_dir"] = str(options.data_dir)
    if options.threads is not None:
        fields["threads"] = options.threads
    if options.rehearsal:
        fields |= {"width": 0.25 if cell.config.class_vectors in NEEDS_WIDTH else 0.125, "epochs": 2,
                   "limit_train": 2_000}
        if options.rehearsal_dataset:
            fields["dataset"] = options.rehearsal_dataset
    return fields


def summary(content: Mapping[str, Any]) -> str:
    """Returns a result as one line of text."""
    if content["state"] != COMPLETE:
        return f"{content['reason']} ({content['wall_seconds']:.0f} s)"
    share = content.get("share_of_peak")  # None if the device's peak is unknown
    return (f"test {100 * content['accuracy']['test']:.2f} %, {content['images_per_second']:,.0f} images/s"
            + (f" ({100 * share:.0f} % of peak)" if share else "")
            + f", {content['wall_seconds']:.0f} s, {content['measuring_seconds']:.0f} s of them measuring")


def keep_compiled_steps() -> None:
    """Configures JAX, before it is imported, to cache compiled steps on disk: all seeds of a cell share one step."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(hardware.cache_dir() / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
