"""The processes that `fixhead sweep` starts, and its output."""
import functools
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fixhead_cli.output import percent, print_result, table
from keras_fixhead.config import Resolved, TrainConfig, arm_name, read_config_file, refuse_without_effect
from keras_fixhead.errors import ArgumentError, RunError, warn_once
from keras_fixhead.experiments.disk import disk_text
from keras_fixhead.experiments.plan import (
    PlannedRun,
    estimate_text,
    parse_grid,
    parse_seeds,
    plan_runs,
    plan_summary,
    plan_warnings,
    shared_and_varied,
    value_text,
)
from keras_fixhead.experiments.processes import status_of
from keras_fixhead.experiments.run import Outcome, run_plan, run_trained_by, write_asked
from keras_fixhead.hardware import threads_each
from keras_fixhead.runs import Run
from keras_fixhead.runs.result import export_result

_AFTER = ("evaluate", "robustness", "export")
_PROGRAM = (sys.executable, "-m", "fixhead_cli")


def train_by_command(resolved: Resolved, resume: Run | None, quiet: bool) -> Run:
    """Trains with `fixhead train` in a new process, which shows progress and reports errors in one line.

    Args:
        resolved: the configuration.
        resume: an interrupted run of it, if there is one.
        quiet: whether to show no progress, because other runs are trained at the same time.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = write_asked(resolved, Path(folder))
        arguments = ["--resume", str(resume.path)] if resume else ["--config", str(file)]
        return run_trained_by([*_PROGRAM, "train", *arguments, *["--quiet"] * quiet, "--json"], resolved)


def commands_after(then: str | None) -> list[str]:
    """Returns the commands of `--then`.

    Raises:
        ArgumentError: for a command that does not work on a run.
    """
    commands = [each.strip() for each in then.split(",")] if then else []
    for each in commands:
        try:
            words = shlex.split(each)
        except ValueError:  # a quotation that is not closed
            words = []
        if not words or words[0] not in _AFTER:
            raise ArgumentError(f"--then runs {', '.join(_AFTER)}, with their options; got {each!r}.",
                                hint="--then 'robustness --limit 1000'")
    return commands


def make_plan(explicit: Mapping[str, Any], axes: Sequence[str], seeds: str | None, config_file: Path | None,
              jobs: int) -> list[PlannedRun]:
    """Returns the runs of a grid; several at once share the cores, unless the threads of a run are given.

    Args:
        explicit: fields that all runs share.
        axes: the grid, each as FIELD=VALUE,...
        seeds: seeds of each point, such as '0-2'; None for that of the file, or the default.
        config_file: file of values that are not given.
        jobs: number of runs at once.

    Raises:
        ArgumentError: (a ValueError) for values that cannot be used or have no effect, or too many runs at once.
    """
    grid = parse_grid(axes)
    file = read_config_file(config_file) if config_file else {}
    if file.get("threads") is None:
        file["threads"] = threads_each(jobs)
    numbers = [file.get("seed", TrainConfig.seed)] if seeds is None else parse_seeds(seeds)
    plan = plan_runs(explicit, grid, numbers, file)
    refuse_without_effect({**explicit, **grid}, [each.resolved for each in plan])
    return plan


def run_after(run: Run, commands: Sequence[str]) -> None:
    """Runs commands on a complete run.

    Raises:
        RunError: if one fails.
    """
    for each in commands:
        name, *options = shlex.split(each)
        if status := status_of([*_PROGRAM, name, str(run.path), *options, "--json"]):
            raise RunError(f"`fixhead {each}` exited with status {status} for {run.path}.")


def run_names(plan: Sequence[PlannedRun]) -> list[str]:
    """Returns what distinguishes each run of a plan from the others, like 'fixed=yes seed=0'."""
    _, varied = shared_and_varied([each.config for each in plan])
    return [" ".join(f"{field}={value_text(getattr(each.config, field))}" for field in (*varied, "seed"))
            for each in plan]


def print_plan(plan: Sequence[PlannedRun], *, discard_models: bool, jobs: int, as_json: bool) -> None:
    """Prints the runs of a plan, their states, and the hours and disk space that the rest will need."""
    warnings = plan_warnings(plan)
    for text in warnings:
        warn_once(text)
    summary = plan_summary(plan, discard_models=discard_models, jobs=jobs) | {"warnings": warnings}
    states: dict[str, int] = summary["states"]
    rows = [[name, each.state, "" if each.seconds is None else f"{each.seconds / 60:.0f} min",
             each.resolved.digest[:10]]
            for name, each in zip(run_names(plan), plan, strict=True)]
    print_result(
        {**summary, "plan": [{"config": each.config.as_dict(), "config_digest": each.resolved.digest,
                              "state": each.state, "seconds": each.seconds,
                              "run": str(each.run.path) if each.run else None}
                             for each in plan]},
        as_json=as_json, text=[
            *table(["run", "state", "time", "digest"], rows),
            f"{summary['runs']} runs: " + ", ".join(f"{count} {state}" for state, count in states.items() if count),
            f"time for the rest: {estimate_text(summary['hours'])}",
            *disk_text(summary["disk_bytes"], plan[0].config.runs_dir, "Free some space, choose another --runs-dir"
                       + ("." if discard_models else ", or add --discard-models."), summary["free_bytes"])])


def sweep(plan: Sequence[PlannedRun], commands: Sequence[str], *, export_results: Path | None, retry_failed: bool,
          discard_models: bool, jobs: int) -> list[Outcome]:
    """Trains the remaining runs of a plan, says how each has ended, and returns the outcomes in the order of the plan.

    Args:
        plan: the plan.
        commands: from `commands_after`, to run on each complete run.
        export_results, retry_failed, discard_models, jobs: as for the command.
    """
    names = run_names(plan)
    outcomes: dict[int, Outcome] = {}
    for outcome in run_plan(plan, functools.partial(train_by_command, quiet=jobs > 1),
                            then=lambda run: run_after(run, commands), retry_failed=retry_failed,
                            discard_models=discard_models, jobs=jobs):
        if outcome.run is not None and outcome.is_complete and export_results:
            export_result(outcome.run, export_results)
        number = plan.index(outcome.planned)
        outcomes[number] = outcome
        click.echo(f"[{len(outcomes)}/{len(plan)}] {names[number]}: {outcome_line(outcome)}", err=True)
    return [outcomes[number] for number in sorted(outcomes)]


def outcome_line(outcome: Outcome) -> str:
    """Returns the outcome of a run, with the reason if it failed."""
    return outcome.what + (f": {outcome.reason}" if outcome.reason else "")


def print_outcomes(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Prints the outcome of each run, and the accuracy of complete ones."""
    rows = [{"name": name, "arm": arm_name(each.planned.config), "outcome": each.what, "reason": each.reason,
             "run": str(each.run.path) if each.run else None, "config_digest": each.planned.resolved.digest,
             "accuracy": each.run.read("result")["accuracy"] if each.run and each.is_complete else {}}
            for name, each in zip(run_names([each.planned for each in outcomes]), outcomes, strict=True)]
    print_result({"runs": rows}, as_json=as_json, text=table(["run", "outcome", "accuracy"], [
        [row["name"], outcome_line(each), _accuracy_text(row["accuracy"])]
        for row, each in zip(rows, outcomes, strict=True)]))


def _accuracy_text(accuracy: dict[str, Any]) -> str:
    return ", ".join(f"{split} {percent(share)}" for split, share in accuracy.items())
