"""Runs the cells of evidence at full size, in order of worth; resumes, skips what is done, stops in time.

    python benchmarks/full_size.py --list                                  # the plan, what is done, GPU seconds
    python benchmarks/full_size.py --data-dir DATA --minutes 30            # into results/gpu, one small JSON a run
    python benchmarks/full_size.py --data-dir DATA --rehearse --runs 2     # small and short, into runs/rehearsal

With KERAS_BACKEND=jax it needs neither TensorFlow nor TensorFlow Datasets, where DATA holds packed data sets. All runs
are made in one process. On JAX a step that was compiled once, for whatever seed, is taken from JAX's cache on disk; on
TensorFlow each run compiles its own.
"""
import argparse
import datetime
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_fixhead import hardware
from keras_fixhead.config import TrainConfig, dataset_entry
from keras_fixhead.data.sources import subset_note
from keras_fixhead.errors import DataError, FixheadError, TrainingError
from keras_fixhead.experiments.sweep import PlannedRun, discard_model, plan_runs, result_content
from keras_fixhead.recipes import build_config
from keras_fixhead.reproduction import cost
from keras_fixhead.reproduction.cells import Cell
from keras_fixhead.reproduction.choices import best_scales
from keras_fixhead.reproduction.plan import BLOCKS, NOT_RUN_HERE, Planned, plan
from keras_fixhead.reproduction.results import COMPLETE, FAILED_TO_CONVERGE, MAY_BE_PARTS, Results, read_results
from keras_fixhead.runs import Run, make_folder

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "results" / "gpu"
REHEARSAL_OUT = ROOT / "runs" / "rehearsal"
GRACE_SECONDS = 20.0  # before the limit, for the checkpoint of a run that has to stop
SAFETY = 1.1  # a run is started if this many times its measured seconds are left
REHEARSAL_CORRUPTED = 1_000  # test images that a rehearsal measures under corruptions
NEEDS_WIDTH = ("simplex", "orthogonal", "hadamard")  # a class needs a dimension of its own


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    out: Path
    runs_dir: Path
    data_dir: Path | None
    blocks: tuple[str, ...]
    deadline: float | None  # of time.monotonic()
    most_runs: int | None
    rehearsal: bool
    rehearsal_dataset: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING if parsed.quiet else logging.INFO, format="%(message)s")
    for noisy in ("jax", "absl"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    rehearsal = parsed.rehearse is not None
    options = Options(
        out=parsed.out or (REHEARSAL_OUT if rehearsal else OUT),
        runs_dir=parsed.runs_dir or ROOT / "runs" / ("rehearsed" if rehearsal else "full_size"),
        data_dir=parsed.data_dir, blocks=_blocks(parsed.blocks),
        deadline=None if parsed.minutes is None else time.monotonic() + 60 * parsed.minutes,
        most_runs=parsed.runs, rehearsal=rehearsal, rehearsal_dataset=parsed.rehearse or None)
    try:
        if parsed.list:
            print("\n".join(listed(options)))
            return 0
        return run_all(options)
    except FixheadError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1


def run_all(options: Options) -> int:
    """Runs what is left of the plan until it is done or time is over; returns the exit status."""
    keep_compiled_steps()
    make_folder(options.out)
    failures, ran = 0, 0
    tried: set[tuple[str, int]] = set()
    with Alarm(options.deadline) as alarm:
        whole = alarm.seconds_left()
        try:
            while (ready := next_run(options, tried)) is not None:
                planned, found = ready
                if options.most_runs is not None and ran >= options.most_runs:
                    print(f"Stopped after {ran} runs, as asked.")
                    break
                if whole is not None and (reason := why_not_now(planned, options, found, alarm, whole)):
                    print(f"Stopped in time: {planned.label}, seed {planned.seed}, {reason}.")
                    break
                tried.add((planned.cell.id, planned.seed))
                ran += 1
                failures += not run_one(planned, options)
            else:
                print(f"Nothing is left to do in blocks {', '.join(options.blocks) or 'of the plan'}.")
        except KeyboardInterrupt:
            if not alarm.rung:
                print("Stopped. Start again to go on.", file=sys.stderr)
                return 130
            print("Stopped at the limit, in the middle of a run. Start again to go on with it.")
    return 1 if failures else 0


def next_run(options: Options, tried: set[tuple[str, int]]) -> tuple[Planned, Results] | None:
    """The next run of the plan that has no result and was not tried; read anew, as others may write results too."""
    found = read_results(options.out, rehearsal=options.rehearsal)
    for planned in plan(best_scales(found), options.blocks):
        if planned.cell is not None and planned.seed not in found.all_of(planned.cell) \
                and (planned.cell.id, planned.seed) not in tried:
            return planned, found
    return None


def run_one(planned: Planned, options: Options) -> bool:
    """Trains one run, or goes on with it, and writes its result; whether it has one now."""
    start = time.monotonic()
    name = f"{'rehearsal of ' * options.rehearsal}block {planned.block}: {planned.label}, seed {planned.seed}"
    print(f"{name} ...", flush=True)
    try:
        ready = state_of(planned, options)
        if ready.state == "running":
            print(f"{name}: another process is training it.")
            return True
        if not options.rehearsal:
            check_whole(ready.config)
        try:
            content, matrices, run = train_and_measure(ready, REHEARSAL_CORRUPTED if options.rehearsal else None)
        except TrainingError as error:
            run = state_of(planned, options).run
            if FAILED_TO_CONVERGE not in str(error) or run is None:
                raise
            content, matrices = failure(run, error.what), {}  # a result as good as any other
    except Exception as error:  # whatever it is, the other runs are to be made
        logging.getLogger(__name__).debug("", exc_info=error)
        print(f"{name}: no result: {(str(error).strip().splitlines() or [type(error).__name__])[0]}", file=sys.stderr)
        return False
    from full_size_measure import current_device, write

    content |= {
        "cell": dict(planned.cell.fields), "seed": planned.seed, "rehearsal": options.rehearsal,
        "device": current_device(), "backend": hardware.keras_backend(), "resumed": ready.state != "new",
        "wall_seconds": time.monotonic() - start,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    write(content, matrices, options.out / f"{prefix(options)}{planned.cell.file_name(planned.seed)}.json")
    discard_model(run)
    print(f"{name}: {summary(content)}", flush=True)
    _forget_models()
    return True


def state_of(planned: Planned, options: Options) -> PlannedRun:
    """How far a run of the plan has come in the folder of runs."""
    (found,) = plan_runs(explicit_fields(planned.cell, options), {}, [planned.seed])
    return found


def train_and_measure(ready: PlannedRun, corrupted: int | None) -> tuple[dict[str, Any], Mapping[str, Any], Run]:
    """Numbers and matrices of a run, trained as far as it was not yet."""
    from full_size_measure import measure

    from keras_fixhead.evaluation import run_dataset
    from keras_fixhead.training import train

    run = ready.run if ready.state == "complete" and ready.run else train(
        ready.resolved, resume=ready.run if ready.state == "interrupted" else None)
    before = time.monotonic()
    measured, matrices = measure(run, run_dataset(run.config()), corrupted)
    content = result_content(run)
    return {"state": COMPLETE, **content, **measured, "robustness": content["robustness"] | measured["robustness"],
            "measuring_seconds": time.monotonic() - before}, matrices, run


def check_whole(config: TrainConfig) -> None:
    """Refuses a part of a data set that is to be whole, before any time is spent on it.

    Raises:
        DataError: if the data at hand are one.
    """
    note = subset_note(config.dataset, dataset_entry(config))
    if note and config.dataset not in MAY_BE_PARTS:
        raise DataError(f"The data at hand are {note}.")


def failure(run: Run, reason: str) -> dict[str, Any]:
    """What there is of a run that failed to converge."""
    rows, config = run.metrics(), run.config()
    return {"state": FAILED_TO_CONVERGE, "reason": reason, "config_digest": run.digest(),
            "config": {name: value for name, value in config.as_dict().items() if name not in ("data_dir", "runs_dir")},
            "subset": subset_note(config.dataset, dataset_entry(config)),
            "environment": run.read("environment"), "curves": rows, "seconds": sum(row["seconds"] for row in rows)}


def explicit_fields(cell: Cell, options: Options) -> dict[str, Any]:
    """The fields of a cell's configuration for this machine; of a rehearsal in small."""
    fields = dict(cell.fields) | {"runs_dir": str(options.runs_dir)}
    if options.data_dir is not None:
        fields["data_dir"] = str(options.data_dir)
    if options.rehearsal:
        fields |= {"width": 0.25 if cell.config.class_vectors in NEEDS_WIDTH else 0.125, "epochs": 2,
                   "limit_train": 2_000}
        if options.rehearsal_dataset:
            fields["dataset"] = options.rehearsal_dataset
    return fields


def why_not_now(planned: Planned, options: Options, found: Results, alarm: "Alarm", whole: float) -> str | None:
    """Why a run is left to the next call; None if it is begun.

    What the next call could finish is not begun if this one cannot. What takes longer than any call of `whole` seconds
    is begun in whatever is left, and goes on in the next from its checkpoint.
    """
    seconds = seconds_of(planned, options, found)
    left = alarm.seconds_left() or 0.0
    if left <= 0:
        return "is left to the next call: no time is left in this one"
    if seconds is not None and left < seconds <= whole:
        return f"takes about {seconds:.0f} s, and {left:.0f} s are left"
    return None


def seconds_of(planned: Planned, options: Options, found: Results) -> float | None:
    """Seconds that what is left of a run will take; None on a processor where none like it has been measured."""
    estimate = estimated(planned.cell, planned.seed, options, found)
    seconds = estimate.training * (1 - share_done(planned, options)) + estimate.beside
    if estimate.source == "measured":
        return SAFETY * seconds
    return seconds if hardware.gpus() and not options.rehearsal else None


def share_done(planned: Planned, options: Options) -> float:
    """The share of its epochs that a run of the plan has behind it, by the checkpoint that it goes on from."""
    try:
        ready = state_of(planned, options)
        if ready.run is None or ready.state not in ("interrupted", "complete"):
            return 0.0
        return len(ready.run.metrics()) / ready.config.epochs
    except (FixheadError, OSError):  # the run itself will say what is wrong
        return 0.0


def estimated(cell: Cell, seed: int, options: Options, found: Results) -> cost.Estimate:
    """What a run will take: measured with others on this device, or by arithmetic for a GPU."""
    config = build_config(explicit_fields(cell, options) | {"seed": seed})
    gpus = hardware.gpus()
    return cost.estimate(config, found, gpus[0][0] if gpus else hardware.cpu_name())


def listed(options: Options) -> list[str]:
    """The plan as lines: state and seconds of each run, sums, and what no run of it gives."""
    found = read_results(options.out, rehearsal=options.rehearsal)
    lines, left = [], 0.0
    why = {block.name: block.why for block in BLOCKS}
    block = ""
    for planned in plan(best_scales(found), options.blocks):
        if planned.block != block:
            block = planned.block
            lines.append(f"block {block}: {why[block]}")
        if planned.cell is None:
            state = "waits for blocks 1 and 3, which choose its scale"
        elif result := found.all_of(planned.cell).get(planned.seed):
            state = (f"done: test {result.accuracy():.1f} %" if result.converged else "done: failed to converge") + (
                f", {result.content['wall_seconds']:.0f} s on {result.content['device']}")
        else:
            estimate = estimated(planned.cell, planned.seed, options, found)
            left += estimate.seconds
            state = f"to do: about {estimate.seconds:.0f} s ({estimate.source})"
        lines.append(f"  {planned.label}, seed {planned.seed}: {state}")
    return [*lines, f"Left: about {left / 3600:.1f} GPU hours where not measured on this device: by {cost.SOURCE}; "
            f"{cost.OVERHEAD_SOURCE}.", "Not run by this script:", *(f"  {what}: {why}." for what, why in NOT_RUN_HERE)]


def summary(content: Mapping[str, Any]) -> str:
    """One line about a result."""
    if content["state"] != COMPLETE:
        return f"{content['reason']} ({content['wall_seconds']:.0f} s)"
    share = content.get("share_of_peak")  # of what result.json has, where the device's peak is known
    return (f"test {100 * content['accuracy']['test']:.2f} %, {content['images_per_second']:,.0f} images/s"
            + (f" ({100 * share:.0f} % of peak)" if share else "")
            + f", {content['wall_seconds']:.0f} s, {content['measuring_seconds']:.0f} s of them measuring")


def prefix(options: Options) -> str:
    """What the names of a rehearsal's files begin with."""
    return "rehearsal-" if options.rehearsal else ""


def keep_compiled_steps() -> None:
    """Tells JAX, before it is imported, to keep what it compiles: the step of one seed is that of the others."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(hardware.cache_dir() / "jax"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


class Alarm:
    """Interrupts, as Ctrl-C does, shortly before a deadline: a training then writes its checkpoint and stops.

    Attributes:
        rung: whether it has.
    """

    def __init__(self, deadline: float | None) -> None:
        self.rung = False
        self._deadline = deadline
        self._before: Any = signal.SIG_DFL

    def __enter__(self) -> "Alarm":
        if (left := self.seconds_left()) is not None:
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, max(0.01, left))
        return self

    def __exit__(self, *_: object) -> None:
        if self._deadline is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def seconds_left(self) -> float | None:
        """Seconds until it rings; None if it never does."""
        return None if self._deadline is None else self._deadline - GRACE_SECONDS - time.monotonic()

    def _ring(self, number: int, frame: Any) -> None:
        self.rung = True
        signal.raise_signal(signal.SIGINT)


def _forget_models() -> None:
    import keras

    keras.backend.clear_session()
    gc.collect()


def _blocks(text: str | None) -> tuple[str, ...]:
    names = tuple(each.strip() for each in text.split(",")) if text else ()
    known = [block.name for block in BLOCKS]
    for name in names:
        if name not in known:
            raise SystemExit(f"There is no block {name!r}. Blocks: {', '.join(known)}.")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the plan, what is done, and estimated GPU seconds")
    parser.add_argument("--blocks", metavar="1,2,5b", help="only these blocks")
    parser.add_argument("--minutes", type=float, help="stop in time, so many minutes from now")
    parser.add_argument("--runs", type=int, metavar="N", help="stop after so many runs")
    parser.add_argument("--data-dir", type=Path, help="folder of prepared or packed data sets")
    parser.add_argument("--out", type=Path, help="folder of results (default: results/gpu; runs/rehearsal)")
    parser.add_argument("--runs-dir", type=Path, help="folder of run directories (default: runs/full_size)")
    parser.add_argument("--rehearse", nargs="?", const="", metavar="DATASET", help="eighth width, 2 epochs, 2,000 "
                        "images, results marked as no evidence; on one data set for all cells if it is given")
    parser.add_argument("--quiet", action="store_true", help="no line an epoch")
    return parser


if __name__ == "__main__":
    sys.exit(main())
