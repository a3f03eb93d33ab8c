"""Runs the cells of a plan, in order of importance: skips finished ones, resumes, and stops in time.

All runs share one process, one after the other. Functions that need Keras are passed in (`Work`).
"""
import datetime
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_fixhead import hardware
from keras_fixhead.config import Resolved, TrainConfig, dataset_entry, epoch_count
from keras_fixhead.data.sources import subset_note
from keras_fixhead.errors import DataError, FixheadError, TrainingError
from keras_fixhead.experiments.plan import PlannedRun, plan_runs
from keras_fixhead.experiments.run import discard_model
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import cost
from keras_fixhead.reproduction.alarm import Alarm
from keras_fixhead.reproduction.cells import Cell, Choice, Planned, plan
from keras_fixhead.reproduction.committing import commit
from keras_fixhead.reproduction.plans import PLANS, blocks_named, plan_named
from keras_fixhead.reproduction.results import MAY_BE_PARTS, Results, decide, read_results
from keras_fixhead.runs import Run, make_folder
from keras_fixhead.runs.result import (
    COMPLETE,
    FAILED_TO_CONVERGE,
    Matrices,
    portable_config,
    result_content,
    write_result,
)

_log = logging.getLogger(__name__)

SAFETY = 1.1  # a run is started if this many times its measured seconds are left
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
        blocks: names of blocks; empty for all.
        deadline: in seconds of `time.monotonic`; None for no limit.
        most_runs: stop after this many runs; None for no limit.
        rehearsal: whether to run small networks for two epochs, with results marked as not evidence.
        rehearsal_dataset: data set of all cells of a rehearsal; None for their own.
        commit: whether to commit each result to Git as soon as it is written.
        seeds: only runs with these seeds, and those that choose a scale; empty for all of the plan.
        only_failed: whether to repeat the runs that failed to converge, and no others.
        jobs: number of runs at once; 0 for as many as an engine takes.
        threads: of each run; None for all cores.
        keep_models: whether runs keep their model and checkpoints when they have a result.
    """

    out: Path
    runs_dir: Path
    data_dir: Path | None = None
    blocks: tuple[str, ...] = ()
    deadline: float | None = None
    most_runs: int | None = None
    rehearsal: bool = False
    rehearsal_dataset: str | None = None
    commit: bool = False
    seeds: tuple[int, ...] = ()
    only_failed: bool = False
    jobs: int = 1
    threads: int | None = None
    keep_models: bool = False


def run_all(options: Options, work: Work) -> int:
    """Runs the rest of the plan, one run after the other, until it is done or time is up; returns the exit status."""
    make_folder(options.out)
    failures = 0
    with Alarm(options.deadline) as alarm:
        chooser = Chooser(options, alarm, work.say)
        try:
            while (planned := chooser.next()) is not None:
                failures += not run_one(planned, options, work)
            chooser.say_done()
        except KeyboardInterrupt:
            if (status := status_of_stop(alarm, work.say)) is not None:
                return status
    return 1 if failures else 0


class Chooser:
    """Chooses the run to start next, as long as the number of runs and the time allow it.

    Args:
        options: which cells, and where.
        alarm: the limit of time, which has just been set.
        say: prints a line.

    Attributes:
        stopped: whether no further run may start.
    """

    def __init__(self, options: Options, alarm: Alarm, say: Callable[..., None]) -> None:
        self._options, self._alarm, self._say = options, alarm, say
        self._whole = alarm.seconds_left()
        self._tried: set[tuple[str, int]] = set()
        self.stopped = False

    def next(self) -> Planned | None:
        """Returns the next run, which then counts as started; None if none is ready or may start."""
        if self.stopped or (ready := next_run(self._options, self._tried)) is None:
            return None
        planned, cell, found = ready
        if (why := self._limit(planned, found)) is not None:
            self.stopped = True
            self._say(why)
            return None
        self._tried.add((cell.id, planned.seed))
        return planned

    def say_done(self) -> None:
        """Says that nothing is left to do, unless something is."""
        if not self.stopped:
            where = f"blocks {', '.join(self._options.blocks)}" if self._options.blocks else "the plan"
            self._say(f"Nothing is left to do in {where}.")

    def _limit(self, planned: Planned, found: Results) -> str | None:
        """Why a run may not start; None if it may."""
        if self._options.most_runs is not None and len(self._tried) >= self._options.most_runs:
            return f"No more than {len(self._tried)} runs are started, as requested."
        if self._whole is not None and (
                reason := why_not_now(planned, self._options, found, self._alarm, self._whole)):
            return f"Stopped in time: {planned.label}, seed {planned.seed}, {reason}."
        return None


def status_of_stop(alarm: Alarm, say: Callable[..., None]) -> int | None:
    """Says why the runs stopped; returns the exit status, or None if the time was up."""
    if not alarm.rung:
        say("Stopped. Start again to continue.", err=True)
        return 143 if alarm.terminated else 130
    say("Stopped at the limit, in the middle of a run. Start again to continue it.")
    return None


def next_run(options: Options, tried: set[tuple[str, int]]) -> tuple[Planned, Cell, Results] | None:
    """Returns the next run of the plan that has no result and was not tried, its cell, and the results so far.

    Results are read again each time because other processes may be writing some.
    """
    found = read_results(options.out, rehearsal=options.rehearsal)
    for planned in whole_plan(options, found):
        if planned.cell is not None and (planned.cell.id, planned.seed) not in tried:
            result = found.all_of(planned.cell).get(planned.seed)
            if (result is None) if not options.only_failed else (result is not None and not result.converged):
                return planned, planned.cell, found
    return None


def whole_plan(options: Options, found: Results) -> Iterator[Planned]:
    """Yields the runs of the plan, done or not, with what the results so far decide."""
    blocks = blocks_named(options.blocks)
    choosing = {one.id for block in blocks for row in block.rows if isinstance(row.scale, Choice)
                for fixed in row.fixed for one in row.scale.cells(fixed).values()}
    return (each for each in plan(blocks, decide(found, PLANS[plan_named(options.blocks)])) if not options.seeds
            or each.seed in options.seeds or (each.cell is not None and each.cell.id in choosing))


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
    prefix = "rehearsal-" if options.rehearsal else ""
    path = options.out / f"{prefix}{cell_of(planned).file_name(planned.seed)}.json"
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


def why_not_now(planned: Planned, options: Options, found: Results, alarm: Alarm, whole: float) -> str | None:
    """Returns why a run is left to the next call; None if it should be started.

    A run is not started if the next call could finish it and this one could not. A run that takes longer than a whole
    call (`whole` seconds) is started in whatever time is left, and continues from its checkpoint in the next call.
    """
    seconds = seconds_of(planned, options, found)
    if seconds is not None and not hardware.gpus():
        seconds *= max(1, options.jobs)  # they share the cores
    left = alarm.seconds_left() or 0.0
    if left <= 0:
        return "is left to the next call: no time is left in this one"
    if seconds is not None and left < seconds <= whole:
        return f"takes about {seconds:.0f} s, and {left:.0f} s are left"
    return None


def seconds_of(planned: Planned, options: Options, found: Results) -> float | None:
    """Returns the seconds that the rest of a run will take; None on a CPU if no run like it was measured."""
    estimate = estimated(cell_of(planned), planned.seed, options, found)
    seconds = estimate.training * (1 - share_done(planned, options)) + estimate.other
    if estimate.source == "measured":
        return SAFETY * seconds
    return seconds if hardware.gpus() and not options.rehearsal else None


def share_done(planned: Planned, options: Options) -> float:
    """Returns the share of its epochs that a run of the plan has completed, by the checkpoint to resume from."""
    try:
        ready = state_of(planned, options)
        if ready.run is None or ready.state not in ("interrupted", "complete"):
            return 0.0
        return len(ready.run.metrics()) / epoch_count(ready.config.epochs)
    except (FixheadError, OSError):  # the run itself will report the problem
        return 0.0


def estimated(cell: Cell, seed: int, options: Options, found: Results) -> cost.Estimate:
    """Returns the estimated duration of a run: from others measured on this device, or by arithmetic for a GPU."""
    config = build_config(explicit_fields(cell, options) | {"seed": seed})
    gpus = hardware.gpus()
    rate = cost.GPU if plan_named(options.blocks) == "gpu" else cost.CPU
    return cost.estimate(config, found, gpus[0][0] if gpus else hardware.cpu_name(), rate)


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
