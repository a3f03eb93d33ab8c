"""Runs a plan: each run in a new process, or with a given function; several at once, if asked."""
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from keras_fixhead.config import Resolved
from keras_fixhead.errors import RunError, warn_once
from keras_fixhead.experiments.plan import PlannedRun, plan_warnings, runs_by_digest
from keras_fixhead.experiments.processes import status_of, stop_processes
from keras_fixhead.runs import Run

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
class Outcome:
    """The outcome of a planned run: 'done' before, 'trained', 'resumed', 'failed' and why, or 'running' elsewhere."""

    planned: PlannedRun
    what: str
    run: Run | None
    reason: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the run has a result."""
        return self.what in ("done", "trained", "resumed")


def run_plan(plan: Sequence[PlannedRun], train: Train | None = None, *, then: Callable[[Run], None] | None = None,
             retry_failed: bool = False, discard_models: bool = False, jobs: int = 1) -> Iterator[Outcome]:
    """Trains the remaining runs of a plan; yields the outcome of each once it has ended.

    A run that fails is reported and the next one is started. Complete runs are never repeated. Warnings about
    configurations are given once, before the first run. If this is stopped, so are all runs.

    Args:
        plan: from `plan_runs`.
        train: trains a configuration, or resumes a run of it; None to start a process for each run.
        then: called with each run once it is complete, before its model is discarded.
        retry_failed: whether to start failed runs again.
        discard_models: whether to remove models and checkpoints of runs that have become complete after that.
        jobs: number of runs at once; with more than one, `train` must start processes.
    """
    for text in plan_warnings(plan):
        warn_once(text)

    def outcome(planned: PlannedRun) -> Outcome:
        return _outcome(planned, train or train_in_process, then, retry_failed, discard_models)

    if jobs == 1:
        yield from map(outcome, plan)
        return
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(outcome, planned) for planned in plan]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:  # if all have ended, this does nothing
            for future in futures:
                future.cancel()
            stop_processes()


def _outcome(planned: PlannedRun, train: Train, then: Callable[[Run], None] | None, retry_failed: bool,
             discard_models: bool) -> Outcome:
    if planned.state in ("complete", "running") or (planned.state == "failed" and not retry_failed):
        return Outcome(planned, "done" if planned.state == "complete" else planned.state, planned.run,
                       _reason(planned.run) if planned.state == "failed" else None)
    resumed = planned.run if planned.state == "interrupted" else None
    try:
        run = train(planned.resolved, resumed)
        if then is not None:
            then(run)
        if discard_models:
            discard_model(run)
    except Exception as error:  # whatever it is, the other runs are still trained
        found = runs_by_digest(planned.config.runs_dir).get(planned.resolved.digest)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Outcome(planned, "failed", found, (_reason(found) or reason) if found else reason)
    return Outcome(planned, "resumed" if resumed else "trained", run)


def train_in_process(resolved: Resolved, resume: Run | None) -> Run:
    """Trains a configuration, or resumes a run, in a new process; returns its run directory.

    Raises:
        RunError: if that process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = write_asked(resolved, Path(folder))
        arguments = [str(file), *([str(resume.path)] if resume else [])]
        return run_trained_by([sys.executable, "-c", _TRAIN, *arguments], resolved)


def write_asked(resolved: Resolved, folder: Path) -> Path:
    """Writes the configuration that a new process is to train, with this machine's precision; returns the file."""
    asked = dataclasses.replace(resolved.asked, **resolved.config.values("machine"))
    file = folder / "config.json"
    file.write_text(json.dumps(asked.as_dict()))
    return file


def run_trained_by(command: Sequence[str], resolved: Resolved) -> Run:
    """Runs a command that trains a configuration, without showing its standard output; returns the run.

    Raises:
        RunError: if the command fails.
    """
    status = status_of(command)
    run = runs_by_digest(resolved.config.runs_dir).get(resolved.digest)
    if status or run is None:
        raise RunError((_reason(run) if run else None) or f"The training process exited with status {status}.")
    return run


def discard_model(run: Run) -> None:
    """Removes the model and checkpoints of a complete run; keeps its numbers and figures."""
    run.model_path.unlink(missing_ok=True)
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)


def _reason(run: Run | None) -> str | None:
    if run is None or not run.has("status"):
        return None
    return run.read("status").get("reason")
