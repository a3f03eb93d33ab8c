"""`fixhead sweep`."""
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from fixhead_cli.commands.train import config_options
from fixhead_cli.output import json_option, percent, print_result, table
from keras_fixhead.config import Resolved, arm_name, read_config_file
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.experiments.sweep import (
    Outcome,
    PlannedRun,
    estimate_text,
    export_result,
    parse_grid,
    parse_seeds,
    plan_runs,
    plan_summary,
    run_plan,
    run_trained_by,
    shared_and_varied,
    write_asked,
)
from keras_fixhead.runs import Run

_AFTER = ("evaluate", "robustness", "export")


@click.command("sweep")
@config_options
@click.option("--grid", "axes", multiple=True, metavar="FIELD=VALUE,...",
              help="Values of a field; may be given several times.")
@click.option("--seeds", default="0", show_default=True, metavar="N-N,N", help="Seeds of each point of the grid.")
@click.option("--config", "config_file", metavar="FILE", type=click.Path(path_type=Path),
              help="Take the fields that are not given from a JSON file.")
@click.option("--then", metavar="CMD,...", help="Commands to run on each complete run, like evaluate,robustness.")
@click.option("--export-results", type=click.Path(path_type=Path), metavar="DIR",
              help="Write one small JSON file for each complete run.")
@click.option("--discard-models", is_flag=True, help="Remove models and checkpoints of runs that are complete.")
@click.option("--retry-failed", is_flag=True, help="Begin failed runs anew.")
@click.option("--dry-run", is_flag=True, help="Show the plan: runs, hours, disk.")
@json_option
def command(axes: tuple[str, ...], seeds: str, config_file: Path | None, then: str | None,
            export_results: Path | None, discard_models: bool, retry_failed: bool, dry_run: bool, as_json: bool,
            **fields: Any) -> None:
    """Train a grid of configurations, and nothing twice.

    Runs are trained one after the other, each in a process of its own. Complete ones are recognised by their
    configuration, interrupted ones are resumed, failed ones are reported while the others go on.

    \b
    Example:
        fixhead sweep --dataset cifar10 --recipe cpu --grid fixed=yes,no --seeds 0-2 --dry-run
        fixhead sweep --dataset cifar10 --recipe cpu --grid head=dot,cos --grid lr=0.1,0.01 --export-results results/lr
    """
    explicit = {name: value for name, value in fields.items() if value is not None}
    commands = _commands(then)
    plan = plan_runs(explicit, parse_grid(axes), parse_seeds(seeds), read_config_file(config_file) if config_file
                     else None)
    _, varied = shared_and_varied([each.config for each in plan])
    if dry_run:
        _print_plan(plan, varied, as_json)
        return
    outcomes = []
    for number, outcome in enumerate(run_plan(plan, _train, then=lambda run: _then(run, commands),
                                              retry_failed=retry_failed, discard_models=discard_models), start=1):
        if outcome.run is not None and outcome.what in ("done", "trained", "resumed") and export_results:
            export_result(outcome.run, export_results)
        outcomes.append(outcome)
        click.echo(f"[{number}/{len(plan)}] {_name(outcome.planned, varied)}: {outcome.what}"
                   + (f": {outcome.reason}" if outcome.reason else ""), err=True)
    _print_outcomes(outcomes, varied, as_json)
    if any(each.what == "failed" for each in outcomes):
        raise RunError(f"{sum(each.what == 'failed' for each in outcomes)} of {len(outcomes)} runs failed.",
                       hint="What is mended is trained with --retry-failed.")


def _train(resolved: Resolved, resume: Run | None) -> Run:
    """Trains in a process of its own, by this program, so that its progress is shown and its errors are short."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--resume", str(resume.path)] if resume else ["--config", str(write_asked(resolved, Path(folder)))]
        return run_trained_by([sys.executable, "-m", "fixhead_cli", "train", *arguments, "--json"], resolved)


def _commands(then: str | None) -> list[str]:
    commands = [each.strip() for each in then.split(",")] if then else []
    for each in commands:
        if (shlex.split(each) or [""])[0] not in _AFTER:
            raise ArgumentError(f"--then runs {', '.join(_AFTER)}, with their options; got {each!r}.",
                                hint="--then 'robustness --limit 1000'")
    return commands


def _then(run: Run, commands: list[str]) -> None:
    for each in commands:
        name, *options = shlex.split(each)
        done = subprocess.run([sys.executable, "-m", "fixhead_cli", name, str(run.path), *options, "--json"],
                              stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise RunError(f"`fixhead {each}` ended with status {done.returncode} for {run.path}.")


def _accuracy(outcome: Outcome) -> dict[str, float]:
    complete = outcome.run is not None and outcome.what in ("done", "trained", "resumed")
    return outcome.run.read("result")["accuracy"] if outcome.run is not None and complete else {}


def _name(planned: PlannedRun, varied: list[str]) -> str:
    return " ".join([*(f"{field}={getattr(planned.config, field)}" for field in varied), f"seed={planned.config.seed}"])


def _print_plan(plan: list[PlannedRun], varied: list[str], as_json: bool) -> None:
    summary = plan_summary(plan)
    disk = summary["disk_bytes"]
    states: dict[str, int] = summary["states"]
    rows = [[_name(each, varied), each.state, "" if each.seconds is None else f"{each.seconds / 60:.0f} min",
             each.resolved.digest[:10]] for each in plan]
    print_result(
        {**summary, "plan": [{"config": each.config.as_dict(), "config_digest": each.resolved.digest,
                              "state": each.state, "seconds": each.seconds,
                              "run": str(each.run.path) if each.run else None}
                             for each in plan]},
        as_json=as_json, text=[
            *table(["run", "state", "time", "digest"], rows),
            f"{summary['runs']} runs: " + ", ".join(f"{count} {state}" for state, count in states.items() if count),
            f"time for the rest: {estimate_text(summary['hours'])}; disk: "
            + ("not measured yet" if disk is None else f"{disk / 2**20:,.0f} MB")])


def _print_outcomes(outcomes: list[Outcome], varied: list[str], as_json: bool) -> None:
    rows = [{"name": _name(each.planned, varied), "arm": arm_name(each.planned.config), "outcome": each.what,
             "reason": each.reason, "run": str(each.run.path) if each.run else None,
             "config_digest": each.planned.resolved.digest} for each in outcomes]
    accuracies = [_accuracy(each) for each in outcomes]
    print_result(
        {"runs": [{**row, "accuracy": accuracy} for row, accuracy in zip(rows, accuracies, strict=True)]},
        as_json=as_json, text=table(["run", "outcome", "accuracy"], [
            [row["name"], f"{row['outcome']} ({row['reason']})" if row["reason"] else row["outcome"],
             ", ".join(f"{split} {percent(share)}" for split, share in accuracy.items())]
            for row, accuracy in zip(rows, accuracies, strict=True)]))
