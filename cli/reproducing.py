"""What `fixhead reproduce` runs, and the functions that it needs from the rooms that load Keras."""
import time
from collections.abc import Sequence
from pathlib import Path

import click

from fixhead_cli.framework import load_keras
from fixhead_cli.output import show_progress
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.plan import parse_seeds
from keras_fixhead.reproduction.run import Options, Work, keep_compiled_steps, run_all
from keras_fixhead.reproduction.targets import PLAN_OF_RECIPE, blocks_of


def options_from(targets: Sequence[str], recipe: str, *, seeds: str | None, only: str, minutes: float | None,
                 runs: int | None, commit: bool, rehearse: bool, dataset: str | None, out: Path | None,
                 runs_dir: Path | None, data_dir: str | None) -> Options:
    """Returns what to run, and where, from the options of the command. A limit of time starts here.

    Raises:
        ArgumentError: for an unknown target, wrong seeds, or a data set without a rehearsal.
    """
    if dataset is not None and not rehearse:
        raise ArgumentError("--dataset is the data set of a rehearsal; the paper's runs have their own.",
                            hint="Add --rehearse, or leave out --dataset.")
    plan = PLAN_OF_RECIPE[recipe]
    return Options(
        out=(out or Path("runs/rehearsal" if rehearse else "results")) / plan,
        runs_dir=runs_dir or Path("runs", "rehearsed" if rehearse else plan),
        data_dir=None if data_dir is None else Path(data_dir), blocks=blocks_of(targets, plan),
        deadline=None if minutes is None else time.monotonic() + 60 * minutes, most_runs=runs, commit=commit,
        seeds=tuple(parse_seeds(seeds)) if seeds else (), only_failed=only == "failed", rehearsal=rehearse,
        rehearsal_dataset=dataset)


def reproduce(options: Options, *, quiet: bool) -> int:
    """Runs what is missing of a plan; returns the exit status."""
    show_progress(quiet)
    keep_compiled_steps()
    load_keras()
    return run_all(options, keras_work())


def keras_work() -> Work:
    """Returns the functions that need Keras, and loads Keras."""
    from keras_fixhead.measurement import current_device, forget_models, measure_run
    from keras_fixhead.training import train

    return Work(train=lambda config, resume: train(config, resume=resume), measure=measure_run, device=current_device,
                forget=forget_models, say=click.echo)
