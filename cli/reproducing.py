"""What `fixhead reproduce` runs, and the functions that it needs from the rooms that load Keras."""
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import click

from fixhead_cli.framework import load_keras
from fixhead_cli.output import Function, show_progress
from keras_fixhead.data.tfds import data_folder
from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.plan import parse_seeds
from keras_fixhead.hardware import threads_each
from keras_fixhead.reproduction.planning.plans import blocks_named
from keras_fixhead.reproduction.planning.targets import PLAN_OF_RECIPE, blocks_of, heads_of
from keras_fixhead.reproduction.running.parallel import run_at_once
from keras_fixhead.reproduction.running.ray_engine import Ray
from keras_fixhead.reproduction.running.run import Options, Work, keep_compiled_steps
from keras_fixhead.reproduction.running.serial import run_all
from keras_fixhead.reproduction.running.workers import Processes


def options_from(targets: Sequence[str], recipe: str, *, seeds: str | None, only: str, minutes: float | None,
                 runs: int | None, commit: bool, rehearse: bool, dataset: str | None, out: Path | None,
                 runs_dir: Path | None, keep_models: bool, data_dir: str | None, engine: str, jobs: int | None,
                 threads: int | None, address: str | None = None) -> Options:
    """Returns what to run, and where, from the options of the command. A limit of time starts here.

    Raises:
        ArgumentError: for an unknown target, wrong seeds, too many runs at once, a data set without a rehearsal, or an
            address without Ray.
    """
    if address is not None and engine != "ray":
        raise ArgumentError("--address is for a Ray cluster.", hint="Add --engine ray, or leave out --address.")
    if dataset is not None and not rehearse:
        raise ArgumentError("--dataset is the data set of a rehearsal; the paper's runs have their own.",
                            hint="Add --rehearse, or leave out --dataset.")
    plan, divided = PLAN_OF_RECIPE[recipe], None if engine == "ray" else threads_each(jobs or 1)
    blocks = blocks_of(targets, plan)
    return Options(
        out=(out or Path("runs/rehearsal" if rehearse else "results")) / plan,
        runs_dir=runs_dir or Path("runs", "rehearsed" if rehearse else plan),
        data_dir=None if data_dir is None else Path(data_dir), plan=plan, blocks=blocks,
        heads=heads_of(targets),
        deadline=None if minutes is None else time.monotonic() + 60 * minutes, most_runs=runs, commit=commit,
        seeds=_planned_seeds(seeds, blocks, plan) if seeds else (), only_failed=only == "failed", rehearsal=rehearse,
        rehearsal_dataset=dataset, jobs=jobs or (0 if engine == "ray" else 1), threads=threads or divided,
        keep_models=keep_models)


def _planned_seeds(text: str, blocks: Sequence[str], plan: str) -> tuple[int, ...]:
    """Returns the seeds that are asked for, of which at least one must be in the plan."""
    asked = tuple(parse_seeds(text))
    planned = sorted({seed for block in blocks_named(blocks, plan) for row in block.rows
                      for seed in (*row.seeds, *row.more_seeds)})
    if not set(asked) & set(planned):
        raise ArgumentError(f"No run of {', '.join(blocks)} has {'seed' if len(asked) == 1 else 'one of the seeds'} "
                            f"{text}.", hint=f"The seeds of these blocks are {', '.join(map(str, planned))}.")
    return asked


def engine_options(command: Function) -> Function:
    """Adds the options on how many runs go at once, and where."""
    for option in (
        click.option("--address", metavar="ADDRESS", help="Address of the Ray cluster (default: start Ray on this "
                     "machine)."),
        click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
                     help="Run on this machine, or on a Ray cluster (extra [ray])."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads of each run (default: the "
                     "cores, divided by --jobs)."),
        click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Runs at once (default: 1; with Ray, as "
                     "many as the cluster has GPUs or cores)."),
    ):
        command = option(command)
    return command


def reproduce(options: Options, *, engine: str, address: str | None, quiet: bool) -> int:
    """Runs what is missing of a plan; returns the exit status.

    Raises:
        ArgumentError: for more runs than the cluster takes.
        DataError: if the folder of data does not exist: every run would fail for it.
        DependencyError: if Ray is needed and not installed.
    """
    data_folder(None if options.data_dir is None else str(options.data_dir))
    show_progress(quiet)
    keep_compiled_steps()
    if engine == "ray":
        cluster = Ray(options.jobs or None, options.threads, address, worker_work)
        return run_at_once(dataclasses.replace(options, jobs=cluster.slots), cluster, click.echo)
    if options.jobs > 1:
        return run_at_once(options, Processes(options.jobs, worker_work), click.echo)
    load_keras()
    return run_all(options, keras_work())


def worker_work() -> Work:
    """Returns the functions that need Keras, in a process that shows no progress."""
    from fixhead_cli.main import silence_libraries

    silence_libraries()
    show_progress(quiet=True)
    load_keras()
    return keras_work()


def keras_work() -> Work:
    """Returns the functions that need Keras, and loads Keras."""
    from keras_fixhead.measurement import current_device, forget_models, measure_run
    from keras_fixhead.training import train

    return Work(train=lambda config, resume: train(config, resume=resume), measure=measure_run, device=current_device,
                forget=forget_models, say=click.echo)
